"""An embedded node does what a host with sshd does, and leaves less behind."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncssh
import psutil
import pytest

from tests.conformance.embedded_process import Embedded, eventually, is_alive, until


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Embedded]:
    node = Embedded.start(tmp_path_factory.mktemp("embedded") / "node")
    yield node
    node.stop()


@pytest.fixture
async def connection(node: Embedded) -> AsyncIterator[asyncssh.SSHClientConnection]:
    async with await node.connect() as connection:
        yield connection


async def run(
    connection: asyncssh.SSHClientConnection, command: str, stdin: bytes = b""
) -> asyncssh.SSHCompletedProcess:
    return await connection.run(command, input=stdin, encoding=None)


async def first_number(process: asyncssh.SSHClientProcess[bytes]) -> int:
    return int(await process.stdout.readline())


async def test_output_errors_and_exit_status_are_those_of_the_command(connection):
    result = await run(connection, r"printf 'a\377b'; printf c >&2; exit 7")
    assert (result.stdout, result.stderr, result.exit_status) == (b"a\xffb", b"c", 7)


async def test_a_command_sees_its_home_and_a_clean_environment(connection, node):
    result = await run(connection, "pwd; env")
    folder, *lines = result.stdout.decode().splitlines()
    environment = dict(line.split("=", 1) for line in lines)
    assert folder == environment["HOME"] == str(node.home)
    allowed = {"HOME", "PATH", "USER", "LOGNAME", "SHELL", "LANG", "PWD", "OLDPWD", "SHLVL", "_"}
    assert set(environment) <= allowed


async def test_a_megabyte_passes_unchanged_in_both_directions(connection):
    data = os.urandom(1_000_000)
    result = await run(connection, "cat", stdin=data)
    assert result.stdout == data
    assert result.exit_status == 0


async def test_many_commands_at_once_over_one_connection_keep_their_output_apart(connection):
    async with asyncio.timeout(20):
        numbers = [str(number).encode() for number in range(40)]
        results = await asyncio.gather(*(run(connection, "cat", number) for number in numbers))
    assert [result.stdout for result in results] == numbers


async def test_a_command_that_reads_only_a_part_of_its_input_ends_normally(connection):
    result = await run(connection, "head -c 3", stdin=b"x" * 3_000_000)
    assert (result.stdout, result.exit_status) == (b"xxx", 0)


async def test_the_end_of_input_arrives(connection):
    async with connection.create_process("cat; echo end", encoding=None) as process:
        process.stdin.write(b"some")
        assert await process.stdout.readexactly(4) == b"some"
        process.stdin.write_eof()
        assert await process.stdout.read() == b"end\n"


async def test_a_command_ended_by_a_signal_says_by_which(connection):
    result = await run(connection, "kill -SEGV $$")
    assert result.exit_status == -1
    assert result.exit_signal[0] == "SEGV"


async def test_a_signal_request_reaches_the_whole_process_group(connection):
    async with connection.create_process(
        "trap 'echo got; exit 5' USR1; sleep 60 & echo $!; wait", encoding=None
    ) as process:
        sleeper = await first_number(process)
        # Until it is `sleep`, it is a shell with the trap of the one above it.
        await eventually(lambda: psutil.Process(sleeper).name() == "sleep")
        process.send_signal("USR1")
        assert await process.stdout.readline() == b"got\n"
        assert (await process.wait()).exit_status == 5
    await eventually(lambda: not is_alive(sleeper))


async def test_a_signal_sent_at_once_is_not_lost(connection):
    async with connection.create_process("sleep 60", encoding=None) as process:
        process.send_signal("TERM")
        async with asyncio.timeout(5):
            assert (await process.wait()).exit_signal[0] == "TERM"


async def test_closing_a_channel_ends_its_command_with_all_children(connection):
    # `timeout` makes a process group of its own; the last one does not listen to TERM.
    process = await connection.create_process(
        "timeout 60 sleep 61 & echo $!; sh -c 'trap \"\" TERM; echo $$; while :; do sleep 1; done'",
        encoding=None,
    )
    pids = [await first_number(process), await first_number(process)]
    assert all(map(is_alive, pids))
    process.close()
    await eventually(lambda: not any(map(is_alive, pids)))


async def test_closing_a_channel_ends_a_command_that_never_read_its_input(connection):
    process = await connection.create_process("echo $$; exec sleep 60", encoding=None)
    process.stdin.write(b"x" * 1_000_000)
    pid = await first_number(process)
    process.close()
    await eventually(lambda: not is_alive(pid))


async def test_a_vanished_client_leaves_nothing_running(node):
    connection = await node.connect()
    process = await connection.create_process("echo $$; sleep 60 | cat", encoding=None)
    pid = await first_number(process)
    connection.abort()
    await eventually(lambda: not is_alive(pid))


async def test_a_process_with_its_own_session_survives_its_channel(connection):
    result = await run(connection, "setsid sleep 60 >/dev/null 2>&1 </dev/null & echo $!")
    pid = int(result.stdout)
    try:
        await asyncio.sleep(0.3)
        assert is_alive(pid)
    finally:
        os.kill(pid, signal.SIGKILL)


async def test_a_slow_reader_makes_the_command_wait_and_not_the_node_grow(connection, node):
    before = psutil.Process(node.process.pid).memory_info().rss
    async with connection.create_process("yes", encoding=None) as process:
        await process.stdout.readexactly(1000)
        await asyncio.sleep(0.5)
        assert psutil.Process(node.process.pid).memory_info().rss < before + 16 * 1024**2
        process.close()


async def test_a_loopback_server_of_the_node_is_reached_through_the_connection(connection):
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert await exchanged(connection, server, b"hello") == b"HELLO"


async def test_two_nodes_have_a_server_each_at_the_same_port(connection, node, tmp_path: Path):
    other = Embedded.start(tmp_path / "node")
    try:
        ours, theirs = (each.facts["agent_address"] for each in (node, other))
        assert len({ours, theirs, "127.0.0.1"}) == 3
        with (
            socket.create_server((ours, 0)) as first,
            socket.create_server((theirs, first.getsockname()[1])) as second,
        ):
            assert await exchanged(connection, first, b"one") == b"ONE"
            async with await other.connect() as another:
                assert await exchanged(another, second, b"two") == b"TWO"
                with pytest.raises(asyncssh.ChannelOpenError):
                    await another.open_connection(*first.getsockname())
    finally:
        other.stop()


async def exchanged(
    connection: asyncssh.SSHClientConnection, server: socket.socket, data: bytes
) -> bytes:
    """What this server answers to data that is sent to its port on the node's loopback."""

    def answer() -> None:
        client, _ = server.accept()
        with client:
            client.sendall(client.recv(100).upper())

    server.settimeout(10)
    thread = threading.Thread(target=answer)
    thread.start()
    reader, writer = await connection.open_connection("127.0.0.1", server.getsockname()[1])
    writer.write(data)
    got = await reader.read()
    writer.close()
    thread.join()
    return got


