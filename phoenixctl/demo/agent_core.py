"""The reference agent without HTTP: a queue, workers, group commit, and its life's phases."""

from __future__ import annotations

import asyncio
import time
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


class AgentCore:
    """Counts messages; one is acknowledged once its count is durable."""

    def __init__(
        self, counter: Counter, metrics: AgentMetrics, tuning: Tuning, *, parallel: int
    ) -> None:
        self.phase = Phase.STARTING
        self.tuning = tuning
        self.metrics = metrics
        self._counter = counter
        self._fault = Fault()
        self._slots = asyncio.Semaphore(parallel)
        self._in_flight = 0
        self.idle = asyncio.Event()  # no message is in the agent
        self.idle.set()
        self._waiting = 0
        self._to_commit: asyncio.Queue[asyncio.Future[int]] = asyncio.Queue()

    @property
    def count(self) -> int:
        """Messages ever acknowledged, also before a restart or migration."""
        return self._counter.value

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
            first = self._counter.value
            await asyncio.to_thread(self._counter.commit, first + len(done))
            for offset, future in enumerate(done, start=1):
                if not future.done():
                    future.set_result(first + offset)

    def activate(self) -> None:
        """Take messages: from standby, or again after a drain that was called off."""
        self.phase = Phase.ACTIVE

    def drain(self) -> None:
        """Take no more messages; those in the agent are finished."""
        self.phase = Phase.DRAINING

    @property
    def drained(self) -> bool:
        return self.phase is Phase.DRAINING and self._in_flight == 0

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
        try:
            delay_ms = self.tuning.work_ms + self._faulty_delay_ms()
            if delay_ms > 0:
                await asyncio.sleep(delay_ms / 1000)
        finally:
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
