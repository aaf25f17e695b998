"""See the fleet again and again: one round after the other, and no node waits for another one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from phoenixctl.model.errors import PhoenixError
from phoenixctl.model.fleet import Fleet
from phoenixctl.model.names import NodeName
from phoenixctl.model.snapshot import NodeObservation, NodeUnobserved, Snapshot
from phoenixctl.ports.clock import Clock
from phoenixctl.ports.reach import Reach
from phoenixctl.workflows.observe import observe

if TYPE_CHECKING:
    from phoenixctl.ports.records import Records

# So long a round waits for those that have not answered; then it goes on without them.
PATIENCE_SECONDS: Final = 1.0
CORE_SHARE: Final = 0.1
LONGEST: Final = 5  # so many times the interval, whatever a round costs
# What came in within this time is told at once.
_TOGETHER_SECONDS: Final = 0.25


class Rounds:
    """Asks nodes every `interval_seconds` over connections that stay open.

    `spent` gives the CPU seconds that this process has used: with it, rounds of a large fleet are
    further apart, so that they take no more than `CORE_SHARE` of a core.
    A node that has not answered yet is not asked again, and the others are asked all the same.
    `on_change` is called when there is something new.
    """

    def __init__(
        self,
        fleet: Fleet,
        reach: Reach,
        clock: Clock,
        records: Records,
        *,
        nodes: Iterable[NodeName],
        interval_seconds: float,
        on_change: Callable[[], None],
        spent: Callable[[], float] | None = None,
    ) -> None:
        self._fleet, self._reach, self._clock, self._records = fleet, reach, clock, records
        self._nodes = tuple(nodes)
        self._least, self.interval_seconds = interval_seconds, interval_seconds
        self._spent = spent
        self._on_change = on_change
        self._seen: dict[NodeName, NodeObservation | NodeUnobserved] = {}
        self._last: dict[NodeName, NodeObservation] = {}
        self._waiting: set[NodeName] = set()  # asked, and no answer yet
        self._tasks: set[asyncio.Task[None]] = set()
        self._told: asyncio.TimerHandle | None = None
        self._now = asyncio.Event()  # do not wait for the next round
        self.paused = False
        self.count = 0  # of rounds that are over
        self.problem = ""  # why the last round failed on this side

    def pause(self) -> None:
        self.paused = True

    def go_on(self) -> None:
        self.paused = False
        self._now.set()

    def hurry(self) -> None:
        """Begin the next round now; while it is paused, one."""
        self._now.set()

    def snapshot(self) -> Snapshot:
        """What is known of each node that has answered or failed so far."""
        order = (name for name in self._nodes if name in self._seen)
        seen = MappingProxyType({name: self._seen[name] for name in order})
        return Snapshot(self._fleet.name, self._clock.monotonic(), self._clock.utc(), seen)

    def last(self) -> dict[NodeName, NodeObservation]:
        """The newest answer of each node, also of one that is silent now."""
        return dict(self._last)

    async def run(self) -> None:
        """Until it is cancelled; then call `aclose`."""
        while True:
            began, before = self._clock.monotonic(), self._cpu()
            await self._round()
            self.count += 1
            self._tell()
            await self._next(began)
            if self.count > 1:  # the first one also connects
                wanted = (self._cpu() - before) / CORE_SHARE
                self.interval_seconds = max(self._least, min(wanted, LONGEST * self._least))

    async def aclose(self) -> None:
        """End what is still asked."""
        if self._told is not None:
            self._told.cancel()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _cpu(self) -> float:
        return self._spent() if self._spent is not None else 0.0

    async def _next(self, began: float) -> None:
        rest = max(0.0, self.interval_seconds - (self._clock.monotonic() - began))
        with suppress(TimeoutError):
            await asyncio.wait_for(self._now.wait(), rest)
        if self.paused:
            await self._now.wait()
        self._now.clear()

    async def _round(self) -> None:
        free = tuple(name for name in self._nodes if name not in self._waiting)
        if not free:
            return
        self._waiting.update(free)
        task = asyncio.ensure_future(self._ask(free))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        await asyncio.wait({task}, timeout=max(self.interval_seconds, PATIENCE_SECONDS))

    async def _ask(self, nodes: tuple[NodeName, ...]) -> None:
        silent = set(nodes)

        def came(name: NodeName, node: NodeObservation | NodeUnobserved) -> None:
            silent.discard(name)
            self._waiting.discard(name)
            self._take(name, node)
            if self._told is None:
                loop = asyncio.get_running_loop()
                self._told = loop.call_later(_TOGETHER_SECONDS, self._tell)

        look = observe(
            self._fleet, self._reach, self._clock, self._records, nodes=nodes, on_node=came
        )
        try:
            found = await look
        except (PhoenixError, OSError) as error:  # sightings cannot be kept: the disk is full
            self.problem = str(error)
        else:
            self.problem = ""
            for name, node in found.nodes.items():  # those that came, with their availability
                if self._seen[name].at == node.at:
                    self._take(name, node)
        finally:
            self._waiting -= silent

    def _take(self, name: NodeName, node: NodeObservation | NodeUnobserved) -> None:
        self._seen[name] = node
        if isinstance(node, NodeObservation):
            self._last[name] = node

    def _tell(self) -> None:
        if self._told is not None:
            self._told.cancel()
            self._told = None
        self._on_change()
