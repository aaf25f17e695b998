"""What an earlier run has left is finished, undone or kept for later; nobody is asked."""

from __future__ import annotations

import asyncio

import pytest

from phoenixctl.model.errors import (
    CommandFailed,
    NoCapacity,
    PhoenixError,
    Unreachable,
    UsageError,
)
from phoenixctl.model.fleet import Pool, SecretRef
from phoenixctl.model.names import AgentId, NodeName
from phoenixctl.model.plan import Action, Step
from phoenixctl.model.state import NodeRecord, State
from phoenixctl.ports.records import Unfinished
from phoenixctl.workflows.means import Watcher
from phoenixctl.workflows.recover import recover
from phoenixctl.workflows.report import StepResult
from tests.builders import fleet, node, spec
from tests.unit.workflows.fakes import FakeRecords
from tests.unit.workflows.machine import Machine
from tests.unit.workflows.running import Site, about, recorded, step

A, B, C1 = NodeName("a"), NodeName("b"), NodeName("c-1")


def left(*steps: Step, operation: str = "3") -> list[Unfinished]:
    return [Unfinished(operation, "test", s) for s in steps]


def site(*unfinished: Unfinished, **machines: Machine | PhoenixError) -> Site:
    f = fleet(node("a"), node("b"), agents=[spec("web"), spec("db")])
    f.pools["cloud"] = Pool("cloud", "aws")
    return Site(f, dict(machines), FakeRecords(left=list(unfinished)))


def outcomes(results: tuple[StepResult, ...]) -> list[str]:
    return [r.outcome.value for r in results]


async def test_nothing_is_locked_when_nothing_was_cut_off() -> None:
    s = site()
    assert await recover(s.means) == ()
    assert s.records.operations == []


async def test_steps_are_done_again_those_of_one_node_in_their_order() -> None:
    unfinished = left(
        step(Action.STOP, "web-0"), step(Action.START, "db-0", "b"), step(Action.START, "web-1")
    )
    s = site(*unfinished, a=Machine("a").with_agent("web-0"), b=Machine("b"))
    told: list[str] = []
    watcher = Watcher(on_recovered=lambda u, _result: told.append(u.step.key))
    results = await recover(s.means, watcher=watcher)
    assert outcomes(results) == ["ok", "ok", "ok"]
    assert [r.step for r in results] == [u.step for u in unfinished]
    assert s.machine("a").ran == ["survey", "stop web-0", "start web-1"]
    assert s.machine("b").running() == ["db-0"]
    assert s.records.left == []
    assert set(s.records.state.agents) == {"db-0", "web-1"}
    assert sorted(told) == sorted(u.step.key for u in unfinished)
    assert s.records.ended == ["ok"]


async def test_nodes_are_worked_on_side_by_side() -> None:
    s = site(
        *left(step(Action.STOP, "web-0"), step(Action.STOP, "db-0", "b")),
        a=Machine("a"), b=Machine("b"),
    )  # fmt: skip
    under_way: set[str] = set()
    both = asyncio.Event()
    ordinary = s.reach.each

    async def each(nodes: object, job: object, **more: object) -> object:
        names = list(nodes)
        if len(names) == 1:
            under_way.update(names)
            if len(under_way) == 2:
                both.set()
            await both.wait()
        return await ordinary(names, job, **more)

    s.reach.each = each
    assert outcomes(await asyncio.wait_for(recover(s.means), 5)) == ["ok", "ok"]


async def test_what_cannot_be_reached_stays_as_it_is_and_holds_nobody_up() -> None:
    unfinished = left(step(Action.STOP, "db-0", "b"), step(Action.STOP, "web-0"))
    s = site(*unfinished, a=Machine("a"), b=Unreachable("b is silent"))
    results = await recover(s.means)
    assert outcomes(results) == ["failed", "ok"]
    assert str(results[0].error) == "b is silent"
    assert [u.step.agent for u in s.records.left] == ["db-0"]


async def test_what_cannot_be_done_any_more_has_failed_by_that() -> None:
    def secret(ref: SecretRef) -> str:
        raise UsageError(f"{ref.name} is not set")

    s = site(*left(step(Action.START, "web-0"), step(Action.STOP, "db-0")), a=Machine("a"))
    s.fleet = fleet(
        node("a"), agents=[spec("web", secrets={"TOKEN": SecretRef("env", "TOKEN")}), spec("db")]
    )
    s.secret = secret
    assert outcomes(await recover(s.means)) == ["failed", "ok"]
    assert s.records.left == []
    assert s.records.details["start agent web-0@a"] == "TOKEN is not set"


