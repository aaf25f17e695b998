"""The life of embedded nodes as the provider `local` manages it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import asyncssh
import psutil
import pytest

from phoenixctl.model.errors import PhoenixError
from phoenixctl.model.fleet import Node, Pool
from phoenixctl.model.names import NodeName
from phoenixctl.providers import local_processes
from phoenixctl.providers.local import LocalProvider
from tests.conformance.embedded_process import eventually, is_alive
from tests.conformance.requests import create, destroy

POOL = Pool("web", provider="local", labels={"tier": "front"})
A, B, C = (NodeName(f"web-{number}") for number in range(3))


@pytest.fixture
async def provider(tmp_path: Path) -> AsyncIterator[LocalProvider]:
    provider = LocalProvider(tmp_path / "fleet", "demo")
    yield provider
    for instance in await provider.list(POOL):
        await provider.destroy(POOL, instance)


def pid_of(root: Path, name: NodeName) -> int:
    return int(json.loads((root / "fleet" / name / "node.json").read_bytes())["pid"])


async def connect(node: Node) -> asyncssh.SSHClientConnection:
    return await asyncssh.connect(
        node.address,
        node.port,
        username=node.user,
        client_keys=list(node.identity_files),
        known_hosts=node.known_hosts_files[0],
        config=None,
        agent_path=None,
    )


async def run(node: Node, command: str) -> bytes:
    async with await connect(node) as connection:
        result = await connection.run(command, encoding=None)
    return bytes(result.stdout)


async def test_nodes_created_together_are_there_and_reached_with_their_own_keys(provider, tmp_path):
    made = await asyncio.gather(*(create(provider, POOL, name) for name in (C, A, B)))
    nodes = [instance.node for instance in made]
    assert list(await provider.list(POOL)) == sorted(made, key=lambda each: each.node.name)
    homes = await asyncio.gather(*(run(node, "pwd") for node in nodes))
    assert homes == [f"{tmp_path}/fleet/{node.name}/home\n".encode() for node in nodes]
    assert len({node.port for node in nodes}) == 3
    assert len({node.agent_address for node in nodes} - {None, "127.0.0.1"}) == 3
    assert len({Path(node.known_hosts_files[0]).read_text().split()[2] for node in nodes}) == 3
    assert {node.labels["tier"] for node in nodes} == {"front"}


async def test_creating_a_node_again_gives_the_same_one(provider, tmp_path):
    first = await create(provider, POOL, A)
    pid = pid_of(tmp_path, A)
    again = await asyncio.gather(*(create(provider, POOL, A) for _ in range(3)))
    assert again == [first] * 3
    assert pid_of(tmp_path, A) == pid


async def test_racing_creations_of_one_node_start_one_process(provider, tmp_path):
    nodes = await asyncio.gather(*(create(provider, POOL, A) for _ in range(3)))
    assert nodes == [nodes[0]] * 3
    folder = str(tmp_path / "fleet" / A)
    assert len([p for p in psutil.process_iter() if folder in _command(p)]) == 1


async def test_a_killed_node_is_listed_and_comes_back_with_its_key_and_port(provider, tmp_path):
    before = await create(provider, POOL, A)
    known_hosts = Path(before.node.known_hosts_files[0])
    key = known_hosts.read_text()
    os.kill(pid_of(tmp_path, A), signal.SIGKILL)
    await eventually(lambda: not is_alive(pid_of(tmp_path, A)))
    assert list(await provider.list(POOL)) == [before]
    with pytest.raises(ConnectionError):
        await connect(before.node)
    after = await create(provider, POOL, A)
    assert after == before
    assert known_hosts.read_text() == key
    assert await run(after.node, "echo up") == b"up\n"


async def test_a_node_of_an_earlier_version_has_no_address_for_its_agents(provider, tmp_path):
    before = await create(provider, POOL, A)
    path = tmp_path / "fleet" / A / "node.json"
    facts = json.loads(path.read_bytes())
    address = facts.pop("agent_address")
    path.write_text(json.dumps(facts))
    [old] = await provider.list(POOL)
    assert old.node == replace(before.node, agent_address=None)
    assert await create(provider, POOL, A) == old
    path.write_text(json.dumps(facts | {"agent_address": address}))
    assert list(await provider.list(POOL)) == [before]


async def test_a_pid_that_is_anothers_now_is_not_taken_for_the_node(provider, tmp_path):
    await create(provider, POOL, A)
    path = tmp_path / "fleet" / A / "node.json"
    facts = json.loads(path.read_bytes())
    with subprocess.Popen(["sleep", "60"]) as other:
        try:
            path.write_text(json.dumps(facts | {"pid": other.pid}))
            await create(provider, POOL, A)
            assert pid_of(tmp_path, A) != other.pid
            await destroy(provider, POOL, A)
            assert other.poll() is None
        finally:
            other.kill()
    assert not is_alive(facts["pid"])


async def test_destroy_leaves_no_process_and_no_folder(provider, tmp_path, monkeypatch):
    monkeypatch.setattr(local_processes, "GRACE_SECONDS", 0.5)
    node = (await create(provider, POOL, A)).node
    # An agent, deaf to TERM, under a supervisor that would start it again.
    supervisor = "trap '' TERM; echo $$ >&3; while :; do sh -c 'echo $$ >&3; exec sleep 60'; done"
    command = f'exec 3>pids; setsid sh -c "{supervisor.replace("$", chr(92) + "$")}"'
    await run(node, f"{command} >/dev/null 2>&1 </dev/null &")
    pids = tmp_path / "fleet" / A / "home/pids"
    await eventually(lambda: pids.exists() and len(pids.read_text().split()) == 2)
    started = [int(pid) for pid in pids.read_text().split()]
    assert all(map(is_alive, started))
    await destroy(provider, POOL, A)
    assert not any(map(is_alive, started))
    assert not (tmp_path / "fleet" / A).exists()
    assert not [p.pid for p in psutil.process_iter() if str(tmp_path) in " ".join(_command(p))]
    assert list(await provider.list(POOL)) == []


async def test_destroy_spares_the_other_nodes_and_what_is_not_there(provider):
    node = (await create(provider, POOL, B)).node
    await create(provider, POOL, A)
    await destroy(provider, POOL, A)
    await destroy(provider, POOL, A)
    await destroy(provider, POOL, C)
    assert await run(node, "echo still") == b"still\n"


async def test_nodes_outlive_the_run_that_created_them(tmp_path: Path):
    script = (
        "import asyncio, os, signal, sys\n"
        "from pathlib import Path\n"
        "from phoenixctl.model.fleet import Pool\n"
        "from phoenixctl.providers.local import LocalProvider\n"
        "from tests.conformance.requests import create\n"
        "provider = LocalProvider(Path(sys.argv[1]), 'demo')\n"
        "asyncio.run(create(provider, Pool('web'), 'web-0'))\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    root = tmp_path / "fleet"
    done = await asyncio.create_subprocess_exec(sys.executable, "-c", script, str(root))
    assert await done.wait() == -signal.SIGKILL
    provider = LocalProvider(root, "demo")
    [found] = await provider.list(POOL)
    assert (found.lineage, found.operation) == ("line-1", "1")
    assert await run(found.node, "echo here") == b"here\n"
    await destroy(provider, POOL, A)


async def test_a_node_that_cannot_start_says_why_in_its_own_words(provider, tmp_path):
    folder = tmp_path / "fleet" / A
    folder.mkdir(parents=True)
    (folder / "home").write_text("not a folder")
    with pytest.raises(
        PhoenixError, match=r"web-0 of fleet demo did not start: cannot serve .*File exists"
    ):
        await create(provider, POOL, A)


async def test_a_node_of_another_pool_is_not_taken_over(provider):
    await create(provider, POOL, A)
    other = Pool("db", provider="local")
    with pytest.raises(PhoenixError, match="is one of pool web"):
        await create(provider, other, A)
    await destroy(provider, other, A)
    assert list(await provider.list(other)) == []
    assert [found.node.name for found in await provider.list(POOL)] == [A]


async def test_the_operators_environment_does_not_reach_the_node(provider, tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "canary")
    await create(provider, POOL, A)
    assert "canary" not in psutil.Process(pid_of(tmp_path, A)).environ().values()


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []
