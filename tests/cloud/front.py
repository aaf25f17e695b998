"""A WSGI application before moto's that adds what EC2 does and moto does not.

Client tokens: the same token with the same parameters is the same request; with others it is a
mismatch; after the instance's end it is IdempotentInstanceTerminated. Faults: refusals by zone,
type and market, answers that get lost, looks that are behind (`masks`), hooks around each call.
"""

from __future__ import annotations

import io
import re
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from socket import SHUT_RDWR
from typing import Any
from urllib.parse import parse_qsl

from werkzeug.test import run_wsgi_app

from tests.cloud.masks import HIDDEN, Mask, Masks

_ERROR = """\
<?xml version="1.0" encoding="UTF-8"?>
<Response><Errors><Error><Code>{code}</Code><Message>{message}</Message></Error></Errors>\
<RequestID>front</RequestID></Response>"""
_NOTHING_ASKED = ("Action", "Version", "ClientToken")


@dataclass(frozen=True)
class Call:
    """One request to EC2: its number since the last `reset`, from 1, and its parameters."""

    number: int
    action: str
    parameters: dict[str, str]

    @property
    def zone(self) -> str:
        return self.parameters.get("Placement.AvailabilityZone", "")

    @property
    def kind(self) -> str:
        return self.parameters.get("InstanceType", "")

    @property
    def market(self) -> str:
        return self.parameters.get("InstanceMarketOptions.MarketType", "on-demand")

    @property
    def token(self) -> str:
        return self.parameters.get("ClientToken", "")


@dataclass(frozen=True)
class Answer:
    """What moto, or the front in its place, answers."""

    status: str
    headers: list[tuple[str, str]]
    body: bytes

    @property
    def ok(self) -> bool:
        return self.status.startswith("200")

    @property
    def instances(self) -> list[str]:
        """Ids in the order in which they are named."""
        found = re.findall(rb"<instanceId>(i-[0-9a-f]+)</instanceId>", self.body)
        return list(dict.fromkeys(i.decode() for i in found))


@dataclass
class Refusal:
    """An error instead of an answer, `times` times, to calls that fit."""

    action: str
    code: str
    status: int
    zone: str | None
    kind: str | None
    market: str | None
    times: float

    def fits(self, call: Call) -> bool:
        wanted = (self.zone, call.zone), (self.kind, call.kind), (self.market, call.market)
        return (
            self.action == call.action
            and self.times > 0
            and all(want in (None, have) for want, have in wanted)
        )


@dataclass
class _Known:
    parameters: dict[str, str]
    answer: Answer


