"""The kinds of nodes, and of places for records, that all have to behave alike."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from phoenixctl.model.fleet import Node, Pool, SshSettings, Supervisor
from phoenixctl.model.names import NodeName
from phoenixctl.providers.local import LocalProvider
from phoenixctl.ssh.reach import SshReach
from phoenixctl.store.records import StoredRecords
from tests.cloud.s3_server import CREDENTIALS, S3Server
from tests.conformance.place import Place
from tests.conformance.record_places import FLEET, LocalPlace, RecordPlace, S3Place, share_clients
from tests.conformance.requests import create
from tests.hosts.fleet import Hosts
from tests.hosts.host import Host
from tests.hosts.process import Identity

POOL = Pool("local", provider="local", size=1)


@pytest.fixture(scope="session")
def embedded_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """One embedded node of the provider `local`, started once in a run."""
    provider = LocalProvider(tmp_path_factory.mktemp("embedded"), "conform")
    made = asyncio.run(create(provider, POOL, "embedded"))
    yield made.node
    asyncio.run(provider.destroy(POOL, made))


@pytest.fixture(
    params=[
        "local",
        pytest.param("systemd", marks=pytest.mark.hosts),
        pytest.param("process", marks=pytest.mark.hosts),
        pytest.param("busybox", marks=pytest.mark.hosts),
    ]
)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


# A small machine: BusyBox is the shell and, first in PATH, every tool that it knows.
_BUSYBOX = """
[ -d /opt/phoenix-busybox ] && exit 0
mkdir /opt/phoenix-busybox && busybox --install -s /opt/phoenix-busybox
echo "PATH=/opt/phoenix-busybox:/usr/sbin:/usr/bin:/sbin:/bin" >/etc/environment
ln -sf "$(command -v busybox)" /bin/sh
"""
# Installing the host anew would be cleaner and takes ten times as long as most tests.
_CLEAN = """
cd /etc/systemd/system || exit
for unit in phoenix-$1-*; do systemctl disable --now "$unit"; done
rm -f phoenix-$1-*; systemctl daemon-reload
"""
_HOSTS = {"systemd": "host1", "process": "host2", "busybox": "host3"}


def _use_busybox(host: Host) -> None:
    host.run("/bin/bash", "-c", _BUSYBOX)


@pytest.fixture
def node(kind: str, request: pytest.FixtureRequest) -> tuple[Node, Host | None]:
    """A node of each kind; with the machine behind it, where it has one of its own."""
    if kind == "local":
        return request.getfixturevalue("embedded_node"), None
    hosts: Hosts = request.getfixturevalue("booted_hosts")
    host = hosts[_HOSTS[kind]]
    host.heal()
    if kind == "busybox":
        _use_busybox(host)
    real = Node(
        NodeName(host.name),
        "hosts",
        host.address,
        user="root",
        identity_files=(str(hosts.identity),),
        known_hosts_files=(str(hosts.known_hosts),),
        supervisor=Supervisor.AUTO if kind == "systemd" else Supervisor.PROCESS,
    )
    return real, host


@pytest.fixture
async def place(kind: str, node: tuple[Node, Host | None], tmp_path: Path) -> AsyncIterator[Place]:
    """A node of each kind within reach, with no agents on it: each test has a fleet of its own."""
    target, host = node
    settings = SshSettings(config_file=None, use_agent=False)
    reach = SshReach({target.name: target}, settings, home=tmp_path, environ={})
    place = Place(kind, target, reach, settings, Hosts.python, host)
    yield place
    await reach.aclose()
    if host is None:
        for pid in place.processes_with(place.fleet):
            with suppress(FileNotFoundError, ProcessLookupError):
                Identity.of(pid).kill()
    else:
        host.heal()
        host.run("sh", "-c", _CLEAN, "sh", place.fleet, check=False)
        left = map(str, place.processes_with(f"{place.fleet}/agents/"))
        host.run("kill", "-KILL", *left, check=False)


_PREFIXES = itertools.count()


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3Server]:
    with S3Server.started() as server:
        yield server


@pytest.fixture(params=["local", "s3"])
def store(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> RecordPlace:
    if request.param == "local":
        return LocalPlace(tmp_path / "state" / "phoenixctl" / FLEET)
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    share_clients(monkeypatch)
    server: S3Server = request.getfixturevalue("s3_server")
    server.fail()
    settings = server.store("records", prefix=f"team-{next(_PREFIXES)}", lease_seconds=3.0)
    return S3Place(server, settings, tmp_path)


@pytest.fixture
def records(store: RecordPlace) -> StoredRecords:
    return store.records()
