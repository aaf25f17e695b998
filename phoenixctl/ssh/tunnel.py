"""HTTP to a server on a node's own loopback, through a channel of its connection."""

from __future__ import annotations

import asyncio

import h11
from asyncssh import ChannelOpenError, DisconnectError, SSHTCPChannel, SSHTCPSession
from asyncssh.constants import OPEN_ADMINISTRATIVELY_PROHIBITED

from phoenixctl.model.errors import CommandFailed, Unreachable
from phoenixctl.model.names import NodeName
from phoenixctl.ports.reach import HttpRequest, HttpResponse
from phoenixctl.ssh.wire import Connection


async def ask(
    connection: Connection, request: HttpRequest, *, node: NodeName, limit: int
) -> HttpResponse:
    """The answer to a request, its body capped at `limit` bytes.

    CommandFailed when nothing listens, nothing comes in time, or what comes is not HTTP.
    """
    where = f"{node}: http://127.0.0.1:{request.port}{request.path}"
    exchange = _Exchange(request, limit)
    try:
        async with asyncio.timeout(request.timeout_seconds):
            await connection.create_connection(lambda: exchange, "127.0.0.1", request.port)
            return await exchange.answer
    except ChannelOpenError as error:
        raise _closed(where, error) from error
    except TimeoutError:
        raise CommandFailed(f"{where}: no answer within {request.timeout_seconds:g} s") from None
    except h11.ProtocolError as error:
        raise CommandFailed(f"{where}: what answers there is not HTTP ({error})") from error
    except (DisconnectError, OSError) as error:
        raise CommandFailed(f"{where}: the connection to the node broke ({error})") from error
    finally:
        exchange.hang_up()


async def accepts(
    connection: Connection, port: int, *, node: NodeName, timeout_seconds: float
) -> bool:
    """Whether something listens on the port. CommandFailed when the node forbids to ask."""
    where = f"{node}: 127.0.0.1:{port}"
    try:
        async with asyncio.timeout(timeout_seconds):
            channel, _ = await connection.create_connection(SSHTCPSession, "127.0.0.1", port)
    except ChannelOpenError as error:
        if error.code == OPEN_ADMINISTRATIVELY_PROHIBITED:
            raise _closed(where, error) from error
        return False
    except TimeoutError:
        return False
    except (DisconnectError, OSError) as error:
        raise Unreachable(f"{where}: the connection to the node broke ({error})") from error
    channel.abort()
    return True


def _closed(where: str, error: ChannelOpenError) -> CommandFailed:
    if error.code == OPEN_ADMINISTRATIVELY_PROHIBITED:
        return CommandFailed(
            f"{where}: the node's sshd does not forward connections",
            hint="let its sshd_config have `AllowTcpForwarding local`",
        )
    return CommandFailed(f"{where}: nothing answers there ({error.reason})")


class _Exchange(SSHTCPSession[bytes]):
    """One request and its answer; `answer` gets the response or the error."""

    def __init__(self, request: HttpRequest, limit: int) -> None:
        self.answer: asyncio.Future[HttpResponse] = asyncio.get_running_loop().create_future()
        self._request = request
        self._limit = limit
        self._http = h11.Connection(h11.CLIENT)
        self._channel: SSHTCPChannel[bytes] | None = None
        self._status = 0
        self._body = bytearray()

    def connection_made(self, chan: SSHTCPChannel[bytes]) -> None:
        self._channel = chan

    def session_started(self) -> None:
        request = self._request
        headers = [
            ("Host", f"127.0.0.1:{request.port}"),
            ("User-Agent", "phoenixctl"),
            ("Connection", "close"),
            ("Content-Length", str(len(request.body))),
        ]
        try:
            head = h11.Request(method=request.method, target=request.path, headers=headers)
            data = (self._http.send(head), self._http.send(h11.Data(data=request.body)))
            self._send(b"".join(part for part in data if part))
            self._send(self._http.send(h11.EndOfMessage()) or b"")
        except h11.LocalProtocolError as error:
            self._fail(error)

    def data_received(self, data: bytes, _datatype: int | None) -> None:
        self._feed(data)

    def eof_received(self) -> bool:
        self._feed(b"")
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        if exc is not None:
            self._fail(exc)
        else:
            self._feed(b"")
        self._fail(h11.RemoteProtocolError("it hung up in the middle"))

    def hang_up(self) -> None:
        if self._channel is not None:
            self._channel.close()
        if self.answer.done() and not self.answer.cancelled():
            self.answer.exception()
        else:
            self.answer.cancel()

    def _send(self, data: bytes) -> None:
        if data and self._channel is not None:
            self._channel.write(data)

    def _feed(self, data: bytes) -> None:
        if self.answer.done():
            return
        try:
            self._http.receive_data(data)
            while not self.answer.done():
                event = self._http.next_event()
                if event is h11.NEED_DATA or event is h11.PAUSED:
                    return
                self._take(event)
        except h11.ProtocolError as error:
            self._fail(error)
        except RuntimeError:  # data after the end of the stream
            self._fail(h11.RemoteProtocolError("it sent data after its end"))

    def _take(self, event: object) -> None:
        if isinstance(event, h11.Response):
            self._status = event.status_code
        elif isinstance(event, h11.Data):
            self._body += event.data[: self._limit - len(self._body)]
            if len(self._body) >= self._limit:
                self._finish(truncated=True)
        elif isinstance(event, h11.EndOfMessage):
            self._finish(truncated=False)
        elif isinstance(event, h11.ConnectionClosed):
            self._fail(h11.RemoteProtocolError("it hung up without an answer"))

    def _finish(self, *, truncated: bool) -> None:
        if not self.answer.done():
            self.answer.set_result(HttpResponse(self._status, bytes(self._body), truncated))

    def _fail(self, error: Exception) -> None:
        if not self.answer.done():
            self.answer.set_exception(error)
