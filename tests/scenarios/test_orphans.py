"""Whatever a record has lost and whatever was made twice: reaping leads to where no step is left,
and takes nothing else away."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from phoenixctl.model.fleet import Fleet
from phoenixctl.model.names import NodeName
from phoenixctl.planning.difference import Scope
from tests.scenarios.rolling import Watch, in_any_order
from tests.scenarios.test_convergence import check, fleets, settle
from tests.scenarios.world import ALIVE, World
from tests.unit.planning.changing import record

REAP = Scope(reap=True)


def lose(w: World, rng: Random) -> set[NodeName]:
    """The record forgets nodes, of which some are cut off as well; at least one it keeps."""
    made = sorted(w.made)
    lost = set(rng.sample(made, rng.randint(0, len(made) - 1)))
    kept = {name: r for name, r in w.state.nodes.items() if name not in lost}
    w.state = replace(w.state, nodes=kept)
    w.cut_off |= {name for name in lost if rng.random() < 0.5}
    return lost


def double(w: World, names: set[NodeName], rng: Random) -> None:
    """Instances with the names of others, some of them of another record."""
    for number, name in enumerate(sorted(names)):
        if rng.random() < 0.4:
            owner = rng.choice(("", "other"))
            ours = replace(w.made[name], id=f"i-double-{number}")
            w.doubles[ours.id] = replace(ours, lineage=owner) if rng.random() < 0.3 else ours


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(fleets(), st.randoms(use_true_random=False))
def test_orphans_go_what_is_recorded_stays_and_agents_come_back(before: Fleet, rng: Random) -> None:
    w = World(before)
    settle(w)
    assume(w.made)
    lost = lose(w, rng)
    busy = {n for (_, n), state in w.agents.items() if state in ALIVE and n not in w.cut_off}
    double(w, set(w.made) - (lost & busy), rng)
    kept, foreign = set(w.made) - lost, {i.id for i in w.doubles.values() if i.lineage == "other"}
    nobodys = {i.id for i in w.doubles.values() if not i.lineage}

    plan = w.plan(REAP)
    in_any_order(w, plan, rng, Watch(w), fail=0.0)
    assert set(w.doubles) == foreign | nobodys
    assert kept <= set(w.made)
    assert lost & set(w.made) == lost & busy
    assert not w.cut_off & lost
    again = w.plan(REAP)
    assert not [step.key for step in again.steps if step.instance]

    w.state = replace(w.state, nodes={**w.state.nodes, **taken_in(w, lost & busy)})
    check(w, settle(w))


def taken_in(w: World, names: set[NodeName]):
    """What `refresh --adopt` records of those that were in use."""
    return {name: record(name, node=w.made[name].node, id=w.made[name].id) for name in names}
