"""The live view as it runs: rounds in the background, the application in front."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from phoenixctl.cli.interrupts import signals
from phoenixctl.cli.top.app import Top
from phoenixctl.cli.top.courses import Courses
from phoenixctl.cli.top.kept import last_hour
from phoenixctl.cli.top.looking import Beside, in_background, view_of
from phoenixctl.cli.top.screens import LOG_LINES, Hands
from phoenixctl.model.errors import ExitCode
from phoenixctl.model.names import AgentId, NodeName
from phoenixctl.model.outcome import Succeeded
from phoenixctl.model.units import format_duration
from phoenixctl.remote.agents import logs_command
from phoenixctl.render.neutral import one_line
from phoenixctl.workflows.rounds import Rounds

if TYPE_CHECKING:
    from phoenixctl.cli.compose import Parts
    from phoenixctl.model.reading import Metric
    from phoenixctl.ports.reach import Session
    from phoenixctl.render.top.columns import Sorting
    from phoenixctl.render.top.view import TopView


INTERVAL_SECONDS: Final = 2.0


class Watch:
    """One run of the live view.

    Without an interval it is two seconds, and more where a round costs more than its share.
    """

    def __init__(
        self,
        parts: Parts,
        nodes: tuple[NodeName, ...],
        *,
        interval_seconds: float | None,
        sorting: Sorting,
        words: str,
    ) -> None:
        self._parts, self._nodes = parts, nodes
        self._courses = Courses()
        self._drawn = 0  # rounds
        self._beside = Beside(parts)
        self._rounds = Rounds(
            parts.fleet,
            parts.reach,
            parts.clock,
            parts.records,
            nodes=nodes,
            interval_seconds=interval_seconds or INTERVAL_SECONDS,
            on_change=self._changed,
            spent=time.process_time if interval_seconds is None else None,
        )
        hands = Hands(self._toggle, self._rounds.hurry, self._state, self._log, self._kept)
        self._app = Top(self._view, hands, sorting=sorting, words=words)

    async def run(self) -> ExitCode:
        """Until somebody leaves it; the terminal is then as it was."""
        try:
            async with in_background(self._rounds.run, self._look_beside):
                with signals(self._app.action_interrupt):
                    code = await self._app.run_async(mouse=False)
        finally:
            await self._rounds.aclose()
        if self._app.defect is not None:
            raise self._app.defect
        return ExitCode.OK if code is None else code

    def _changed(self) -> None:
        if self._rounds.count != self._drawn:
            self._drawn = self._rounds.count
            snapshot = self._rounds.snapshot()
            answered = {node.name for node in snapshot.observed()}
            self._courses.add(self._rounds.last(), answered)
        self._app.refresh_soon()

    def _view(self) -> TopView:
        return view_of(
            self._parts,
            self._nodes,
            self._rounds.snapshot(),
            self._rounds.last(),
            self._beside,
            courses=self._courses.by_subject,
        )

    async def _look_beside(self) -> None:
        while True:
            if not self._rounds.paused:
                await self._beside.look()
            await asyncio.sleep(self._rounds.interval_seconds)

    def _toggle(self) -> None:
        if self._rounds.paused:
            self._rounds.go_on()
        else:
            self._rounds.pause()

    def _state(self) -> tuple[str, bool]:
        if self._rounds.problem:
            return one_line(self._rounds.problem), True
        if self._rounds.paused:
            return "PAUSED", True
        every, now = format_duration(self._rounds.interval_seconds), self._parts.clock.utc()
        return f"every {every}, {now[11:19]}", False

    async def _log(self, node: NodeName, agent: AgentId) -> bytes:
        fleet = self._parts.fleet
        command = logs_command(agent, fleet.nodes[node], fleet.name, lines=LOG_LINES, follow=False)

        async def read(session: Session) -> bytes:
            return (await session.run(command)).stdout

        outcome = (await self._parts.reach.each((node,), read))[node]
        if isinstance(outcome, Succeeded):
            return outcome.value
        raise outcome.error

    async def _kept(self, node: NodeName) -> Mapping[Metric, Sequence[float]]:
        return await asyncio.to_thread(last_hour, self._parts, node)
