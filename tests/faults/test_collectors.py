"""Collectors ask real servers through real sshd; one that fails costs only itself."""

from __future__ import annotations

import asyncio
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import pytest

from phoenixctl.model.fleet import Fleet, Pool, SecretRef
from phoenixctl.model.measuring import Asked, Collector, CollectorKind, MetricsSettings
from phoenixctl.performance.consensus import Standing, consensus_of
from phoenixctl.workflows.collectors import ask_collectors
from tests.haproxy import RunningHAProxy
from tests.needs import missing, program
from tests.sshd import Sshd, free_port, node_at, reaching

pytestmark = pytest.mark.sshd
K = CollectorKind


async def ask(server: Sshd, *collectors: Collector) -> dict[str, Asked]:
    """What each of them gives on a node that is this server, by its name."""
    node = node_at(server)
    pools = MappingProxyType({node.pool: Pool(node.pool)})
    nodes = MappingProxyType({node.name: node})
    fleet = Fleet(
        "f", pools, nodes, MappingProxyType({}), metrics=MetricsSettings(None, collectors)
    )
    async with reaching(node) as reach:
        asked = await ask_collectors(fleet, reach, lambda _ref: "s3cret", [node.name])
    return {one.collector.name: one for one in asked}


def values(one: Asked) -> dict[str, float]:
    """By name and the values of its labels."""
    assert one.error is None, one.error
    return {" ".join((s.name, *(v for _, v in s.labels))): s.value for s in one.samples}


