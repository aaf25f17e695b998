"""A node is rebooted and comes back: with another boot, as joined as it was, without what left."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from phoenixctl.model.errors import (
    AuthenticationFailed,
    CommandFailed,
    CommandTimeout,
    OutcomeUnknown,
    Unreachable,
)
from phoenixctl.model.names import NodeName
from phoenixctl.model.snapshot import NodeObservation, NodeUnobserved
from phoenixctl.model.units import format_duration
from phoenixctl.planning.copies import ALIVE
from phoenixctl.ports.reach import Session
from phoenixctl.remote.reboot import BOOT, parse_boot, parse_reboot, reboot_command
from phoenixctl.workflows.work import Trail, Work

WITHIN_SECONDS: Final = 600.0  # large servers test their memory
_KNOCK_EVERY_SECONDS: Final = 1.0
_ANSWER_SECONDS: Final = 5.0
# A node that goes down or comes up says nothing, hangs up, or is not done yet.
_ON_ITS_WAY: Final = (Unreachable, OutcomeUnknown, CommandTimeout, CommandFailed)
_LOGINS_REFUSED: Final = 10  # systemd lets only root in until it is up


@dataclass(frozen=True, slots=True)
class Reboot:
    """Does the step that reboots a node."""

    work: Work

    async def __call__(self, trail: Trail) -> str:
        """Order it, unless an earlier attempt has; wait for another boot; see that all is well.

        CommandFailed when the node does not come back, or not as it was.
        """
        node, clock = trail.step.node, self.work.means.clock
        begun = clock.monotonic()
        former = next((note["boot"] for note in reversed(trail.notes) if "boot" in note), "")
        if not former:
            former = await self.work.on(node, _boot)
            await trail.note({"boot": former})
        await self._order(node, former, again=bool(trail.notes))
        await self._comes_back(node, former)
        took = format_duration(clock.monotonic() - begun)
        await self._verify(node)
        return f"rebooted in {took}"

    async def _order(self, node: NodeName, former: str, *, again: bool) -> None:
        async def order(session: Session) -> None:
            parse_reboot(await session.run(reboot_command(former)))

        try:
            await self.work.on(node, order)
        except OutcomeUnknown:
            pass  # it may have gone down with the answer: its next boot tells
        except Unreachable:
            if not again:
                raise

    async def _comes_back(self, node: NodeName, former: str) -> None:
        clock = self.work.means.clock
        deadline = clock.monotonic() + WITHIN_SECONDS
        refused = 0
        while True:
            why = "it still runs the boot from before"
            try:
                if await self.work.on(node, _boot) != former:
                    return
            except _ON_ITS_WAY as error:
                why = str(error)
            except AuthenticationFailed as error:
                why, refused = str(error), refused + 1
                if refused >= _LOGINS_REFUSED:
                    raise
            if clock.monotonic() >= deadline:
                raise CommandFailed(
                    f"{node} did not come back within {format_duration(WITHIN_SECONDS)}: {why}",
                    hint=f"phoenixctl doctor --nodes {node}; once it is back:"
                    f" phoenixctl nodes reboot {node}",
                )
            await asyncio.sleep(_KNOCK_EVERY_SECONDS)

    async def _verify(self, node: NodeName) -> None:
        """It is what it was: joined, and without agents that run elsewhere by now."""
        snapshot = await self.work.look((node,))
        seen = snapshot.nodes[node]
        if isinstance(seen, NodeUnobserved):
            raise seen.error
        before = self.work.snapshot.nodes.get(node)
        wrong = list(self._doubles(seen))
        if isinstance(before, NodeObservation) and before.joined != seen.joined:
            wrong.append(f"it has joined with {seen.joined or 'nothing'}, not {before.joined}")
        if wrong:
            raise CommandFailed(
                f"{node} came back and is not as it was: {'; '.join(wrong)}",
                hint=f"phoenixctl plan; it stays cordoned: phoenixctl nodes describe {node}",
            )

    def _doubles(self, seen: NodeObservation) -> Sequence[str]:
        records = self.work.state.agents
        return [
            f"{agent.id} runs there again, and on {records[agent.id].node}"
            for agent in seen.agents
            if agent.state in ALIVE and agent.id in records and records[agent.id].node != seen.name
        ]


async def _boot(session: Session) -> str:
    """Which boot runs there."""
    completed = await session.run(BOOT, timeout_seconds=_ANSWER_SECONDS)
    found = parse_boot(completed)
    if not found:
        raise CommandFailed(f"{session.node} does not say which boot it runs")
    return found
