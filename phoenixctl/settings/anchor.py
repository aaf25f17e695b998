"""Written paths as paths that hold from every working folder."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from phoenixctl.model.fleet import Fleet, Node, Pool
from phoenixctl.settings.files import Surroundings

if TYPE_CHECKING:
    from phoenixctl.model.measuring import MetricsSettings
    from phoenixctl.model.routing import RouterSettings


def anchored(fleet: Fleet, surroundings: Surroundings) -> Fleet:
    """The fleet with key, certificate, known-hosts and bootstrap files, and the ways to routers of
    this machine, absolute; `~/` stays.

    Secrets' files stay as written: `LoadedConfig.secret` knows where they are relative to.
    """

    def one(path: str) -> str:
        return path if path.startswith("~") else str(surroundings.path(path))

    def all_of(paths: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(map(one, paths))

    def node(before: Node) -> Node:
        if not before.identity_files and not before.known_hosts_files:
            return before
        return replace(
            before,
            identity_files=all_of(before.identity_files),
            known_hosts_files=all_of(before.known_hosts_files),
        )

    def pool(before: Pool) -> Pool:
        if before.bootstrap is None or not before.bootstrap.files:
            return before
        files = tuple(replace(file, source=one(file.source)) for file in before.bootstrap.files)
        return replace(before, bootstrap=replace(before.bootstrap, files=files))

    def router(before: RouterSettings) -> RouterSettings:
        return before if before.node is not None else replace(before, path=one(before.path))

    def metrics(before: MetricsSettings | None) -> MetricsSettings | None:
        store = None if before is None else before.store
        if before is None or store is None or store.ca_file is None:
            return before
        return replace(before, store=replace(store, ca_file=one(store.ca_file)))

    ssh = replace(
        fleet.ssh,
        config_file=fleet.ssh.config_file and one(fleet.ssh.config_file),
        identity_files=all_of(fleet.ssh.identity_files),
        certificate_files=all_of(fleet.ssh.certificate_files),
        known_hosts_files=all_of(fleet.ssh.known_hosts_files),
    )
    nodes = MappingProxyType({name: node(before) for name, before in fleet.nodes.items()})
    pools = MappingProxyType({name: pool(before) for name, before in fleet.pools.items()})
    routers = MappingProxyType({name: router(before) for name, before in fleet.routers.items()})
    return replace(
        fleet, pools=pools, nodes=nodes, ssh=ssh, routers=routers, metrics=metrics(fleet.metrics)
    )
