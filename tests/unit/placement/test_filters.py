"""Each constraint: an agent that is kept away, one that is let in, one where it is not known."""

from __future__ import annotations

from collections.abc import Iterable
from types import MappingProxyType

import pytest

from phoenixctl.model.aws import AwsPool, AwsZone
from phoenixctl.model.bootstrap import Bootstrap
from phoenixctl.model.fleet import AgentSpec, Fleet, Node, Pool, Resources
from phoenixctl.model.names import AgentId, NodeName
from phoenixctl.model.placement import Rejection
from phoenixctl.model.reading import Metric
from phoenixctl.model.rules import (
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
    Taint,
    Toleration,
)
from phoenixctl.model.snapshot import NodeObservation, NodeUnobserved
from phoenixctl.placement.board import Board
from tests.builders import GiB, MiB, agent, fleet, instances, node, seen, silent, snapshot, spec

NO_LABELS = MappingProxyType({})


def web(**more: object) -> AgentSpec:
    rules = {name: more.pop(name) for name in tuple(more) if name in Rules.__dataclass_fields__}
    return spec("web", rules=Rules(**rules) if rules else None, **more)


def rejections(
    f: Fleet, *looks: NodeObservation | NodeUnobserved, of: str = "web-0", on: str = "a"
) -> list[Rejection]:
    board = Board.of(f, snapshot(*looks), without={AgentId(of)})
    [one] = instances(f, of)
    return list(board.rejections(one, board.number[NodeName(on)]))


def said(found: Iterable[Rejection]) -> list[tuple[str, str, str]]:
    return [(r.constraint, r.need, r.have) for r in found]


def a_node(**more: object) -> Node:
    return node("a", **more)


def test_pools_and_nodes_that_a_spec_names() -> None:
    nodes = a_node(), node("b", pool="db")
    found = rejections(fleet(*nodes, agents=[web(pools=("db",))]), seen("a"), seen("b"))
    assert said(found) == [("pool", "db", "main")]
    assert found[0].remedy == "add main to agents.web.pools"
    assert said(rejections(fleet(*nodes, agents=[web(nodes=["b"])]), seen("a"), seen("b"))) == [
        ("nodes", "one of 1 named", "a")
    ]
    f = fleet(*nodes, agents=[web(pools=("db",), nodes=["b", "nobody-knows"])])
    assert rejections(f, seen("a"), seen("b"), on="b") == []


def test_health_cordon_and_joining() -> None:
    f = fleet(a_node(), agents=[web()])
    assert said(rejections(f, silent("a"))) == [("health", "a node that answers", "unreachable")]
    assert said(rejections(f, seen("a", cordoned="disk"))) == [
        ("cordon", "not cordoned", "cordoned by op@here")
    ]
    assert rejections(f, seen("a")) == []
    prepared = fleet(a_node(), agents=[web()])
    object.__setattr__(prepared, "pools", {"main": Pool("main", bootstrap=Bootstrap())})
    assert said(rejections(prepared, seen("a"))) == [("join", "a node that has joined", "not yet")]
    assert rejections(prepared, seen("a", joined="d1")) == []


def test_taints_of_the_node_and_of_its_pool() -> None:
    gpu = Taint("gpu", "yes")
    f = fleet(a_node(taints=(gpu,)), agents=[web()])
    found = rejections(f, seen("a"))
    assert said(found) == [("taint", "a node that is not tainted, or a toleration", "gpu=yes")]
    for toleration in (Toleration("gpu"), Toleration("gpu", "yes")):
        tolerant = fleet(a_node(taints=(gpu,)), agents=[web(tolerations=(toleration,))])
        assert rejections(tolerant, seen("a")) == []
    other = fleet(a_node(taints=(gpu,)), agents=[web(tolerations=(Toleration("gpu", "no"),))])
    assert [r.constraint for r in rejections(other, seen("a"))] == ["taint"]
    avoided = fleet(a_node(taints=(Taint("old", effect=Effect.AVOID),)), agents=[web()])
    assert rejections(avoided, seen("a")) == []
    pooled = Fleet("test", {"main": Pool("main", taints=(gpu,))}, f.nodes, {"web": web()})
    assert [r.constraint for r in rejections(pooled, seen("a"))] == ["taint"]


