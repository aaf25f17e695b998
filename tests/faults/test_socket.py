"""A question to a Unix socket of a node: answers, and servers that misbehave."""

from __future__ import annotations

import asyncio
from pathlib import Path
from unittest.mock import ANY

import pytest

from phoenixctl.model.errors import CommandFailed, OutcomeUnknown, PhoenixError, Unreachable
from phoenixctl.model.outcome import Failed, Succeeded, Unknown
from phoenixctl.model.units import Bytes
from phoenixctl.ports.reach import Session
from tests.faults.conftest import StartServer
from tests.haproxy import talking
from tests.sshd import Sshd, free_port, node_at, reaching

pytestmark = pytest.mark.sshd


async def ask(server: Sshd, path: Path, **settings: object) -> bytes | PhoenixError:
    node = node_at(server)

    async def job(session: Session) -> bytes:
        return await session.ask_socket(str(path), b"who?\n", timeout_seconds=0.5)

    async with reaching(node, **settings) as reach:
        outcome = (await reach.each([node.name], job))[node.name]
    if isinstance(outcome, Succeeded):
        return outcome.value
    assert isinstance(outcome, Failed | Unknown)
    return outcome.error


async def test_all_of_an_answer_in_pieces_comes_back(server: Sshd, tmp_path: Path) -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        question = await reader.readline()
        for piece in (question, b"\xff\x00", b"x" * 300_000):
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.02)

    async with talking() as talks:
        await talks.at_path(echo, str(tmp_path / "s"))
        assert await ask(server, tmp_path / "s") == b"who?\n\xff\x00" + b"x" * 300_000


async def test_an_answer_that_never_ends_is_an_error(server: Sshd, tmp_path: Path) -> None:
    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(b"x" * 65536)
            await writer.drain()

    async with talking() as talks:
        await talks.at_path(endless, str(tmp_path / "s"))
        error = await ask(server, tmp_path / "s", output_limit=Bytes(100_000))
    assert isinstance(error, CommandFailed)
    assert "longer than 100000 bytes" in error.what


async def test_a_server_that_says_nothing_leaves_the_outcome_unknown(
    server: Sshd, tmp_path: Path
) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with talking() as talks:
        await talks.at_path(silent, str(tmp_path / "s"))
        error = await ask(server, tmp_path / "s")
    assert isinstance(error, OutcomeUnknown)
    assert "within 0.5 s" in error.what


async def test_where_sshd_forwards_no_sockets_the_hint_says_what_to_look_for(
    start_server: StartServer, tmp_path: Path
) -> None:
    error = await ask(start_server(options=("AllowStreamLocalForwarding no",)), tmp_path / "s")
    assert isinstance(error, Unreachable)
    assert "AllowStreamLocalForwarding" in error.hint


async def test_a_server_on_a_port_is_asked_likewise(server: Sshd) -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"you asked " + await reader.readline())
        writer.close()

    listening = await asyncio.start_server(echo, "127.0.0.1", 0)
    node = node_at(server)
    async with listening, reaching(node) as reach:
        port = listening.sockets[0].getsockname()[1]

        async def job(session: Session) -> bytes:
            return await session.ask_port(port, b"who?\n", timeout_seconds=5.0)

        assert await reach.each([node.name], job) == {
            node.name: Succeeded(b"you asked who?\n", ANY)
        }


async def test_a_port_where_nobody_listens_is_unreachable(server: Sshd) -> None:
    node = node_at(server)
    port = free_port()

    async def job(session: Session) -> bytes:
        return await session.ask_port(port, b"who?\n", timeout_seconds=5.0)

    async with reaching(node) as reach:
        outcome = (await reach.each([node.name], job))[node.name]
    assert isinstance(outcome, Failed)
    assert isinstance(outcome.error, Unreachable)
    assert f"127.0.0.1:{port}: nothing answers there" in outcome.error.what
