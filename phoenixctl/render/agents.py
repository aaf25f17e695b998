"""Agents as rows and as documents."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from phoenixctl.model.reading import AgentMetric
from phoenixctl.model.snapshot import AgentObservation, AgentState
from phoenixctl.model.units import format_bytes, format_cores, format_duration
from phoenixctl.render.tables import Cell, styled
from phoenixctl.render.values import reading_document, shown

_STATE_STYLE: Final = {
    AgentState.RUNNING: "green",
    AgentState.STARTING: "cyan",
    AgentState.STOPPING: "cyan",
    AgentState.STOPPED: "dim",
    AgentState.FAILED: "red",
    AgentState.UNKNOWN: "yellow",
}
_COLUMNS: Final = (
    ("UP", AgentMetric.UPTIME),
    ("RESTARTS", AgentMetric.RESTARTS),
    ("CPU", AgentMetric.CPU),
    ("RSS", AgentMetric.RSS),
    ("QUEUE", AgentMetric.QUEUE),
    ("P95", AgentMetric.RESPONSE_P95),
    ("MSG", AgentMetric.THROUGHPUT),
    ("ERR", AgentMetric.ERROR_RATE),
)
_WIDE: Final = (
    ("MEAN", AgentMetric.RESPONSE_MEAN),
    ("THREADS", AgentMetric.THREADS),
    ("PROCS", AgentMetric.PROCESSES),
)
# What a narrow terminal does without, the first ones first.
DROPPED: Final = (
    "SPEC", "SUPERVISOR", "EPOCH", "THREADS", "PROCS", "MEAN", "QUEUE", "AGE", "ERR", "UP", "RSS",
)  # fmt: skip


def agent_rows(
    agents: Sequence[AgentObservation], *, now: float, wide: bool
) -> tuple[tuple[str, ...], list[list[Cell]], frozenset[str]]:
    """Columns, rows, and which columns hold numbers."""
    metrics = _COLUMNS + (_WIDE if wide else ())
    extra = ("PID", "PORT", "EPOCH", "SPEC", "SUPERVISOR") if wide else ()
    columns = ("AGENT", "NODE", "STATE", *extra, *(name for name, _ in metrics), "AGE", "NOTE")
    rows = [_row(agent, metrics, now=now, wide=wide) for agent in agents]
    numbers = {name for name, _ in metrics} | {"AGE", "PID", "PORT", "EPOCH"}
    return columns, rows, frozenset(numbers)


def _row(
    agent: AgentObservation,
    metrics: Sequence[tuple[str, AgentMetric]],
    *,
    now: float,
    wide: bool,
) -> list[Cell]:
    extra: list[Cell] = []
    if wide:
        extra = [
            _or_dash(agent.pid),
            _or_dash(agent.port),
            str(agent.epoch),
            agent.spec_digest[:12],
            agent.supervisor.value,
        ]
    alive = agent.state in (AgentState.RUNNING, AgentState.STARTING, AgentState.STOPPING)
    readings = [agent.metrics.get(metric) for _, metric in metrics]
    values: list[Cell] = [
        shown(metric, reading) if alive else "-"
        for (_, metric), reading in zip(metrics, readings, strict=True)
    ]
    newest = max((r.at for r in readings if r is not None), default=now)
    age = format_duration(max(0.0, now - newest))
    return [agent.id, agent.node, state_text(agent), *extra, *values, age, agent.detail]


def state_text(agent: AgentObservation) -> Cell:
    """`ready`, `not ready`, `standby`, or the supervisor's state."""
    if agent.state is AgentState.RUNNING and agent.role == "standby":
        return styled("standby", "yellow")
    if agent.state is AgentState.RUNNING and agent.ready is not None:
        return styled("ready", "green") if agent.ready else styled("not ready", "yellow")
    return styled(agent.state, _STATE_STYLE[agent.state])


def _or_dash(number: int | None) -> str:
    return "-" if number is None else str(number)


def limits_text(agent: AgentObservation) -> str:
    """`cpu 500m, memory 256MiB`, and `not enforced` where the node keeps none."""
    cpu, memory = agent.limits.get("cpu"), agent.limits.get("memory")
    return ", ".join(
        (
            f"cpu {format_cores(cpu)}" if cpu is not None else "cpu not limited",
            f"memory {format_bytes(memory)}" if memory is not None else "memory not limited",
        )
    )


def agent_document(agent: AgentObservation, *, now: float) -> dict[str, Any]:
    """One agent for programs."""
    return {
        "id": agent.id,
        "node": agent.node,
        "spec": agent.spec_name,
        "ordinal": agent.ordinal,
        "state": agent.state.value,
        "ready": agent.ready,
        "detail": agent.detail,
        "supervisor": agent.supervisor.value,
        "spec_digest": agent.spec_digest,
        "epoch": agent.epoch,
        "role": agent.role,
        "held": agent.held,
        "port": agent.port,
        "pid": agent.pid,
        "started_at": agent.started_at,
        "limits": dict(agent.limits),
        "metrics": {
            metric.value: reading_document(metric, reading, now=now)
            for metric, reading in agent.metrics.items()
        },
    }