@pytest.mark.parametrize(
    ("wanted", "labels", "kept"),
    [
        (Requirement("zone", Operator.IN, ("x", "y")), {"zone": "y"}, None),
        (Requirement("zone", Operator.IN, ("x", "y")), {"zone": "z"}, ("zone=x or y", "zone=z")),
        (Requirement("zone", Operator.IN, ("x",)), {}, ("zone=x", "no zone")),
        (Requirement("zone", Operator.NOT_IN, ("x",)), {}, None),
        (Requirement("zone", Operator.NOT_IN, ("x",)), {"zone": "x"}, ("zone!=x", "zone=x")),
        (Requirement("ssd", Operator.EXISTS), {"ssd": ""}, None),
        (Requirement("ssd", Operator.EXISTS), {}, ("a label ssd", "no ssd")),
        (Requirement("old", Operator.ABSENT), {}, None),
        (Requirement("old", Operator.ABSENT), {"old": "1"}, ("no label old", "old=1")),
        (Requirement("gen", Operator.GREATER, number=2), {"gen": "3"}, None),
        (Requirement("gen", Operator.GREATER, number=2), {"gen": "2"}, ("gen > 2", "gen=2")),
        (Requirement("gen", Operator.LESS, number=2.5), {"gen": "2"}, None),
        (Requirement("gen", Operator.LESS, number=2), {"gen": "new"}, ("gen < 2", "gen=new")),
        (Requirement("gen", Operator.LESS, number=2), {}, ("gen < 2", "no gen")),
        (Requirement("pool", Operator.IN, ("main",)), {}, None),
        (Requirement("zone", Operator.IN, ("x",), weight=1.0), {}, None),
    ],
)
def test_labels_that_a_spec_wants(wanted, labels, kept) -> None:
    f = fleet(a_node(labels=labels), agents=[web(selector=(wanted,))])
    expected = [] if kept is None else [("selector", *kept)]
    assert said(rejections(f, seen("a"))) == expected


def test_labels_of_the_pool_count_and_nodes_of_a_cloud_have_some_by_themselves() -> None:
    aws = AwsPool("eu-1", (AwsZone("eu-1a"), AwsZone("eu-1b")), ("m5.large",))
    pool = Pool("cloud", "aws", labels={"disk": "ssd"}, aws=aws)
    made = node("a", pool="cloud", labels={"zone": "eu-1b"})
    wants = [
        Requirement(key, Operator.IN, (value,))
        for key, value in (
            ("disk", "ssd"), ("zone", "eu-1b"), ("region", "eu-1"), ("type", "m5.large"),
        )
    ]  # fmt: skip
    f = Fleet("test", {"cloud": pool}, {made.name: made}, {"web": web(selector=tuple(wants))})
    assert rejections(f, seen("a")) == []


def test_resources_that_are_there_promised_kept_or_unknown() -> None:
    asks = web(cpu=2, memory=GiB(2))
    f = fleet(a_node(), agents=[asks, spec("db", cpu=1, memory=GiB(3))])
    assert rejections(f, seen("a", agent("db-0"))) == []
    found = rejections(f, seen("a", agent("db-0"), cores=2.5, memory=GiB(4)))
    assert said(found) == [("cpu", "2", "1.5"), ("memory", "2GiB", "1GiB")]
    assert [(r.remedy, r.by) for r in found] == [
        ("ask for 500m less cpu, or free so much there", 0.25),
        ("ask for 1GiB less memory, or free so much there", 0.5),
    ]
    unknown = rejections(f, seen("a", cores=None))
    assert said(unknown) == [("cpu", "2", "unknown")]
    assert unknown[0].remedy == "say what it has in nodes.a.resources.cpu"
    kept = fleet(a_node(reserved=Resources(cpu=2.5)), agents=[asks])
    assert said(rejections(kept, seen("a", cores=4.0))) == [("cpu", "2", "1.5")]


