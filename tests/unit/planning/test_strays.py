"""A plan says which agents run where a rule forbids it, for it does not move them."""

from __future__ import annotations

from dataclasses import replace

from phoenixctl.model.plan import Plan
from phoenixctl.model.rules import Affinity, AgentSelector, Operator, Requirement, Rules, Spread
from tests.builders import agent, fleet, node, seen, spec
from tests.unit.planning.changing import changes, keys

ALONE = Rules(anti_affinity=(Affinity(AgentSelector(specs=("web",))),))
WEB = spec("web", replicas=2, rules=ALONE)
NOTE = "web-0, web-1: run where a rule forbids it (anti-affinity); see: phoenixctl rebalance"


def strays(plan: Plan) -> list[str]:
    return [note for note in plan.notes if "a rule forbids it" in note]


def test_agents_that_a_new_rule_keeps_apart_are_named() -> None:
    f = fleet(node("a"), node("b"), agents=[WEB])
    plan = changes(f, seen("a", agent("web-0", of=WEB), agent("web-1", of=WEB)), seen("b"))
    assert plan.steps == ()
    assert strays(plan) == [NOTE]


def test_nothing_is_said_where_the_rules_hold() -> None:
    f = fleet(node("a"), node("b"), agents=[WEB])
    plan = changes(f, seen("a", agent("web-0", of=WEB)), seen("b", agent("web-1", of=WEB)))
    assert plan.notes == ()


def test_what_the_plan_itself_puts_right_is_no_matter() -> None:
    """The cache that is missing near it is started."""
    near = Rules(affinity=(Affinity(AgentSelector(specs=("cache",))),))
    web = replace(WEB, replicas=1, rules=near)
    f = fleet(node("a"), node("b"), agents=[web, spec("cache", nodes=["a"])])
    plan = changes(f, seen("a", agent("web-0", of=web)), seen("b"))
    assert keys(plan) == ["start agent cache-0@a"]
    assert plan.notes == ()
    elsewhere = fleet(node("a"), node("b"), agents=[web, spec("cache", nodes=["b"])])
    assert strays(changes(elsewhere, seen("a", agent("web-0", of=web)), seen("b"))) == [
        "web-0: runs where a rule forbids it (affinity); see: phoenixctl rebalance"
    ]


def test_a_node_that_takes_no_more_or_has_no_room_breaks_no_rule() -> None:
    web = spec("web", cpu=3, rules=Rules(spread=(Spread("zone"),)))
    f = fleet(node("a", labels={"zone": "x"}), agents=[web])
    there = seen("a", agent("web-0", of=web), cores=1.0, cordoned="new disk")
    assert changes(f, there).notes == ()


def test_only_the_first_are_named_and_only_those_the_plan_is_about() -> None:
    ssd = Rules(selector=(Requirement("disk", Operator.IN, ("ssd",)),))
    web = spec("web", replicas=7, rules=ssd)
    f = fleet(node("a"), agents=[web])
    there = seen("a", *(agent(f"web-{n}", of=web) for n in range(7)))
    named = "web-0, web-1, web-2, web-3, web-4 and 2 more"
    told = "run where a rule forbids it (selector); see: phoenixctl rebalance"
    assert strays(changes(f, there)) == [f"{named}: {told}"]
    one = changes(f, there, targets=("agent.web-3",))
    assert strays(one) == [
        "web-3: runs where a rule forbids it (selector); see: phoenixctl rebalance"
    ]
    assert strays(changes(f, there, destroy=True)) == []
