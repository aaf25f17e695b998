"""One POST to a server of the operator's choice, within a time that holds for all of it.

Only the server's name is ever in an error: paths of webhooks are secrets. No redirect is followed,
for it would carry them elsewhere.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

import h11

from phoenixctl.model.errors import ConfigError, NotDelivered
from phoenixctl.model.units import format_duration

_PORTS: Final = {"http": 80, "https": 443}
_CHUNK: Final = 65_536
_TOO_MANY: Final = 429


@dataclass(frozen=True, slots=True)
class _Address:
    host: str
    port: int
    tls: bool
    target: str

    @property
    def shown(self) -> str:
        return f"{self.host}:{self.port}"


async def post(
    url: str, body: bytes, *, headers: Mapping[str, str], timeout_seconds: float
) -> None:
    """Returns when the answer's status is 2xx, else NotDelivered. ConfigError: a bad address."""
    address = _parsed(url)
    try:
        async with asyncio.timeout(timeout_seconds):
            status = await _exchanged(address, body, headers)
    except TimeoutError:
        raise NotDelivered(
            f"{address.shown} did not answer within {format_duration(timeout_seconds)}",
            passing=True,
        ) from None
    except ssl.SSLError as error:
        raise NotDelivered(
            f"{address.shown}: TLS failed: {error.reason or 'no reason given'}",
            hint="see that its certificate is valid; SSL_CERT_FILE names further authorities",
        ) from None
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise NotDelivered(f"{address.shown} cannot be reached: {why}", passing=True) from None
    except h11.ProtocolError:
        raise NotDelivered(f"{address.shown} does not speak HTTP", passing=True) from None
    if not 200 <= status < 300:
        raise NotDelivered(
            f"{address.shown} answered {status}", passing=status >= 500 or status == _TOO_MANY
        )


def _parsed(url: str) -> _Address:
    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS[parts.scheme]
        good = bool(parts.hostname) and url.isascii() and url.isprintable() and " " not in url
        host = parts.hostname if good else None
    except (ValueError, KeyError):
        host, port = None, 0
    if host is None:
        # It is not repeated: it may be the secret.
        raise ConfigError(
            "the address of a receiver is no http or https address",
            hint="write it like https://hooks.example.org/path, also in the file or variable",
        )
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return _Address(host, port, parts.scheme == "https", target)


async def _exchanged(address: _Address, body: bytes, headers: Mapping[str, str]) -> int:
    context = ssl.create_default_context() if address.tls else None
    reader, writer = await asyncio.open_connection(address.host, address.port, ssl=context)
    try:
        connection = h11.Connection(h11.CLIENT)
        writer.write(_request(connection, address, body, headers))
        await writer.drain()
        return await _status(connection, reader)
    finally:
        writer.close()
        with suppress(OSError, ssl.SSLError):
            await writer.wait_closed()


def _request(
    connection: h11.Connection, address: _Address, body: bytes, headers: Mapping[str, str]
) -> bytes:
    usual = _PORTS["https" if address.tls else "http"]
    name = f"[{address.host}]" if ":" in address.host else address.host
    own = {
        "Host": name if address.port == usual else f"{name}:{address.port}",
        "User-Agent": "phoenixctl",
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        "Connection": "close",
    }
    head = h11.Request(
        method="POST", target=address.target, headers=list({**own, **headers}.items())
    )
    events = (head, h11.Data(data=body), h11.EndOfMessage())
    return b"".join(connection.send(event) or b"" for event in events)


async def _status(connection: h11.Connection, reader: asyncio.StreamReader) -> int:
    """Of the answer; its body does not matter to us."""
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(await reader.read(_CHUNK))
        elif isinstance(event, h11.Response):
            return event.status_code
        elif not isinstance(event, h11.InformationalResponse):
            raise h11.RemoteProtocolError("no answer")
