"""Endpoints as Envoy reads them, and back."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phoenixctl.model.errors import CommandFailed
from phoenixctl.model.routing import Member, MemberState
from phoenixctl.remote.envoy import file_name, parse_endpoints, render_endpoints

MEMBERS = st.lists(
    st.builds(
        Member,
        st.from_regex(r"[a-z]{1,8}-[0-9]\.[0-9]", fullmatch=True),
        st.sampled_from(["10.0.0.1", "fd00::1", "node-7.example"]),
        st.integers(0, 65535),
        st.integers(0, 256),
        st.sampled_from(list(MemberState)),
    ),
    unique_by=lambda one: one.name,
)


def endpoint(*, weight: int = 100, state: MemberState = MemberState.READY) -> dict[str, Any]:
    document = render_endpoints("be", [Member("a", "10.0.0.1", 80, weight, state)])
    (resource,) = json.loads(document)["resources"]
    (found,) = resource["endpoints"][0]["lb_endpoints"]
    return dict(found)


def test_a_file_is_one_assignment_of_its_cluster() -> None:
    (resource,) = json.loads(render_endpoints("be", []))["resources"]
    assert resource["@type"].endswith("envoy.config.endpoint.v3.ClusterLoadAssignment")
    assert resource["cluster_name"] == "be"
    assert file_name("be") == "be.json"


def test_an_endpoint_has_its_address_weight_and_health() -> None:
    found = endpoint(weight=37)
    assert found["endpoint"] == {
        "address": {"socket_address": {"address": "10.0.0.1", "port_value": 80}}
    }
    assert (found["load_balancing_weight"], found["health_status"]) == (37, "HEALTHY")


def test_who_is_drained_in_maintenance_or_without_weight_gets_nothing_new() -> None:
    assert endpoint(state=MemberState.DRAIN)["health_status"] == "DRAINING"
    assert endpoint(state=MemberState.MAINT)["health_status"] == "UNHEALTHY"
    without = endpoint(weight=0)
    assert (without["health_status"], without["load_balancing_weight"]) == ("DRAINING", 1)


@given(MEMBERS)
def test_what_was_written_is_read_back(members: list[Member]) -> None:
    document = render_endpoints("be", members)
    seen = parse_endpoints(document, "edge", "be")
    assert [one.member for one in seen] == sorted(members, key=lambda one: one.name)
    assert render_endpoints("be", members[::-1]) == document
    assert all(one.up is None and one.idle is None for one in seen)


@pytest.mark.parametrize(
    "document",
    [
        b"resources: []\n",
        b"[]",
        b'{"resources": []}',
        b"[" * 100_000,
        b"\xff",
        render_endpoints("another", []),
        render_endpoints("be", [Member("a", "10.0.0.1", 80)]).replace(b"phoenixctl", b"other"),
        render_endpoints("be", [Member("a", "10.0.0.1", 80)]).replace(b"80", b'"80"'),
        render_endpoints("be", [Member("a", "10.0.0.1", 80)]).replace(b'"a"', b"7"),
    ],
)
def test_a_file_of_somebody_else_is_not_taken_for_an_empty_one(document: bytes) -> None:
    with pytest.raises(CommandFailed, match="not the endpoints of be") as caught:
        parse_endpoints(document, "edge", "be")
    assert caught.value.hint


@given(st.binary(max_size=200))
def test_any_bytes_are_members_or_an_error_in_kind_words(data: bytes) -> None:
    with pytest.raises(CommandFailed):
        parse_endpoints(data, "edge", "be")
