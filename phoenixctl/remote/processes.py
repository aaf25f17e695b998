"""Agents as a survey found them: their state, their processes and what these use."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from phoenixctl.model.fleet import Supervisor
from phoenixctl.model.names import AgentId, NodeName
from phoenixctl.model.reading import AgentMetric, Reading, unknown
from phoenixctl.model.snapshot import AgentObservation, AgentState
from phoenixctl.remote.kernel import NodeSample
from phoenixctl.remote.lease import held_by
from phoenixctl.remote.meta import Meta
from phoenixctl.remote.procfs import (
    TICKS_PER_SECOND,
    Files,
    NotKnown,
    ProcessStat,
    known,
    parse_stat,
    whole,
)

_SPAN: Final = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0}
_SPAN_PART: Final = re.compile(r"(\d{1,15}(?:\.\d{1,9})?)(us|ms|s|min)", re.ASCII)
_SIGNALLED: Final = "2"  # CLD_KILLED as ExecMainCode


@dataclass(slots=True)
class Found:
    """The lines of a survey about one agent."""

    meta: list[str] = field(default_factory=list)
    run: str = ""
    stopped: bool = False
    fence: str | None = None
    permit: str = ""
    members: list[str] = field(default_factory=list)
    unit: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Census:
    """The processes that both readings of a survey show, by pid."""

    sample: NodeSample
    boot_id: str
    before: Mapping[int, ProcessStat]
    after: Mapping[int, ProcessStat]

    @classmethod
    def taken(cls, sample: NodeSample, boot_id: str) -> Census:
        return cls(sample, boot_id, _stats_of(sample.first), _stats_of(sample.second))

    @property
    def uptime(self) -> float | None:
        try:
            return self.sample.uptime(self.sample.second)
        except NotKnown:
            return None

    def lives(self, pid: int, started: int) -> bool:
        stat = self.after.get(pid)
        return stat is not None and stat.alive and stat.started == started


@dataclass(frozen=True, slots=True)
class _Life:
    """What the supervisor says. `main` is None when no process of the agent is there."""

    state: AgentState
    main: int | None
    detail: str = ""
    restarts: str = ""
    limits: Mapping[str, float | None] = field(default_factory=lambda: dict(_NO_LIMITS))


_NO_LIMITS: Final[Mapping[str, float | None]] = {"cpu": None, "memory": None}


@dataclass(frozen=True, slots=True)
class _Usage:
    """An agent's processes in both readings."""

    census: Census
    life: _Life
    processes: Mapping[int, ProcessStat]  # as the second reading has them

    def main(self) -> ProcessStat:
        if self.life.main is None:
            raise NotKnown("not running")
        if self.life.main not in self.processes:
            raise NotKnown("its process ended during the survey")
        return self.processes[self.life.main]


def observe_agent(
    agent_id: AgentId,
    meta: Meta,
    found: Found,
    census: Census,
    *,
    node: NodeName,
    supervisor: Supervisor,
    at: float,
) -> AgentObservation:
    """One agent with its process metrics; those that it reports itself are unknown here."""
    held = held_by(meta, found.fence, found.permit, census.boot_id, census.uptime)
    if supervisor is Supervisor.SYSTEMD:
        life = _unit_life(found, held)
        pids = {int(pid) for pid in found.members if pid.isdigit() and len(pid) < 10}
        members = [stat for pid, stat in census.after.items() if pid in pids]
    else:
        life = _run_life(found, census, held)
        members = [stat for stat in census.after.values() if stat.session == life.main]
    processes = {stat.pid: stat for stat in members if stat.alive}
    usage = _Usage(census, life, processes)
    main = processes.get(life.main) if life.main is not None else None
    return AgentObservation(
        id=agent_id,
        node=node,
        state=life.state,
        supervisor=supervisor,
        spec_name=meta.spec,
        ordinal=meta.ordinal,
        spec_digest=meta.digest,
        epoch=meta.epoch,
        port=meta.port,
        pid=life.main,
        started_at=main.started / TICKS_PER_SECOND if main else None,
        ready=None,
        detail=life.detail,
        limits=life.limits,
        metrics=_agent_metrics(usage, at=at),
        # What cannot be read counts as active: it may be.
        role=meta.role or "active",
        held="" if found.stopped else held,
    )


def _stats_of(files: Files) -> dict[int, ProcessStat]:
    stats = {}
    for name, lines in files.items():
        pid, slash, kind = name.partition("/")
        if slash and kind == "stat" and pid.isdigit() and len(pid) < 10:
            with suppress(NotKnown):
                stats[int(pid)] = parse_stat(int(pid), "\n".join(lines))
    return stats


def _run_life(found: Found, census: Census, held: str) -> _Life:
    """From the `run` line: state, supervisor's pid and start, agent's, boot, restarts, status."""
    fields = found.run.split()
    if found.stopped and not fields:
        return _Life(AgentState.STOPPED, None)
    try:
        state, booted, restarts, status = fields[0], fields[5], fields[6], fields[7]
        keeper, keeper_started, main, main_started = map(whole, fields[1:5])
    except (NotKnown, IndexError):
        return _Life(AgentState.UNKNOWN, None, "its run file is missing or damaged")
    same_boot = booted == census.boot_id
    if same_boot and census.lives(main, main_started):
        running = AgentState.STOPPING if found.stopped else AgentState.RUNNING
        kept = found.stopped or census.lives(keeper, keeper_started)
        return _Life(running, main, "" if kept else "runs without its supervisor", restarts)
    if found.stopped:
        return _Life(AgentState.STOPPED, None)
    if not same_boot:
        return _Life(AgentState.FAILED, None, "the node was restarted and nothing started it again")
    if state == "held":
        return _Life(AgentState.STOPPED, None, held or "its guard did not let it start", restarts)
    if state == "ended":
        return _Life(AgentState.FAILED, None, f"ended by itself with status {status}", restarts)
    if census.lives(keeper, keeper_started):
        return _Life(AgentState.STARTING, None, f"restarting after status {status}", restarts)
    return _Life(AgentState.FAILED, None, "it and its supervisor are gone", restarts)


