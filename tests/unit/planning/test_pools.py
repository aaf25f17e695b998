"""Pools whose nodes are made: as many as wanted, and which of them go."""

from __future__ import annotations

from dataclasses import replace

import pytest

from phoenixctl.model.aws import AwsPool, AwsZone
from phoenixctl.model.errors import UsageError
from phoenixctl.model.fleet import Order, Pool, Resources, Rollout
from phoenixctl.model.plan import Action, Change, Inverse, Plan, Risk
from phoenixctl.model.state import PoolRecord
from tests.builders import GiB, agent, seen, spec
from tests.unit.planning.changing import after, changes, instance, keys, made, record, recorded

WEB = spec("web", replicas=2)


def gone(plan: Plan) -> list[str]:
    return sorted(step.node for step in plan.steps if step.action is Action.DESTROY)


def test_nodes_that_are_missing_are_made_and_join_under_the_lowest_free_names() -> None:
    plan = changes(made(3), seen("web-2"))
    assert keys(plan) == [
        "create node web-1", "create node web-3", "join node web-1", "join node web-3",
    ]  # fmt: skip
    assert after(plan, "join node web-1") == {"create node web-1"}
    assert plan.steps[0].reason == "the pool shall have 3 and has 1"
    assert {step.pool for step in plan.steps} == {"web"}


def test_a_new_node_says_what_only_its_provider_will_tell() -> None:
    aws = AwsPool("eu-1", (AwsZone("a"), AwsZone("b")), ("m5.large", "m6.large"))
    plan = changes(made(1, protected=True, aws=aws))
    create = plan.steps[0]
    assert create.changes == (
        Change("provider", None, "local"),
        Change("type", None, None, known=False),
        Change("zone", None, None, known=False),
        Change("market", None, "on-demand"),
        Change("address", None, None, known=False),
        Change("protected", None, "yes"),
    )
    assert create.inverse == Inverse(Action.DESTROY)


def test_the_least_loaded_node_goes_and_of_equals_that_with_the_highest_number() -> None:
    x = spec("x", replicas=2)
    busy = seen("web-3", agent("x-0", of=x), agent("x-1", of=x))
    plan = changes(made(2, agents=[x]), seen("web-2"), busy, seen("web-10"))
    assert keys(plan) == ["cordon node web-10", "destroy node web-10"]
    first, last = plan.steps
    assert last.after == (first.key,)
    assert (first.risk, last.risk) == (Risk.SAFE, Risk.DESTRUCTIVE)
    assert last.inverse == Inverse(Action.CREATE)


def test_among_equally_many_agents_the_least_promised_node_goes() -> None:
    small, large = spec("s", memory=GiB(1), cpu=1), spec("l", memory=GiB(1), cpu=2)
    plan = changes(
        made(1, agents=[small, large]),
        seen("web-1", agent("s-0", of=small)), seen("web-2", agent("l-0", of=large)),
    )  # fmt: skip
    assert "destroy node web-1" in keys(plan)


def test_of_nodes_with_as_many_agents_the_one_goes_that_can_be_emptied_without_a_stop() -> None:
    stays, surges = spec("x"), spec("y", rollout=Rollout(Order.SURGE))
    plan = changes(
        made(1, agents=[stays, surges]),
        seen("web-1", agent("y-0", of=surges)), seen("web-2", agent("x-0", of=stays)),
    )  # fmt: skip
    assert gone(plan) == ["web-1"]


def test_zones_stay_even_also_when_several_nodes_go_at_once() -> None:
    zones = ("a", "a", "a", "b", "c", "c")
    nodes = [record(f"web-{n}", zone=zone) for n, zone in enumerate(zones, start=1)]
    listed = {"web": tuple(instance(f"web-{n}", zone=z) for n, z in enumerate(zones, start=1))}
    looks = [seen(r.node.name) for r in nodes]
    plan = changes(made(3), *looks, state=recorded(*nodes), listed=listed)
    assert gone(plan) == ["web-2", "web-3", "web-6"]  # and one of each zone is left


def test_of_nodes_alike_one_goes_that_may_be_taken_away_anyway() -> None:
    nodes = [record("web-1", market="spot"), record("web-2", market="on-demand")]
    listed = {"web": (instance("web-1", market="spot"), instance("web-2", market="on-demand"))}
    plan = changes(made(1), seen("web-1"), seen("web-2"), state=recorded(*nodes), listed=listed)
    assert gone(plan) == ["web-1"]


def test_agents_move_before_their_node_is_destroyed() -> None:
    plan = changes(
        made(1, agents=[WEB]),
        seen("web-1", agent("web-0", of=WEB)), seen("web-2", agent("web-1", of=WEB)),
    )  # fmt: skip
    assert keys(plan) == [
        "cordon node web-2", "drain agent web-1@web-2", "start agent web-1@web-1",
        "destroy node web-2",
    ]  # fmt: skip
    assert after(plan, "drain agent web-1@web-2") == {"cordon node web-2"}
    assert after(plan, "start agent web-1@web-1") == {"drain agent web-1@web-2"}
    assert after(plan, "destroy node web-2") == {"cordon node web-2", "drain agent web-1@web-2"}


