"""Terminating an instance, with proof."""

from __future__ import annotations

import asyncio

from phoenixctl.model.errors import OutcomeUnknown, Refused
from phoenixctl.providers.aws import listing
from phoenixctl.providers.aws.client import Ec2
from phoenixctl.providers.aws.faults import Fault, fault_of, in_our_words


async def end(ec2: Ec2, instance_id: str, name: str) -> None:
    """Terminated, as EC2 shows it, or not shown any more; asked for again until it is seen.

    One that EC2 does not show may exist all the same: it is gone when that stays so for a while.
    Refused when EC2 protects it. `name` is the node's.
    """
    unseen_since: float | None = None
    for pause in ec2.pauses(ec2.patience.end):
        raw = await listing.by_id(ec2, instance_id)
        state = listing.state_of(raw) if raw is not None else ""
        if state == "terminated":
            return
        if state != "shutting-down":
            await _ask(ec2, instance_id, name)
        now = ec2.clock.monotonic()
        unseen_since = None if state else (unseen_since or now)
        if unseen_since is not None and now - unseen_since >= ec2.patience.absent:
            return
        await asyncio.sleep(pause)
    raise OutcomeUnknown(
        f"{name} ({instance_id}) was told to terminate and has not within {ec2.patience.end:g} s",
        hint="run the same command again: it waits for the end",
    )


async def _ask(ec2: Ec2, instance_id: str, name: str) -> None:
    try:
        await ec2.call("terminate_instances", InstanceIds=[instance_id])
    except Exception as error:
        fault = fault_of(error)
        if fault is Fault.NOT_FOUND:
            return
        if fault is Fault.PROTECTED:
            raise Refused(
                f"EC2 protects {name} ({instance_id}) from being terminated",
                hint=f"phoenixctl nodes unprotect {name}",
            ) from error
        with in_our_words(f"EC2 cannot terminate {name}", in_doubt=fault is Fault.LOST):
            raise
