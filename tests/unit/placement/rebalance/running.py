"""Fleets whose agents run where they should rather not, as configured and seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from phoenixctl.model.fleet import AgentSpec, Fleet, Node
from phoenixctl.model.names import AgentId
from phoenixctl.model.reading import Metric
from phoenixctl.model.rules import (
    Affinity,
    AgentSelector,
    Cap,
    Goal,
    Operator,
    Rebalancing,
    Redundancy,
    Requirement,
    Rules,
    Spread,
    Taint,
)
from phoenixctl.model.snapshot import NodeObservation, Snapshot
from phoenixctl.placement.rebalance.rebalancing import rebalance
from phoenixctl.placement.rebalance.result import Rebalance
from tests.builders import GiB, MiB, agent, fleet, node, seen, snapshot, spec

LABELS = ("node", "zone")


@dataclass(frozen=True, slots=True)
class Running:
    """A fleet as it runs."""

    fleet: Fleet
    snapshot: Snapshot

    def rebalanced(
        self,
        goal: Goal = Goal.EVEN,
        *,
        max_moves: int = 10,
        move_cost: float = 0.001,
        at_once: Mapping[str, int] | None = None,
        seed: int = 0,
        iterations: int = 0,
        exact: bool = False,
    ) -> Rebalance:
        return rebalance(
            self.fleet,
            self.snapshot,
            Rebalancing(goal, max_moves, move_cost),
            movable=lambda _agent: True,
            at_once=dict.fromkeys(self.fleet.agents, 99) if at_once is None else at_once,
            seed=seed,
            iterations=iterations,
            exact=exact,
        )


def zoned(count: int, *zones: str, **more: Any) -> list[Node]:
    """Nodes n0, n1, ... in these zones by turns; an empty one is no label."""
    found = []
    for number in range(count):
        zone = zones[number % len(zones)] if zones else ""
        found.append(node(f"n{number}", labels={"zone": zone} if zone else {}, **more))
    return found


def running(
    nodes: Sequence[Node],
    specs: Sequence[AgentSpec],
    where: Mapping[str, Sequence[str]],
    *,
    cores: float = 4.0,
    metrics: Mapping[str, Mapping[Metric, float]] | None = None,
    cordoned: Sequence[str] = (),
) -> Running:
    """`where` has the ids of the agents on each node."""
    by_name = {one.name: one for one in specs}
    seen_: list[NodeObservation] = [
        seen(
            one.name,
            *(agent(a, of=by_name[a.rpartition("-")[0]]) for a in where.get(one.name, ())),
            cores=cores,
            metrics=(metrics or {}).get(one.name, {}),
            cordoned="by hand" if one.name in cordoned else None,
        )
        for one in nodes
    ]
    return Running(fleet(*nodes, agents=specs), snapshot(*seen_))


@st.composite
def fleets(draw: st.DrawFn) -> Running:
    """Any rules, hard and soft; agents anywhere, so that some rules are broken already."""
    names = ("web", "job", "db")[: draw(st.integers(1, 3))]
    specs = [
        spec(
            name,
            replicas=draw(st.integers(1, 4)),
            cpu=draw(st.sampled_from([None, 0.5, 1.0, 1.5])),
            memory=draw(st.sampled_from([None, MiB(512), GiB(3)])),
            labels={"tier": draw(st.sampled_from(["a", "b"]))},
            rules=draw(rules(names)),
        )
        for name in names
    ]
    nodes = [
        node(
            f"n{number}",
            labels=draw(st.sampled_from([{}, {"zone": "x"}, {"zone": "y"}, {"zone": "z"}])),
            taints=draw(st.sampled_from([(), (), (Taint("gpu"),)])),
        )
        for number in range(draw(st.integers(2, 5)))
    ]
    where: dict[str, list[AgentId]] = {one.name: [] for one in nodes}
    for one in fleet(*nodes, agents=specs).instances():
        where[draw(st.sampled_from(nodes)).name].append(one.id)
    slow: dict[str, Mapping[Metric, float]] = {
        one.name: {Metric.RESPONSE_P95: draw(st.sampled_from([0.01, 0.2]))}
        for one in nodes
        if draw(st.booleans())
    }
    cordoned = [one.name for one in nodes if draw(st.integers(0, 4)) == 0]
    return running(nodes, specs, where, metrics=slow, cordoned=cordoned)


@st.composite
def rules(draw: st.DrawFn, specs: Sequence[str]) -> Rules | None:
    if draw(st.integers(0, 2)) == 0:
        return None
    weight = st.sampled_from([None, None, 1.0])
    selector = st.builds(
        AgentSelector,
        ids=st.sampled_from([(), (), (AgentId("web-0"),)]),
        specs=st.sampled_from([(), *((name,) for name in specs)]),
        labels=st.sampled_from([{}, {"tier": "a"}]),
    )
    near = st.builds(Affinity, selector, st.sampled_from(LABELS), weight)
    return Rules(
        selector=tuple(
            draw(st.lists(st.builds(Requirement, st.just("zone"), st.just(Operator.NOT_IN),
                                    st.just(("z",)), st.none(), weight), max_size=1))
        ),
        affinity=tuple(draw(st.lists(near, max_size=1))),
        anti_affinity=tuple(draw(st.lists(near, max_size=1))),
        spread=tuple(
            draw(st.lists(st.builds(Spread, st.sampled_from(LABELS), st.integers(1, 2), weight),
                          max_size=1))
        ),
        redundancy=tuple(
            draw(st.lists(st.builds(Redundancy, st.just("zone"), st.integers(2, 3), weight),
                          max_size=1))
        ),
        caps=draw(st.sampled_from([(), (Cap("cpu", 0.5),), (Cap("memory", 0.6, 1.0),)])),
    )  # fmt: skip