class OneAtATime:
    """moto, whose tables do not bear two threads at once."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._lock = threading.Lock()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        with self._lock:
            parts, status, headers = run_wsgi_app(self._app, environ, buffered=True)
        start_response(status, list(headers))
        return parts


@dataclass
class Front:
    """`app` is moto's, one at a time. All else is for tests to set, and gone after `reset`."""

    app: Any
    calls: list[Call] = field(default_factory=list)
    masks: Masks = field(default_factory=Masks)
    stale: int = 0  # looks by which a new instance, and the end of one, are behind
    pending: int = 0  # looks for which a new instance is pending
    before: list[Callable[[Call], None]] = field(default_factory=list)
    after: list[Callable[[Call, Answer], None]] = field(default_factory=list)
    _refusals: list[Refusal] = field(default_factory=list)
    _lost: dict[str, int] = field(default_factory=dict)
    _known: dict[str, _Known] = field(default_factory=dict)
    _ended: set[str] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _launching: threading.Lock = field(default_factory=threading.Lock)

    def reset(self) -> None:
        """No faults, no calls, no tokens."""
        with self._lock:
            self.stale = self.pending = 0
            for each in (self.calls, self.before, self.after, self._refusals):
                each.clear()
            for all_of in (self._lost, self._known, self._ended):
                all_of.clear()
            self.masks.clear()

    def refuse(
        self,
        code: str,
        *,
        action: str = "RunInstances",
        status: int = 400,
        zone: str | None = None,
        kind: str | None = None,
        market: str | None = None,
        times: float = float("inf"),
    ) -> None:
        """Answer with an error, and do nothing."""
        self._refusals.append(Refusal(action, code, status, zone, kind, market, times))

    def relent(self) -> None:
        """Refuse nothing any more."""
        self._refusals.clear()

    def lose(self, action: str, *, times: int = 1) -> None:
        """Carry the next calls out, and cut the connection instead of answering."""
        self._lost[action] = self._lost.get(action, 0) + times

    def asked(self, action: str = "RunInstances") -> list[Call]:
        return [call for call in self.calls if call.action == action]

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if "/ec2/aws4_request" not in environ.get("HTTP_AUTHORIZATION", ""):
            passed: Iterable[bytes] = self.app(environ, start_response)
            return passed
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        parameters = dict(parse_qsl(body.decode(), keep_blank_values=True))
        with self._lock:
            call = Call(len(self.calls) + 1, parameters["Action"], parameters)
            self.calls.append(call)
        for hook in list(self.before):
            hook(call)
        answer = self._answer(call, environ, body)
        for done in list(self.after):
            done(call, answer)
        if self._is_lost(call, answer):
            environ["werkzeug.socket"].shutdown(SHUT_RDWR)
            raise ConnectionResetError  # the server takes it for a client that went away
        start_response(answer.status, answer.headers)
        return [answer.body]

    def _answer(self, call: Call, environ: dict[str, Any], body: bytes) -> Answer:
        with self._lock:
            refusal = next((r for r in self._refusals if r.fits(call)), None)
            if refusal is not None:
                refusal.times -= 1
                return _error(refusal.code, status=refusal.status)
        if call.action == "RunInstances":
            with self._launching:
                return self._run(call, environ, body)
        answer = self._moto(environ, body)
        if call.action == "TerminateInstances" and answer.ok:
            with self._lock:
                ending = set(answer.instances) - self._ended
                self._ended |= ending
            for instance in ending:
                self.masks.put(instance, *[Mask("running")] * self.stale, Mask("shutting-down"))
        if call.action == "DescribeInstances" and answer.ok:
            shown, hidden = self.masks.over(answer.body)
            if hidden and any(key.startswith("InstanceId") for key in call.parameters):
                return _error("InvalidInstanceID.NotFound")
            return Answer(answer.status, _sized(answer.headers, shown), shown)
        return answer

    def _run(self, call: Call, environ: dict[str, Any], body: bytes) -> Answer:
        asked = {k: v for k, v in call.parameters.items() if k not in _NOTHING_ASKED}
        known = self._known.get(call.token)
        if known is None:
            answer = self._moto(environ, body)
            if answer.ok:
                self._known[call.token] = _Known(asked, answer)
                for instance in answer.instances:
                    masks = [HIDDEN] * self.stale + [Mask("pending")] * self.pending
                    self.masks.put(instance, *masks)
            return answer
        if self._ended.intersection(known.answer.instances):
            return _error("IdempotentInstanceTerminated")
        if known.parameters != asked:
            return _error("IdempotentParameterMismatch")
        return known.answer

    def _moto(self, environ: dict[str, Any], body: bytes) -> Answer:
        inner = {**environ, "wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))}
        parts, status, headers = run_wsgi_app(self.app, inner, buffered=True)
        return Answer(status, list(headers), b"".join(parts))

    def _is_lost(self, call: Call, answer: Answer) -> bool:
        with self._lock:
            lost = answer.ok and self._lost.get(call.action, 0) > 0
            if lost:
                self._lost[call.action] -= 1
            return lost


def _error(code: str, *, status: int = 400) -> Answer:
    body = _ERROR.format(code=code, message=f"The front says {code}.").encode()
    headers = [("Content-Type", "text/xml")]
    return Answer(f"{status} Refused", _sized(headers, body), body)


def _sized(headers: list[tuple[str, str]], body: bytes) -> list[tuple[str, str]]:
    others = [(key, value) for key, value in headers if key.lower() != "content-length"]
    return [*others, ("Content-Length", str(len(body)))]
