"""Instances as EC2 shows them, found by tag or by id.

EC2 shows what it has made a little later, and for a while may not find an id that it gave out:
not shown is not proven absent. Whether an instance is protected is in a tag, for EC2 tells of the
protection itself only one by one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from phoenixctl.model.fleet import Node, Pool
from phoenixctl.model.instance import Instance, Phase
from phoenixctl.model.names import NodeName, check_node_name
from phoenixctl.providers.aws import launch
from phoenixctl.providers.aws.client import Answer, Ec2
from phoenixctl.providers.aws.faults import Fault, fault_of
from phoenixctl.providers.aws.tokens import Offer, offer_of

_PHASES: Final = {
    "pending": Phase.PENDING,
    "running": Phase.RUNNING,
    "stopping": Phase.STOPPING,
    "stopped": Phase.STOPPED,
}


async def by_tags(ec2: Ec2, tags: Mapping[str, str]) -> Sequence[Answer]:
    """All instances with these tags that EC2 shows, the oldest first, terminated ones too."""
    filters = [{"Name": f"tag:{key}", "Values": [value]} for key, value in sorted(tags.items())]
    return await _described(ec2, filters)


async def by_id(ec2: Ec2, instance_id: str) -> Answer | None:
    """One instance; None when EC2 does not show it."""
    try:
        answer = await ec2.call("describe_instances", InstanceIds=[instance_id])
    except Exception as error:
        if fault_of(error) is not Fault.NOT_FOUND:
            raise
        # Asked by a filter, other servers of EC2 may answer, which have it already.
        shown = await _described(ec2, [{"Name": "instance-id", "Values": [instance_id]}])
    else:
        shown = [raw for r in answer["Reservations"] for raw in r["Instances"]]
    return shown[0] if shown else None


async def _described(ec2: Ec2, filters: Sequence[Mapping[str, Any]]) -> list[Answer]:
    reservations = await ec2.pages("describe_instances", "Reservations", Filters=filters)
    found = [raw for reservation in reservations for raw in reservation["Instances"]]
    return sorted(found, key=lambda raw: (raw["LaunchTime"], raw["InstanceId"]))


def state_of(raw: Answer) -> str:
    return str(raw["State"]["Name"])


def is_live(raw: Answer) -> bool:
    """It is there or can be again; one that shuts down for good cannot."""
    return state_of(raw) in _PHASES


def tags_of(raw: Answer) -> Mapping[str, str]:
    return {tag["Key"]: tag["Value"] for tag in raw.get("Tags", ())}


def address_of(raw: Answer, *, private: bool) -> str:
    """Where it is reached; empty while it has no such address."""
    return str(raw.get("PrivateIpAddress" if private else "PublicIpAddress") or "")


def instance_of(pool: Pool, raw: Answer, *, host_keys: tuple[str, ...] = ()) -> Instance | None:
    """The instance as a node of its pool; None when its tags name no node."""
    tags = tags_of(raw)
    name = tags.get(launch.NODE, "")
    try:
        check_node_name(name)
    except ValueError:
        return None
    offer = offer_of(raw)
    return Instance(
        node=_node(pool, NodeName(name), raw, host_keys, offer),
        id=str(raw["InstanceId"]),
        phase=_PHASES.get(state_of(raw), Phase.GONE),
        zone=offer.zone,
        kind=offer.type,
        market=offer.market,
        protected=launch.PROTECTED in tags,
        lineage=tags.get(launch.LINEAGE, ""),
        operation=tags.get(launch.OPERATION, ""),
    )


def _node(
    pool: Pool, name: NodeName, raw: Answer, host_keys: tuple[str, ...], offer: Offer
) -> Node:
    settings = launch.settings_of(pool)
    return Node(
        name=name,
        pool=pool.name,
        address=address_of(raw, private=settings.private_address),
        user=settings.user,
        sudo=settings.user != "root",  # images let their user do it without a password
        labels=MappingProxyType({**pool.labels, "zone": offer.zone, "type": offer.type}),
        host_keys=host_keys,
    )
