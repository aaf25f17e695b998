"""An agent's state goes straight from host to host, where the one's SSH trusts the other."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from phoenixctl.cli.compose import SystemClock
from phoenixctl.model.errors import CommandFailed
from phoenixctl.model.fleet import Fleet, Node, Pool, SshSettings
from phoenixctl.model.names import AgentId, NodeName
from phoenixctl.ssh.reach import SshReach
from phoenixctl.workflows.copying import STRAIGHT, THROUGH_US, StateCopy, copy_file
from tests.hosts.fleet import Hosts
from tests.hosts.host import Host
from tests.hosts.process import call

pytestmark = pytest.mark.hosts

ID = AgentId("worker-0")
USER = "daemon"
STATE = f"/var/lib/phoenixctl/copying/agents/{ID}/state"
# As an agent of that user has it, which no one else may read.
_MAKE = """
set -e; umask 077; mkdir -p "$1"; chmod 711 /var/lib/phoenixctl "${1%/agents/*}" "${1%/*/state}"
chmod 711 "${1%/state}"; cd "$1"; mkdir "a folder"
head -c 9000000 /dev/urandom >large; echo small >"a folder/it's small"; ln -s "a folder" link
chown -R -h daemon .
"""
_TRUST = """
set -e; umask 077; rm -f /root/.ssh/id_ed25519
ssh-keygen -q -t ed25519 -N '' -f /root/.ssh/id_ed25519; cat >>/root/.ssh/known_hosts
cat /root/.ssh/id_ed25519.pub
"""
_SEEN = r"""
cd "$1" && find . -mindepth 1 -printf '%P %y %m %u %l\n' | sort
find . -type f -exec sha256sum {} + | sort
"""


@contextmanager
def linked(one: Host, two: Host) -> Iterator[None]:
    """The hosts have a cable between them; else each knows this machine alone."""
    first, second = (f"phx{host.folder.name}" for host in (one, two))
    call("ip", "link", "add", "cable1", "netns", first, "type", "veth",
         "peer", "name", "cable2", "netns", second)  # fmt: skip
    try:
        for space, name, far in ((first, "cable1", two), (second, "cable2", one)):
            call("ip", "-n", space, "link", "set", name, "up")
            call("ip", "-n", space, "route", "add", f"{far.address}/32", "dev", name)
        yield
    finally:
        call("ip", "-n", first, "link", "del", "cable1")


@contextmanager
def trusting(one: Host, two: Host, known_hosts: Path) -> Iterator[None]:
    """The first host's root may log in on the second, whose host key it knows."""
    line = next(x for x in known_hosts.read_text().splitlines() if x.startswith(f"{two.address} "))
    keys = "/root/.ssh/authorized_keys"
    before = two.run("cat", keys)
    public = one.run("sh", "-c", _TRUST, stdin=f"{line}\n".encode())
    two.run("tee", keys, stdin=(before + public).encode())
    try:
        yield
    finally:
        two.run("tee", keys, stdin=before.encode())
        one.run("rm", "-f", "/root/.ssh/id_ed25519", "/root/.ssh/id_ed25519.pub",
                "/root/.ssh/known_hosts")  # fmt: skip


@pytest.fixture
async def reach(hosts: Hosts, tmp_path: Path) -> AsyncIterator[SshReach]:
    reach = SshReach(nodes(hosts), settings(), home=tmp_path, environ={})
    yield reach
    await reach.aclose()


def settings() -> SshSettings:
    return SshSettings(config_file=None, use_agent=False)


def nodes(hosts: Hosts) -> dict[NodeName, Node]:
    return {
        NodeName(host.name): Node(
            NodeName(host.name),
            "hosts",
            host.address,
            user="root",
            identity_files=(str(hosts.identity),),
            known_hosts_files=(str(hosts.known_hosts),),
        )
        for host in hosts
    }


def copying(hosts: Hosts, reach: SshReach) -> StateCopy:
    fleet = Fleet("copying", {"hosts": Pool("hosts")}, nodes(hosts), {}, settings())
    one, two = NodeName("host1"), NodeName("host2")
    return StateCopy(fleet, reach, SystemClock(), ID, one, two, user=USER)


