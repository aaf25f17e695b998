"""Hosts that are dead, silent, frozen, busy, or do not let us in."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from phoenixctl.model.command import Command, Completed
from phoenixctl.model.errors import (
    AuthenticationFailed,
    ExitCode,
    OutcomeUnknown,
    PhoenixError,
    Unreachable,
)
from phoenixctl.model.fleet import Node
from phoenixctl.model.names import NodeName
from phoenixctl.model.outcome import Failed, Outcome, Succeeded, Unknown, exit_code_of
from phoenixctl.ports.reach import Session
from tests.faults.conftest import StartServer
from tests.sshd import Sshd, done, free_port, keygen, node_at, reaching, run_on

pytestmark = pytest.mark.sshd


async def true(session: Session) -> Completed:
    return await session.run(Command("true"))


@pytest.fixture
def black_hole() -> Iterator[int]:
    """The port of a server that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.fixture
def dropping() -> Iterator[int]:
    """A port where connecting is never answered: its queue is full, and the kernel drops SYNs."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        waiting = []
        for _ in range(4):
            one = socket.socket()
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", port))
            waiting.append(one)
        yield port
        for one in waiting:
            one.close()


async def test_hosts_that_do_not_answer_fail_in_time_and_the_others_finish(
    server: Sshd, black_hole: int, dropping: int
) -> None:
    nodes = [
        node_at(server, "good"),
        node_at(server, "dead", port=free_port()),
        node_at(server, "silent", port=black_hole),
        node_at(server, "dropping", port=dropping),
        node_at(server, "nameless", address="no-such-host.invalid"),
    ]
    start = time.monotonic()
    async with reaching(*nodes, connect_timeout_seconds=1.0) as reach:
        outcomes = await reach.each([node.name for node in nodes], true)
    took = time.monotonic() - start

    assert took < 3
    assert list(outcomes) == [node.name for node in nodes]
    assert isinstance(outcomes[NodeName("good")], Succeeded)
    for name in ("dead", "silent", "dropping", "nameless"):
        outcome = outcomes[NodeName(name)]
        assert isinstance(outcome, Failed), name
        assert type(outcome.error) is Unreachable, name
    assert exit_code_of(outcomes.values()) == ExitCode.UNREACHABLE


async def test_outcomes_are_told_as_they_come(server: Sshd, black_hole: int) -> None:
    nodes = [node_at(server, "silent", port=black_hole), node_at(server, "good")]
    told: list[NodeName] = []
    async with reaching(*nodes, connect_timeout_seconds=0.5) as reach:

        def tell(name: NodeName, _: Outcome[Completed]) -> None:
            told.append(name)

        await reach.each([node.name for node in nodes], true, on_outcome=tell)

    assert told == ["good", "silent"]


async def test_a_server_that_freezes_is_noticed_and_its_command_s_end_is_unknown(
    start_server: StartServer,
) -> None:
    server = start_server()
    node = node_at(server)
    async with reaching(node, keepalive_seconds=0.5) as reach:
        task = asyncio.ensure_future(run_on(reach, node, "sleep", "30"))
        await asyncio.sleep(0.5)
        server.freeze()
        start = time.monotonic()
        outcome = await task
        took = time.monotonic() - start

    assert took < 3
    assert isinstance(outcome, Unknown)
    assert isinstance(outcome.error, OutcomeUnknown)


async def test_the_default_keepalive_notices_within_fifteen_seconds(server: Sshd) -> None:
    async with reaching(node_at(server)) as reach:

        async def job(session: Session) -> float:
            options = session._connection._options  # type: ignore[attr-defined]
            return float(options.keepalive_interval * (options.keepalive_count_max + 1))

        outcome = (await reach.each([NodeName("a")], job))[NodeName("a")]

    assert isinstance(outcome, Succeeded)
    assert 0 < outcome.value <= 15


async def test_a_server_that_freezes_in_the_handshake_is_unreachable(
    start_server: StartServer,
) -> None:
    server = start_server()
    server.freeze()
    node = node_at(server)
    async with reaching(node, connect_timeout_seconds=0.7) as reach:
        start = time.monotonic()
        outcome = await run_on(reach, node, "true")

    assert time.monotonic() - start < 2
    assert isinstance(outcome, Failed)
    assert type(outcome.error) is Unreachable


async def test_refused_starts_are_tried_again_until_all_are_in(start_server: StartServer) -> None:
    server = start_server(options=("MaxStartups 2:100:2",))
    nodes = [node_at(server, f"n{number}") for number in range(30)]
    async with reaching(*nodes) as reach:
        outcomes = await reach.each([node.name for node in nodes], true)

    assert [type(outcome) for outcome in outcomes.values()] == [Succeeded] * 30
    assert "drop connection" in server.log.read_text() or "MaxStartups" in server.log.read_text()


async def test_a_wrong_key_is_tried_once(start_server: StartServer, tmp_path: Path) -> None:
    server = start_server()
    stranger = keygen(tmp_path / "stranger")
    node = node_at(server, identity_files=(str(stranger),))
    async with reaching(node) as reach:
        outcome = await run_on(reach, node, "true")

    assert isinstance(outcome, Failed)
    assert type(outcome.error) is AuthenticationFailed
    assert outcome.error.exit_code == ExitCode.AUTHENTICATION
    assert server.log.read_text().count("Connection from") == 1
    assert server.log.read_text().count("Failed publickey") <= 1


async def test_a_key_with_a_passphrase_is_named_with_what_to_do(
    server: Sshd, tmp_path: Path
) -> None:
    locked = keygen(tmp_path / "locked", passphrase="correct horse")
    node = node_at(server, identity_files=(str(locked),))
    async with reaching(node) as reach:
        outcome = await run_on(reach, node, "true")

    assert isinstance(outcome, Failed)
    assert type(outcome.error) is AuthenticationFailed
    assert f"ssh-add {locked}" in outcome.error.hint


async def test_a_connection_is_used_again(start_server: StartServer) -> None:
    server = start_server()
    node = node_at(server)
    async with reaching(node) as reach:
        for _ in range(3):
            done(await run_on(reach, node, "true"))

    assert server.log.read_text().count("Accepted publickey") == 1


async def test_a_lost_connection_is_opened_anew(start_server: StartServer) -> None:
    server = start_server()
    node = node_at(server)
    async with reaching(node) as reach:
        done(await run_on(reach, node, "true"))
        for process in server.processes():
            process.kill()
        await asyncio.sleep(0.2)
        done(await run_on(reach, node, "true"))


async def test_a_connection_lost_under_a_command_leaves_its_outcome_unknown(
    start_server: StartServer,
) -> None:
    server = start_server()
    node = node_at(server)
    async with reaching(node) as reach:
        task = asyncio.ensure_future(run_on(reach, node, "sleep", "5"))
        await asyncio.sleep(0.5)
        for process in server.processes():
            process.kill()
        outcome = await task

    assert isinstance(outcome, Unknown)
    assert exit_code_of([outcome]) == ExitCode.UNKNOWN


async def test_a_defect_in_one_job_is_an_outcome_and_the_others_finish(server: Sshd) -> None:
    nodes = [node_at(server, name) for name in ("a", "b")]

    async def job(session: Session) -> str:
        if session.node == "a":
            raise ZeroDivisionError("oops")
        return session.node

    async with reaching(*nodes) as reach:
        outcomes = await reach.each([node.name for node in nodes], job)

    failed = outcomes[NodeName("a")]
    assert isinstance(failed, Failed)
    assert type(failed.error) is PhoenixError
    assert isinstance(failed.error.__cause__, ZeroDivisionError)
    assert isinstance(outcomes[NodeName("b")], Succeeded)


def _behind(bastion: Sshd, target: Sshd, name: str, **fields: object) -> Node:
    known_hosts = target.folder / "both_known_hosts"
    known_hosts.write_text(target.known_hosts.read_text() + bastion.known_hosts.read_text())
    key = str(target.client_key)
    with (bastion.folder / "authorized_keys").open("a") as authorized:
        authorized.write(target.client_key.with_name("client_key.pub").read_text())
    own = {"jump": f"{bastion.address}:{bastion.port}", "known_hosts_files": (str(known_hosts),)}
    return node_at(target, name, identity_files=(key,), **(own | fields))


async def test_nodes_behind_a_bastion_share_one_connection_to_it(
    start_server: StartServer,
) -> None:
    bastion, target = start_server(), start_server()
    nodes = [_behind(bastion, target, f"n{number}", user=None) for number in range(12)]
    async with reaching(*nodes, starts_per_bastion=3) as reach:
        outcomes = await reach.each([node.name for node in nodes], true)

    assert [type(outcome) for outcome in outcomes.values()] == [Succeeded] * 12
    assert bastion.log.read_text().count("Accepted publickey") == 1
    assert target.log.read_text().count("Accepted publickey") == 12


async def test_starts_through_a_bastion_are_bounded(start_server: StartServer) -> None:
    # A server goes on counting a start for a moment after it has let it in: six leave room for
    # the two that are under way, and drop some of twelve that would all start at once.
    bastion, target = start_server(), start_server(options=("MaxStartups 6:100:6",))
    nodes = [_behind(bastion, target, f"n{number}") for number in range(12)]
    async with reaching(*nodes, starts_per_bastion=2) as reach:
        outcomes = await reach.each([node.name for node in nodes], true)

    assert [type(outcome) for outcome in outcomes.values()] == [Succeeded] * 12
    assert "drop connection" not in target.log.read_text()


async def test_a_chain_of_bastions_is_followed_and_every_host_key_verified(
    start_server: StartServer, tmp_path: Path
) -> None:
    first, second, target = start_server(), start_server(), start_server()
    chain = f"{first.address}:{first.port},{second.address}:{second.port}"
    for bastion in (first, second):
        with (bastion.folder / "authorized_keys").open("a") as authorized:
            authorized.write(target.client_key.with_name("client_key.pub").read_text())
    known = tmp_path / "known_hosts"
    texts = [s.known_hosts.read_text() for s in (first, second, target)]

    known.write_text("".join(texts))
    node = node_at(target, jump=chain, known_hosts_files=(str(known),))
    async with reaching(node) as reach:
        assert done(await run_on(reach, node, "echo", "through")).stdout == b"through\n"

    known.write_text(texts[0] + texts[2])
    async with reaching(node) as reach:
        outcome = await run_on(reach, node, "true")
    assert isinstance(outcome, Failed)
    assert outcome.error.kind == "host key unknown"
    assert f"jump host {node.user}@{second.address}:{second.port}" in outcome.error.what
    assert outcome.error.hop == f"{node.user}@{second.address}:{second.port}"


async def test_a_bastion_that_does_not_let_us_in_is_asked_once(
    start_server: StartServer,
) -> None:
    bastion, target = start_server(), start_server()
    nodes = [_behind(bastion, target, f"n{number}") for number in range(5)]
    (bastion.folder / "authorized_keys").write_text("")
    async with reaching(*nodes) as reach:
        outcomes = await reach.each([node.name for node in nodes], true)

    assert all(isinstance(outcome, Failed) for outcome in outcomes.values())
    assert exit_code_of(outcomes.values()) == ExitCode.AUTHENTICATION
    assert bastion.log.read_text().count("Connection from") == 1


async def test_the_ssh_configuration_leads_the_way(
    start_server: StartServer, tmp_path: Path
) -> None:
    bastion, target = start_server(), start_server()
    behind = _behind(bastion, target, "unused")
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh" / "more").write_text(
        f"Host web\n  HostName {target.address}\n  Port {target.port}\n  ProxyJump gate\n"
        f"  HostKeyAlias the-web\nHost gate\n  HostName {bastion.address}\n"
        f"  Port {bastion.port}\n"
    )
    known = tmp_path / "known"
    known.write_text(
        bastion.known_hosts.read_text()
        + f"the-web {target.known_hosts.read_text().split(' ', 1)[1]}"
    )
    (tmp_path / ".ssh" / "config").write_text(
        f"Include more\nMatch all\n  IdentityFile {behind.identity_files[0]}\n"
        f"  UserKnownHostsFile {known}\n  StrictHostKeyChecking no\n"
        f'Match exec "touch {tmp_path / "ran"}"\n  Port 1\n'
    )
    node = Node(NodeName("web"), "tests", "web")
    async with reaching(node, home=tmp_path, config_file="~/.ssh/config") as reach:
        assert done(await run_on(reach, node, "echo", "web")).stdout == b"web\n"
        assert any("Match exec" in warning for warning in reach.warnings())

    assert not (tmp_path / "ran").exists()
    assert bastion.log.read_text().count("Accepted publickey") == 1


async def test_a_proxy_command_carries_the_connection(server: Sshd, tmp_path: Path) -> None:
    (tmp_path / ".ssh").mkdir()
    pipe = (
        "import socket,sys,threading,os; s=socket.create_connection((sys.argv[1],int(sys.argv[2])))"
    )
    relay = tmp_path / "relay.py"
    relay.write_text(
        f"{pipe.replace('; ', chr(10))}\n"
        "def up():\n    while data := os.read(0, 65536): s.sendall(data)\n    s.close()\n"
        "threading.Thread(target=up, daemon=True).start()\n"
        "while data := s.recv(65536): os.write(1, data)\n"
    )
    (tmp_path / ".ssh" / "config").write_text(f"Host *\n  ProxyCommand python3 {relay} %h %p\n")
    node = node_at(server, use_ssh_config=True)
    async with reaching(node, home=tmp_path, config_file="~/.ssh/config") as reach:
        assert done(await run_on(reach, node, "echo", "relayed")).stdout == b"relayed\n"