_UNIT_STATES: Final = {
    "active": AgentState.RUNNING,
    "reloading": AgentState.RUNNING,
    "activating": AgentState.STARTING,
    "deactivating": AgentState.STOPPING,
    "failed": AgentState.FAILED,
}


def _unit_life(found: Found, held: str) -> _Life:
    unit = found.unit
    active = unit.get("ActiveState", "")
    main = unit.get("MainPID", "")
    pid = int(main) if main.isdigit() and len(main) < 10 and int(main) else None
    limits = {
        "cpu": _span(unit.get("CPUQuotaPerSecUSec", "")),
        "memory": _bytes(unit.get("MemoryMax", "")),
    }
    restarts = unit.get("NRestarts", "")
    if held and not found.stopped and active in ("inactive", "failed"):
        return _Life(AgentState.STOPPED, None, held, restarts, limits)
    if active == "inactive":
        if found.stopped:
            return _Life(AgentState.STOPPED, None, "", restarts, limits)
        gone = "its unit is gone" if unit.get("LoadState") == "not-found" else _ending(unit)
        return _Life(AgentState.FAILED, None, gone, restarts, limits)
    state = _UNIT_STATES.get(active, AgentState.UNKNOWN)
    if state is AgentState.FAILED and found.stopped:
        state = AgentState.STOPPED
    detail = "" if state in (AgentState.RUNNING, AgentState.STOPPED) else _ending(unit)
    if state is AgentState.UNKNOWN:
        detail = "systemd says nothing about its unit"
    return _Life(state, pid, detail, restarts, limits)


def _ending(unit: Mapping[str, str]) -> str:
    status = unit.get("ExecMainStatus", "")
    if unit.get("ExecMainCode") == _SIGNALLED:
        ended = f"killed by signal {status}"
    else:
        ended = f"ended by itself with status {status}"
    doing = unit.get("SubState", "")
    result = unit.get("Result", "")
    words = [ended if unit.get("ExecMainCode", "0") != "0" else "", result, doing]
    return ", ".join(w for w in words if w and w not in ("success", "dead", "failed"))


def _span(text: str) -> float | None:
    """Cores in systemd's CPU seconds per second: `500ms`, `1s 500ms`, `infinity`."""
    parts = [_SPAN_PART.fullmatch(part) for part in text.split()]
    if not parts or None in parts:
        return None
    return sum(float(part[1]) * _SPAN[part[2]] for part in parts if part)


def _bytes(text: str) -> float | None:
    """None for `infinity` and `[not set]`, and for the old way to say the former."""
    if not text.isascii() or not text.isdigit() or len(text) > 20 or int(text) >= 2**63:
        return None
    return float(text)


def _agent_metrics(usage: _Usage, *, at: float) -> dict[AgentMetric, Reading]:
    metrics = {name: known(measure, usage, at=at) for name, measure in _MEASURES.items()}
    not_asked = unknown("not asked for", at=at)
    return {name: metrics.get(name, not_asked) for name in AgentMetric}


def _rss(usage: _Usage) -> float:
    usage.main()
    return sum(_resident(usage.census.sample.second, pid) for pid in usage.processes)


def _resident(files: Files, pid: int) -> int:
    lines: Sequence[str] = files.get(f"{pid}/status", ())
    for line in lines:
        if line.startswith("VmRSS:"):
            return whole(line.split()[1] if len(line.split()) > 1 else "") * 1024
    raise NotKnown("no VmRSS of one of its processes")


def _cpu(usage: _Usage) -> float:
    usage.main()
    before = usage.census.before
    ticks = sum(
        max(0, stat.cpu - before[pid].cpu)
        for pid, stat in usage.processes.items()
        if pid in before and before[pid].started == stat.started
    )
    return ticks / TICKS_PER_SECOND / usage.census.sample.seconds()


def _threads(usage: _Usage) -> float:
    usage.main()
    return sum(stat.threads for stat in usage.processes.values())


def _processes(usage: _Usage) -> float:
    usage.main()
    return len(usage.processes)


def _restarts(usage: _Usage) -> float:
    if not usage.life.restarts:
        raise NotKnown("not running")
    return whole(usage.life.restarts)


def _uptime(usage: _Usage) -> float:
    sample = usage.census.sample
    up = sample.uptime(sample.second) - usage.main().started / TICKS_PER_SECOND
    if up < -0.02:
        raise NotKnown("its start time lies ahead of the node's uptime")
    return max(0.0, up)


_MEASURES: Final[Mapping[AgentMetric, Callable[[_Usage], float]]] = {
    AgentMetric.RSS: _rss,
    AgentMetric.CPU: _cpu,
    AgentMetric.THREADS: _threads,
    AgentMetric.PROCESSES: _processes,
    AgentMetric.RESTARTS: _restarts,
    AgentMetric.UPTIME: _uptime,
}
