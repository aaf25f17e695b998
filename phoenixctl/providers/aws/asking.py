"""Asking EC2 until its answer is known."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from phoenixctl.providers.aws import listing
from phoenixctl.providers.aws.client import Answer, Ec2
from phoenixctl.providers.aws.faults import Fault, fault_of, in_our_words


async def send(ec2: Ec2, parameters: Mapping[str, Any], *, doing: str) -> Answer:
    """RunInstances; gives the instance. All that is sent with the same token and parameters is one
    request, so it is sent again when there was no answer.

    OutcomeUnknown when none came in time; else botocore's error, and nothing was made.
    """
    lost = False
    for pause in ec2.pauses(ec2.patience.ask):
        try:
            answer: Answer = (await ec2.make(dict(parameters)))["Instances"][0]
            return answer
        except Exception as error:
            fault = fault_of(error)
            again = fault in (Fault.LOST, Fault.UNSENT, Fault.THROTTLED)
            lost = lost or fault is Fault.LOST
            if not again or (pause == 0 and not lost):
                raise
            if pause == 0:
                with in_our_words(doing, in_doubt=True):
                    raise
        await asyncio.sleep(pause)
    raise AssertionError("the last pause is 0")


async def shown(ec2: Ec2, tags: Mapping[str, str], seconds: float) -> Sequence[Answer]:
    """The instances with these tags as soon as EC2 shows a live one, the oldest first.

    When the time is over without one: those that have ended, if any.
    """
    for pause in ec2.pauses(seconds):
        found = await listing.by_tags(ec2, tags)
        live = [raw for raw in found if listing.is_live(raw)]
        if live or pause == 0:
            return live or found
        await asyncio.sleep(pause)
    raise AssertionError("the last pause is 0")
