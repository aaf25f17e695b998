"""One question to a server of a node, on a Unix socket or a port of its loopback, through a channel
of the node's connection."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any, Final

from asyncssh import (
    ChannelOpenError,
    DisconnectError,
    SSHTCPChannel,
    SSHTCPSession,
    SSHUNIXChannel,
    SSHUNIXSession,
)

from phoenixctl.model.errors import CommandFailed, OutcomeUnknown, Unreachable
from phoenixctl.model.names import NodeName
from phoenixctl.ssh.wire import Connection

_SOCKET_HINT: Final = (
    "see that the server runs, that the login user may write to the socket, and that sshd_config "
    "does not have `AllowStreamLocalForwarding no`"
)
_PORT_HINT: Final = "see that the server runs, and that sshd_config has `AllowTcpForwarding local`"


async def ask(
    connection: Connection,
    path: str,
    question: bytes,
    *,
    node: NodeName,
    timeout_seconds: float,
    limit: int,
) -> bytes:
    """All that the socket's server says until it hangs up, at most `limit` bytes.

    Unreachable when nothing listens there or the node forbids to ask, CommandFailed when the answer
    is too long, OutcomeUnknown when the question was sent and no whole answer came.
    """
    exchange = _OverSocket(question, limit)
    opening = connection.create_unix_connection(lambda: exchange, path)
    where = f"{node}: {path}"
    return await _answer(exchange, opening, where, _SOCKET_HINT, timeout_seconds)


async def ask_port(
    connection: Connection,
    port: int,
    question: bytes,
    *,
    node: NodeName,
    timeout_seconds: float,
    limit: int,
) -> bytes:
    """The same of the server that listens on this port of the node's loopback."""
    exchange = _OverPort(question, limit)
    opening = connection.create_connection(lambda: exchange, "127.0.0.1", port)
    where = f"{node}: 127.0.0.1:{port}"
    return await _answer(exchange, opening, where, _PORT_HINT, timeout_seconds)


async def _answer(
    exchange: _Exchange,
    opening: Awaitable[object],
    where: str,
    hint: str,
    timeout_seconds: float,
) -> bytes:
    try:
        async with asyncio.timeout(timeout_seconds):
            await opening
            await exchange.ended
    except ChannelOpenError as error:
        # OpenSSH says the same of a socket whether it may not, or nobody listens.
        raise Unreachable(f"{where}: nothing answers there ({error.reason})", hint=hint) from error
    except TimeoutError:
        raise _unanswered(where, f"it did not end within {timeout_seconds:g} s", exchange) from None
    except (DisconnectError, OSError) as error:
        raise _unanswered(where, f"the connection broke ({error})", exchange) from error
    finally:
        exchange.hang_up()
    if exchange.too_long:
        raise CommandFailed(f"{where}: the answer is longer than {exchange.limit} bytes")
    return bytes(exchange.answer)


def _unanswered(where: str, why: str, exchange: _Exchange) -> OutcomeUnknown | Unreachable:
    if not exchange.sent:
        return Unreachable(f"{where}: nothing was asked: {why}")
    return OutcomeUnknown(f"{where}: the answer was not seen: {why}")


class _Exchange:
    """One question and its answer; `ended` is done when the other side hangs up."""

    def __init__(self, question: bytes, limit: int) -> None:
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.answer = bytearray()
        self.sent = False
        self._question = question
        self.limit = limit
        self._channel: SSHUNIXChannel[bytes] | SSHTCPChannel[bytes] | None = None

    @property
    def too_long(self) -> bool:
        return len(self.answer) > self.limit

    def connection_made(self, chan: Any) -> None:
        self._channel = chan

    def session_started(self) -> None:
        if self._channel is not None:
            self.sent = True
            self._channel.write(self._question)

    def data_received(self, data: bytes, _datatype: int | None) -> None:
        self.answer += data[: self.limit + 1 - len(self.answer)]
        if self.too_long:
            self._end(None)

    def eof_received(self) -> bool:
        self._end(None)
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(exc)

    def hang_up(self) -> None:
        if self._channel is not None:
            self._channel.close()
        if self.ended.done() and not self.ended.cancelled():
            self.ended.exception()
        else:
            self.ended.cancel()

    def _end(self, error: Exception | None) -> None:
        if self.ended.done():
            return
        if error is None:
            self.ended.set_result(None)
        else:
            self.ended.set_exception(error)


class _OverSocket(_Exchange, SSHUNIXSession[bytes]):
    pass


class _OverPort(_Exchange, SSHTCPSession[bytes]):
    pass
