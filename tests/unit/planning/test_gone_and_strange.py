"""Nodes that are gone, silent, not recorded or on their way out: nothing happens on a guess."""

from __future__ import annotations

from dataclasses import replace

from phoenixctl.model.errors import Unreachable
from phoenixctl.model.instance import Phase
from phoenixctl.model.names import NodeName
from phoenixctl.model.snapshot import Cordon
from tests.builders import GiB, agent, seen, silent, spec
from tests.unit.planning.changing import (
    after,
    changes,
    guards_broken,
    instance,
    keys,
    made,
    record,
    recorded,
)

WEB = spec("web", replicas=2)


def test_a_node_that_its_provider_does_not_have_any_more_is_made_again() -> None:
    state = recorded(record("web-1"), record("web-2"))
    plan = changes(made(2), seen("web-2"), state=state, listed={"web": (instance("web-2"),)})
    assert keys(plan) == ["create node web-1", "join node web-1"]
    [drift] = plan.drift
    assert drift.address == "node.web-1"
    assert drift.what.startswith("gone")


def test_a_gone_node_that_is_not_wanted_any_more_is_forgotten() -> None:
    state = recorded(record("web-1"), record("web-2"))
    plan = changes(made(1), seen("web-1"), state=state, listed={"web": (instance("web-1"),)})
    assert keys(plan) == ["forget node web-2"]
    assert guards_broken(plan) == []


def test_what_ran_on_a_gone_node_starts_elsewhere() -> None:
    state = recorded(record("web-1"), record("web-2"), agents={"web-0": "web-2"})
    one = spec("web")
    listed = {"web": (instance("web-1"),)}
    plan = changes(made(1, agents=[one]), seen("web-1"), state=state, listed=listed)
    assert "start agent web-0@web-1" in keys(plan)
    assert plan.warnings == ()


def test_nothing_is_made_or_destroyed_while_the_provider_cannot_be_asked() -> None:
    down = {"web": Unreachable("the cloud is down")}
    state = recorded(record("web-1"), record("web-2"))
    for size in (1, 5):
        plan = changes(made(size), seen("web-1"), seen("web-2"), state=state, listed=down)
        assert plan.steps == ()
        [warning] = plan.warnings
        assert warning.startswith("pool web: its provider cannot be asked (the cloud is down)")
    unlisted = changes(made(1), seen("web-1"), seen("web-2"), state=state, listed={})
    assert unlisted.steps == ()


def test_agents_of_a_pool_that_cannot_be_asked_are_cared_for_all_the_same() -> None:
    down = {"web": Unreachable("the cloud is down")}
    plan = changes(
        made(1, agents=[WEB]), seen("web-1"), state=recorded(record("web-1")), listed=down
    )
    assert keys(plan) == ["start agent web-0@web-1", "start agent web-1@web-1"]


def test_a_node_of_another_record_does_not_count_and_its_owner_is_told() -> None:
    listed = {"web": (instance("web-1", lineage="other"),)}
    plan = changes(made(1), seen("web-1"), state=recorded(), listed=listed)
    assert keys(plan) == ["create node web-2", "join node web-2"]
    [drift] = plan.drift
    assert drift.what == "i-web-1 is not in this record, but in other; refresh --adopt takes it in"
    assert "refresh --adopt" in plan.notes[0]


def test_a_node_of_this_record_that_is_not_recorded_counts_and_takes_no_agents() -> None:
    listed = {"web": (instance("web-1"), instance("web-2"))}
    f = made(2, agents=[WEB])
    plan = changes(f, seen("web-1"), seen("web-2"), state=recorded(record("web-1")), listed=listed)
    assert keys(plan) == ["start agent web-0@web-1", "start agent web-1@web-1"]
    assert [d.address for d in plan.drift] == ["instance.i-web-2"]


def test_a_second_machine_of_the_same_name_is_told_and_left_alone() -> None:
    listed = {"web": (instance("web-1", id="i-0"), instance("web-1"))}
    plan = changes(made(1), seen("web-1"), state=recorded(record("web-1")), listed=listed)
    assert plan.steps == ()
    assert [(d.address, d.what) for d in plan.drift] == [
        ("instance.i-0", "a second web-1 of pool web: the record has i-web-1")
    ]


