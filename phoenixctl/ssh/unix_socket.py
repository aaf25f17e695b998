"""One question to a Unix socket of a node, through a channel of its connection."""

from __future__ import annotations

import asyncio

from asyncssh import ChannelOpenError, DisconnectError, SSHUNIXChannel, SSHUNIXSession

from phoenixctl.model.errors import CommandFailed, OutcomeUnknown, Unreachable
from phoenixctl.model.names import NodeName
from phoenixctl.ssh.wire import Connection


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
    where = f"{node}: {path}"
    exchange = _Exchange(question, limit)
    try:
        async with asyncio.timeout(timeout_seconds):
            await connection.create_unix_connection(lambda: exchange, path)
            await exchange.ended
    except ChannelOpenError as error:
        raise _closed(where, error) from error
    except TimeoutError:
        raise _unanswered(where, f"it did not end within {timeout_seconds:g} s", exchange) from None
    except (DisconnectError, OSError) as error:
        raise _unanswered(where, f"the connection broke ({error})", exchange) from error
    finally:
        exchange.hang_up()
    if len(exchange.answer) > limit:
        raise CommandFailed(f"{where}: the answer is longer than {limit} bytes")
    return bytes(exchange.answer)


def _unanswered(where: str, why: str, exchange: _Exchange) -> OutcomeUnknown | Unreachable:
    if not exchange.sent:
        return Unreachable(f"{where}: nothing was asked: {why}")
    return OutcomeUnknown(f"{where}: the answer was not seen: {why}")


def _closed(where: str, error: ChannelOpenError) -> Unreachable:
    # OpenSSH says the same whether it may not, or nobody listens.
    return Unreachable(
        f"{where}: nothing answers there ({error.reason})",
        hint="see that the server runs, that the login user may write to the socket, and that "
        "sshd_config does not have `AllowStreamLocalForwarding no`",
    )


class _Exchange(SSHUNIXSession[bytes]):
    """One question and its answer; `ended` is done when the other side hangs up."""

    def __init__(self, question: bytes, limit: int) -> None:
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.answer = bytearray()
        self.sent = False
        self._question = question
        self._limit = limit
        self._channel: SSHUNIXChannel[bytes] | None = None

    def connection_made(self, chan: SSHUNIXChannel[bytes]) -> None:
        self._channel = chan

    def session_started(self) -> None:
        if self._channel is not None:
            self.sent = True
            self._channel.write(self._question)

    def data_received(self, data: bytes, _datatype: int | None) -> None:
        self.answer += data[: self._limit + 1 - len(self.answer)]
        if len(self.answer) > self._limit:
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