def test_a_node_stays_when_what_runs_there_fits_nowhere_else() -> None:
    big = spec("big", replicas=2, memory=GiB(6))
    plan = changes(
        made(1, agents=[big]),
        seen("web-1", agent("big-0", of=big)), seen("web-2", agent("big-1", of=big)),
    )  # fmt: skip
    assert plan.steps == ()
    assert plan.warnings == (
        "web-2 stays as it is: big-1 fits on no node: web-1 (memory: needs 6GiB, has 2GiB)",
    )


def test_a_protected_node_does_not_go_another_one_does() -> None:
    state = recorded(record("web-1"), record("web-2", protected=True))
    plan = changes(made(1), seen("web-1"), seen("web-2"), state=state)
    assert keys(plan) == ["cordon node web-1", "destroy node web-1"]
    assert plan.breaches == ()


@pytest.mark.parametrize("by_provider", [False, True])
def test_when_only_protected_nodes_are_left_the_plan_is_forbidden(by_provider: bool) -> None:
    state = recorded(record("web-1", protected=not by_provider))
    listed = {"web": (instance("web-1", protected=by_provider),)}
    plan = changes(made(0), seen("web-1"), state=state, listed=listed)
    assert plan.steps == ()
    assert [(b.guard, b.hint) for b in plan.breaches] == [
        ("protected", "phoenixctl nodes unprotect web-1")
    ]


def test_a_size_asked_for_by_hand_counts_until_the_configuration_is_edited() -> None:
    by_hand = PoolRecord(2, configured=1, by="op", at="")
    state = recorded(record("web-1"), pools={"web": by_hand})
    assert "create node web-2" in keys(changes(made(1), seen("web-1"), state=state))
    edited = changes(made(3), seen("web-1"), state=state)
    assert keys(edited)[:2] == ["create node web-2", "create node web-3"]


def test_a_size_of_this_command_counts_before_all_others_and_is_kept_with_the_plan() -> None:
    state = recorded(record("web-1"), pools={"web": PoolRecord(1, 1, "op", "")})
    plan = changes(made(1), seen("web-1"), state=state, sizes={"web": 2})
    assert "create node web-2" in keys(plan)
    assert plan.sizes == {"web": 2}
    assert changes(made(1), seen("web-1"), state=state).sizes == {}


@pytest.mark.parametrize(
    ("asked", "guard", "hint"),
    [
        (1, "minimum", "pools.web.min in the configuration"),
        (9, "maximum", "pools.web.max in the configuration"),
    ],
)
def test_a_size_beyond_the_limits_of_its_pool_is_forbidden(
    asked: int, guard: str, hint: str
) -> None:
    f = made(3, minimum=2, maximum=4)
    plan = changes(f, seen("web-1"), seen("web-2"), seen("web-3"), sizes={"web": asked})
    assert [(b.guard, b.hint) for b in plan.breaches] == [(guard, hint)]


def test_a_recorded_size_beyond_the_limits_is_brought_within_them() -> None:
    state = recorded(record("web-1"), pools={"web": PoolRecord(9, 1, "op", "")})
    plan = changes(made(1, maximum=2), seen("web-1"), state=state)
    assert keys(plan) == ["create node web-2", "join node web-2"]
    assert plan.breaches == ()


def test_a_static_pool_has_no_size() -> None:
    f = made(1)
    f = replace(f, pools={**f.pools, "main": Pool("main")})
    with pytest.raises(UsageError, match="machines that exist"):
        changes(f, sizes={"main": 2})
    with pytest.raises(UsageError, match="there is no pool wbe") as refused:
        changes(f, sizes={"wbe": 2})
    assert refused.value.hint == "did you mean web?"


# What is not seen yet.


def test_agents_are_placed_on_nodes_that_are_still_to_be_made() -> None:
    plan = changes(made(2, agents=[WEB], capacity=Resources(cpu=2, memory=GiB(4))))
    assert keys(plan)[-2:] == ["start agent web-0@web-1", "start agent web-1@web-2"]
    assert after(plan, "start agent web-1@web-2") == {"join node web-2"}
    assert plan.notes == ()


def test_a_new_node_has_what_its_pool_says_it_has() -> None:
    big = spec("big", replicas=2, memory=GiB(3))
    plan = changes(made(1, agents=[big], capacity=Resources(memory=GiB(4))))
    assert keys(plan)[-1] == "start agent big-0@web-1"
    assert plan.warnings == ("big-1 fits on no node: web-1 (memory: needs 3GiB, has 1GiB)",)


def test_without_that_it_has_the_least_of_what_the_others_have() -> None:
    big = spec("big", replicas=3, memory=GiB(3))
    plan = changes(
        made(3, agents=[big]), seen("web-1", memory=GiB(8)), seen("web-2", memory=GiB(4))
    )
    placed = [key for key in keys(plan) if key.startswith("start")]
    assert placed == [  # the small ones first: the large one keeps its room for others
        "start agent big-0@web-2",
        "start agent big-1@web-3",
        "start agent big-2@web-1",
    ]
    assert after(plan, "start agent big-1@web-3") == {"join node web-3"}


def test_without_any_it_counts_as_large_enough_and_the_plan_says_so() -> None:
    plan = changes(made(1, agents=[spec("big", memory=GiB(900))]))
    assert keys(plan)[-1] == "start agent big-0@web-1"
    assert plan.notes == (
        "web-1: capacity known after apply, so that what is placed there may not fit",
    )
