"""Orphans are destroyed by their id, unless somebody has a claim to them by now."""

from __future__ import annotations

from dataclasses import replace

import pytest

from phoenixctl.model.errors import (
    CommandFailed,
    OutcomeUnknown,
    PhoenixError,
    Refused,
    Unreachable,
)
from phoenixctl.model.fleet import Pool
from phoenixctl.model.instance import Instance
from phoenixctl.model.names import NodeName
from phoenixctl.model.plan import Action, Plan, Step
from phoenixctl.model.state import NO_CHANGE, NodeRecord, State
from phoenixctl.ports.records import Unfinished
from phoenixctl.workflows.apply import apply
from phoenixctl.workflows.reap import Reap
from phoenixctl.workflows.recover import recover
from phoenixctl.workflows.report import StepOutcome
from tests.builders import fleet, node
from tests.unit.workflows.fakes import FakeRecords
from tests.unit.workflows.machine import Machine
from tests.unit.workflows.running import Site, about, trail

C1, C2 = NodeName("c-1"), NodeName("c-2")
RECORD = NodeRecord(node("c-1", pool="cloud"), "aws", "i-1", joined="none")
STATE = State("test", "f00d", 4, nodes={C1: RECORD})
OURS = Instance(RECORD.node, "i-1", lineage="f00d")
LOST = Instance(node("c-2", pool="cloud"), "i-2", lineage="f00d", operation="3 create node c-2")
DOUBLE = replace(OURS, id="i-9")
RELIES = {"relies_on": {"instance.i-2": "taken_in=no"}}


def site(*listed: Instance, machine: Machine | PhoenixError | None = None) -> Site:
    """A fleet with the recorded c-1, whose provider has these instances beside it. The machine
    plays i-2; of the others only that of c-1 answers."""
    f = fleet(node("a"))
    s = Site(
        replace(f, pools={**f.pools, "cloud": Pool("cloud", "aws")}),
        {"c-1": Machine("c-1").with_agent("web-0"), "i-2": machine or Unreachable("i-2 is silent")},
        FakeRecords(state=STATE),
    )
    for number, one in enumerate((OURS, *listed)):
        s.provider.nodes[NodeName(f"{one.node.name}/{number}")] = one
    return s


def reaping(instance: str = "i-2", of: str = "c-2", **more: object) -> Step:
    return about(Action.DESTROY, of, "cloud", instance=instance, **more)


def there(s: Site) -> set[str]:
    return {one.id for one in s.provider.nodes.values()}


@pytest.mark.parametrize("orphan", [LOST, DOUBLE])
async def test_exactly_that_instance_is_destroyed_and_the_record_stays(orphan: Instance) -> None:
    s = site(LOST, DOUBLE)
    left = trail(reaping(orphan.id, orphan.node.name))
    assert await Reap(s.work()).destroy(left) == f"destroyed {orphan.id}"
    assert there(s) == {"i-1", "i-2", "i-9"} - {orphan.id}
    assert left.patch == NO_CHANGE


async def test_the_node_that_has_a_duplicates_name_is_not_asked() -> None:
    s = site(DOUBLE)
    await Reap(s.work()).destroy(trail(reaping("i-9", "c-1")))
    assert s.machine("c-1").ran == []


async def test_one_that_is_not_listed_is_ended_all_the_same_for_its_provider_may_be_behind() -> (
    None
):
    s = site()
    assert await Reap(s.work()).destroy(trail(reaping())) == "was gone"
    assert s.provider.destroyed == ["i-2"]


async def test_one_that_was_taken_in_meanwhile_stays() -> None:
    s = site(LOST)
    s.records.state = replace(STATE, nodes={C2: replace(RECORD, node=LOST.node, id="i-2")})
    with pytest.raises(Refused, match="i-2 is in the record now, as c-2"):
        await Reap(s.work()).destroy(trail(reaping()))
    assert there(s) == {"i-1", "i-2"}


