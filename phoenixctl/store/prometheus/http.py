"""Requests to the server: with our login, again when it is worth it, its refusals explained."""

from __future__ import annotations

import base64
import json
import logging
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import urllib3

from phoenixctl import __version__
from phoenixctl.model.errors import (
    AuthenticationFailed,
    ConfigError,
    PhoenixError,
    Refused,
    Unreachable,
)
from phoenixctl.model.fleet import SecretRef
from phoenixctl.model.measuring import PrometheusStore

_AGAIN: Final = (429, *range(500, 600))  # the server is busy or broken, the request is not
_TRIES: Final = 4  # after the first one
PAUSE_SECONDS: Final = 0.25
_OBJECT: Final = re.compile(r"^\w+\((?:[^()']|'[^']*')*\): ")
_SAID: Final = 300  # characters of an answer that an error repeats
# Each further try would be told on stderr; what comes of them all is in our error.
logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)


class Server:
    """The two addresses of a server, with connections that are kept.

    Errors: Unreachable when it does not answer or is broken, also after further tries;
    AuthenticationFailed; Refused for a request that it will never take.
    """

    def __init__(
        self,
        settings: PrometheusStore,
        secret: Callable[[SecretRef], str],
        *,
        pause_seconds: float = PAUSE_SECONDS,
    ) -> None:
        self._settings = settings
        self._headers = {"User-Agent": f"phoenixctl/{__version__}", **_login(settings, secret)}
        if settings.tenant is not None:
            self._headers["X-Scope-OrgID"] = settings.tenant
        again = urllib3.Retry(
            total=_TRIES,
            redirect=0,  # a login is for the address that was configured
            status_forcelist=_AGAIN,
            allowed_methods=None,  # a sample that comes twice is there once
            backoff_factor=pause_seconds,  # and twice as long each time: 3.5 s in all
            backoff_jitter=pause_seconds,
            retry_after_max=30,
            raise_on_status=False,
            raise_on_redirect=False,
        )
        self._pool = urllib3.PoolManager(
            retries=again,
            timeout=urllib3.Timeout(total=settings.timeout_seconds),
            ca_certs=_certificates(settings.ca_file),
        )

    def push(self, body: bytes) -> None:
        headers = {
            **self._headers,
            "Content-Type": "application/x-protobuf",
            "Content-Encoding": "snappy",
            "X-Prometheus-Remote-Write-Version": "0.1.0",
        }
        url = self._settings.write_url
        self._check(url, self._post(url, body, headers))

    def ask(self, path: str, parameters: Mapping[str, str]) -> Any:
        """The `data` of an answer of the query API, as JSON has it."""
        url = f"{self._settings.query_url}{path}"
        headers = {**self._headers, "Content-Type": "application/x-www-form-urlencoded"}
        reply = self._post(url, urlencode(parameters).encode(), headers)
        self._check(url, reply)
        try:
            answer = json.loads(reply.data)
            if answer["status"] != "success":
                raise ValueError(str(answer.get("error")))
            return answer["data"]
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise PhoenixError(
                f"what {url} answers is not from a Prometheus: {_short(str(error))}",
                hint="look at metrics.store.query_url: phoenixctl config show",
            ) from None

    def close(self) -> None:
        self._pool.clear()

    def _post(self, url: str, body: bytes, headers: Mapping[str, str]) -> urllib3.BaseHTTPResponse:
        try:
            return self._pool.request("POST", url, body=body, headers=headers, redirect=False)
        except urllib3.exceptions.HTTPError as error:
            # `from None`: requests with their headers hang on the original error.
            raise Unreachable(
                f"{url} does not answer: {_reason(error)}", hint=f"curl -sS {url}"
            ) from None

    def _check(self, url: str, reply: urllib3.BaseHTTPResponse) -> None:
        if 200 <= reply.status < 300:
            return
        said = _short(_message(reply.data))
        what = f"{url} answers {reply.status}{said and f': {said}'}"
        if reply.status in (401, 403):
            raise AuthenticationFailed(
                what, hint="look at token, user and password of metrics.store"
            )
        if reply.status in _AGAIN:
            raise Unreachable(f"{what}, also after {_TRIES} more tries", hint="try again later")
        hint = ""
        if reply.status in (404, 405) and url == self._settings.write_url:
            hint = "a Prometheus takes samples with --web.enable-remote-write-receiver"
        raise Refused(what, hint=hint)


def _login(settings: PrometheusStore, secret: Callable[[SecretRef], str]) -> dict[str, str]:
    if settings.token is not None:
        token = secret(settings.token)
        if not token.isascii() or not token.isprintable() or " " in token:
            raise ConfigError("the token for metrics is not one word of ASCII")
        return {"Authorization": f"Bearer {token}"}
    if settings.user is not None and settings.password is not None:
        login = f"{settings.user}:{secret(settings.password)}".encode()
        return {"Authorization": f"Basic {base64.b64encode(login).decode()}"}
    return {}


def _certificates(ca_file: str | None) -> str | None:
    if ca_file is None:
        return None
    path = Path(ca_file).expanduser()
    if not path.is_file():
        raise ConfigError(
            f"there is no file {path} of certificates", hint="look at metrics.store.ca_file"
        )
    return str(path)


def _reason(error: urllib3.exceptions.HTTPError) -> str:
    """The cause, without the object that urllib3 names before it."""
    cause: object = getattr(error, "reason", None) or error
    return _short(_OBJECT.sub("", str(cause)))


def _message(body: bytes) -> str:
    """What an answer says: the text, or the error in its JSON."""
    text = body.decode("utf-8", "replace")
    try:
        return str(json.loads(text)["error"])
    except (ValueError, TypeError, KeyError, RecursionError):
        return text


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _SAID else f"{line[:_SAID]}…"
