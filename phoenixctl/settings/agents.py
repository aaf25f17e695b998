"""The `agents` section as AgentSpec objects."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from phoenixctl.model.fleet import AgentSpec, SecretRef
from phoenixctl.model.hooks import (
    Drain,
    Hook,
    HttpHook,
    MetricNames,
    Readiness,
    ReadyCheck,
    SignalHook,
    TcpHook,
)
from phoenixctl.model.names import NodeName
from phoenixctl.settings import models, sections
from phoenixctl.settings.fold import Folded
from phoenixctl.settings.nodes import Report
from phoenixctl.settings.places import KeyPath, nearest

if TYPE_CHECKING:
    from phoenixctl.model.moving import Checkpoints, Migration
    from phoenixctl.model.rules import Rules

_HIGHEST_PORT: Final = 65_535


def read_agents(
    root: models.Root, node_names: Sequence[NodeName], report: Report
) -> dict[str, AgentSpec]:
    """Every spec, in the order written; what is wrong goes to `report`.

    `node_names`: all that a spec may name, those which a provider will create included.
    """
    return {name: _spec(name, section, node_names, report) for name, section in root.agents.items()}


def _spec(
    name: str, section: models.AgentSection, node_names: Sequence[NodeName], report: Report
) -> AgentSpec:
    path: KeyPath = ("agents", name)
    _check_ports(section, path, report)
    return AgentSpec(
        name=name,
        command=tuple(section.command),
        replicas=section.replicas,
        pools=tuple(section.pools),
        nodes=_nodes(section.nodes, node_names, (*path, "nodes"), report),
        env=MappingProxyType(section.env),
        secrets=MappingProxyType(_secrets(section, path, report)),
        port=section.port,
        port_step=section.port_step,
        resources=section.resources.as_model(),
        labels=MappingProxyType(section.labels),
        user=section.user,
        ready=_ready(section.ready, (*path, "ready"), report),
        metrics=_metrics(section.metrics),
        drain=_drain(section.drain, (*path, "drain"), report),
        checkpoint=_hook(section.checkpoint, (*path, "checkpoint"), report),
        restore=_hook(section.restore, (*path, "restore"), report),
        activate=_hook(section.activate, (*path, "activate"), report),
        reload=_hook(section.reload, (*path, "reload"), report),
        stop_signal=section.stop_signal,
        grace_seconds=section.grace,
        restart=section.restart,
        open_files=section.open_files,
        rollout=section.rollout.as_model(),
        rules=_rules(section, (*path, "placement"), report),
        singleton=section.singleton,
        lease_seconds=_lease(section, path, report),
        migration=_migration(section, (*path, "migrate"), report),
        checkpoints=_checkpoints(section, (*path, "checkpoints"), report),
    )


def _rules(section: models.AgentSection, path: KeyPath, report: Report) -> Rules | None:
    if section.placement is None:
        return None
    from phoenixctl.settings.placement import read_rules

    return read_rules(section.placement, path, report)


def _lease(section: models.AgentSection, path: KeyPath, report: Report) -> float | None:
    if section.lease is not None and not section.singleton:
        report((*path, "lease"), "is for a singleton; write `singleton: true` too")
    return section.lease


def _migration(section: models.AgentSection, path: KeyPath, report: Report) -> Migration | None:
    written = section.migrate
    if written is None:
        return None
    from phoenixctl.model.moving import Migration, Way

    needs = {Way.LIVE: ("drain", "activate"), Way.CHECKPOINT: ("checkpoint",)}
    for hook in needs.get(written.strategy, ()):
        if getattr(section, hook) is None:
            report((*path, "strategy"), f"{written.strategy} needs a `{hook}` hook")
    if written.standby is not None and section.port is None:
        _check_port(written.standby, (*path, "standby"), report)
    standby = _check(written.standby, (*path, "standby"), report)
    return Migration(written.strategy, written.state, standby, written.rounds, written.pause)


def _checkpoints(section: models.AgentSection, path: KeyPath, report: Report) -> Checkpoints | None:
    written = section.checkpoints
    if written is None:
        return None
    from phoenixctl.model.moving import Checkpoints

    if section.checkpoint is None:
        report(path, "needs a `checkpoint` hook")
    return Checkpoints(written.every, written.copies, written.keep)


def _check_ports(section: models.AgentSection, path: KeyPath, report: Report) -> None:
    if section.port is not None:
        last = section.port + max(section.replicas - 1, 0) * section.port_step
        if last > _HIGHEST_PORT:
            report((*path, "port"), f"instance {section.replicas - 1} would have port {last}")
        return
    for key, needs in (
        ("ready", section.ready), ("metrics", section.metrics), ("drain", section.drain),
        ("checkpoint", section.checkpoint), ("restore", section.restore),
        ("activate", section.activate), ("reload", section.reload),
    ):  # fmt: skip
        if needs is not None:
            _check_port(needs, (*path, key), report)


def _check_port(section: sections.Section, path: KeyPath, report: Report) -> None:
    """A request needs a port: its own, or the agent's, which is known to be missing."""
    if isinstance(section, models.HttpCheck | models.TcpCheck | models.MetricsSection):
        if section.port is None:
            report(path, "needs a port; give it one, or the agent")
        return
    for key in ("http", "tcp", "until"):
        inner = getattr(section, key, None)
        if inner is not None:
            _check_port(inner, (*path, key), report)


