"""All nodes that are known, and the digest of a configuration."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from phoenixctl.model.errors import Unreachable
from phoenixctl.model.fleet import Pool
from phoenixctl.model.instance import Phase
from phoenixctl.model.names import NodeName
from phoenixctl.planning.config_digest import config_digest
from phoenixctl.planning.known import known_nodes
from phoenixctl.planning.order import by_name, sorted_names
from tests.builders import fleet, node, spec
from tests.unit.planning.changing import instance, made, record, recorded

HOSTS = fleet(node("b"), node("a"), agents=[spec("web"), spec("db")])
BOTH = replace(HOSTS, pools={**HOSTS.pools, **made(1).pools})


def test_nodes_come_from_configuration_record_and_providers_in_the_order_of_their_names() -> None:
    state = recorded(record("web-2"), record("left", provider="static"))
    listed = {"web": (instance("web-10"), instance("web-9", phase=Phase.GONE))}
    assert list(known_nodes(BOTH, state, listed)) == ["a", "b", "left", "web-2", "web-10"]


def test_while_a_provider_cannot_be_asked_its_nodes_are_known_from_the_record() -> None:
    found = known_nodes(BOTH, recorded(record("web-2")), {"web": Unreachable("down")})
    assert "web-2" in found


def test_the_configuration_knows_its_own_nodes_best() -> None:
    old = record("a", provider="static", node=node("a", address="10.0.0.1"))
    assert known_nodes(HOSTS, recorded(old), {})[NodeName("a")].address == "a"


def test_a_provider_knows_the_address_and_the_record_the_host_keys() -> None:
    here = node("web-1", pool="web", address="10.0.0.1", host_keys=("ssh-ed25519 AAAA",))
    there = node("web-1", pool="web", address="10.0.0.2")
    state = recorded(record("web-1", node=here))
    found = known_nodes(BOTH, state, {"web": (instance("web-1", node=there),)})
    assert found[NodeName("web-1")] == replace(there, host_keys=here.host_keys)
    other = known_nodes(BOTH, state, {"web": (instance("web-1", node=there, id="i-2"),)})
    assert other[NodeName("web-1")].host_keys == ()


def test_of_several_with_one_name_the_one_with_the_best_claim_is_reached() -> None:
    def at(address: str, **more: object):
        more.setdefault("id", f"i-{address}")
        return instance("web-1", node=node("web-1", pool="web", address=address), **more)

    recorded_one = at("10.0.0.3", id="i-web-1", phase=Phase.STOPPED)
    stopped = at("10.0.0.1", phase=Phase.STOPPED)
    foreign = at("10.0.0.0", lineage="other")
    listed = [foreign, stopped, at("10.0.0.4"), at("10.0.0.5"), recorded_one]

    def reached(state, *these) -> set[str]:
        orders = (these, these[::-1])
        found = (known_nodes(BOTH, state, {"web": order}) for order in orders)
        return {nodes[NodeName("web-1")].address for nodes in found}

    assert reached(recorded(record("web-1")), *listed) == {"10.0.0.3"}
    assert reached(recorded(), *listed[:4]) == {"10.0.0.4"}
    assert reached(recorded(), *listed[:2]) == {"10.0.0.1"}


def test_nodes_that_a_provider_makes_are_not_configured() -> None:
    cached = replace(BOTH, nodes={**BOTH.nodes, NodeName("web-1"): node("web-1", pool="web")})
    assert "web-1" not in known_nodes(cached, recorded(), {"web": ()})


def test_numbers_in_names_count_as_numbers() -> None:
    assert sorted_names(["web-10", "web-9", "a", "web-09", "web"]) == [
        "a", "web", "web-09", "web-9", "web-10",
    ]  # fmt: skip


@given(st.text(alphabet="ab01-.", max_size=8), st.text(alphabet="ab01-.", max_size=8))
def test_different_names_never_tie(one: str, other: str) -> None:
    assert (by_name(one) == by_name(other)) is (one == other)


def test_the_digest_is_of_the_configuration_and_not_of_nodes_that_come_and_go() -> None:
    digest = config_digest(BOTH)
    assert len(digest) == 64
    cached = replace(BOTH, nodes={**BOTH.nodes, NodeName("web-1"): node("web-1", pool="web")})
    assert config_digest(cached) == digest
    for edited in (
        replace(BOTH, nodes={NodeName("a"): node("a")}),
        replace(BOTH, agents={"web": spec("web", replicas=2), "db": spec("db")}),
        replace(BOTH, pools={**BOTH.pools, "web": Pool("web", "local", size=2)}),
        replace(BOTH, prices={"m5.large": 0.1}),
    ):
        assert config_digest(edited) != digest


@given(st.randoms(use_true_random=False))
def test_the_order_of_what_is_written_changes_nothing(rng: Random) -> None:
    def shuffled(entries):
        items = list(entries.items())
        rng.shuffle(items)
        return dict(items)

    mixed = replace(BOTH, nodes=shuffled(BOTH.nodes), agents=shuffled(BOTH.agents),
                    pools=shuffled(BOTH.pools))  # fmt: skip
    assert config_digest(mixed) == config_digest(BOTH)