def test_any_resource_can_be_named_and_a_node_has_what_is_said_of_it() -> None:
    def asking(count: float) -> AgentSpec:
        return AgentSpec("web", ("x",), resources=Resources(other={"gpu": count}))

    card = a_node(resources=Resources(other={"gpu": 1.0}))
    assert rejections(fleet(card, agents=[asking(1)]), seen("a")) == []
    assert said(rejections(fleet(card, agents=[asking(2)]), seen("a"))) == [("gpu", "2", "1")]
    assert said(rejections(fleet(a_node(), agents=[asking(1)]), seen("a"))) == [("gpu", "1", "0")]
    pool = Pool("main", capacity=Resources(other={"gpu": 4.0}))
    f = Fleet("test", {"main": pool}, {NodeName("a"): a_node()}, {"web": asking(2)})
    assert rejections(f, seen("a")) == []


def test_caps_on_what_is_promised_and_on_what_is_in_use() -> None:
    half = (Cap("cpu", 0.5), Cap("memory", 0.5))
    f = fleet(a_node(), agents=[web(cpu=1, caps=half), spec("db", cpu=1.5)])
    assert rejections(f, seen("a", metrics={Metric.CPU: 0.5})) == []
    found = rejections(f, seen("a", agent("db-0"), metrics={Metric.MEMORY: 0.75}))
    assert said(found) == [
        ("cap", "1 within 50% of cpu", "500m"), ("cap", "memory in use up to 50%", "75%"),
    ]  # fmt: skip
    assert [r.remedy for r in found] == [
        "62% in agents.web.placement.caps.cpu", "75% in agents.web.placement.caps.memory",
    ]  # fmt: skip
    disk = fleet(a_node(), agents=[web(caps=(Cap("network", 0.9),))])
    assert said(rejections(disk, seen("a"))) == [("cap", "network in use up to 90%", "unknown")]
    settings = PlacementSettings(caps=(Cap("cpu", 0.1),))
    everywhere = fleet(a_node(), agents=[web(cpu=1)], placement=settings)
    found = rejections(everywhere, seen("a", metrics={Metric.CPU: 0.05}))
    assert [r.remedy for r in found] == ["25% in placement.caps.cpu"]
    assert Board.of(everywhere, snapshot(seen("a"))).capacity[0, 0] == pytest.approx(0.4)


def zones(*agents: AgentSpec) -> Fleet:
    """Two nodes in zone x, one in y, one in none."""
    return fleet(
        node("a", labels={"zone": "x"}), node("b", labels={"zone": "x"}),
        node("c", labels={"zone": "y"}), node("d"),
        agents=agents,
    )  # fmt: skip


def test_affinity_to_specs_ids_and_labels() -> None:
    near = Affinity(AgentSelector(specs=("db",)), "zone")
    f = zones(web(affinity=(near,)), spec("db", labels={"tier": "data"}))
    looks = seen("a", agent("db-0")), seen("b"), seen("c"), seen("d")
    assert rejections(f, *looks, on="b") == []
    assert said(rejections(f, *looks, on="c")) == [("affinity", "db in the same zone", "none in y")]
    assert said(rejections(f, *looks, on="d")) == [
        ("affinity", "db in the same zone", "no label zone")
    ]
    for agents in (AgentSelector(ids=(AgentId("db-0"),)), AgentSelector(labels={"tier": "data"})):
        same = zones(web(affinity=(Affinity(agents),)), f.agents["db"])
        assert rejections(same, *looks, on="a") == []
        assert [r.constraint for r in rejections(same, *looks, on="b")] == ["affinity"]


