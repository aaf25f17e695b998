"""How an agent is spoken to: hooks, readiness, draining, and where its metrics are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class ExecHook:
    """A command on the node with the agent's environment; exit status 0 is success."""

    command: tuple[str, ...]
    timeout_seconds: float = 30.0


@dataclass(frozen=True, slots=True)
class HttpHook:
    """A request to the agent's own port on its node's loopback; 2xx is success."""

    path: str
    method: str = "POST"
    port: int | None = None  # None: the agent's
    timeout_seconds: float = 10.0


@dataclass(frozen=True, slots=True)
class TcpHook:
    """The agent's port accepts a connection."""

    port: int | None = None
    timeout_seconds: float = 3.0


@dataclass(frozen=True, slots=True)
class SignalHook:
    """A signal to the agent's main process (`TERM`, `HUP`, `USR1` …)."""

    signal: str


ReadyCheck: TypeAlias = HttpHook | TcpHook | ExecHook
Hook: TypeAlias = HttpHook | ExecHook | SignalHook


@dataclass(frozen=True, slots=True)
class Readiness:
    check: ReadyCheck
    within_seconds: float = 30.0
    every_seconds: float = 0.25


@dataclass(frozen=True, slots=True)
class Drain:
    """How an agent stops taking work and finishes what it has.

    The hook asks for it. With `until`, drained is when that check succeeds; without, when the
    hook has returned. Past the deadline the agent is stopped all the same, and the report says so.
    """

    hook: Hook
    until: ReadyCheck | None = None
    deadline_seconds: float = 30.0


@dataclass(frozen=True, slots=True)
class MetricNames:
    """Where an agent's Prometheus text is, and which series mean what."""

    path: str = "/metrics"
    port: int | None = None
    response_time: str = "phoenix_response_seconds"  # histogram, seconds
    throughput: str = "phoenix_messages_total"  # counter
    errors: str = "phoenix_errors_total"  # counter
    queue_length: str = "phoenix_queue_length"  # gauge
    utilization: str = "phoenix_utilization"  # gauge, 0 to 1
