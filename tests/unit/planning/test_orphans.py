"""Instances of this record that it does not have: told, and destroyed only by their id."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phoenixctl.model.errors import Refused, Unreachable
from phoenixctl.model.fleet import Guards, Pool, Share
from phoenixctl.model.instance import Phase
from phoenixctl.model.names import NodeName
from phoenixctl.model.plan import Action, Change, Cost, Plan, Risk, Step
from phoenixctl.model.snapshot import AgentState
from phoenixctl.model.state import State
from phoenixctl.planning.fingerprint import fingerprint, stale, with_fingerprints
from phoenixctl.planning.rollback import plan_rollback
from tests.builders import agent, node, seen, silent, snapshot, spec
from tests.unit.planning.changing import (
    LINEAGE,
    after,
    changes,
    guards_broken,
    instance,
    keys,
    made,
    record,
    recorded,
)

WEB = spec("web")
ONE = recorded(record("web-1"))
TWO = recorded(record("web-1"), record("web-2"))
DOUBLE = instance("web-1", id="i-9", operation="2 create node web-1")
LOST = instance("web-3", id="i-3")
FOREIGN = instance("web-7", id="i-7", lineage="other")
OURS = (instance("web-1"), instance("web-2"))
REAPED = ["destroy node web-1 (i-9)", "destroy node web-3 (i-3)"]


def two(*more, **also) -> Plan:
    """A fleet of two recorded nodes, and these instances beside them."""
    also.setdefault("reap", True)
    looks = also.pop("looks", (seen("web-1"), seen("web-2")))
    return changes(also.pop("f", made(2)), *looks, state=also.pop("state", TWO),
                   listed={"web": (*OURS, *more)}, **also)  # fmt: skip


def test_orphans_are_destroyed_by_their_id_and_nothing_else_is() -> None:
    plan = two(DOUBLE, LOST)
    assert keys(plan) == REAPED
    assert [step.address for step in plan.steps] == ["instance.i-9", "instance.i-3"]
    assert {step.action for step in plan.steps} == {Action.DESTROY}
    assert {step.risk for step in plan.steps} == {Risk.DESTRUCTIVE}
    assert {step.inverse for step in plan.steps} == {None}
    assert [step.reason for step in plan.steps] == [
        "an orphan, a duplicate: the record has i-web-1 as web-1 (made by operation 2)",
        "an orphan: no record has it",
    ]


def test_what_is_known_of_an_orphan_is_told() -> None:
    more = {"kind": "m5.large", "zone": "a", "market": "spot"}
    [step] = two(replace(LOST, node=node("web-3", pool="web", address="10.0.0.3"), **more)).steps
    assert step.changes == (
        Change("type", "m5.large", None), Change("zone", "a", None),
        Change("market", "spot", None), Change("address", "10.0.0.3", None),
    )  # fmt: skip


def test_without_being_asked_for_they_are_told_last_with_the_command_to_type() -> None:
    plan = two(DOUBLE, LOST, FOREIGN, reap=False)
    assert plan.steps == ()
    assert [(d.address, d.hint) for d in plan.drift] == [
        ("node.web-7", ""),
        ("instance.i-9", "phoenixctl plan --reap"),
        ("instance.i-3", "phoenixctl plan --reap"),
    ]
    assert "web-3 of pool web, which is not in the record" in plan.drift[2].what
    assert {d.hint for d in two(DOUBLE, LOST).drift} == {""}


def test_no_recorded_node_goes_for_one_that_is_not_recorded() -> None:
    for looks in ((), (seen("web-3"),), (silent("web-3"),)):
        plan = two(LOST, looks=(seen("web-1"), seen("web-2"), *looks), reap=False)
        assert plan.steps == ()


def test_those_of_other_records_are_told_and_stay() -> None:
    nobodys = instance("web-8", id="i-8", lineage="")
    plan = two(FOREIGN, nobodys, DOUBLE)
    assert keys(plan) == ["destroy node web-1 (i-9)"]
    assert plan.notes == (
        "i-7 (web-7) is not reaped: it is of another record, other",
        "i-8 (web-8) is not reaped: it is of another record, an unknown one",
    )
    assert plan.warnings == ()


def test_an_orphan_does_not_count_and_its_name_is_not_given_again() -> None:
    listed = {"web": (OURS[0], instance("web-2"))}
    plan = changes(made(2), seen("web-1"), seen("web-2"), state=ONE, listed=listed, reap=True)
    assert keys(plan) == ["create node web-3", "join node web-3", "destroy node web-2 (i-web-2)"]


def test_an_orphan_that_is_in_use_stays() -> None:
    busy = seen("web-3", agent("web-0", of=WEB))
    looks = (seen("web-1"), seen("web-2"), busy)
    plan = two(LOST, f=made(3, agents=[WEB]), looks=looks)
    assert plan.steps == ()
    [warning] = plan.warnings
    assert warning.startswith("i-3 (web-3) is not reaped, for web-0 runs there; to take it in: ")


def test_what_may_run_on_an_orphan_that_nobody_can_look_into_starts_after_its_end() -> None:
    looks = (seen("web-1"), seen("web-2"), silent("web-3"))
    plan = two(LOST, f=made(2, agents=[WEB]), looks=looks)
    [end, start] = plan.steps
    assert (end.instance, start.action) == ("i-3", Action.START)
    assert start.after == (end.key,)
    left_alone = two(LOST, f=made(2, agents=[WEB]), looks=looks, reap=False)
    assert left_alone.steps == ()


def test_what_has_failed_on_an_orphan_is_put_away_before_it_goes() -> None:
    looks = (seen("web-1"), seen("web-2"), seen("web-3", agent("web-0", AgentState.FAILED, of=WEB)))
    plan = two(LOST, f=made(2, agents=[WEB]), looks=looks)
    assert "stop agent web-0@web-3" in after(plan, "destroy node web-3 (i-3)")


def test_a_duplicate_says_nothing_of_the_node_that_has_its_name() -> None:
    busy = seen("web-1", agent("web-0", of=WEB))
    plan = two(DOUBLE, f=made(2, agents=[WEB]), looks=(busy, seen("web-2")))
    assert keys(plan) == ["destroy node web-1 (i-9)"]


def test_of_two_orphans_with_one_name_both_go() -> None:
    twice = (instance("web-3", id="i-4"), LOST)
    looks = (seen("web-1"), seen("web-2"), silent("web-3"))
    plan = two(*twice, f=made(2, agents=[WEB]), looks=looks)
    double, reached, start = keys(plan)
    assert (double, reached) == ("destroy node web-3 (i-4)", "destroy node web-3 (i-3)")
    assert (after(plan, reached), after(plan, start)) == ({double}, {reached})


def test_an_orphan_with_the_name_of_a_host_or_of_another_pools_node_is_a_duplicate() -> None:
    f = made(1)
    f = replace(f, nodes={NodeName("web-5"): node("web-5")},
                pools={**f.pools, "db": Pool("db", "local", size=1, minimum=0),
                       "main": Pool("main")})  # fmt: skip
    state = recorded(
        record("web-1"), record("db-1"), record("web-5", provider="static", node=node("web-5"))
    )
    misplaced = instance("web-1", id="i-9", node=node("web-1", pool="db"))
    of_host = instance("web-5", id="i-5")
    listed = {"web": (OURS[0], of_host), "db": (instance("db-1"), misplaced)}
    looks = (seen("web-1"), seen("db-1"), seen("web-5"))
    plan = changes(f, *looks, state=state, listed=listed, reap=True)
    assert keys(plan) == ["destroy node web-1 (i-9)", "destroy node web-5 (i-5)"]
    assert {step.pool for step in plan.steps} == {"db", "web"}


def test_an_orphan_that_its_provider_protects_forbids_the_plan() -> None:
    guarded = replace(LOST, protected=True)
    plan = two(DOUBLE, guarded)
    assert keys(plan) == ["destroy node web-1 (i-9)"]
    [breach] = plan.breaches
    assert breach.guard == "protected"
    assert breach.what == "i-3 (web-3) is an orphan that its provider protects, and would go"
    assert "--exclude instance.i-3" in breach.hint
    others = two(DOUBLE, guarded, excludes=("instance.i-9",))
    assert (keys(others), guards_broken(others)) == ([], ["protected"])


def test_a_protected_orphan_can_be_left_out() -> None:
    plan = two(DOUBLE, LOST, replace(FOREIGN, lineage=LINEAGE, protected=True),
               looks=(seen("web-1"), seen("web-2")), f=made(3),
               excludes=("instance.i-3", "instance.i-7"))  # fmt: skip
    assert (keys(plan), plan.breaches) == (["destroy node web-1 (i-9)"], ())


@pytest.mark.parametrize(
    ("state", "listed"),
    [
        (State("test", "", 0), (FOREIGN,)),
        (State("test", LINEAGE, 9), OURS),
        (recorded(record("web-1", id="i-of-old")), (DOUBLE, LOST)),
        (recorded(), (FOREIGN,)),
    ],
    ids=["no record", "an empty record", "a record of what is gone", "only others"],
)
def test_when_none_of_them_is_recorded_the_record_is_what_is_missing(state, listed) -> None:
    with pytest.raises(Refused, match="the record is what is missing") as refused:
        changes(made(2), state=state, listed={"web": listed}, reap=True)
    assert refused.value.hint == "phoenixctl refresh --adopt"
    told = changes(made(2), state=state, listed={"web": listed})
    assert {d.hint for d in told.drift if d.hint} <= {"phoenixctl refresh --adopt"}


def test_where_there_is_nothing_at_all_nothing_is_reaped() -> None:
    nothing = changes(made(0), state=State("test", "", 0), listed={"web": ()}, reap=True)
    assert nothing.steps == ()
    down = changes(made(1), seen("web-1"), state=ONE, listed={"web": Unreachable("x")}, reap=True)
    assert down.steps == ()


def test_reaping_is_guarded_like_every_end_of_a_node() -> None:
    few = Guards(max_destroy=Share(count=1))
    [breach] = two(DOUBLE, LOST, guards=few).breaches
    assert (breach.guard, breach.hint) == ("max_destroy", "--max-destroy 2")
    assert breach.what == "2 of 4 nodes would be destroyed or forgotten (i-9, web-3); 1 may be"
    assert two(DOUBLE, guards=few).breaches == ()


def test_targets_name_single_orphans() -> None:
    for target, wanted in (("instance.i-3", REAPED[1:]), ("instance.*", REAPED),
                           ("pool.web", REAPED), ("node.web-1", [])):  # fmt: skip
        assert keys(two(DOUBLE, LOST, targets=(target,))) == wanted


def test_the_end_of_everything_takes_orphans_only_when_they_are_asked_for() -> None:
    assert "destroy node web-1 (i-9)" not in keys(two(DOUBLE, destroy=True, reap=False))
    plan = two(DOUBLE, destroy=True)
    assert {"destroy node web-1 (i-9)", "destroy node web-1"} < set(keys(plan))
    assert len(set(keys(plan))) == len(plan.steps)


def test_what_orphans_cost_is_told_and_that_they_do_not_any_more() -> None:
    def priced(one):
        return replace(one, kind="m5", market="on-demand")

    f = replace(made(2), prices={"m5": 0.25})
    listed = {"web": tuple(priced(one) for one in (*OURS, DOUBLE, LOST))}
    looks = (seen("web-1"), seen("web-2"))
    for reap, cost in ((False, Cost(1.0, 1.0)), (True, Cost(1.0, 0.5))):
        f = replace(f, pools=made(2 if reap else 3).pools)
        assert changes(f, *looks, state=TWO, listed=listed, reap=reap).cost == cost


# What it relies on.


def relying(step: Step, state: State = ONE) -> tuple[Step, ...]:
    return with_fingerprints(Plan("p", (step,)), snapshot(seen("web-1")), state).steps


def test_an_orphan_that_was_taken_in_meanwhile_makes_the_plan_stale() -> None:
    [step] = two(LOST).steps
    steps = relying(step)
    assert steps[0].relies_on == {"instance.i-3": "taken_in=no"}
    assert stale(steps, snapshot(), ONE) == ()
    taken = recorded(record("web-1"), record("web-3", id="i-3"))
    assert stale(steps, snapshot(), taken) == ("i-3 is in the record now",)
    assert fingerprint("instance.i-3", snapshot(), taken) == "taken_in=web-3"


def test_a_host_with_an_instances_id_for_a_name_is_none() -> None:
    hosts = recorded(record("i-3", provider="static", id="i-3"))
    assert fingerprint("instance.i-3", snapshot(), hosts) == "taken_in=no"


# What takes it back.


@dataclass(frozen=True)
class Done:
    """An operation of which every step ended well."""

    plan: Plan
    id: str = "7"
    outcome: str = "ok"
    specs: dict[str, object] = field(default_factory=dict)

    @property
    def entry(self) -> Done:
        return self

    @property
    def ends(self) -> list[End]:
        return [End(step.key) for step in self.plan.steps]


@dataclass(frozen=True)
class End:
    key: str
    outcome: str = "ok"


def test_nothing_takes_it_back_and_that_is_said() -> None:
    plan = two(DOUBLE, LOST)
    back = plan_rollback(Done(plan), made(2), TWO, snapshot(seen("web-1"), seen("web-2")))
    assert back.steps == ()
    assert set(back.warnings) == {
        f"{key} is not taken back: nothing takes that back" for key in REAPED
    }


# Whatever there is.


@st.composite
def fleets(draw: st.DrawFn):
    """Instances of a few names, ids, owners and phases, of which some are recorded."""
    listed = [
        instance(
            draw(st.sampled_from(("web-1", "web-2", "web-3"))),
            id=f"i-{number}",
            lineage=draw(st.sampled_from((LINEAGE, LINEAGE, "other", ""))),
            phase=draw(st.sampled_from((Phase.RUNNING, Phase.STOPPED, Phase.PENDING))),
            protected=draw(st.booleans()),
        )
        for number in range(draw(st.integers(1, 6)))
    ]
    records = {}
    for one in draw(st.lists(st.sampled_from(listed), unique_by=lambda i: i.node.name)):
        records[one.node.name] = record(one.node.name, id=one.id, protected=one.protected)
    answering = draw(st.sets(st.sampled_from(("web-1", "web-2", "web-3"))))
    return listed, recorded(*records.values()), [seen(name) for name in sorted(answering)]


@given(fleets(), st.randoms(use_true_random=False))
def test_whatever_is_listed_exactly_what_is_ours_and_not_recorded_is_reaped(
    drawn, rng: Random
) -> None:
    listed, state, looks = drawn
    ids = {r.id for r in state.nodes.values()}
    wanted = {i.id for i in listed if i.lineage == LINEAGE and i.id not in ids}
    mixed = rng.sample(listed, len(listed))
    if not ids:
        with pytest.raises(Refused):
            changes(made(2), *looks, state=state, listed={"web": tuple(listed)}, reap=True)
        return
    plan = changes(made(2), *looks, state=state, listed={"web": tuple(listed)}, reap=True)
    assert plan == changes(made(2), *looks, state=state, listed={"web": tuple(mixed)}, reap=True)
    reaped = [step.instance for step in plan.steps if step.instance]
    guarded = {i.id for i in listed if i.protected}
    assert sorted(reaped) == sorted(wanted - guarded)
    refused = [b for b in plan.breaches if "is an orphan" in b.what]
    assert len(refused) == len(wanted & guarded)
    by_name = {s.node for s in plan.steps if s.action is Action.DESTROY and not s.instance}
    assert by_name <= set(state.nodes) | {i.node.name for i in listed if i.id in wanted & guarded}
