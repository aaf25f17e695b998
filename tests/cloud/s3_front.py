"""A front before moto's S3 that does what moto does not.

Writes are done one after the other, so that of two that want an object to be new only one can win.
And faults can be asked for: replies that are lost after success, conflicts (409), and a store that
ignores conditions.

    POST /-/faults {"lose_every": 3}    set them; those not named are off
    GET  /-/requests                    what was asked for: [["PUT", "/bucket/key"], …]
"""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

_CONFLICT = b"""<?xml version="1.0" encoding="UTF-8"?>
<Error><Code>ConditionalRequestConflict</Code><Message>another one is under way</Message></Error>"""
_CONDITIONS = ("HTTP_IF_MATCH", "HTTP_IF_NONE_MATCH")

Environ = dict[str, Any]
StartResponse = Callable[..., Any]


@dataclass(frozen=True)
class Faults:
    """`lose_every` n: each n-th write with a condition that was done; `conflict_every` n: each
    n-th that was asked for. 0: none."""

    lose_every: int = 0
    conflict_every: int = 0
    ignore_conditions: bool = False


class Front:
    """A WSGI application around another one."""

    def __init__(self, application: Callable[[Environ, StartResponse], Iterable[bytes]]) -> None:
        self._application = application
        self._writing = threading.Lock()
        self._faults = Faults()
        self._writes = self._done = 0
        self._requests: list[tuple[str, str]] = []

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        if path.startswith("/-/"):
            return self._control(method, environ, start_response)
        self._requests.append((method, path))
        if method != "PUT":
            return self._application(environ, start_response)
        with self._writing:
            return self._write(environ, start_response)

    def _control(
        self, method: str, environ: Environ, start_response: StartResponse
    ) -> Iterable[bytes]:
        answer: Any = self._requests
        if method == "POST":
            size = int(environ.get("CONTENT_LENGTH") or 0)
            self._faults = Faults(**json.loads(environ["wsgi.input"].read(size)))
            self._writes, self._done, self._requests = 0, 0, []
            answer = {}
        start_response("200 OK", [("Content-Type", "application/json")])
        return [json.dumps(answer).encode()]

    def _write(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        faults = self._faults
        conditional = any(name in environ for name in _CONDITIONS)
        self._writes += conditional
        if faults.ignore_conditions:
            environ = {name: value for name, value in environ.items() if name not in _CONDITIONS}
        if conditional and _is_nth(self._writes, faults.conflict_every):
            start_response("409 Conflict", [("Content-Type", "application/xml")])
            return [_CONFLICT]
        statuses: list[str] = []

        def start(status: str, *more: Any) -> Any:
            statuses.append(status)
            return start_response(status, *more)

        body = list(self._application(environ, start))
        self._done += conditional and statuses[0].startswith("200")
        if conditional and statuses[0].startswith("200") and _is_nth(self._done, faults.lose_every):
            environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
            raise ConnectionAbortedError("done, and nobody is told")
        return body


def _is_nth(count: int, every: int) -> bool:
    return every > 0 and count % every == 0
