"""More commands on one node than its sshd takes on a connection (MaxSessions is 10 by default)."""

from __future__ import annotations

import asyncio

import psutil
import pytest

from phoenixctl.model.command import Command
from phoenixctl.model.errors import CommandFailed
from phoenixctl.model.outcome import Succeeded
from phoenixctl.ports.reach import Session
from phoenixctl.ssh import session as session_module
from phoenixctl.ssh.wire import COMMANDS_AT_ONCE
from tests.sshd import Sshd, node_at, reaching

pytestmark = pytest.mark.sshd

MANY = 3 * COMMANDS_AT_ONCE


def _words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:
        return []


async def test_what_does_not_fit_waits_for_a_place(server: Sshd) -> None:
    node = node_at(server)

    async def job(session: Session) -> list[bytes]:
        runs = (session.run(Command("sh", "-c", f"sleep 0.1; echo {n}")) for n in range(MANY))
        return [done.stdout for done in await asyncio.gather(*runs)]

    async with reaching(node) as reach:
        outcome = (await reach.each([node.name], job))[node.name]
    assert isinstance(outcome, Succeeded), outcome.error
    assert outcome.value == [b"%d\n" % n for n in range(MANY)]


async def test_places_that_the_server_has_not_swept_yet_are_waited_for(server: Sshd) -> None:
    """Commands that end together free their places here before sshd has counted them out."""
    node = node_at(server)

    async def job(session: Session) -> int:
        done = 0
        for _ in range(25):
            runs = (session.run(Command("true")) for _ in range(COMMANDS_AT_ONCE))
            done += sum(completed.ok for completed in await asyncio.gather(*runs))
        return done

    async with reaching(node) as reach:
        outcome = (await reach.each([node.name], job))[node.name]
    assert isinstance(outcome, Succeeded), outcome.error
    assert outcome.value == 25 * COMMANDS_AT_ONCE


async def test_all_of_them_are_ended_when_the_run_is_cancelled(server: Sshd) -> None:
    node = node_at(server)
    seconds = 71_234

    def left() -> int:
        return sum(_words(process) == ["sleep", str(seconds)] for process in server.processes())

    async def job(session: Session) -> None:
        await asyncio.gather(
            *(session.run(Command("sleep", str(seconds)), timeout_seconds=60) for _ in range(MANY))
        )

    async with reaching(node) as reach:
        task = asyncio.create_task(reach.each([node.name], job))
        async with asyncio.timeout(10):
            while left() < COMMANDS_AT_ONCE:
                await asyncio.sleep(0.05)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert left() == 0


async def test_a_stream_that_finds_no_place_says_so(
    server: Sshd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_module, "_PLACE_WITHIN_SECONDS", 0.2)
    node = node_at(server)

    async def follow(session: Session) -> bytes:
        async with session.stream(Command("sh", "-c", "echo on; sleep 2")) as chunks:
            return b"".join([chunk.data async for chunk in chunks])

    async def job(session: Session) -> list[bytes | BaseException]:
        streams = (follow(session) for _ in range(COMMANDS_AT_ONCE + 1))
        return await asyncio.gather(*streams, return_exceptions=True)

    async with reaching(node) as reach:
        outcome = (await reach.each([node.name], job))[node.name]
    assert isinstance(outcome, Succeeded), outcome.error
    *served, refused = outcome.value
    assert served == [b"on\n"] * COMMANDS_AT_ONCE
    assert isinstance(refused, CommandFailed)
    assert "8 commands run there at once" in refused.what
