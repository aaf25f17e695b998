"""What an operation did is taken back: afterwards the fleet is as it was before."""

from __future__ import annotations

from dataclasses import dataclass, replace

from hypothesis import HealthCheck, given, settings

from phoenixctl.model.fleet import AgentSpec, Fleet
from phoenixctl.model.plan import Plan
from phoenixctl.planning.rollback import plan_rollback
from tests.scenarios.test_convergence import fleets, settle
from tests.scenarios.world import ALIVE, UNGUARDED, World


@dataclass(frozen=True)
class Past:
    plan: Plan
    ends: tuple[End, ...]
    specs: dict[str, AgentSpec]
    entry: Entry


@dataclass(frozen=True)
class Entry:
    id: str = "7"


@dataclass(frozen=True)
class End:
    key: str
    outcome: str = "ok"


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(fleets(), fleets())
def test_the_inverse_of_a_plan_leads_back(before: Fleet, after: Fleet) -> None:
    w = World(before)
    settle(w)
    then = picture(w)
    w.fleet = after
    plan = w.plan()
    w.carry_out(plan)
    ends = tuple(End(step.key) for step in plan.steps)
    past = Past(plan, ends, dict(w.state.specs), Entry())
    everything = replace(after, nodes=w.nodes())
    back = plan_rollback(past, everything, w.state, w.look(), guards=UNGUARDED)
    w.carry_out(back)
    if not back.warnings:
        assert picture(w) == then


def picture(w: World) -> object:
    """What runs where with what, and which nodes there are."""
    running = {
        place: (w.specs[place].env, w.specs[place].resources)
        for place, state in w.agents.items()
        if state in ALIVE
    }
    return running, set(w.made), set(w.state.nodes), w.cordoned
