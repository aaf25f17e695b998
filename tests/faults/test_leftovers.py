"""After a time-out, Ctrl-C or a crash, nothing that we started runs on the node."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from phoenixctl.model.command import Command, Completed
from phoenixctl.model.errors import CommandTimeout
from phoenixctl.model.outcome import Failed, Outcome, Succeeded, Unknown
from phoenixctl.ports.reach import Session
from tests.faults.conftest import StartServer
from tests.needs import program
from tests.sshd import Sshd, node_at, reaching, run_on

pytestmark = pytest.mark.sshd

# A command with a child and a grandchild, all of which do not die of the channel's end.
STUBBORN = "sleep {n} & sh -c 'sleep {n}; true' & wait; sleep {n}"


def seconds_of(request: pytest.FixtureRequest) -> int:
    """A sleep that only this test uses, so that its processes can be found."""
    return 100_000 + abs(hash(request.node.nodeid)) % 800_000


@pytest.fixture
def unique(request: pytest.FixtureRequest) -> int:
    return seconds_of(request)


def running(unique: int) -> list[str]:
    found = []
    for process in psutil.process_iter(["cmdline", "pid"]):
        line = " ".join(process.info["cmdline"] or ())
        if str(unique) in line and process.pid != os.getpid() and "pytest" not in line:
            found.append(line)
    return found


async def until(condition: object, within: float) -> bool:
    """Whether the condition comes true in time."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        if condition():  # type: ignore[operator]
            return True
        await asyncio.sleep(0.02)
    return False


async def test_a_command_that_is_timed_out_leaves_no_process(server: Sshd, unique: int) -> None:
    node = node_at(server)
    async with reaching(node) as reach:
        start = time.monotonic()
        outcome = await run_on(
            reach, node, "sh", "-c", STUBBORN.format(n=unique), timeout_seconds=1
        )
        took = time.monotonic() - start

    assert isinstance(outcome, Failed)
    assert isinstance(outcome.error, CommandTimeout)
    assert took < 3
    assert running(unique) == []


async def test_a_command_that_ignores_TERM_is_killed(server: Sshd, unique: int) -> None:
    node = node_at(server)
    deaf = f"trap '' TERM; sleep {unique} & while :; do sleep 0.1; done"
    async with reaching(node) as reach:
        outcome = await run_on(reach, node, "sh", "-c", deaf, timeout_seconds=1)

    assert isinstance(outcome, Failed)
    assert isinstance(outcome.error, CommandTimeout)
    assert await until(lambda: running(unique) == [], within=1)


async def test_children_end_too_where_timeout_is_busybox_s(
    start_server: StartServer, unique: int, tmp_path: Path
) -> None:
    busybox = program("busybox")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "timeout").symlink_to(busybox)
    server = start_server(options=(f"SetEnv SHLVL=2 PATH={tmp_path}/bin:/usr/bin:/bin",))
    node = node_at(server)

    async def stream(session: Session) -> bytes:
        async with session.stream(Command("sh", "-c", "sleep 1.5; echo later")) as chunks:
            return b"".join([chunk.data async for chunk in chunks])

    async with reaching(node) as reach:
        outcome = await run_on(
            reach, node, "sh", "-c", STUBBORN.format(n=unique), timeout_seconds=1
        )
        assert running(unique) == []
        streamed = (await reach.each([node.name], stream))[node.name]

    assert isinstance(outcome, Failed)
    assert isinstance(outcome.error, CommandTimeout)
    assert isinstance(streamed, Succeeded)
    assert streamed.value == b"later\n"


async def test_a_status_of_124_in_time_is_the_command_s_own(server: Sshd) -> None:
    node = node_at(server)
    async with reaching(node) as reach:
        outcome = await run_on(reach, node, "sh", "-c", "exit 124", timeout_seconds=20)

    assert not isinstance(outcome, Failed)


@pytest.mark.parametrize("deaf", [False, True], ids=["hears TERM", "ignores TERM"])
async def test_cancelling_ends_the_command_on_the_node(
    server: Sshd, unique: int, deaf: bool
) -> None:
    node = node_at(server)
    script = ("trap '' TERM;" if deaf else "") + STUBBORN.format(n=unique)
    async with reaching(node) as reach:
        task = asyncio.ensure_future(run_on(reach, node, "sh", "-c", script))
        assert await until(lambda: len(running(unique)) >= 3, within=5)
        start = time.monotonic()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        took = time.monotonic() - start
        assert running(unique) == []

    assert took < 2.5


