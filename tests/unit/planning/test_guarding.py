"""Guards: a plan that exceeds them says so, and which flag lifts them."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import HealthCheck, given, settings

from phoenixctl.model.fleet import Guards, Share
from phoenixctl.model.plan import Action
from phoenixctl.model.snapshot import AgentState
from phoenixctl.planning.copies import Copies
from tests.builders import agent, fleet, node, seen, silent, spec
from tests.scenarios.world import ALIVE, World
from tests.unit.planning.changing import changes, guards_broken, keys, made, record, recorded
from tests.unit.planning.test_scope import troubled

FOUR = [seen(f"web-{n}") for n in range(1, 5)]


def test_a_plan_may_destroy_a_quarter_of_the_nodes_unless_said_otherwise() -> None:
    assert guards_broken(changes(made(3), *FOUR, guards=None)) == []
    plan = changes(made(2), *FOUR, guards=None)
    [breach] = plan.breaches
    assert breach.guard == "max_destroy"
    assert breach.what == ("2 of 4 nodes would be destroyed or forgotten (web-3, web-4); 1 may be")
    assert breach.hint == "--max-destroy 2"
    assert len(plan.steps) == 4  # it is shown all the same


def test_the_configuration_has_guards_of_its_own() -> None:
    f = replace(made(2), guards=Guards(max_destroy=Share(count=2)))
    assert guards_broken(changes(f, *FOUR, guards=None)) == []
    assert guards_broken(changes(f, *FOUR, guards=Guards(max_destroy=Share(count=1)))) == [
        "max_destroy"
    ]


def test_hosts_that_are_forgotten_count_as_well() -> None:
    state = recorded(*(record(n, provider="static") for n in "abcd"))
    plan = changes(
        fleet(node("a"), node("b")), *(seen(n) for n in "abcd"), state=state, guards=None
    )
    assert guards_broken(plan) == ["max_destroy"]


def test_agents_that_end_because_the_configuration_says_so_count_as_taken_down() -> None:
    there = seen("a", *(agent(f"web-{n}", of=spec("web")) for n in range(4)))
    f = fleet(node("a"), agents=[spec("web", replicas=1)])
    [breach] = changes(f, there, guards=None).breaches
    assert (breach.guard, breach.hint) == ("max_disruption", "--max-disruption 3")
    assert breach.what == (
        "3 of 4 running agents would be taken down and not come back (web-1, web-2, web-3);"
        " 2 may be"
    )
    assert guards_broken(changes(f, there, guards=Guards(max_disruption=Share(count=3)))) == []


def test_agents_that_are_updated_or_moved_come_back_and_do_not_count() -> None:
    one = spec("web", replicas=2)
    older = [agent(f"web-{n}", of=replace(one, env={"A": "b"})) for n in (0, 1)]
    f = fleet(node("a"), node("b"), agents=[replace(one, nodes=("b",))])
    plan = changes(f, seen("a", *older), seen("b"), guards=Guards(max_disruption=Share(count=0)))
    assert len(plan.steps) == 4
    assert guards_broken(plan) == []


def test_a_copy_too_many_and_one_that_failed_do_not_count() -> None:
    one = spec("web")
    twice = (seen("a", agent("web-0", of=one)), seen("b", agent("web-0", of=one, epoch=2),
             agent("x-0", AgentState.FAILED)))  # fmt: skip
    f = fleet(node("a"), node("b"), agents=[one])
    plan = changes(f, *twice, guards=Guards(max_disruption=Share(count=0)))
    assert {s.action for s in plan.steps} == {Action.STOP}
    assert guards_broken(plan) == []


def test_the_end_of_everything_needs_both_guards_lifted() -> None:
    x = spec("x", replicas=4)
    looks = [seen(f"web-{n + 1}", agent(f"x-{n}", of=x)) for n in range(4)]
    f = made(4, agents=[x])
    broken = guards_broken(changes(f, *looks, destroy=True, guards=None))
    assert broken == ["max_destroy", "max_disruption"]


def test_a_node_that_is_gone_already_is_not_destroyed_again() -> None:
    state = recorded(record("web-1"), record("web-2"))
    plan = changes(made(0), silent("web-1"), silent("web-2"), state=state, listed={"web": ()},
                   guards=Guards(max_destroy=Share(count=0)))  # fmt: skip
    assert keys(plan) == ["forget node web-1", "forget node web-2"]
    assert plan.breaches == ()


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(troubled())
def test_no_plan_takes_more_away_than_its_guards_allow_without_saying_so(drawn) -> None:
    w, scope = drawn
    guards = Guards(max_destroy=Share(ratio=0.25), max_disruption=Share(ratio=0.5))
    plan = w.plan(scope, guards=guards)
    broken = guards_broken(plan)
    nodes, running, ends, helpless = before(w)
    taken_in = nodes & (set(w.made) | set(w.state.nodes))
    copies = Copies(w.look())
    seen_running = {a for a in running if copies.alive(a)}
    w.carry_out(plan)
    gone = taken_in - set(w.made) - set(w.state.nodes) - ends
    if len(gone) > guards.max_destroy.of(len(nodes)):
        assert "max_destroy" in broken
    lost = {a for a in seen_running if not w.running().get(a)} - helpless
    if len(lost) > guards.max_disruption.of(len(seen_running)):
        assert "max_disruption" in broken


def before(w: World):
    """Nodes, agents that run, nodes that end by themselves, agents that nobody can help."""
    nodes = set(w.made) | {n for n, r in w.state.nodes.items() if r.provider == "static"}
    running = {a for (a, _), state in w.agents.items() if state in ALIVE}
    helpless = {a for a, n in w.agents if n in w.taken_away}
    return nodes | set(w.fleet.nodes), running, set(w.taken_away), helpless