async def test_a_step_on_a_node_that_is_gone_is_over() -> None:
    s = site(*left(step(Action.STOP, "web-0", "gone")), a=Machine("a"))
    results = await recover(s.means)
    assert outcomes(results) == ["failed"]
    assert results[0].detail == "gone is not in the fleet any more"
    assert s.records.left == []


async def test_a_start_that_another_one_has_overtaken_is_undone() -> None:
    machine = Machine("a").with_agent("web-0", spec("web"), epoch=2)
    s = site(*left(step(Action.START, "web-0")), a=machine, b=Machine("b"))
    s.records.state = State("test", "f00d", 4, agents=recorded("web-0", "b", epoch=3))
    results = await recover(s.means)
    assert outcomes(results) == ["ok"]
    assert results[0].step.action is Action.START
    assert results[0].detail.endswith("for it was started on b since")
    assert machine.running() == []
    assert s.records.state.agents == recorded("web-0", "b", epoch=3)


async def test_a_node_is_asked_for_by_the_name_and_notes_of_the_run_that_began_it() -> None:
    begun = Unfinished("3", "scale", about(Action.CREATE, "c-1", "cloud"), ({"attempt": "1"},))
    s = site(begun)
    results = await recover(s.means)
    assert outcomes(results) == ["ok"]
    [request] = s.provider.asked
    assert (request.operation, request.notes) == ("3 create node c-1", ({"attempt": "1"},))
    assert s.records.operations[0].notes == [("create node c-1", {"attempt": "1"})]
    record = s.records.state.nodes[C1]
    assert record is not None
    assert record.operation == "3 create node c-1"


async def test_a_node_that_there_is_no_capacity_for_any_more_was_not_made() -> None:
    s = site(*left(about(Action.CREATE, "c-1", "cloud")))
    s.provider.fails = NoCapacity("none left")
    assert outcomes(await recover(s.means)) == ["failed"]
    assert s.records.left == []


async def test_a_node_of_a_pool_that_left_the_configuration_is_not_given_up() -> None:
    s = site(*left(about(Action.CREATE, "c-1", "gone")))
    assert outcomes(await recover(s.means)) == ["failed"]
    assert len(s.records.left) == 1


async def test_a_destruction_is_finished_also_when_the_node_is_gone_already() -> None:
    s = site(*left(about(Action.DESTROY, "c-1", "cloud")))
    assert outcomes(await recover(s.means)) == ["ok"]
    assert s.records.details["destroy node c-1"] == "was gone"


async def test_a_joined_node_is_marked_with_what_is_known_of_it_from_then_on() -> None:
    s = site(*left(about(Action.JOIN, "c-1", "cloud")), **{"c-1": Machine("c-1")})
    record = NodeRecord(node("c-1", pool="cloud"), "aws", "i-1", operation="3 create node c-1")
    s.records.state = State("test", "f00d", 4, nodes={C1: record})
    assert outcomes(await recover(s.means)) == ["ok"]
    found = s.records.state.nodes[C1]
    assert found is not None
    assert found.joined == s.machine("c-1").joined == "none"


async def test_what_is_cancelled_stays_as_it_was() -> None:
    s = site(*left(step(Action.STOP, "web-0")), a=Machine("a"))
    begun = asyncio.Event()
    ordinary = s.reach.each

    async def each(nodes: object, job: object, **more: object) -> object:
        begun.set()
        await asyncio.sleep(60)
        return await ordinary(nodes, job, **more)

    s.reach.each = each
    task = asyncio.create_task(recover(s.means))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert len(s.records.left) == 1
    assert s.records.ended == ["interrupted"]


async def test_an_update_is_finished_whatever_the_others_are() -> None:
    """Its agent is down already: holding it up would leave it so."""
    machine = Machine("a").with_agent("web-0", running=False)
    machine.odd = lambda what: CommandFailed("none") if what.startswith("alive") else None
    s = site(*left(step(Action.UPDATE, "web-0")), a=machine)
    assert outcomes(await recover(s.means)) == ["ok"]
    assert machine.running() == ["web-0"]
    assert AgentId("web-0") in s.records.state.agents
