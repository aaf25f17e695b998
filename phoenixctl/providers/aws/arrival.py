"""From an instance that exists to a node that can be reached."""

from __future__ import annotations

import asyncio
import base64

from phoenixctl.model.errors import PhoenixError, QuotaExceeded
from phoenixctl.model.instance import Instance
from phoenixctl.ports.provider import NodeRequest
from phoenixctl.providers.aws import launch, listing
from phoenixctl.providers.aws.client import Answer, Ec2
from phoenixctl.providers.aws.ending import end
from phoenixctl.providers.aws.faults import Fault, in_our_words, reason_fault
from phoenixctl.providers.aws.user_data import HostKey, public_key_in


class NotToBeHad(Exception):
    """EC2 has no machine for an offer; `why` is its code.

    `whole_market`: nor for any other offer on that market.
    """

    def __init__(self, why: str, *, whole_market: bool = False) -> None:
        super().__init__(why)
        self.why = why
        self.whole_market = whole_market


async def arrived(ec2: Ec2, request: NodeRequest, raw: Answer, key: HostKey | None) -> Instance:
    """The instance when it runs and has an address; one that does not in time is terminated.

    `key`: what it was made with, None when an earlier call made it. NotToBeHad when EC2 had no
    machine for it after all. OutcomeUnknown when EC2 cannot be asked: there is an instance.
    """
    instance_id = str(raw["InstanceId"])
    with in_our_words(f"{instance_id} is there for {request.name}, but", in_doubt=True):
        running = await _running(ec2, request, instance_id)
        if running is not None:
            public = key.public if key is not None else await _host_key(ec2, instance_id)
            return _as_node(request, running, public)
        await end(ec2, instance_id, request.name)
    raise _too_late(ec2, request, instance_id)


async def _running(ec2: Ec2, request: NodeRequest, instance_id: str) -> Answer | None:
    """As EC2 shows it when it runs and has its address; None when that takes too long."""
    private = launch.settings_of(request.pool).private_address
    for pause in ec2.pauses(ec2.patience.run):
        raw = await listing.by_id(ec2, instance_id)
        if raw is not None and not listing.is_live(raw):
            raise _died(request, raw)
        running = raw is not None and listing.state_of(raw) == "running"
        if raw is not None and running and listing.address_of(raw, private=private):
            return raw
        await asyncio.sleep(pause)
    return None


def _died(request: NodeRequest, raw: Answer) -> Exception:
    """Why an instance ended before it ran."""
    reason = raw.get("StateReason") or {}
    code = str(reason.get("Code", ""))
    fault = reason_fault(code)
    if fault is Fault.CAPACITY:
        return NotToBeHad(code)
    kind = QuotaExceeded if fault is Fault.QUOTA else PhoenixError
    words = f"{code or 'no reason given'} {reason.get('Message', '')}".rstrip()
    return kind(f"{raw['InstanceId']} for {request.name} ended before it ran: {words}")


def _too_late(ec2: Ec2, request: NodeRequest, instance_id: str) -> PhoenixError:
    private = launch.settings_of(request.pool).private_address
    kind = "private" if private else "public"
    return PhoenixError(
        f"{instance_id} for {request.name} did not run with a {kind} address within"
        f" {ec2.patience.run:g} s, and was terminated",
        hint="" if private else "does its subnet give out public addresses? else set"
        " `address: private` in the pool's `aws` section",
    )  # fmt: skip


async def _host_key(ec2: Ec2, instance_id: str) -> str | None:
    """The public key that the instance was made with, read back."""
    answer = await ec2.call_when_shown(
        "describe_instance_attribute", InstanceId=instance_id, Attribute="userData"
    )
    encoded = answer.get("UserData", {}).get("Value", "")
    return public_key_in(base64.b64decode(encoded).decode("utf-8", "replace"))


def _as_node(request: NodeRequest, raw: Answer, public_key: str | None) -> Instance:
    host_keys = (public_key,) if public_key else ()
    instance = listing.instance_of(request.pool, raw, host_keys=host_keys)
    if instance is None:
        raise PhoenixError(f"{raw['InstanceId']} has lost its tag {launch.NODE}")
    return instance