def test_the_first_of_those_that_belong_together_may_go_anywhere() -> None:
    f = zones(web(replicas=2, affinity=(Affinity(AgentSelector(specs=("web",)), "zone"),)))
    looks = seen("a"), seen("b"), seen("c"), seen("d")
    assert rejections(f, *looks, on="c") == []
    there = seen("a", agent("web-1")), *looks[1:]
    assert rejections(f, *there, on="b") == []
    assert [r.constraint for r in rejections(f, *there, on="c")] == ["affinity"]


def test_anti_affinity_by_the_rules_of_the_one_that_comes() -> None:
    f = zones(web(anti_affinity=(Affinity(AgentSelector(specs=("db",)), "zone"),)), spec("db"))
    looks = seen("a", agent("db-0")), seen("b"), seen("c"), seen("d", agent("db-1"))
    found = rejections(f, *looks, on="b")
    assert said(found) == [("anti-affinity", "no db in the same zone", "1 in x")]
    assert rejections(f, *looks, on="c") == []
    assert rejections(f, *looks, on="d") == []  # in no zone, so in none with db-1


def test_anti_affinity_by_the_rules_of_those_that_are_there() -> None:
    off = Rules(anti_affinity=(Affinity(AgentSelector(labels={"loud": "yes"})),))
    f = zones(web(labels={"loud": "yes"}), spec("db", rules=off))
    looks = seen("a", agent("db-0")), seen("b"), seen("c"), seen("d")
    found = rejections(f, *looks, on="a")
    assert said(found) == [("anti-affinity", "no db in the same node", "1 in a")]
    assert found[0].remedy == "a weight for it in agents.db.placement.anti_affinity"
    assert rejections(f, *looks, on="b") == []
    single = Rules(anti_affinity=(Affinity(AgentSelector(ids=(AgentId("web-0"),))),))
    named = zones(spec("web", replicas=2, rules=single))
    there = seen("a", agent("web-1")), *looks[1:]
    assert [r.constraint for r in rejections(named, *there, on="a")] == ["anti-affinity"]


def test_an_agent_does_not_meet_itself() -> None:
    f = zones(web(anti_affinity=(Affinity(AgentSelector(specs=("web",)), "zone"),)))
    s = snapshot(seen("a", agent("web-0")), seen("b"), seen("c"), seen("d"))
    assert Board.of(f, s).open_to(instances(f)[0]).all()


def test_spread_over_the_domains_that_take_the_spec() -> None:
    f = zones(web(replicas=4, memory=GiB(1), spread=(Spread("zone"),)))
    looks = seen("a", agent("web-1")), seen("b"), seen("c"), seen("d")
    assert rejections(f, *looks, on="c") == []
    found = rejections(f, *looks, on="b")
    assert said(found) == [("spread", "at most 1 more in one zone than in another", "2 more in x")]
    assert (found[0].remedy, found[0].by) == ("max_skew 2 in agents.web.placement.spread", 0.5)
    assert said(rejections(f, *looks, on="d"))[0][2] == "no label zone"
    closed = looks[0], looks[1], seen("c", cordoned="x"), looks[3]
    assert rejections(f, *closed, on="b") == []  # zone y takes nobody, so it does not count
    full = looks[0], looks[1], seen("c", memory=MiB(5)), looks[3]
    assert [r.constraint for r in rejections(f, *full, on="b")] == ["spread"]


def test_redundancy_while_enough_are_to_come() -> None:
    f = zones(web(replicas=3, redundancy=(Redundancy("zone", 2),)))
    looks = seen("a", agent("web-1")), seen("b"), seen("c"), seen("d")
    assert rejections(f, *looks, on="b") == []  # web-2 can still go to the other zone
    later = looks[0], seen("b", agent("web-2")), *looks[2:]
    assert said(rejections(f, *later, on="b")) == [
        ("redundancy", "replicas in 2 of zone", "one in x already")
    ]
    assert rejections(f, *later, on="c") == []
    assert said(rejections(f, *later, on="d"))[0][2] == "no label zone"
