"""The reference agent's HTTP: which request does what."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from phoenixctl.demo.agent_core import AgentCore, InjectedError, NotAccepting, Overloaded, Phase
from phoenixctl.demo.agent_metrics import CONTENT_TYPE
from phoenixctl.demo.agent_state import StateError, write_checkpoint
from phoenixctl.demo.http_server import Request, Response


@dataclass(frozen=True, slots=True)
class Identity:
    """Which instance this is, and in which epoch it was started."""

    agent: str
    epoch: int


class Routes:
    """Answers requests for one agent; `reload` reads its configuration anew."""

    def __init__(
        self,
        core: AgentCore,
        identity: Identity,
        checkpoints: Path,
        reload: Callable[[], None],
    ) -> None:
        self._core = core
        self._identity = identity
        self._checkpoints = checkpoints
        self._reload = reload
        self._routes: Mapping[tuple[str, str], Callable[[Request], Awaitable[Response]]] = {
            ("POST", "/messages"): self._message,
            ("GET", "/count"): self._count,
            ("GET", "/ready"): self._ready,
            ("GET", "/prepared"): self._prepared,
            ("GET", "/metrics"): self._metrics,
            ("POST", "/drain"): self._drain,
            ("GET", "/drained"): self._drained,
            ("POST", "/checkpoint"): self._checkpoint,
            ("POST", "/activate"): self._activate,
            ("POST", "/reload"): self._reload_now,
            ("POST", "/fault"): self._fault,
        }

    async def __call__(self, request: Request) -> Response:
        path = request.path.partition("?")[0]
        route = self._routes.get((request.method, path))
        if route is not None:
            return await route(request)
        known = any(path == other for _, other in self._routes)
        return _json(405 if known else 404, error=f"no {request.method} {path} here")

    async def _message(self, _: Request) -> Response:
        try:
            number = await self._core.process()
        except NotAccepting as reason:
            return _json(503, close=True, error=f"takes no messages: {reason}")
        except Overloaded:
            return _json(503, error="the queue is full")
        except InjectedError:
            return _json(500, error="an injected fault")
        return _json(200, agent=self._identity.agent, sequence=number)

    async def _count(self, _: Request) -> Response:
        return _json(
            200,
            agent=self._identity.agent,
            epoch=self._identity.epoch,
            count=self._core.count,
            phase=self._core.phase,
        )

    async def _ready(self, _: Request) -> Response:
        ready = self._core.phase is Phase.ACTIVE
        return _json(200 if ready else 503, phase=self._core.phase)

    async def _prepared(self, _: Request) -> Response:
        prepared = self._core.phase in (Phase.STANDBY, Phase.ACTIVE)
        return _json(200 if prepared else 503, phase=self._core.phase)

    async def _metrics(self, _: Request) -> Response:
        return Response(200, self._core.metrics.exposition(), CONTENT_TYPE)

    async def _drain(self, _: Request) -> Response:
        self._core.drain()
        return _json(200, in_flight=self._core.in_flight)

    async def _drained(self, _: Request) -> Response:
        drained = await self._core.drained()
        return _json(200 if drained else 503, in_flight=self._core.in_flight)

    async def _checkpoint(self, _: Request) -> Response:
        counter = self._core.count
        if counter is None:
            return _json(503, error=f"no state in phase {self._core.phase}")
        path = await asyncio.to_thread(
            write_checkpoint, self._checkpoints, self._identity.agent, counter
        )
        return _json(200, name=path.name, counter=counter)

    async def _activate(self, _: Request) -> Response:
        try:
            await self._core.activate()
        except (StateError, OSError) as error:
            return _json(503, error=f"cannot use the state: {error}")
        return _json(200, phase=self._core.phase)

    async def _reload_now(self, _: Request) -> Response:
        try:
            self._reload()
        except (OSError, ValueError) as error:
            return _json(400, error=f"the old configuration stays: {error}")
        tuning = self._core.tuning
        return _json(200, work_ms=tuning.work_ms, batch=tuning.batch)

    async def _fault(self, request: Request) -> Response:
        try:
            wanted = json.loads(request.body)
            delay_ms = float(wanted.get("delay_ms", 0))
            error_ratio = float(wanted.get("error_ratio", 0))
            for_seconds = float(wanted["for_seconds"])
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            return _json(400, error=f"expected delay_ms, error_ratio, for_seconds: {error!r}")
        if delay_ms < 0 or for_seconds < 0 or not 0 <= error_ratio <= 1:
            return _json(400, error="delay_ms and for_seconds are >= 0, error_ratio in 0..1")
        self._core.inject(delay_ms=delay_ms, error_ratio=error_ratio, for_seconds=for_seconds)
        return _json(200, delay_ms=delay_ms, error_ratio=error_ratio, for_seconds=for_seconds)


def _json(status: int, *, close: bool = False, **content: Any) -> Response:
    return Response(status, json.dumps(content).encode() + b"\n", close=close)
