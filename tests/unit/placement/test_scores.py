"""What nodes are worth, term by term, and which one each strategy takes."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from phoenixctl.model.aws import AwsPool, AwsZone
from phoenixctl.model.fleet import Fleet, Pool, Resources
from phoenixctl.model.names import NodeName
from phoenixctl.model.reading import Metric
from phoenixctl.model.rules import (
    Affinity,
    AgentSelector,
    Cap,
    Effect,
    Latency,
    Operator,
    PlacementSettings,
    Redundancy,
    Requirement,
    Rules,
    Spread,
    Strategy,
    Taint,
)
from phoenixctl.model.snapshot import NodeObservation
from phoenixctl.placement.board import Board
from phoenixctl.placement.place import place
from phoenixctl.placement.scores.every import TERMS, scores
from tests.builders import GiB, agent, fleet, instances, node, seen, snapshot, spec

IDLE = {Metric.CPU: 0.0, Metric.MEMORY: 0.0}


def term(name: str, f: Fleet, *looks: NodeObservation) -> list[float]:
    """The term for the first agent of the fleet, node by node."""
    board = Board.of(f, snapshot(*looks))
    found = TERMS[name](instances(f)[0], board, slice(None))
    return [round(float(value), 6) for value in found]


def test_resources_are_the_mean_of_required_by_available() -> None:
    f = fleet(node("a"), node("b"), node("c"), agents=[spec("web", cpu=1, memory=GiB(2)),
                                                        spec("db", cpu=2)])  # fmt: skip
    looks = seen("a", cores=4.0, memory=GiB(8)), seen("b", agent("db-0")), seen("c", cores=None)
    assert term("resources", f, *looks) == [0.25, 0.375, 0.125]
    small = seen("a", cores=0.5, memory=GiB(1)), *looks[1:]
    assert term("resources", f, *small)[0] == 1.0
    assert term("resources", fleet(node("a"), agents=[spec("web")]), seen("a")) == [1.0]


def test_balance_is_what_is_left_of_what_is_promised_or_in_use_whichever_is_more() -> None:
    f = fleet(node("a"), node("b"), agents=[spec("web"), spec("db", cpu=2, memory=GiB(4))])
    promised = seen("a", agent("db-0"), metrics=IDLE)
    assert term("balance", f, promised, seen("b", metrics=IDLE)) == [0.5, 1.0]
    used = seen("b", metrics={Metric.CPU: 0.9, Metric.MEMORY: 0.1})
    assert term("balance", f, promised, used) == [0.5, 0.5]
    both = seen("a", agent("db-0"), metrics={Metric.CPU: 0.7, Metric.MEMORY: 0.1})
    assert term("balance", f, both, used) == [0.4, 0.5]


def test_an_agent_that_asks_for_nothing_counts_for_something_in_the_balance() -> None:
    f = fleet(node("a"), agents=[spec("web")])
    [there] = term("balance", f, seen("a", agent("web-0"), metrics=IDLE, memory=GiB(4)))
    assert there == pytest.approx(1 - (0.1 / 4 + 1 / 32) / 2)


def test_performance_is_the_mean_of_what_is_known() -> None:
    f = fleet(*(node(name) for name in "abcd"), agents=[spec("web")])
    good = {Metric.RESPONSE_P95: 0.025, Metric.THROUGHPUT: 2000.0, Metric.AVAILABILITY: 1.0}
    slow = {Metric.RESPONSE_P95: 0.1, Metric.THROUGHPUT: 250.0, Metric.AVAILABILITY: 0.99}
    part = {Metric.RESPONSE_MEAN: 0.2}
    looks = [seen(name, metrics=m) for name, m in zip("abcd", (good, slow, part, {}), strict=True)]
    middle = (1.0 + 0.58 + 0.25) / 3
    assert term("performance", f, *looks) == [1.0, 0.58, 0.25, round(middle, 6)]
    assert term("latency", f, *looks) == [1.0, 0.5, 0.25, round(1.75 / 3, 6)]
    assert term("performance", f, *(seen(name) for name in "abcd")) == [0.5] * 4


def test_the_formula_of_the_specification_for_latency_can_be_had() -> None:
    settings = PlacementSettings(latency=Latency.INVERSE)
    f = fleet(node("a"), node("b"), agents=[spec("web")], placement=settings)
    looks = [seen(n, metrics={Metric.RESPONSE_P95: s}) for n, s in (("a", 0.0005), ("b", 0.004))]
    assert term("latency", f, *looks) == [1.0, 0.25]


def test_affinity_is_neutral_without_rules_else_the_weighted_part_that_is_met() -> None:
    nodes = [
        node("a", labels={"zone": "x", "disk": "ssd"}),
        node("b", labels={"zone": "y"}, taints=(Taint("old", effect=Effect.AVOID),)),
    ]
    looks = seen("a", agent("db-0"), metrics={Metric.CPU: 0.9}), seen("b", metrics=IDLE)

    def affinity(**rules: object) -> list[float]:
        f = fleet(*nodes, agents=[spec("web", replicas=2, cpu=1, rules=Rules(**rules)), spec("db")])
        return term("affinity", f, *looks)

    db = AgentSelector(specs=("db",))
    untainted = replace(nodes[1], taints=())
    plain = fleet(nodes[0], untainted, agents=[spec("web")])
    assert term("affinity", plain, *looks) == [0.5, 0.5]
    assert affinity() == [1.0, 0.0]  # one of them is to be avoided
    nodes[1] = untainted
    assert affinity(affinity=(Affinity(db),)) == [1.0, 0.0]
    ssd = Requirement("disk", Operator.EXISTS, weight=3.0)
    far = Affinity(db, "zone", weight=1.0)
    assert affinity(selector=(ssd,), anti_affinity=(far,)) == [0.75, 0.25]
    assert affinity(caps=(Cap("cpu", 0.5, weight=1.0),)) == [0.0, 1.0]
    assert affinity(spread=(Spread("disk", weight=1.0),)) == [1.0, 0.0]
    assert affinity(redundancy=(Redundancy("zone", weight=1.0),)) == [1.0, 1.0]


def test_the_total_is_weighted_as_the_specification_says() -> None:
    f = fleet(node("a"), agents=[spec("web", cpu=1)])
    found = scores(instances(f)[0], Board.of(f, snapshot(seen("a", metrics=IDLE))))
    assert dict(found.weights) == {
        "resources": 0.3, "affinity": 0.2, "balance": 0.3, "performance": 0.2,
    }  # fmt: skip
    assert found.total.tolist() == [0.3 * 0.25 + 0.2 * 0.5 + 0.3 * 1.0 + 0.2 * 0.5]


def taken(strategy: Strategy, f: Fleet, *looks: NodeObservation) -> str:
    settings = PlacementSettings(strategy=strategy)
    [one] = instances(f, "web-0")
    return place([one], replace(f, placement=settings), snapshot(*looks)).assigned[one.id]


def test_each_strategy_takes_another_node() -> None:
    f = fleet(*(node(name) for name in "abc"), agents=[spec("web", cpu=1), spec("db", cpu=0.5)])
    looks = (
        seen("a", agent("db-0"), metrics={Metric.RESPONSE_P95: 0.2}),
        seen("b", agent("db-1"), agent("db-2"), metrics={Metric.RESPONSE_P95: 0.01}),
        seen("c", metrics={Metric.RESPONSE_P95: 0.5}),
    )
    assert taken(Strategy.SPREAD, f, *looks) == "c"
    assert taken(Strategy.PACK, f, *looks) == "b"
    assert taken(Strategy.LATENCY_AWARE, f, *looks) == "b"
    full = replace(looks[1], metrics={**looks[1].metrics, **seen("b", cores=1.5).metrics})
    assert taken(Strategy.PACK, f, looks[0], full, looks[2]) == "a"


def test_the_cheapest_node_is_taken_and_one_without_a_price_last() -> None:
    def pool(name: str, kind: str, *, spot: bool = False) -> Pool:
        return Pool(name, "aws", aws=AwsPool("eu", (AwsZone("z"),), (kind,), spot=spot))

    pools = {"a": pool("a", "m5"), "b": pool("b", "m5", spot=True), "c": pool("c", "new")}
    f = fleet(*(node(name, pool=name) for name in "abcd"), agents=[spec("web")])
    f = replace(
        f, pools={**f.pools, **pools}, prices={"m5": 0.1, "spot:m5": 0.03},
        placement=PlacementSettings(strategy=Strategy.COST),
    )  # fmt: skip
    assert term("price", f, *(seen(name) for name in "abcd")) == [0.3, 1.0, 0.0, 0.0]
    assert taken(Strategy.COST, f, *(seen(name) for name in "abcd")) == "b"


def test_a_spec_may_have_a_strategy_of_its_own() -> None:
    packing = spec("web", replicas=3, cpu=1, rules=Rules(strategy=Strategy.PACK))
    f = fleet(node("a"), node("b"), agents=[packing])
    found = place(f.instances(), f, snapshot(seen("a"), seen("b")))
    assert set(found.assigned.values()) == {"a"}


@pytest.mark.parametrize("size", [None, 0.1, 0.5, 1.0])
def test_nodes_that_are_alike_get_the_same_number_of_agents(size: float | None) -> None:
    f = fleet(*(node(f"n{n}") for n in range(4)), agents=[spec("web", replicas=14, cpu=size)])
    noise = (0.20, 0.21, 0.19, 0.22)
    looks = [seen(f"n{n}", metrics={Metric.CPU: noise[n]}) for n in range(4)]
    counts = Counter(place(f.instances(), f, snapshot(*looks)).assigned.values())
    assert sorted(counts.values()) == [3, 3, 4, 4]


def test_a_node_that_is_known_to_be_busy_gets_fewer() -> None:
    f = fleet(node("a"), node("b"), agents=[spec("web", replicas=10, cpu=0.1)])
    looks = seen("a", metrics={Metric.CPU: 0.9}), seen("b", metrics={Metric.CPU: 0.0})
    counts = Counter(place(f.instances(), f, snapshot(*looks)).assigned.values())
    assert counts == {"b": 10}


def test_small_agents_go_to_small_nodes_so_that_large_ones_keep_their_room() -> None:
    f = fleet(node("large"), node("small"), agents=[spec("web", cpu=1, memory=GiB(1))])
    looks = seen("large", cores=16.0, memory=GiB(64)), seen("small", cores=2.0, memory=GiB(4))
    assert taken(Strategy.RESOURCE_AWARE, f, *looks) == NodeName("small")


def test_named_resources_count_in_the_balance_of_nodes_that_have_them() -> None:
    card = Resources(other={"gpu": 2.0})
    asks = replace(spec("ai"), resources=Resources(other={"gpu": 1.0}))
    f = fleet(node("a", resources=card), node("b"), agents=[asks])
    looks = seen("a", agent("ai-0"), metrics=IDLE), seen("b", metrics=IDLE)
    assert term("balance", f, *looks) == [round(1 - 0.5 / 3, 6), 1.0]
