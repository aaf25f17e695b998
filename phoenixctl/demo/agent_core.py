"""The reference agent without HTTP: a queue, workers, group commit, and its life's phases."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from phoenixctl.demo.agent_metrics import AgentMetrics
from phoenixctl.demo.agent_state import Counter

QUEUE_LIMIT: Final = 10_000


class Phase(StrEnum):
    STARTING = "starting"
    STANDBY = "standby"
    ACTIVE = "active"
    DRAINING = "draining"


class NotAccepting(Exception):
    """The agent takes no messages in its present phase."""


class Overloaded(Exception):
    """The queue is full."""


class InjectedError(Exception):
    """A fault that was asked for."""


@dataclass(frozen=True, slots=True)
class Tuning:
    """What a reload changes: a message's work, and how many are made durable at once."""

    work_ms: float = 2.0
    batch: int = 256


@dataclass(slots=True)
class Fault:
    """Slowness and errors until `until` (monotonic seconds)."""

    delay_ms: float = 0.0
    error_ratio: float = 0.0
    until: float = 0.0
    owed: float = 0.0  # errors are spread evenly: each message adds its share


class Busy:
    """How many of the workers are at work, averaged over the last seconds: what is longer ago than
    `memory_seconds` counts for a third or less."""

    def __init__(self, workers: int, *, memory_seconds: float = 5.0) -> None:
        self._workers = workers
        self._memory = memory_seconds
        self._now = 0
        self._mean = 0.0
        self._at = time.monotonic()

    def changed(self, by: int) -> None:
        self.ratio()
        self._now += by

    def ratio(self) -> float:
        """From 0 to 1, up to this moment."""
        at = time.monotonic()
        kept = math.exp((self._at - at) / self._memory)
        self._mean = self._mean * kept + self._now / self._workers * (1 - kept)
        self._at = at
        return self._mean


class AgentCore:
    """Counts messages; one is acknowledged once its count is durable.

    A standby has no state: `open_state` is called when it is activated, for until then its folder
    is being copied to.
    """

    def __init__(
        self,
        counter: Counter | None,
        open_state: Callable[[], Counter],
        metrics: AgentMetrics,
        tuning: Tuning,
        *,
        parallel: int,
    ) -> None:
        self.phase = Phase.STARTING
        self.tuning = tuning
        self.metrics = metrics
        self._counter = counter
        self._open_state = open_state
        self._disk = asyncio.Lock()  # one change of the state's files at a time
        self._fault = Fault()
        self._slots = asyncio.Semaphore(parallel)
        self._busy = Busy(parallel)
        metrics.utilization.set_function(self._busy.ratio)
        self._in_flight = 0
        self.idle = asyncio.Event()  # no message is in the agent
        self.idle.set()
        self._waiting = 0
        self._to_commit: asyncio.Queue[asyncio.Future[int]] = asyncio.Queue()

    @property
    def count(self) -> int | None:
        """Messages ever acknowledged, also before a restart or migration; None in a standby."""
        return None if self._counter is None else self._counter.value

    @property
    def in_flight(self) -> int:
        return self._in_flight

    async def process(self) -> int:
        """Process one message; returns its number when that is durable."""
        if self.phase is not Phase.ACTIVE:
            raise NotAccepting(self.phase)
        if self._in_flight >= QUEUE_LIMIT:
            self.metrics.errors.inc()
            raise Overloaded
        started = time.monotonic()
        self._in_flight += 1
        self.idle.clear()
        try:
            await self._work()
            done: asyncio.Future[int] = asyncio.get_running_loop().create_future()
            self._to_commit.put_nowait(done)
            number = await done
        except InjectedError:
            self.metrics.errors.inc()
            raise
        finally:
            self._in_flight -= 1
            if self._in_flight == 0:
                self.idle.set()
            self.metrics.response.observe(time.monotonic() - started)
        self.metrics.messages.inc()
        return number

    async def commit_for_ever(self) -> None:
        """Make finished messages durable, as many at once as have come together."""
        while True:
            done = [await self._to_commit.get()]
            while not self._to_commit.empty() and len(done) < self.tuning.batch:
                done.append(self._to_commit.get_nowait())
            async with self._disk:
                counter = self._opened()
                first = counter.value
                await asyncio.to_thread(counter.commit, first + len(done))
            for offset, future in enumerate(done, start=1):
                if not future.done():
                    future.set_result(first + offset)

    async def activate(self) -> None:
        """Take messages: a standby with the state that is in its folder now, or again after a
        drain that was called off. StateError or OSError leave a standby one."""
        async with self._disk:
            if self._counter is None:
                self._counter = await asyncio.to_thread(self._open_state)
            self.phase = Phase.ACTIVE

    def drain(self) -> None:
        """Take no more messages, as a standby does anyway; those in the agent are finished."""
        if self.phase is not Phase.STANDBY:
            self.phase = Phase.DRAINING

    async def drained(self) -> bool:
        """No message is in the agent and none is taken: its files are whole, and stay as they are
        until it is activated."""
        async with self._disk:
            if not self._is_quiet():
                return False
            if self._counter is not None:
                await asyncio.to_thread(self._counter.compact)
            return self._is_quiet()

    def _is_quiet(self) -> bool:
        return self.phase in (Phase.DRAINING, Phase.STANDBY) and self._in_flight == 0

    def _opened(self) -> Counter:
        if self._counter is None:
            raise NotAccepting(self.phase)
        return self._counter

    def inject(self, *, delay_ms: float, error_ratio: float, for_seconds: float) -> None:
        self._fault = Fault(delay_ms, error_ratio, time.monotonic() + for_seconds)

    async def _work(self) -> None:
        self._waiting += 1
        self.metrics.queue.set(self._waiting)
        try:
            await self._slots.acquire()
        finally:
            self._waiting -= 1
            self.metrics.queue.set(self._waiting)
        self._busy.changed(+1)
        try:
            delay_ms = self.tuning.work_ms + self._faulty_delay_ms()
            if delay_ms > 0:
                await asyncio.sleep(delay_ms / 1000)
        finally:
            self._busy.changed(-1)
            self._slots.release()

    def _faulty_delay_ms(self) -> float:
        fault = self._fault
        if time.monotonic() >= fault.until:
            return 0.0
        fault.owed += fault.error_ratio
        if fault.owed >= 1:
            fault.owed -= 1
            raise InjectedError
        return fault.delay_ms
