"""From the cloud's API to a command on a machine, with everything on the way real but the cloud."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from phoenixctl.model.aws import AwsPool, AwsZone
from phoenixctl.model.command import Command, Completed
from phoenixctl.model.errors import HostKeyChanged, HostKeyError
from phoenixctl.model.fleet import Node, Pool, SshSettings
from phoenixctl.model.instance import Instance
from phoenixctl.model.outcome import Outcome, Succeeded
from phoenixctl.providers.aws.client import Regions
from phoenixctl.providers.aws.provider import AwsProvider
from phoenixctl.providers.aws.user_data import new_host_key
from phoenixctl.settings.compiled import load_fleet
from phoenixctl.ssh.reach import SshReach
from tests.cloud.server import REGION
from tests.cloud.ticking import RealClock
from tests.conformance.requests import create
from tests.hosts.cloud import HostCloud

pytestmark = pytest.mark.hosts


@pytest.fixture
def pool(cloud: HostCloud) -> Pool:
    settings = AwsPool(
        region=REGION,
        zones=tuple(AwsZone(zone, subnet) for zone, subnet in cloud.zones.items()),
        types=("m7i.large",),
        image=cloud.image,
        authorized_keys=(cloud.authorized_key,),
        user="root",
        endpoint=cloud.cloud.endpoint,
    )
    return Pool("web", provider="aws", aws=settings)


@pytest.fixture
def provider() -> Iterator[AwsProvider]:
    clock = RealClock()
    regions = Regions(clock)
    yield AwsProvider("shop", clock, regions=regions)
    regions.close()


async def ask(cloud: HostCloud, home: Path, node: Node, *argv: str) -> Outcome[Completed]:
    """A command on the node, over SSH that trusts only what the node is said to show."""
    settings = SshSettings(
        config_file=None,
        use_agent=False,
        identity_files=(str(cloud.identity),),
        known_hosts_files=(),
        connect_timeout_seconds=2.0,
    )
    reach = SshReach({node.name: node}, settings, home=home, environ={})
    try:
        outcomes = await reach.each([node.name], lambda session: session.run(Command(*argv)))
    finally:
        await reach.aclose()
    return outcomes[node.name]


async def answered(cloud: HostCloud, home: Path, node: Node, *argv: str) -> str:
    """The same as soon as the node is up; a host key that is not trusted is never waited out."""
    for _ in range(60):
        outcome = await ask(cloud, home, node, *argv)
        if isinstance(outcome, Succeeded):
            return outcome.value.stdout.decode().strip()
        assert not isinstance(outcome.error, HostKeyError), outcome.error
        await asyncio.sleep(0.5)
    raise AssertionError(outcome.error)


async def test_from_a_request_to_a_verified_login_and_to_the_end(
    cloud: HostCloud, provider: AwsProvider, pool: Pool, tmp_path: Path
) -> None:
    made = await asyncio.gather(*(create(provider, pool, name) for name in ("web-1", "web-2")))
    for instance in made:
        said = await answered(cloud, tmp_path, instance.node, "hostname")
        assert said == instance.id == cloud.hosts()[instance.node.name].name
    first, second = made
    assert first.node.host_keys != second.node.host_keys

    await provider.destroy(pool, first)
    cloud.settle()
    assert list(cloud.hosts()) == ["web-2"]
    assert not isinstance(await ask(cloud, tmp_path, first.node, "true"), Succeeded)
    assert isinstance(await ask(cloud, tmp_path, second.node, "true"), Succeeded)


async def test_a_machine_with_another_key_at_the_same_address_is_refused_at_the_first_login(
    cloud: HostCloud, provider: AwsProvider, pool: Pool, tmp_path: Path
) -> None:
    made = await create(provider, pool, "web-1")
    await answered(cloud, tmp_path, made.node, "true")
    stranger = replace(made.node, host_keys=(new_host_key().public,))
    outcome = await ask(cloud, tmp_path, stranger, "true")
    assert not isinstance(outcome, Succeeded)
    assert isinstance(outcome.error, HostKeyChanged)


async def test_after_a_crash_the_login_is_verified_all_the_same(
    cloud: HostCloud, provider: AwsProvider, pool: Pool, tmp_path: Path
) -> None:
    before = await create(provider, pool, "web-1")
    after: Instance = await create(provider, pool, "web-1")
    assert after.node.host_keys == before.node.host_keys
    assert await answered(cloud, tmp_path, after.node, "id", "-u") == "0"


def test_the_configuration_for_it_can_be_read(cloud: HostCloud, tmp_path: Path) -> None:
    more = "    bootstrap: {commands: [{run: [touch, /etc/prepared]}]}"
    path = cloud.write_config(tmp_path / "phoenixctl.yaml", size=2, more=more)
    fleet = load_fleet(path, environ=os.environ, overrides={}, cache=tmp_path)
    settings = fleet.pools["web"].aws
    assert settings is not None
    assert settings.authorized_keys == (" ".join(cloud.authorized_key.split()),)
    assert {place.zone: place.subnet for place in settings.zones} == cloud.zones