async def test_the_run_s_deadline_ends_what_runs_and_tells_the_rest_truthfully(
    server: Sshd, unique: int
) -> None:
    nodes = [node_at(server, name) for name in ("a", "b", "c")]

    async def job(session: Session) -> Completed:
        if session.node == "a":
            return await session.run(Command("true"))
        return await session.run(Command("sleep", str(unique)))

    async with reaching(*nodes, run_timeout_seconds=1.0, parallel=2) as reach:
        outcomes = await reach.each([node.name for node in nodes], job)

    assert running(unique) == []
    assert list(outcomes) == ["a", "b", "c"]
    assert [type(outcome).__name__ for outcome in outcomes.values()] == [
        "Succeeded",
        "Failed",
        "Failed",
    ]
    assert all(_timed_out(outcomes[name.name]) for name in nodes[1:])


def _timed_out(outcome: Outcome[Completed]) -> bool:
    return isinstance(outcome, Failed) and isinstance(outcome.error, CommandTimeout)


async def test_leaving_a_stream_ends_its_command(server: Sshd, unique: int) -> None:
    node = node_at(server)
    script = f"sleep {unique} & while echo line; do sleep 0.05; done"

    async def job(session: Session) -> int:
        async with session.stream(Command("sh", "-c", script)) as chunks:
            seen = 0
            async for chunk in chunks:
                seen += chunk.data.count(b"line")
                if seen >= 3:
                    break
        return seen

    async with reaching(node) as reach:
        outcomes = await reach.each([node.name], job)
        assert await until(lambda: running(unique) == [], within=2)

    assert not isinstance(outcomes[node.name], Failed)


CLIENT = """
import asyncio, sys
from pathlib import Path
from phoenixctl.model.command import Command
from phoenixctl.model.fleet import Node, SshSettings
from phoenixctl.ssh.reach import SshReach

address, port, user, key, known_hosts, script, how = sys.argv[1:]
node = Node("a", "p", address, port=int(port), user=user, identity_files=(key,),
            known_hosts_files=(known_hosts,), use_ssh_config=False, use_agent=False)

async def zeros():
    while True:
        yield bytes(100000)

async def main():
    reach = SshReach({"a": node}, SshSettings(config_file=None), home=Path("/nonexistent"),
                     environ={"LOGNAME": user}, system_config=Path("/nonexistent"))
    async def job(session):
        if how == "run":
            return await session.run(Command("sh", "-c", script))
        if how == "feed":
            return await session.feed(Command("sh", "-c", script), zeros(), timeout_seconds=60)
        async with session.stream(Command("sh", "-c", script)) as chunks:
            async for chunk in chunks:
                pass
    try:
        await reach.each(["a"], job)
    finally:
        await reach.aclose()

try:
    asyncio.run(main())
except KeyboardInterrupt:
    sys.exit(130)
"""


def start_client(server: Sshd, script: str, how: str) -> subprocess.Popen[bytes]:
    node = node_at(server)
    arguments = [
        node.address,
        str(node.port),
        str(node.user),
        *node.identity_files,
        *node.known_hosts_files,
        script,
        how,
    ]
    return subprocess.Popen(
        [sys.executable, "-X", "dev", "-c", CLIENT, *arguments],
        cwd=Path(__file__).parents[2],
        stderr=subprocess.PIPE,
    )


@pytest.mark.parametrize("how", ["run", "stream", "feed"])
async def test_ctrl_c_ends_the_command_within_two_seconds_and_says_nothing(
    server: Sshd, unique: int, how: str
) -> None:
    client = start_client(server, STUBBORN.format(n=unique), how)
    assert await until(lambda: len(running(unique)) >= 5, within=15)
    start = time.monotonic()
    client.send_signal(signal.SIGINT)
    _, said = await asyncio.to_thread(client.communicate, timeout=10)

    assert time.monotonic() - start < 3
    assert client.returncode == 130
    assert said == b""
    assert running(unique) == []


async def test_a_stream_s_command_ends_when_the_client_is_killed(server: Sshd, unique: int) -> None:
    client = start_client(server, STUBBORN.format(n=unique), "stream")
    assert await until(lambda: len(running(unique)) >= 5, within=15)
    client.kill()
    await asyncio.to_thread(client.communicate)

    assert await until(lambda: running(unique) == [], within=3)


async def test_when_the_connection_breaks_the_end_of_what_was_fed_is_unknown(
    server: Sshd, unique: int
) -> None:
    node = node_at(server)

    async def zeros() -> AsyncIterator[bytes]:
        while True:
            yield bytes(100_000)

    async def job(session: Session) -> Completed:
        return await session.feed(Command("sleep", str(unique)), zeros(), timeout_seconds=60)

    async with reaching(node) as reach:
        before = {process.pid for process in server.processes()}
        fed = asyncio.ensure_future(reach.each([node.name], job))
        assert await until(lambda: len(running(unique)) > 0, within=10)
        for process in server.processes():
            if process.pid not in before and process.name() == "sshd":
                process.kill()
        outcome = (await asyncio.wait_for(fed, 20))[node.name]

    assert isinstance(outcome, Unknown)
    for process in psutil.process_iter(["cmdline"]):
        if process.info["cmdline"] == ["sleep", str(unique)]:
            process.kill()