async def test_a_connection_through_the_node_to_elsewhere_is_refused(connection):
    with pytest.raises(asyncssh.ChannelOpenError) as refused:
        await connection.open_connection("127.0.0.2", 22)
    assert refused.value.code == asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED


async def test_files_are_transferred_relative_to_the_home_folder(connection, node, tmp_path):
    source = tmp_path / "source"
    source.write_bytes(os.urandom(300_000))
    async with connection.start_sftp_client() as sftp:
        assert await sftp.realpath(".") == str(node.home)
        await sftp.mkdir("folder")
        await sftp.put(source, "folder/file")
        await sftp.posix_rename("folder/file", "folder/renamed")
        await sftp.get("folder/renamed", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == source.read_bytes()
    assert (node.home / "folder/renamed").read_bytes() == source.read_bytes()


async def test_files_outside_of_home_and_tmp_are_refused_also_through_a_link(connection, node):
    (node.home / "leak").symlink_to("/etc/passwd")
    async with connection.start_sftp_client() as sftp:
        for path in ("/etc/passwd", "../../../../../../../etc/passwd", "leak"):
            with pytest.raises(asyncssh.SFTPPermissionDenied):
                await sftp.open(path, "r")


async def test_only_the_key_of_the_fleet_logs_in(node):
    stranger = asyncssh.generate_private_key("ssh-ed25519")
    with pytest.raises(asyncssh.PermissionDenied):
        await node.connect(client_keys=[stranger], password="secret")


def test_openssh_is_served_as_asyncssh_is(node, tmp_path):
    facts = node.facts
    known = tmp_path / "known_hosts"
    known.write_text(f"[127.0.0.1]:{facts['port']} {facts['host_key']}\n")
    command = ["ssh", "-F", "none", "-p", str(facts["port"]), "-i", str(node.key), "-o"]
    command += [f"UserKnownHostsFile={known}", "-o", "BatchMode=yes", "-o", "IdentityAgent=none"]
    command += ["anybody@127.0.0.1", "cat; printf e >&2; exit 9"]
    data = os.urandom(200_000)
    result = subprocess.run(command, check=False, input=data, capture_output=True, timeout=20)
    assert (result.stdout, result.stderr, result.returncode) == (data, b"e", 9)


def test_secrets_of_a_node_are_readable_by_its_owner_alone(node):
    for path in (node.folder / "host_key", node.folder / "node.json", node.key):
        assert path.stat().st_mode & 0o777 == 0o600
    assert node.home.stat().st_mode & 0o777 == 0o700


async def test_term_ends_a_node_with_its_commands_and_it_comes_back_with_its_key(tmp_path: Path):
    first = Embedded.start(tmp_path / "node")
    connection = await first.connect()
    process = await connection.create_process("echo $$; sleep 60", encoding=None)
    pid = await first_number(process)
    before = first.facts
    await asyncio.to_thread(first.stop)
    assert first.process.returncode == 0
    assert not is_alive(pid)
    connection.abort()
    second = Embedded.start(tmp_path / "node", port=before["port"])
    try:
        after = second.facts
        for kept in ("port", "host_key", "agent_address"):
            assert after[kept] == before[kept]
        assert after["pid"] != before["pid"]
    finally:
        second.stop()


def test_a_node_takes_another_port_when_its_own_is_taken(tmp_path: Path):
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        node = Embedded.start(tmp_path / "node", port=taken)
        try:
            assert node.facts["port"] != taken
        finally:
            node.stop()


def test_a_node_ends_by_itself_when_its_folder_is_gone(tmp_path: Path):
    node = Embedded.start(tmp_path / "node")
    (tmp_path / "node").rename(tmp_path / "gone")
    try:
        until(lambda: node.process.poll() is not None)
        assert node.process.returncode == 0
    finally:
        node.stop()
