"""Nodes that are made anew, and the end of everything."""

from __future__ import annotations

from dataclasses import replace

import pytest

from phoenixctl.model.errors import UsageError
from phoenixctl.model.fleet import Order, Pool, Rollout, Share
from phoenixctl.model.names import NodeName
from phoenixctl.model.plan import Action
from tests.builders import agent, node, seen, silent, spec
from tests.unit.planning.changing import after, changes, guards_broken, keys, made, record, recorded

WEB = spec("web", replicas=2)


def test_a_node_is_made_anew_beside_the_old_one_by_default() -> None:
    f = made(1, agents=[spec("web")])
    plan = changes(f, seen("web-1", agent("web-0", of=spec("web"))), replace=(NodeName("web-1"),))
    assert keys(plan) == [
        "create node web-2", "join node web-2", "cordon node web-1", "drain agent web-0@web-1",
        "start agent web-0@web-2", "destroy node web-1",
    ]  # fmt: skip
    assert after(plan, "destroy node web-1") >= {"join node web-2", "drain agent web-0@web-1"}


def test_a_node_is_made_anew_in_place_where_its_pool_says_so() -> None:
    f = made(1, agents=[spec("web")], rollout=Rollout(Order.IN_PLACE))
    plan = changes(f, seen("web-1", agent("web-0", of=spec("web"))), replace=(NodeName("web-1"),))
    assert keys(plan) == [
        "cordon node web-1", "drain agent web-0@web-1", "destroy node web-1", "create node web-1",
        "join node web-1", "start agent web-0@web-1",
    ]  # fmt: skip
    assert after(plan, "create node web-1") == {"destroy node web-1"}
    assert after(plan, "start agent web-0@web-1") >= {"join node web-1"}


@pytest.mark.parametrize("order", list(Order))
def test_nodes_are_made_anew_one_after_the_other(order: Order) -> None:
    names = tuple(NodeName(f"web-{n}") for n in (1, 2, 3))
    f = made(3, rollout=Rollout(order, Share(count=2)))
    plan = changes(f, *(seen(name) for name in names), replace=names)
    if order is Order.SURGE:
        assert "destroy node web-1" in after(plan, "create node web-6")
        assert after(plan, "create node web-5") == set()
    else:
        assert after(plan, "cordon node web-3") == {"join node web-1"}
        assert after(plan, "cordon node web-2") == set()


def test_a_silent_node_that_is_made_anew_is_destroyed_at_once_and_its_agents_start_after_that() -> (
    None
):
    f = made(2, agents=[WEB])
    state = recorded(record("web-1"), record("web-2"), agents={"web-1": "web-2"})
    plan = changes(
        f, seen("web-1", agent("web-0", of=WEB)), silent("web-2"), state=state,
        replace=(NodeName("web-2"),),
    )  # fmt: skip
    assert after(plan, "destroy node web-2") == set()
    [start] = [step for step in plan.steps if step.action is Action.START]
    assert start.agent == "web-1"
    assert "destroy node web-2" in start.after
    assert plan.warnings == ()


def test_hosts_and_strangers_cannot_be_made_anew() -> None:
    f = replace(made(1), nodes={NodeName("a"): node("a")},
                pools={**made(1).pools, "main": Pool("main")})  # fmt: skip
    with pytest.raises(UsageError, match="cannot be made anew"):
        changes(f, seen("web-1"), seen("a"), replace=(NodeName("a"),))
    with pytest.raises(UsageError, match="there is no node web-7"):
        changes(f, seen("web-1"), replace=(NodeName("web-7"),))


def test_a_protected_node_is_not_made_anew() -> None:
    state = recorded(record("web-1", protected=True))
    plan = changes(made(1), seen("web-1"), state=state, replace=(NodeName("web-1"),))
    assert (plan.steps, guards_broken(plan)) == ((), ["protected"])


# The end of everything.


def test_at_the_end_everything_goes_agents_first() -> None:
    f = made(2, agents=[WEB], minimum=1)
    first, second = (seen(f"web-{n + 1}", agent(f"web-{n}", of=WEB)) for n in (0, 1))
    plan = changes(f, first, second, destroy=True)
    assert keys(plan) == [
        "cordon node web-1", "cordon node web-2", "stop agent web-0@web-1",
        "stop agent web-1@web-2", "destroy node web-1", "destroy node web-2",
    ]  # fmt: skip
    assert "stop agent web-0@web-1" in after(plan, "destroy node web-1")
    assert plan.title == "destroy"


def test_at_the_end_a_silent_node_is_destroyed_as_it_is_and_a_protected_one_is_kept() -> None:
    state = recorded(record("web-1"), record("web-2", protected=True))
    plan = changes(made(2), silent("web-1"), seen("web-2"), state=state, destroy=True)
    assert keys(plan) == ["destroy node web-1"]
    assert plan.steps[0].reason.endswith("it does not answer, so nothing is drained")
    assert guards_broken(plan) == ["protected"]
