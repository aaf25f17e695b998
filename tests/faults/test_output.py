"""What a node prints is bytes, capped and marked; no output can harm the client."""

from __future__ import annotations

import asyncio
import os
import resource
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from phoenixctl.model.command import Command, Completed
from phoenixctl.model.errors import CommandFailed, UsageError
from phoenixctl.model.outcome import Failed, Succeeded
from phoenixctl.model.units import Bytes
from phoenixctl.ports.reach import Chunk, Session
from phoenixctl.remote.quoting import to_shell
from tests.faults.conftest import StartServer
from tests.sshd import Sshd, done, node_at, reaching, run_on

pytestmark = pytest.mark.sshd

HOSTILE = b"\x1b]0;owned\x07\x1b]52;c;AAAA\x07\x1b[2J \xe2\x80\xae [red]x[/] \xff\xfe\x00 end"


async def test_bytes_arrive_as_they_were_printed(server: Sshd) -> None:
    node = node_at(server)
    async with reaching(node) as reach:

        async def job(session: Session) -> Completed:
            return await session.run(Command("sh", "-c", "tee /dev/stderr", stdin=HOSTILE))

        completed = done((await reach.each([node.name], job))[node.name])

    assert completed.stdout == HOSTILE
    assert completed.stderr == HOSTILE
    assert not completed.stdout_truncated


async def test_what_a_start_up_file_prints_is_no_output_of_the_command(
    start_server: StartServer,
) -> None:
    noisy = r"""ForceCommand printf 'no newline\377'; eval "$SSH_ORIGINAL_COMMAND" """
    server = start_server(options=(noisy,))
    node = node_at(server)

    async def job(session: Session) -> tuple[Completed, list[Chunk]]:
        completed = await session.run(Command("echo", "fine"))
        async with session.stream(Command("echo", "fine")) as chunks:
            return completed, [chunk async for chunk in chunks]

    async with reaching(node) as reach:
        outcome = (await reach.each([node.name], job))[node.name]

    assert isinstance(outcome, Succeeded)
    completed, chunks = outcome.value
    assert completed.stdout == b"fine\n"
    assert b"".join(chunk.data for chunk in chunks if chunk.stream == "stdout") == b"fine\n"


async def test_output_that_is_not_text_does_not_end_the_neighbours(server: Sshd) -> None:
    node = node_at(server)

    async def job(session: Session) -> list[Completed]:
        return await asyncio.gather(
            session.run(Command("printf", r"\377\376")), session.run(Command("echo", "fine"))
        )

    async with reaching(node) as reach:
        outcome = (await reach.each([node.name], job))[node.name]

    assert isinstance(outcome, Succeeded)
    assert [completed.stdout for completed in outcome.value] == [b"\xff\xfe", b"fine\n"]


async def test_output_above_the_limit_is_cut_and_marked_and_the_status_stays(
    server: Sshd,
) -> None:
    node = node_at(server)
    script = "head -c 3000000 /dev/zero; head -c 10 /dev/zero >&2; exit 3"
    async with reaching(node, output_limit=Bytes(1000)) as reach:
        completed = done(await run_on(reach, node, "sh", "-c", script))

    assert completed.stdout == bytes(1000)
    assert completed.stdout_truncated
    assert completed.stderr == bytes(10)
    assert not completed.stderr_truncated
    assert completed.exit_status == 3


async def test_output_of_exactly_the_limit_is_whole(server: Sshd) -> None:
    node = node_at(server)
    async with reaching(node, output_limit=Bytes(1000)) as reach:
        completed = done(await run_on(reach, node, "head", "-c", "1000", "/dev/zero"))

    assert len(completed.stdout) == 1000
    assert not completed.stdout_truncated


ENDLESS = """
import asyncio, sys
from tests.sshd import Path, reaching, Node
from phoenixctl.model.command import Command
address, port, user, key, known_hosts = sys.argv[1:]
nodes = [Node(f"n{i}", "p", address, port=int(port), user=user, identity_files=(key,),
              known_hosts_files=(known_hosts,), use_ssh_config=False, use_agent=False)
         for i in range(4)]
async def main():
    async with reaching(*nodes) as reach:
        async def job(session):
            return await session.run(Command("yes", "endless" * 100))
        outcomes = await reach.each([n.name for n in nodes], job)
        for outcome in outcomes.values():
            done = outcome.value
            assert len(done.stdout) == 1024**2 and done.stdout_truncated, done.stdout[:100]
            assert done.exit_status is None and done.signal, (done.exit_status, done.signal)
    # Not ru_maxrss: that begins with what the process which started us had.
    status = Path("/proc/self/status").read_text()
    print(int(status.partition("VmHWM:")[2].split()[0]) // 1024)
asyncio.run(main())
"""