async def test_it_goes_straight_where_the_source_trusts_the_target_and_else_through_us(
    hosts: Hosts, reach: SshReach
) -> None:
    one, two = hosts["host1"], hosts["host2"]
    one.run("sh", "-c", _MAKE, "sh", STATE)
    with linked(one, two):
        through = await copying(hosts, reach).round()
        assert (through.way, through.bytes) == (THROUGH_US, 9_000_006)
        assert seen(one) == seen(two)
        assert f" {USER} " in seen(two)
        one.run("sh", "-c", 'cd "$1" && echo changed >>"a folder/it\'s small"', "sh", STATE)
        two.run("rm", f"{STATE}/large")
        with trusting(one, two, hosts.known_hosts):
            copy = copying(hosts, reach)
            straight = await copy.round()
            assert (straight.way, straight.bytes) == (STRAIGHT, 9_000_014)
            await copy.verify()
            assert seen(one) == seen(two)
            fleet = Fleet("copying", {}, nodes(hosts), {}, settings())
            here, there = (NodeName("host1"), f"{STATE}/large"), (NodeName("host2"), "/root/a file")
            assert await copy_file(fleet, reach, here, there) == 9_000_000
            one.run("sh", "-c", 'cd "$1" && echo more >>"a folder/it\'s small"', "sh", STATE)
            one.run("ip", "link", "set", "cable1", "down")
            with pytest.raises(CommandFailed, match=r"host1: .*unreachable"):
                await copy.round()
            assert (await copy.round()).way == THROUGH_US
            await copy.verify()
    two.run("cmp", "/root/a file", f"{STATE}/large")


async def test_a_straight_copy_that_is_cancelled_leaves_no_process_on_either_host(
    hosts: Hosts, reach: SshReach
) -> None:
    one, two = hosts["host1"], hosts["host2"]
    one.run("sh", "-c", _MAKE, "sh", STATE)
    one.run("truncate", "-s", "100M", f"{STATE}/zeros")
    one.run("chown", USER, f"{STATE}/zeros")
    with linked(one, two), trusting(one, two, hosts.known_hosts):
        running = asyncio.create_task(copying(hosts, reach).round())
        while not two.run("sh", "-c", 'ls "$1"/.phoenixctl-copy/*', "sh", STATE, check=False):
            assert not running.done()
            await asyncio.sleep(0.05)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        end = time.monotonic() + 20
        while (left := (processes(one), processes(two))) != ("", "") and time.monotonic() < end:
            await asyncio.sleep(0.1)
        assert left == ("", "")
        copy = copying(hosts, reach)
        assert (await copy.round()).way == STRAIGHT
        await copy.verify()
    assert seen(one) == seen(two)


def processes(host: Host) -> str:
    """What has to do with a copy there; the pattern comes over stdin, and finds no grep."""
    script = "grep -l -s -a -F -f - /proc/[0-9]*/cmdline"
    return host.run("sh", "-c", script, stdin=b".phoenixctl-copy", check=False)


async def test_a_disk_without_room_is_found_before_anything_changes(
    hosts: Hosts, reach: SshReach
) -> None:
    one, two = hosts["host1"], hosts["host2"]
    one.run("sh", "-c", _MAKE, "sh", STATE)
    await copying(hosts, reach).round()
    one.run("sh", "-c", 'cd "$1" && head -c 3000000 /dev/urandom >more', "sh", STATE)
    one.run("chown", USER, f"{STATE}/more")
    two.fill_disk(STATE)
    before = seen(two)
    with pytest.raises(CommandFailed, match="disk of host2 has no room for the state of worker-0"):
        await copying(hosts, reach).check_room()
    with pytest.raises(CommandFailed, match="has no room"):
        await copying(hosts, reach).round()
    assert seen(two) == before
    two.heal()
    copy = copying(hosts, reach)
    await copy.check_room()
    await copy.round()
    await copy.verify()
    assert seen(one) == seen(two)


def seen(host: Host) -> str:
    return host.run("sh", "-c", _SEEN, "sh", STATE)
