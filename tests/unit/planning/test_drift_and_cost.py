"""What is not as recorded, and what it costs."""

from __future__ import annotations

from dataclasses import replace

from phoenixctl.model.aws import AwsPool, AwsZone
from phoenixctl.model.bootstrap import Bootstrap
from phoenixctl.model.fleet import Pool
from phoenixctl.model.instance import Phase
from phoenixctl.model.names import AgentId, NodeName
from phoenixctl.model.plan import Cost
from phoenixctl.model.snapshot import AgentState
from phoenixctl.model.state import AgentRecord
from phoenixctl.remote.agents import spec_digest
from tests.builders import agent, fleet, node, seen, silent, spec
from tests.unit.planning.changing import changes, instance, made, record, recorded

WEB = spec("web")
DIGEST = spec_digest(WEB)
HOSTS = recorded(record("a", provider="static"), record("b", provider="static"))
F = fleet(node("a"), node("b"), agents=[WEB])


def found(plan) -> list[tuple[str, str]]:
    return [(drift.address, drift.what) for drift in plan.drift]


def with_agent(where: str, digest: str = DIGEST):
    entry = AgentRecord(AgentId("web-0"), NodeName(where), digest, 1)
    return replace(HOSTS, agents={entry.id: entry})


def test_a_fleet_as_recorded_has_no_drift() -> None:
    plan = changes(F, seen("a", agent("web-0", of=WEB)), seen("b"), state=with_agent("a"))
    assert plan.drift == ()


def test_an_agent_that_is_elsewhere_or_otherwise_than_recorded_is_told() -> None:
    there = seen("a", agent("web-0", of=WEB))
    for state, what in (
        (HOSTS, "runs on a, which is not recorded"),
        (with_agent("b"), "runs on a, recorded on b"),
        (with_agent("a", "ffff00000000"), f"runs with spec {DIGEST}, recorded with ffff00000000"),
    ):
        assert found(changes(F, there, seen("b"), state=state)) == [("agent.web-0", what)]


def test_an_agent_that_does_not_run_where_it_is_recorded_is_told() -> None:
    failed = seen("a", agent("web-0", AgentState.FAILED, of=WEB))
    for here, what in ((failed, "failed"), (seen("a"), "not there")):
        plan = changes(F, here, seen("b"), state=with_agent("a"))
        assert found(plan) == [("agent.web-0", f"recorded on a, and is {what}")]


def test_what_cannot_be_seen_is_no_drift() -> None:
    assert changes(F, silent("a"), seen("b"), state=with_agent("a")).drift == ()


def test_an_agent_of_a_node_that_is_gone_is_gone_with_it() -> None:
    entry = AgentRecord(AgentId("web-0"), NodeName("web-1"), DIGEST, 1)
    state = replace(recorded(record("web-1")), agents={entry.id: entry})
    plan = changes(made(0, agents=[WEB]), state=state, listed={"web": ()})
    assert found(plan)[1] == ("agent.web-0", "recorded on web-1, and is gone with it")


def test_nodes_that_are_otherwise_at_their_provider_are_told() -> None:
    state = recorded(record("web-1"), record("web-2"))
    stopped = instance("web-1", phase=Phase.STOPPED)
    listed = {"web": (stopped, instance("web-2", protected=True))}
    plan = changes(made(2), silent("web-1"), seen("web-2"), state=state, listed=listed)
    assert found(plan) == [
        ("node.web-1", "it is stopped at its provider"),
        ("node.web-2", "its provider protects it, which is not recorded"),
    ]


def test_a_bootstrap_that_is_not_the_recorded_one_is_told() -> None:
    f = replace(F, pools={"main": Pool("main", bootstrap=Bootstrap(packages=("curl",)))})
    plan = changes(f, seen("a", joined="none"), seen("b", joined="x"), state=HOSTS,
                   bootstraps={"main": "none"})  # fmt: skip
    assert ("node.b", "it has the bootstrap x, recorded is none") in found(plan)


# Cost.

AWS = AwsPool("eu-1", (AwsZone("a"),), ("m5.large", "m6.large"))
PRICES = {"m5.large": 0.1, "spot:m5.large": 0.03, "m6.large": 0.2}


def cost(size: int, *, prices=None, aws: AwsPool = AWS, **instances: dict[str, str]):
    """Of a pool with these nodes (`web1=dict(kind=…)`), brought to that size."""
    names = {name.replace("web", "web-"): more for name, more in instances.items()}
    state = recorded(*(record(name) for name in names))
    listed = {"web": tuple(instance(name, **more) for name, more in names.items())}
    f = replace(made(size, aws=aws), prices=PRICES if prices is None else prices)
    return changes(f, *(seen(name) for name in names), state=state, listed=listed).cost


def test_nodes_cost_by_their_kind_and_new_ones_by_the_first_that_is_asked_for() -> None:
    m6 = {"kind": "m6.large", "market": "on-demand"}
    assert cost(2, web1=m6) == Cost(0.2, 0.3)
    assert cost(0, web1=m6) == Cost(0.2, 0.0)
    assert cost(1, web1=m6) == Cost(0.2, 0.2)


def test_spot_nodes_cost_their_own_price_if_there_is_one() -> None:
    spot = replace(AWS, spot=True)
    cheap = {"kind": "m5.large", "market": "spot"}
    assert cost(2, aws=spot, web1=cheap) == Cost(0.03, 0.06)
    dear = {"kind": "m6.large", "market": "spot"}
    assert cost(1, aws=spot, web1=dear) == Cost(0.2, 0.2)


def test_kinds_without_a_price_are_named() -> None:
    odd = {"kind": "x9", "market": "on-demand"}
    assert cost(2, web1=odd) == Cost(0.0, 0.1, ("x9",))
    assert cost(2, prices={}, web1=odd) == Cost(0.0, 0.0, ("m5.large", "x9"))


def test_a_fleet_that_nobody_charges_for_has_no_cost() -> None:
    assert changes(made(2)).cost is None
    assert changes(F, seen("a"), seen("b")).cost is None