@contextmanager
def running(*words: str | Path, port: int, account: str | None = None) -> Iterator[None]:
    """A server that listens on this port of loopback, ended with the block."""
    process = subprocess.Popen(
        words, user=account, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        deadline = time.monotonic() + 20
        while not listens(port):
            assert process.poll() is None, f"{words[0]} has ended"
            assert time.monotonic() < deadline
            time.sleep(0.02)
        yield
    finally:
        process.terminate()  # of PostgreSQL, only this ends its children too
        process.wait(timeout=20)


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


async def test_redis_is_asked_with_its_password(server: Sshd, tmp_path: Path) -> None:
    port = free_port()
    words = ("--port", str(port), "--bind", "127.0.0.1", "--save", "", "--requirepass", "s3cret")
    cache = Collector("cache", K.REDIS, port=port, password=SecretRef("env", "X"))
    with running(program("redis-server"), *words, "--dir", str(tmp_path), port=port):
        found = await ask(server, cache, replace(cache, name="locked", password=None))
    figures = values(found["cache"])
    assert figures["redis_connected_clients"] >= 1
    assert figures["redis_memory_used_bytes"] > 100_000
    assert {s.name for s in found["cache"].samples if s.kind == "counter"} >= {
        "redis_commands_total", "redis_keyspace_hits_total",
    }  # fmt: skip
    assert "NOAUTH Authentication required" in str(found["locked"].error)


async def test_postgresql_is_asked_by_psql(server: Sshd) -> None:
    port = free_port()
    with postgresql(port):
        way = ("env", "PGHOST=127.0.0.1", "PGUSER=postgres", "psql")
        base = Collector("db", K.POSTGRESQL, port=port, command=way, timeout_seconds=20)
        nobody = replace(base, name="nobody", command=(*way[:2], "PGUSER=nobody-there", "psql"))
        found = await ask(server, base, nobody)
    figures = values(found["db"])
    assert figures["postgresql_connections active"] == 1
    assert figures["postgresql_connections_limit"] == 20
    assert figures["postgresql_database_bytes template1"] > 1_000_000
    assert figures["postgresql_locks_waiting"] == figures["postgresql_in_recovery"] == 0
    assert figures["postgresql_commits_total postgres"] >= 0
    kinds = {sample.name: sample.kind for sample in found["db"].samples}
    assert kinds["postgresql_commits_total"] == "counter"
    assert kinds["postgresql_up_seconds"] == "gauge"
    assert "nobody-there" in str(found["nobody"].error)


@contextmanager
def postgresql(port: int) -> Iterator[None]:
    """A cluster of its own; as root it runs as its package's account, for it refuses to be root."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not programs:
        missing("postgresql is not installed")
    account = "postgres" if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="phoenixctl-pg-"))  # where that account may go
    try:
        if account is not None:
            found = pwd.getpwnam(account)
            os.chown(folder, found.pw_uid, found.pw_gid)
        data = folder / "data"
        initdb = (
            programs[-1] / "initdb",
            "-D",
            data,
            "-U",
            "postgres",
            "-A",
            "trust",
            "--no-sync",
            "--locale=C",
        )
        subprocess.run(initdb, user=account, check=True, capture_output=True, cwd=folder)
        settings = {
            "listen_addresses": "127.0.0.1", "port": port, "unix_socket_directories": folder,
            "max_connections": 20, "fsync": "off",
        }  # fmt: skip
        options = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
        with running(programs[-1] / "postgres", "-D", data, *options, port=port, account=account):
            yield
    finally:
        shutil.rmtree(folder)


async def test_haproxy_is_asked_on_its_socket(server: Sshd, tmp_path: Path) -> None:
    haproxy = RunningHAProxy(tmp_path, servers=(f"one 127.0.0.1:{free_port()} weight 7",))
    haproxy.start()
    try:
        found = await ask(server, Collector("lb", K.HAPROXY, path=str(haproxy.socket)))
    finally:
        haproxy.stop()
    figures = values(found["lb"])
    assert figures["haproxy_frontend_up front"] == 1
    assert figures["haproxy_server_weight work one"] == 7
    assert figures["haproxy_backend_responses_total work 5xx"] == 0
    assert figures["haproxy_connections_limit"] > 0


async def test_etcd_says_when_a_majority_is_gone(server: Sshd, tmp_path: Path) -> None:
    clients, peers = [free_port() for _ in range(3)], [free_port() for _ in range(3)]
    cluster = ",".join(f"m{n}=http://127.0.0.1:{port}" for n, port in enumerate(peers))
    collector = Collector("store", K.ETCD, port=clients[0])

    async def standing() -> Standing:
        (found,) = consensus_of((await ask(server, collector)).values())
        return found.standing

    with ExitStack() as stack:
        members = []
        for n, (client, peer) in enumerate(zip(clients, peers, strict=True)):
            here, there = f"http://127.0.0.1:{client}", f"http://127.0.0.1:{peer}"
            words = (
                program("etcd"), "--name", f"m{n}", "--data-dir", str(tmp_path / f"m{n}"),
                "--listen-client-urls", here, "--advertise-client-urls", here,
                "--listen-peer-urls", there, "--initial-advertise-peer-urls", there,
                "--initial-cluster", cluster,
                "--heartbeat-interval", "50", "--election-timeout", "500",
            )  # fmt: skip
            members.append(stack.enter_context(started(words)))
        await until(standing, Standing.HEALTHY)
        for member in members[1:]:
            member.kill()
        await until(standing, Standing.LOST)


async def until(asked: Callable[[], Awaitable[Standing]], wanted: Standing) -> None:
    deadline = time.monotonic() + 80
    while (found := await asked()) is not wanted:
        assert time.monotonic() < deadline, found
        await asyncio.sleep(0.05)


@contextmanager
def started(words: Sequence[str]) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


PAGE = b'# TYPE requests_total counter\nrequests_total{code="200"} 12\nqueue 3\nother 1\n'


async def test_one_that_fails_costs_only_itself(server: Sshd, tmp_path: Path) -> None:
    async def page(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(PAGE), PAGE))
        await writer.drain()
        writer.close()

    lines = tmp_path / "lines"
    lines.write_text("jobs.done:3|c\njobs.wait:250|ms|#kind:mail\nnonsense\n")
    listening = await asyncio.start_server(page, "127.0.0.1", 0)
    async with listening:
        port = listening.sockets[0].getsockname()[1]
        found = await ask(
            server,
            Collector("app", K.PROMETHEUS, port=port, metrics=("requests_*", "queue")),
            Collector("none", K.PROMETHEUS, port=port, metrics=("nothing_*",)),
            Collector("jobs", K.STATSD, command=("cat", str(lines))),
            Collector("gone", K.STATSD, command=("cat", str(tmp_path / "gone"))),
            Collector("slow", K.STATSD, command=("sleep", "60"), timeout_seconds=1),
            Collector("cache", K.REDIS, port=free_port()),
            Collector("web", K.REDIS, port=port, timeout_seconds=1),
            Collector("lb", K.HAPROXY, path=str(tmp_path / "h.sock")),
            Collector("etcd", K.ETCD, port=port),
        )
    assert values(found["app"]) == {"requests_total 200": 12, "queue": 3}
    assert values(found["jobs"]) == {"jobs_done": 3, "jobs_wait mail": 0.25}
    errors = {name: str(one.error) for name, one in found.items() if one.error is not None}
    assert set(errors) == {"none", "gone", "slow", "cache", "web", "lb", "etcd"}
    assert "found no metrics of these names" in errors["none"]
    assert "No such file" in errors["gone"]
    assert "ended on the node after 1 s" in errors["slow"]
    assert "nothing answers there" in errors["cache"]
    assert "/health is not JSON" in errors["etcd"]
