"""HTTP to a node's loopback: answers, and servers that misbehave."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from phoenixctl.model.errors import CommandFailed
from phoenixctl.model.outcome import Failed, Outcome, Succeeded
from phoenixctl.model.units import Bytes
from phoenixctl.ports.reach import HttpRequest, HttpResponse, Session
from tests.faults.conftest import StartServer
from tests.sshd import Sshd, free_port, node_at, reaching

pytestmark = pytest.mark.sshd

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def http_server(talk: Talk):  # type: ignore[no-untyped-def]
    """The port of a server that talks like this to whoever connects."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await talk(reader, writer)
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


def saying(text: bytes, *, hang: float = 0) -> Talk:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(text)
        await writer.drain()
        await asyncio.sleep(hang)

    return talk


async def ask(server: Sshd, request: HttpRequest, **settings: object) -> Outcome[HttpResponse]:
    node = node_at(server)

    async def job(session: Session) -> HttpResponse:
        return await session.http(request)

    async with reaching(node, **settings) as reach:
        return (await reach.each([node.name], job))[node.name]


async def test_a_request_comes_through_with_its_body(server: Sshd) -> None:
    received = b""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal received
        received = await reader.readuntil(b"\r\n\r\n") + await reader.readexactly(5)
        writer.write(b"HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n\r\nok")

    async with http_server(echo) as port:
        outcome = await ask(server, HttpRequest(port, "/drain?now", "POST", b"hello"))

    assert isinstance(outcome, Succeeded), outcome
    assert outcome.value == HttpResponse(202, b"ok")
    assert received.startswith(b"POST /drain?now HTTP/1.1\r\n")
    assert received.endswith(b"hello")


@pytest.mark.parametrize(
    "text",
    [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\n\r\nabc",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc",
    ],
    ids=["chunked", "until it closes", "continued"],
)
async def test_the_forms_of_an_answer_are_understood(server: Sshd, text: bytes) -> None:
    async with http_server(saying(text)) as port:
        outcome = await ask(server, HttpRequest(port, "/"))

    assert isinstance(outcome, Succeeded), outcome
    assert outcome.value == HttpResponse(200, b"abc")


async def test_a_body_that_never_ends_is_cut_and_marked(server: Sshd) -> None:
    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.0 200 OK\r\n\r\n")
        while True:
            writer.write(b"x" * 65536)
            await writer.drain()

    async with http_server(endless) as port:
        outcome = await ask(server, HttpRequest(port, "/"), output_limit=Bytes(100_000))

    assert isinstance(outcome, Succeeded), outcome
    assert outcome.value == HttpResponse(200, b"x" * 100_000, truncated=True)


@pytest.mark.parametrize(
    ("talk", "words"),
    [
        (saying(b"SSH-2.0-what\r\n\r\n"), "not HTTP"),
        (saying(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"), "not HTTP"),
        (saying(b""), "not HTTP"),
        (saying(b"X" * 300_000), "not HTTP"),
        (saying(b"", hang=5), "no answer within 0.5 s"),
        (saying(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", hang=5), "no answer within"),
    ],
    ids=["garbage", "cut short", "silence and an end", "endless header", "silence", "stalled"],
)
async def test_a_server_that_misbehaves_is_an_error_in_kind_words(
    server: Sshd, talk: Talk, words: str
) -> None:
    async with http_server(talk) as port:
        outcome = await ask(server, HttpRequest(port, "/metrics", timeout_seconds=0.5))

    assert isinstance(outcome, Failed)
    assert isinstance(outcome.error, CommandFailed)
    assert words in outcome.error.what
    assert f"http://127.0.0.1:{port}/metrics" in outcome.error.what


async def test_a_port_with_nobody_behind_it(server: Sshd) -> None:
    port = free_port()
    outcome = await ask(server, HttpRequest(port, "/"))

    assert isinstance(outcome, Failed)
    assert isinstance(outcome.error, CommandFailed)
    assert "nothing answers there" in outcome.error.what


async def test_whether_a_port_accepts(server: Sshd) -> None:
    node = node_at(server)
    closed = free_port()

    async with http_server(saying(b"", hang=1)) as port, reaching(node) as reach:

        async def job(session: Session) -> list[bool]:
            return [await session.accepts(p, timeout_seconds=2) for p in (port, closed)]

        outcome = (await reach.each([node.name], job))[node.name]

    assert isinstance(outcome, Succeeded), outcome
    assert outcome.value == [True, False]


async def test_an_sshd_that_forbids_forwarding_is_told_apart(start_server: StartServer) -> None:
    strict = start_server(options=("AllowTcpForwarding no",))
    outcome = await ask(strict, HttpRequest(80, "/"))

    assert isinstance(outcome, Failed)
    assert "AllowTcpForwarding" in outcome.error.hint
