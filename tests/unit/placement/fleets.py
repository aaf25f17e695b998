"""Random fleets for properties: small, crowded, with rules of every kind."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from phoenixctl.model.bootstrap import Bootstrap
from phoenixctl.model.fleet import AgentSpec, Fleet, Node, Pool, Resources
from phoenixctl.model.names import AgentId, NodeName
from phoenixctl.model.reading import Metric
from phoenixctl.model.rules import (
    NODE,
    Affinity,
    AgentSelector,
    Cap,
    Effect,
    Operator,
    PlacementSettings,
    Redundancy,
    Requirement,
    Rules,
    Spread,
    Strategy,
    Taint,
    Toleration,
)
from phoenixctl.model.snapshot import (
    AgentObservation,
    AgentState,
    NodeObservation,
    NodeUnobserved,
    Snapshot,
)
from tests.builders import GiB, MiB, agent, seen, silent, snapshot, spec

LABELS = ("zone", "disk", "gen")
WEIGHTS = st.sampled_from([None, None, 1.0, 2.5])
LABEL_SETS = st.fixed_dictionaries(
    {},
    optional={
        "zone": st.sampled_from(["a", "b", "c"]),
        "disk": st.sampled_from(["ssd", "hdd"]),
        "gen": st.sampled_from(["1", "3", "x"]),
    },
)
TAINTS = st.builds(
    Taint, st.sampled_from(["gpu", "old"]), st.sampled_from(["", "yes"]), st.sampled_from(Effect)
)
DOMAINS = st.sampled_from([NODE, "zone", "pool", "disk"])
SPECS = ("s0", "s1", "s2", "s3")


def some(of: st.SearchStrategy[Any], most: int = 1) -> st.SearchStrategy[tuple[Any, ...]]:
    """A few, mostly none."""
    return st.one_of(st.just(()), st.lists(of, max_size=most).map(tuple))


SELECTORS = st.one_of(
    st.builds(AgentSelector, specs=st.sampled_from(SPECS).map(lambda name: (name,))),
    st.builds(AgentSelector, ids=st.sampled_from(["s0-0", "s1-1", "s2-0"]).map(
        lambda name: (AgentId(name),))),
    st.builds(AgentSelector, labels=st.sampled_from([{"tier": "web"}, {"tier": "db"}])),
)  # fmt: skip
REQUIREMENTS = st.one_of(
    st.builds(
        Requirement,
        st.sampled_from(LABELS),
        st.sampled_from([Operator.IN, Operator.NOT_IN]),
        st.sampled_from([("a",), ("b", "c"), ("ssd",)]),
        weight=WEIGHTS,
    ),
    st.builds(
        Requirement,
        st.sampled_from(LABELS),
        st.sampled_from([Operator.EXISTS, Operator.ABSENT]),
        weight=WEIGHTS,
    ),
    st.builds(
        Requirement,
        st.just("gen"),
        st.sampled_from([Operator.GREATER, Operator.LESS]),
        number=st.just(2.0),
        weight=WEIGHTS,
    ),
)
CAPS = st.builds(
    Cap,
    st.sampled_from(["cpu", "memory", "network", "disk", "gpu"]),
    st.sampled_from([0.25, 0.5, 0.8]),
    WEIGHTS,
)
AFFINITIES = st.builds(Affinity, SELECTORS, DOMAINS, WEIGHTS)
RULES = st.builds(
    Rules,
    selector=some(REQUIREMENTS),
    affinity=some(AFFINITIES),
    anti_affinity=some(AFFINITIES, 2),
    spread=some(st.builds(Spread, DOMAINS, st.integers(1, 2), WEIGHTS)),
    redundancy=some(st.builds(Redundancy, DOMAINS, st.integers(1, 3), WEIGHTS)),
    caps=some(CAPS),
    tolerations=some(
        st.builds(Toleration, st.just("gpu"), st.sampled_from([None, "yes"])),
    ),
    priority=st.sampled_from([0, 0, 5, 10]),
    preempts=st.booleans(),
    strategy=st.sampled_from([None, None, *Strategy]),
)
RESOURCES = st.builds(
    Resources,
    cpu=st.sampled_from([None, 0.25, 0.5, 1.5]),
    memory=st.sampled_from([None, MiB(256), GiB(1)]),
    other=st.sampled_from([{}, {}, {"gpu": 1.0}]),
)


@st.composite
def specs(draw: st.DrawFn, nodes: list[str]) -> list[AgentSpec]:
    return [
        replace(
            spec(
                name,
                replicas=draw(st.integers(0, 5)),
                pools=draw(st.sampled_from([(), (), (), ("p",)])),
                nodes=draw(st.sampled_from([[], [], [], nodes[:3]])),
                labels=draw(st.sampled_from([{}, {"tier": "web"}, {"tier": "db"}])),
                rules=draw(st.one_of(st.none(), RULES)),
            ),
            resources=draw(RESOURCES),
        )
        for name in SPECS[: draw(st.integers(1, len(SPECS)))]
    ]


@st.composite
def nodes_of(draw: st.DrawFn) -> list[Node]:
    said = st.sampled_from(
        [None, None, Resources(other={"gpu": 2.0}), Resources(cpu=2.0, other={"gpu": 1.0})]
    )
    kept = st.sampled_from([None, None, Resources(cpu=0.5, memory=MiB(512))])
    return [
        Node(
            NodeName(f"n{number}"),
            draw(st.sampled_from(["p", "q"])),
            f"n{number}",
            labels=draw(LABEL_SETS),
            taints=draw(some(TAINTS)),
            resources=draw(said),
            reserved=draw(kept),
        )
        for number in range(draw(st.integers(1, 7)))
    ]


@st.composite
def observed(draw: st.DrawFn, name: str, ids: list[str]) -> NodeObservation | NodeUnobserved:
    if not draw(st.integers(0, 7)):
        return silent(name)
    found: list[AgentObservation] = []
    if ids:
        there = draw(st.lists(st.sampled_from([*ids, "gone-0"]), max_size=3, unique=True))
        states = st.sampled_from([AgentState.RUNNING, AgentState.RUNNING, AgentState.STOPPED])
        found = [agent(one, draw(states)) for one in there]
    metrics = draw(
        st.sampled_from([
            {},
            {Metric.CPU: 0.6, Metric.NETWORK: 0.1, Metric.RESPONSE_P95: 0.1},
            {Metric.NETWORK: 0.9, Metric.AVAILABILITY: 0.9, Metric.THROUGHPUT: 100.0},
        ])
    )  # fmt: skip
    return seen(
        name,
        *found,
        cores=draw(st.sampled_from([1.0, 2.0, 4.0, None])),
        memory=draw(st.sampled_from([GiB(1), GiB(3), GiB(8), None])),
        metrics=metrics,
        cordoned=draw(st.sampled_from([None, None, None, None, "x"])),
        joined=draw(st.sampled_from(["", "d1", "d1"])),
    )


@st.composite
def ruled(draw: st.DrawFn) -> tuple[Fleet, Snapshot]:
    """A fleet with some agents running, wherever they are, and a snapshot of it."""
    nodes = draw(nodes_of())
    wanted = draw(specs([node.name for node in nodes]))
    pools = {
        "p": Pool("p", labels={"disk": "ssd"}, capacity=draw(st.sampled_from(
            [None, Resources(other={"gpu": 1.0})]))),
        "q": Pool("q", taints=draw(some(TAINTS)), bootstrap=draw(st.sampled_from(
            [None, None, Bootstrap()]))),
    }  # fmt: skip
    fleet = Fleet(
        "test",
        pools,
        {node.name: node for node in nodes},
        {one.name: one for one in wanted},
        placement=draw(
            st.one_of(
                st.none(),
                st.builds(PlacementSettings, st.sampled_from(Strategy), caps=some(CAPS)),
            )
        ),
    )
    ids = [instance.id for instance in fleet.instances()]
    return fleet, snapshot(*(draw(observed(node.name, list(ids))) for node in nodes))