@pytest.mark.parametrize("lineage", ["beef", ""])
async def test_one_of_another_record_stays(lineage: str) -> None:
    s = site(replace(LOST, lineage=lineage))
    with pytest.raises(Refused, match="i-2 is of another record") as refused:
        await Reap(s.work()).destroy(trail(reaping()))
    assert refused.value.hint == "phoenixctl refresh --adopt"
    s.records.state = replace(STATE, lineage="")
    with pytest.raises(Refused, match="i-2 is of another record"):
        await Reap(s.work()).destroy(trail(reaping()))
    assert there(s) == {"i-1", "i-2"}


async def test_one_whose_creation_has_no_known_end_stays() -> None:
    s = site(LOST)
    s.records.left = [Unfinished("3", "apply", about(Action.CREATE, "c-2", "cloud"))]
    with pytest.raises(Refused, match="made by `3 create node c-2`, which has no known end"):
        await Reap(s.work()).destroy(trail(reaping()))
    assert there(s) == {"i-1", "i-2"}


@pytest.mark.parametrize("orphan", [LOST, replace(DOUBLE, id="i-2")])
async def test_one_on_which_an_agent_runs_by_now_stays(orphan: Instance) -> None:
    s = site(orphan, machine=Machine("i-2").with_agent("web-1"))
    step = reaping(of=orphan.node.name)
    with pytest.raises(CommandFailed, match="i-2 is still needed: web-1 on it") as failed:
        await Reap(s.work()).destroy(trail(step))
    assert failed.value.hint == "phoenixctl refresh --adopt"
    s.machines["i-2"] = Machine("i-2")
    work = s.work()
    assert await Reap(work).destroy(trail(step)) == "destroyed i-2"
    assert "i-2" not in work.fleet.nodes


async def test_what_the_provider_protects_stays_and_says_where_to_go() -> None:
    s = site(replace(LOST, protected=True))
    with pytest.raises(Refused, match="protected by its provider") as refused:
        await Reap(s.work()).destroy(trail(reaping()))
    assert refused.value.hint == "take the protection of i-2 off at its provider"


# Within a run.


async def test_a_plan_is_stale_when_its_orphan_was_taken_in() -> None:
    s = site(LOST)
    s.records.state = replace(STATE, nodes={C2: replace(RECORD, node=LOST.node, id="i-2")})
    with pytest.raises(PhoenixError, match="the plan is stale: i-2 is in the record now"):
        await apply(Plan("apply", (reaping(**RELIES),)), s.means)
    assert (s.records.journal, there(s)) == ([], {"i-1", "i-2"})


async def test_orphans_and_the_node_of_their_name_are_steps_of_one_plan() -> None:
    s = site(LOST, DOUBLE)
    s.machines["c-1"] = Machine("c-1")
    end = about(Action.DESTROY, "c-1", "cloud")
    report = await apply(Plan("apply", (reaping(), reaping("i-9", "c-1"), end)), s.means)
    assert [r.outcome for r in report.results] == [StepOutcome.OK] * 3
    assert there(s) == set()
    begun = {key for event, key, _ in s.records.journal if event == "begin"}
    assert begun == {"destroy node c-2 (i-2)", "destroy node c-1 (i-9)", "destroy node c-1"}
    assert s.records.state.nodes == {}


@pytest.mark.parametrize("listed", [(LOST,), ()])
async def test_a_reaping_that_was_cut_off_is_finished(listed: tuple[Instance, ...]) -> None:
    s = site(*listed)
    s.records.left = [Unfinished("4", "apply", reaping(**RELIES))]
    [result] = await recover(s.means)
    assert (result.outcome, there(s), s.records.left) == (StepOutcome.OK, {"i-1"}, [])
    assert s.records.state == STATE


async def test_while_the_provider_does_not_tell_its_end_stays_unknown() -> None:
    s = site(LOST)
    s.provider.fails = OutcomeUnknown("told to terminate, and has not")
    s.records.left = [Unfinished("4", "apply", reaping(**RELIES))]
    [result] = await recover(s.means)
    assert result.outcome is StepOutcome.UNKNOWN
    assert len(s.records.left) == 1