async def test_an_endless_producer_is_ended_and_costs_little_memory(server: Sshd) -> None:
    node = node_at(server)
    arguments = [node.address, str(node.port), str(node.user)]
    arguments += [*node.identity_files, *node.known_hosts_files]
    client = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", ENDLESS, *arguments],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert client.returncode == 0, client.stderr
    assert int(client.stdout) < 150
    lines = [process.info["cmdline"] or [] for process in psutil.process_iter(["cmdline"])]
    assert not [line for line in lines if "endless" * 100 in line]


async def test_a_stream_reads_no_faster_than_it_is_taken(server: Sshd) -> None:
    node = node_at(server)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    async def job(session: Session) -> int:
        taken = 0
        async with session.stream(Command("head", "-c", "60000000", "/dev/zero")) as chunks:
            await asyncio.sleep(0.5)
            async for chunk in chunks:
                taken += len(chunk.data)
        return taken

    async with reaching(node) as reach:
        outcome = (await reach.each([node.name], job))[node.name]

    assert isinstance(outcome, Succeeded)
    assert outcome.value == 60_000_000
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 40 * 1024


async def test_a_stream_tells_both_streams_and_hides_our_own_line(server: Sshd) -> None:
    node = node_at(server)

    async def job(session: Session) -> dict[str, bytes]:
        said = {"stdout": b"", "stderr": b""}
        async with session.stream(Command("sh", "-c", "echo out; echo err >&2")) as chunks:
            async for chunk in chunks:
                said[chunk.stream] += chunk.data
        return said

    async with reaching(node) as reach:
        outcome = (await reach.each([node.name], job))[node.name]

    assert isinstance(outcome, Succeeded)
    assert outcome.value == {"stdout": b"out\n", "stderr": b"err\n"}


SPECIAL = [
    "", "-n", "--", "~", "*", "$(id)", "`id`", "a=b", "if", "\\", "'", '"', "\n", "!!", "%s",
    "{a,b}", "#x", "=ls", "a'b\\c!d", ";", "&&", "<(x)", "\x1b[2J",
]  # fmt: skip

# Whole unicode without NUL (refused) and, among it, bytes that are not UTF-8.
arguments = st.lists(
    st.one_of(
        st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40),
        st.binary(max_size=20).map(
            lambda data: data.replace(b"\0", b"").decode("utf-8", "surrogateescape")
        ),
        st.sampled_from(SPECIAL),
    ),
    max_size=6,
)


def as_bytes(argv: list[str]) -> bytes:
    return b"".join(os.fsencode(argument) + b"\0" for argument in argv)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(lists=st.lists(arguments, min_size=1, max_size=10))
def test_hostile_arguments_come_through_a_real_sshd_unchanged(
    server: Sshd, lists: list[list[str]]
) -> None:
    async def job(session: Session) -> list[bytes]:
        # One `-` in front: printf would take an empty list as one empty argument.
        printf = [session.run(Command("printf", r"%s\0", "-", *argv)) for argv in lists]
        return [completed.stdout for completed in await asyncio.gather(*printf)]

    async def main() -> object:
        node = node_at(server)
        async with reaching(node) as reach:
            return (await reach.each([node.name], job))[node.name]

    outcome = asyncio.run(main())
    assert isinstance(outcome, Succeeded), outcome
    assert outcome.value == [as_bytes(["-", *argv]) for argv in lists]


@settings(max_examples=100, deadline=None)
@given(argv=arguments)
@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_a_quoted_line_is_these_arguments_for_a_shell(shell: str, argv: list[str]) -> None:
    line = to_shell(["printf", r"%s\0", "-", *argv]).encode("utf-8", "surrogateescape")
    printed = subprocess.run([shell, "-c", line], capture_output=True, check=True).stdout
    assert printed == as_bytes(["-", *argv])


async def test_a_line_that_no_shell_could_take_is_refused_before_it_is_sent(
    server: Sshd,
) -> None:
    node = node_at(server)
    async with reaching(node) as reach:
        outcome = await run_on(reach, node, "echo", "x" * 130_000)

    assert isinstance(outcome, Failed)
    assert isinstance(outcome.error, UsageError)


async def test_a_forced_command_is_not_taken_for_the_one_that_was_sent(
    server: Sshd, tmp_path: Path
) -> None:
    forced = Sshd.start(tmp_path / "forced", options=("ForceCommand echo something else",))
    try:
        node = node_at(forced)
        async with reaching(node) as reach:
            outcome = await run_on(reach, node, "true")
    finally:
        forced.stop()

    assert isinstance(outcome, Failed)
    assert isinstance(outcome.error, CommandFailed)
    assert "something else" in outcome.error.what
