"""Envoy's endpoints in text: one ClusterLoadAssignment for each backend, as file-based EDS has it.

Envoy takes exactly one resource from such a file, so a backend is a file of its own; it is written
as JSON, and takes addresses as numbers only.

A drained member is DRAINING: no new requests, and what runs may end. One in maintenance is
UNHEALTHY. Envoy knows no weight 0: such a member is DRAINING too, and its metadata keep apart what
was wanted.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

from phoenixctl.model.errors import CommandFailed
from phoenixctl.model.routing import Member, MemberState, SeenMember, check_word

_TYPE: Final = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment"
_OURS: Final = "phoenixctl"  # our part of an endpoint's metadata
_HEALTH: Final = {
    MemberState.READY: "HEALTHY",
    MemberState.DRAIN: "DRAINING",
    MemberState.MAINT: "UNHEALTHY",
}


def file_name(backend: str) -> str:
    return f"{check_word(backend)}.json"


def render_endpoints(backend: str, members: Iterable[Member]) -> bytes:
    """The file of a backend; its members in the order of names, so that the same are the same."""
    ordered = sorted(members, key=lambda one: one.name)
    assignment = {
        "@type": _TYPE,
        "cluster_name": check_word(backend),
        "endpoints": [{"lb_endpoints": [_endpoint(member) for member in ordered]}],
    }
    return json.dumps({"resources": [assignment]}, indent=1).encode("ascii") + b"\n"


def parse_endpoints(document: bytes, where: str, backend: str) -> tuple[SeenMember, ...]:
    """The members that a file of ours names, in their order there.

    CommandFailed for a file that is another's, or is of another backend.
    """
    try:
        resources = json.loads(document)["resources"]
        (assignment,) = (one for one in resources if one["cluster_name"] == backend)
        found = [
            SeenMember(_member(endpoint))
            for group in assignment["endpoints"]
            for endpoint in group["lb_endpoints"]
        ]
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise CommandFailed(
            f"{where}: not the endpoints of {backend} as phoenixctl writes them ({error})",
            hint="move the file away; it is written anew from what is wanted",
        ) from None
    return tuple(found)


def _endpoint(member: Member) -> dict[str, Any]:
    address = {"address": member.address, "port_value": member.port}
    none_of_it = member.state is MemberState.READY and not member.weight
    return {
        "endpoint": {"address": {"socket_address": address}},
        "health_status": "DRAINING" if none_of_it else _HEALTH[member.state],
        "load_balancing_weight": max(1, member.weight),
        "metadata": {
            "filter_metadata": {
                _OURS: {
                    "member": member.name,
                    "state": member.state.value,
                    "weight": member.weight,
                }
            }
        },
    }


def _member(endpoint: Mapping[str, Any]) -> Member:
    at = endpoint["endpoint"]["address"]["socket_address"]
    ours = endpoint["metadata"]["filter_metadata"][_OURS]
    return Member(
        ours["member"],
        at["address"],
        at["port_value"],
        ours["weight"],
        MemberState(ours["state"]),
    )
