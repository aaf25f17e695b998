"""SIGKILL before and after every call of a creation: the next run ends with one instance."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from phoenixctl.model.errors import OutcomeUnknown
from phoenixctl.model.instance import Instance
from phoenixctl.ports.provider import NodeRequest
from phoenixctl.providers.aws.provider import AwsProvider
from tests.cloud.conftest import aws_pool
from tests.cloud.front import Call
from tests.cloud.server import Cloud
from tests.cloud.worker import Order, Worker, notes_in
from tests.conformance.requests import no_note, request

NONE = "InsufficientInstanceCapacity"


@pytest.fixture
def worker(cloud: Cloud) -> Iterator[Worker]:
    with Worker(aws_pool(cloud)) as worker:
        yield worker


class Killer:
    """Kills a process before or after the call with a number, once."""

    def __init__(self, cloud: Cloud, pid: int, moment: str, number: int) -> None:
        self.done = False
        self.armed = True
        self._pid = pid
        self._at = moment, number
        cloud.front.before.append(lambda call: self._see("before", call))
        cloud.front.after.append(lambda call, _: self._see("after", call))

    def _see(self, moment: str, call: Call) -> None:
        if self.armed and self._at == (moment, call.number):
            self.done = True
            os.kill(self._pid, signal.SIGKILL)


async def resumed(provider: AwsProvider, wanted: NodeRequest) -> Instance:
    """As often as it takes until EC2 shows what it has made."""
    for _ in range(10):
        with suppress(OutcomeUnknown):
            return await provider.create(wanted, note=no_note)
    raise AssertionError("EC2 does not show it")


async def killed_and_resumed(
    cloud: Cloud, provider: AwsProvider, worker: Worker, journal: Path, moment: str, number: int
) -> bool:
    """Whether the run was killed at all; then another one went on, and one instance is there."""
    pool = aws_pool(cloud)
    pid = worker.begin(Order("shop", "web-1", str(journal)))
    killer = Killer(cloud, pid, moment, number)
    status = worker.go()
    killer.armed = False
    assert status == (-signal.SIGKILL if killer.done else 0)
    made = await resumed(provider, request(pool, "web-1", notes=notes_in(journal)))
    assert [raw["InstanceId"] for raw in cloud.instances()] == [made.id]
    assert made.node.host_keys
    return killer.done


@pytest.mark.parametrize("stale", [0, 1, 8])
@pytest.mark.parametrize("moment", ["before", "after"])
async def test_killed_around_every_call(
    cloud: Cloud, provider: AwsProvider, worker: Worker, tmp_path: Path, moment: str, stale: int
) -> None:
    runs = 0
    while True:
        cloud.reset()
        cloud.front.stale = stale
        cloud.front.refuse(NONE, kind="m7i.large", zone="eu-central-1a", times=1)
        journal = tmp_path / f"journal-{runs}"
        if not await killed_and_resumed(cloud, provider, worker, journal, moment, runs + 1):
            break
        runs += 1
    assert runs >= 4
