"""Rounds go on whatever single nodes do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from phoenixctl.model.errors import PhoenixError, Unreachable
from phoenixctl.model.names import NodeName
from phoenixctl.model.snapshot import NodeObservation, NodeUnobserved
from phoenixctl.ports.reach import Job
from phoenixctl.workflows import observe as observing
from phoenixctl.workflows import rounds as workflow
from phoenixctl.workflows.rounds import LONGEST, Rounds
from tests.builders import fleet, node
from tests.unit.remote.survey_text import ORDINARY
from tests.unit.workflows.fakes import FakeClock, FakeReach, FakeRecords, FakeSession, completed

TWO = fleet(node("a"), node("b"))
A, B = TWO.nodes


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observing, "SCRAPE_INTERVAL_SECONDS", 0.0)
    monkeypatch.setattr(workflow, "PATIENCE_SECONDS", 0.01)
    monkeypatch.setattr(workflow, "_TOGETHER_SECONDS", 0.0)


class Nodes(FakeReach):
    """Counts how often each node was asked; those in `holding` do not answer meanwhile."""

    def __init__(self, **nodes: FakeSession | PhoenixError) -> None:
        super().__init__(nodes)
        self.changeable = nodes
        self.asked = dict.fromkeys(nodes, 0)
        self.holding: dict[str, asyncio.Event] = {}

    async def each(self, nodes: Iterable[NodeName], job: Job[Any], **more: Any) -> Any:
        async def patient(session: Any) -> Any:
            if session.node in self.holding:
                await self.holding[session.node].wait()
            return await job(session)

        wanted = tuple(nodes)
        for name in wanted:
            self.asked[name] += 1
        return await super().each(wanted, patient, **more)


def answering(name: str) -> FakeSession:
    return FakeSession(NodeName(name), lambda _command: completed(ORDINARY.encode()))


@asynccontextmanager
async def going(
    reach: Nodes, *, records: FakeRecords | None = None, interval: float = 0.01, **more: Any
) -> AsyncIterator[Rounds]:
    rounds = Rounds(
        TWO, reach, FakeClock(), records or FakeRecords(), nodes=tuple(TWO.nodes),
        interval_seconds=interval, on_change=lambda: None, **more,
    )  # fmt: skip
    task = asyncio.ensure_future(rounds.run())
    try:
        yield rounds
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await rounds.aclose()
        assert asyncio.all_tasks() == {asyncio.current_task()}


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.001)


async def test_a_node_that_does_not_answer_keeps_no_other_waiting_and_is_asked_once() -> None:
    reach = Nodes(a=answering("a"), b=answering("b"))
    reach.holding["b"] = asyncio.Event()
    async with going(reach) as rounds:
        await until(lambda: reach.asked["a"] >= 4)
        assert reach.asked["b"] == 1
        assert list(rounds.snapshot().nodes) == ["a"]
        reach.holding["b"].set()
        await until(lambda: reach.asked["b"] >= 2)
        assert list(rounds.snapshot().nodes) == ["a", "b"]


async def test_a_node_that_falls_silent_keeps_its_last_answer() -> None:
    reach = Nodes(a=answering("a"), b=answering("b"))
    async with going(reach) as rounds:
        await until(lambda: len(rounds.last()) == 2)
        reach.changeable["b"] = Unreachable("b is silent")
        await until(lambda: isinstance(rounds.snapshot().nodes[B], NodeUnobserved))
        assert isinstance(rounds.last()[B], NodeObservation)
        reach.changeable["b"] = answering("b")
        await until(lambda: isinstance(rounds.snapshot().nodes[B], NodeObservation))


async def test_while_it_is_paused_nobody_is_asked_but_for_one_round_on_demand() -> None:
    reach = Nodes(a=answering("a"), b=answering("b"))
    async with going(reach) as rounds:
        await until(lambda: rounds.count >= 1)
        rounds.pause()
        await asyncio.sleep(0.05)
        before = dict(reach.asked)
        await asyncio.sleep(0.05)
        assert reach.asked == before
        rounds.hurry()
        await until(lambda: reach.asked["a"] == before["a"] + 1)
        await asyncio.sleep(0.05)
        assert reach.asked["a"] == before["a"] + 1
        rounds.go_on()
        await until(lambda: reach.asked["a"] >= before["a"] + 3)


async def test_a_full_disk_is_told_and_the_rounds_go_on() -> None:
    class Full(FakeRecords):
        def sighted(self, *_: Any, **__: Any) -> None:
            raise OSError(28, "No space left on device")

    async with going(Nodes(a=answering("a"), b=answering("b")), records=Full()) as rounds:
        await until(lambda: rounds.count >= 3)
        assert "No space left on device" in rounds.problem
        assert isinstance(rounds.snapshot().nodes[A], NodeObservation)


async def test_rounds_that_take_much_of_the_processor_come_less_often() -> None:
    spent = iter(x * 0.002 for x in range(10_000_000))
    async with going(
        Nodes(a=answering("a"), b=answering("b")), interval=0.01, spent=lambda: next(spent)
    ) as rounds:
        await until(lambda: rounds.count >= 3)
        assert rounds.interval_seconds == pytest.approx(0.02)


async def test_they_never_come_so_rarely_that_nothing_is_seen() -> None:
    spent = iter(range(10_000_000))
    async with going(
        Nodes(a=answering("a"), b=answering("b")), interval=0.01, spent=lambda: next(spent)
    ) as rounds:
        await until(lambda: rounds.count >= 3)
        assert rounds.interval_seconds == pytest.approx(0.01 * LONGEST)