def test_a_node_that_is_stopping_goes_first_and_needs_no_drain() -> None:
    listed = {"web": (instance("web-1", phase=Phase.STOPPING), instance("web-2"))}
    state = recorded(record("web-1"), record("web-2"))
    plan = changes(made(1), silent("web-1"), seen("web-2"), state=state, listed=listed)
    assert keys(plan) == ["destroy node web-1"]


def test_a_silent_node_is_not_destroyed_for_being_one_too_many() -> None:
    state = recorded(record("web-1"), record("web-2"))
    plan = changes(made(0), silent("web-1"), seen("web-2"), state=state)
    assert keys(plan) == ["cordon node web-2", "destroy node web-2"]
    assert any("cannot be drained" in warning for warning in plan.warnings)
    dead = changes(
        made(1), silent("web-1"), seen("web-2"), state=state,
        assume_dead=frozenset({NodeName("web-1")}),
    )  # fmt: skip
    assert keys(dead) == ["destroy node web-1"]


def test_a_node_that_was_made_and_has_not_joined_joins_though_it_is_still_booting() -> None:
    f = made(1, agents=[spec("web")])
    plan = changes(f, silent("web-1"), state=recorded(record("web-1", joined="")))
    assert keys(plan) == ["join node web-1", "start agent web-0@web-1"]
    assert after(plan, "start agent web-0@web-1") == {"join node web-1"}
    assert plan.warnings == ()


def test_a_node_with_agents_in_the_record_is_not_taken_for_empty() -> None:
    f = made(1, agents=[spec("web")])
    state = recorded(record("web-1", joined=""), agents={"web-0": "web-1"})
    plan = changes(f, silent("web-1"), state=state)
    assert plan.steps == ()
    assert plan.warnings[0] == "web-1 does not answer (unreachable)"


def test_nodes_of_a_pool_that_left_the_configuration_are_left_alone_and_told() -> None:
    plan = changes(replace(made(1), pools={}), seen("web-1"), state=recorded(record("web-1")))
    assert plan.steps == ()
    assert plan.warnings[0].startswith("web-1 is of pool web, which left the configuration")


# Spot nodes.


def taken_away(name: str, *agents: object) -> object:
    mark = Cordon("spot-watch", "2026-01-01T00:00:00Z", "spot instance: terminate")
    return replace(seen(name, *agents), cordon=mark)  # type: ignore[arg-type]


def test_a_node_that_is_about_to_be_taken_away_is_emptied_and_another_one_is_made() -> None:
    one = spec("web")
    state = recorded(record("web-1"), record("web-2"))
    plan = changes(
        made(2, agents=[one]), seen("web-1"), taken_away("web-2", agent("web-0", of=one)),
        state=state, guards=None,
    )  # fmt: skip
    assert keys(plan) == [
        "create node web-3", "join node web-3", "drain agent web-0@web-2",
        "start agent web-0@web-1", "destroy node web-2",
    ]  # fmt: skip
    assert after(plan, "drain agent web-0@web-2") == set()
    assert guards_broken(plan) == []


def test_it_is_emptied_also_when_there_is_no_other_place() -> None:
    big = spec("big", memory=GiB(7))
    other = spec("other", memory=GiB(7))
    plan = changes(
        made(2, agents=[big, other], maximum=2),
        seen("web-1", agent("other-0", of=other)), taken_away("web-2", agent("big-0", of=big)),
        state=recorded(record("web-1"), record("web-2")), sizes={"web": 1}, guards=None,
    )  # fmt: skip
    assert "drain agent big-0@web-2" in keys(plan)
    assert "max_disruption" not in guards_broken(plan)
    assert plan.warnings[0].startswith("big-0 fits on no node")


def test_a_protected_one_is_emptied_and_ends_by_itself() -> None:
    state = recorded(record("web-1", protected=True))
    plan = changes(made(1), taken_away("web-1"), state=state)
    assert keys(plan) == ["create node web-2", "join node web-2"]
    assert plan.breaches == ()