def _nodes(
    written: Sequence[Folded], known: Sequence[NodeName], path: KeyPath, report: Report
) -> tuple[NodeName, ...]:
    names = frozenset(known)
    found: dict[NodeName, None] = {}
    for index, folded in enumerate(written):
        for name in folded.names:
            pattern = bool(set(name) & set("*?"))
            matching = [n for n in known if fnmatchcase(n, name)] if pattern else [NodeName(name)]
            if matching and names.issuperset(matching):
                found.update(dict.fromkeys(matching))
            else:
                report((*path, index), f"no node `{name}`{nearest(name, known)}")
    return tuple(found)


def _secrets(section: models.AgentSection, path: KeyPath, report: Report) -> dict[str, SecretRef]:
    found: dict[str, SecretRef] = {}
    for name, reference in section.secrets.items():
        where: KeyPath = (*path, "secrets", name)
        if name in section.env:
            report(where, f"{name} is also in env")
        if (reference.env is None) == (reference.file is None):
            report(where, "expected one of env, file")
        elif reference.env is not None:
            found[name] = SecretRef("env", reference.env)
        elif reference.file is not None:
            found[name] = SecretRef("file", reference.file)
    return found


def _ready(section: models.ReadySection | None, path: KeyPath, report: Report) -> Readiness | None:
    check = _check(section, path, report)
    if section is None or check is None:
        return None
    return Readiness(check, section.within, section.every)


def _drain(section: models.DrainSection | None, path: KeyPath, report: Report) -> Drain | None:
    hook = _hook(section, path, report)
    if section is None or hook is None:
        return None
    return Drain(hook, _check(section.until, (*path, "until"), report), section.deadline)


def _metrics(section: models.MetricsSection | None) -> MetricNames | None:
    return None if section is None else MetricNames(**section.model_dump())


def _check(section: models.CheckSection | None, path: KeyPath, report: Report) -> ReadyCheck | None:
    if section is None:
        return None
    found: list[ReadyCheck] = []
    if section.http is not None:
        found.append(_http(section.http))
    if section.tcp is not None:
        found.append(TcpHook(section.tcp.port, section.tcp.timeout))
    if section.exec is not None:
        found.append(section.exec.as_model())
    if len(found) == 1:
        return found[0]
    report(path, "expected one of http, tcp, exec")
    return None


def _hook(section: models.HookSection | None, path: KeyPath, report: Report) -> Hook | None:
    if section is None:
        return None
    found: list[Hook] = []
    if section.http is not None:
        found.append(_http(section.http))
    if section.exec is not None:
        found.append(section.exec.as_model())
    if section.signal is not None:
        found.append(SignalHook(section.signal))
    if len(found) == 1:
        return found[0]
    report(path, "expected one of http, exec, signal")
    return None


def _http(section: models.HttpCheck) -> HttpHook:
    return HttpHook(section.path, section.method, section.port, section.timeout)
