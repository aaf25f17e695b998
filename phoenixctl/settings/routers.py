"""The `routers` section as RouterSettings objects, and what must be true of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Final

from phoenixctl.model.fleet import AgentSpec
from phoenixctl.model.names import NodeName
from phoenixctl.model.routing import RouterKind, RouterSettings
from phoenixctl.settings.nodes import Report
from phoenixctl.settings.places import KeyPath, nearest
from phoenixctl.settings.router_sections import RouterSection

_PATH_KEY: Final = {
    RouterKind.HAPROXY: "socket",
    RouterKind.ENVOY: "folder",
    RouterKind.NGINX: "folder",
}


def read_routers(
    sections: Mapping[str, RouterSection],
    agents: Mapping[str, AgentSpec],
    nodes: Collection[NodeName],
    report: Report,
) -> dict[str, RouterSettings]:
    """Every router; what is wrong goes to `report`. `nodes`: all names, created ones included."""
    found = {}
    for name, section in sections.items():
        path: KeyPath = ("routers", name)
        where = _path(section, path, report)
        if section.node is not None and section.node not in nodes:
            report((*path, "node"), f"no node `{section.node}`{nearest(section.node, nodes)}")
        _check_backends(section, agents, path, report)
        found[name] = RouterSettings(
            name=name,
            kind=section.kind,
            path=where,
            backends=MappingProxyType(dict(section.backends)),
            node=None if section.node is None else NodeName(section.node),
            weight=section.weight,
            slow_start_seconds=section.slow_start,
            check_seconds=section.check,
            max_sessions=section.max_sessions,
            timeout_seconds=section.timeout,
            test=tuple(section.test),
            reload=tuple(section.reload),
        )
    return found


def _path(section: RouterSection, path: KeyPath, report: Report) -> str:
    """The one path that a router of its kind has."""
    wanted = _PATH_KEY[section.kind]
    given = {"socket": section.socket, "folder": section.folder}
    for key, value in given.items():
        if value is not None and key != wanted:
            report((*path, key), f"{section.kind} has none; write {wanted}")
    found = given[wanted]
    if found is None:
        report(path, f"missing: {wanted}, which {section.kind} is spoken to by")
    elif section.node is not None and not found.startswith("/"):
        report((*path, wanted), "on a node it has to be an absolute path")
    return found or ""


def _check_backends(
    section: RouterSection, agents: Mapping[str, AgentSpec], path: KeyPath, report: Report
) -> None:
    for spec in section.backends:
        here = (*path, "backends", spec)
        if spec not in agents:
            report(here, f"no agent `{spec}`{nearest(spec, agents)}")
        elif agents[spec].port is None:
            report(here, f"agent {spec} has no port that requests could be sent to")
