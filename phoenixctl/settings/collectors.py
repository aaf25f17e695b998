"""What is asked at each collection: sections as Collectors, and what must be true of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Final

from phoenixctl.model.fleet import SecretRef
from phoenixctl.model.measuring import Collector, CollectorKind
from phoenixctl.settings.metric_sections import CollectorSection
from phoenixctl.settings.models import SecretSection
from phoenixctl.settings.nodes import Report
from phoenixctl.settings.places import KeyPath, nearest

_ROOT: Final[KeyPath] = ("metrics", "collectors")
_ANYBODY: Final = frozenset({"name", "kind", "nodes", "pools", "agents", "metrics", "timeout"})
_OWN: Final[Mapping[CollectorKind, frozenset[str]]] = {
    CollectorKind.PROMETHEUS: frozenset({"port", "path"}),
    CollectorKind.STATSD: frozenset({"command"}),
    CollectorKind.HAPROXY: frozenset({"path"}),
    CollectorKind.REDIS: frozenset({"port", "password"}),
    CollectorKind.POSTGRESQL: frozenset({"port", "command"}),
    CollectorKind.RABBITMQ: frozenset({"command"}),
    CollectorKind.ETCD: frozenset({"port"}),
    CollectorKind.CONSUL: frozenset({"port"}),
}
_NEEDED: Final[Mapping[CollectorKind, str]] = {
    CollectorKind.PROMETHEUS: "port",
    CollectorKind.STATSD: "command",
    CollectorKind.HAPROXY: "path",
}


def read_collectors(
    sections: Sequence[CollectorSection],
    nodes: Collection[str],
    pools: Collection[str],
    specs: Collection[str],
    report: Report,
) -> tuple[Collector, ...]:
    """What is wrong goes to `report`: keys of another kind, names that there are not, or twice."""
    found: dict[str, Collector] = {}
    for index, section in enumerate(sections):
        path = (*_ROOT, index)
        if section.name in found:
            report((*path, "name"), f"there is a collector {section.name} before it")
        _check_keys(section, path, report)
        _check_names(section, path, nodes, pools, report)
        for number, spec in enumerate(section.agents):
            if spec not in specs:
                report((*path, "agents", number), f"no agent `{spec}`{nearest(spec, specs)}")
        found[section.name] = Collector(
            name=section.name,
            kind=section.kind,
            nodes=tuple(name for folded in section.nodes for name in folded.names),
            pools=tuple(section.pools),
            agents=tuple(section.agents),
            port=section.port,
            path=section.path,
            command=tuple(section.command or ()),
            metrics=tuple(section.metrics),
            password=read_secret_ref(section.password, (*path, "password"), report),
            timeout_seconds=section.timeout,
        )
    return tuple(found.values())


def read_secret_ref(
    section: SecretSection | None, path: KeyPath, report: Report
) -> SecretRef | None:
    """Where a secret is kept. One place and no other is needed."""
    if section is None:
        return None
    if (section.env is None) == (section.file is None):
        report(path, "expected one of env, file")
        return None
    if section.env is not None:
        return SecretRef("env", section.env)
    return SecretRef("file", section.file or "")


def _check_keys(section: CollectorSection, path: KeyPath, report: Report) -> None:
    kind = section.kind
    for name in sorted(section.model_fields_set - _ANYBODY - _OWN[kind]):
        if getattr(section, name) is not None:
            report((*path, name), f"a collector of kind {kind.value} has none")
    needed = _NEEDED.get(kind)
    if needed is not None and getattr(section, needed) is None:
        report(path, f"missing: {needed}, which kind {kind.value} needs")


def _check_names(
    section: CollectorSection,
    path: KeyPath,
    nodes: Collection[str],
    pools: Collection[str],
    report: Report,
) -> None:
    for index, pool in enumerate(section.pools):
        if pool not in pools:
            report((*path, "pools", index), f"no pool `{pool}`{nearest(pool, pools)}")
    for index, folded in enumerate(section.nodes):
        for name in folded.names:
            if not any(fnmatchcase(node, name) for node in nodes):
                report((*path, "nodes", index), f"no node `{name}`{nearest(name, nodes)}")
