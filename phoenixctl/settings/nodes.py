"""The `nodes` section as Node objects: folded names, hosts of other files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final, TypeAlias

from phoenixctl.model.fleet import Node, Pool
from phoenixctl.model.names import NodeName, check_node_name
from phoenixctl.settings.files import Surroundings
from phoenixctl.settings.fold import unfold
from phoenixctl.settings.models import AnsibleSource, NodeSection, Root, SshConfigSource
from phoenixctl.settings.places import KeyPath, nearest
from phoenixctl.settings.sections import resources

if TYPE_CHECKING:
    from phoenixctl.settings.ansible import HostLogin

DEFAULT_POOL: Final = "default"
Report: TypeAlias = Callable[[KeyPath, str], None]


@dataclass(slots=True)
class NodeList:
    """All nodes so far, and which entry each came from."""

    nodes: dict[NodeName, Node] = field(default_factory=dict)
    entry_of: dict[NodeName, int] = field(default_factory=dict)


def read_nodes(
    root: Root, pools: Mapping[str, Pool], surroundings: Surroundings, report: Report
) -> dict[NodeName, Node]:
    """Every node of the section, in the order written; what is wrong goes to `report`."""
    found = NodeList()
    for index, section in enumerate(root.nodes):
        path: KeyPath = ("nodes", index)
        reader = _Entry(root, pools, surroundings, report, section, path)
        for node in reader.nodes():
            _add(found, node, index, report)
    return found.nodes


def _add(found: NodeList, node: Node, index: int, report: Report) -> None:
    earlier = found.entry_of.get(node.name)
    if earlier is None:
        found.nodes[node.name] = node
        found.entry_of[node.name] = index
    elif earlier == index:
        report(("nodes", index, "name"), f"node {node.name} is named twice")
    else:
        report(("nodes", index), f"node {node.name} is already in nodes[{earlier}]")


@dataclass(frozen=True, slots=True)
class _Entry:
    root: Root
    pools: Mapping[str, Pool]
    surroundings: Surroundings
    report: Report
    section: NodeSection
    path: KeyPath

    def nodes(self) -> Iterator[Node]:
        section = self.section
        if section.name is not None and section.from_ is None:
            yield from self._written(section.name.names)
        elif section.from_ is not None and section.name is None:
            yield from self._imported()
        else:
            both = section.name is not None
            what = "name and from exclude each other" if both else "missing: name (or from)"
            self.report(self.path, what)

    def _written(self, names: Sequence[str]) -> Iterator[Node]:
        addresses = self._addresses(names, "address", self.section.address or "{name}")
        theirs: Sequence[str | None] | None = [None] * len(names)
        if self.section.agent_address is not None:
            theirs = self._addresses(names, "agent_address", self.section.agent_address)
        pool = self._pool(self.section.pool)
        if addresses is None or theirs is None or pool is None:
            return
        prototype = self._prototype(pool)
        for text, address, agents in zip(names, addresses, theirs, strict=True):
            name = self._name(text, (*self.path, "name"))
            if name is not None:
                yield replace(prototype, name=name, address=address, agent_address=agents)

    def _addresses(self, names: Sequence[str], key: str, pattern: str) -> Sequence[str] | None:
        path = (*self.path, key)
        if set(pattern.replace("{name}", "")) & set("{}"):
            self.report(path, "only {name} may stand in braces")
            return None
        if "{name}" in pattern:
            return [pattern.replace("{name}", name) for name in names]
        try:
            addresses = unfold(pattern)
        except ValueError as error:
            self.report(path, str(error))
            return None
        if len(addresses) != len(names):
            self.report(path, f"{len(names)} names, but {len(addresses)} addresses")
            return None
        return addresses

    def _imported(self) -> Iterator[Node]:
        source = self.section.from_
        for key in ("address", "agent_address"):
            if getattr(self.section, key) is not None:
                self.report((*self.path, key), "comes from the other file; leave it out")
        if source is None or (source.ssh_config is None) == (source.ansible is None):
            self.report((*self.path, "from"), "expected one of ssh_config, ansible")
        elif source.ssh_config is not None:
            yield from self._from_ssh_config(source.ssh_config)
        elif source.ansible is not None:
            yield from self._from_ansible(source.ansible)

    def _from_ssh_config(self, source: SshConfigSource) -> Iterator[Node]:
        from phoenixctl.settings.ssh_hosts import ssh_hosts

        path: KeyPath = (*self.path, "from", "ssh_config")
        configured = self.root.ssh.config_file
        written = source.path or configured
        if configured is None or written != configured:
            what = "these hosts can only be reached with the same file as ssh.config_file"
            self.report(path, what)
            return
        try:
            known = ssh_hosts(self.surroundings.path(configured), self.surroundings)
        except ValueError as error:
            self.report(path, str(error))
            return
        pool = self._pool(self.section.pool)
        chosen = self._chosen(source.hosts, known, (*path, "hosts"))
        for host in chosen if pool is not None else ():
            name = self._name(host, (*path, "hosts"))
            if name is not None and pool is not None:
                yield replace(self._prototype(pool), name=name, address=host)

    def _from_ansible(self, source: AnsibleSource) -> Iterator[Node]:
        from phoenixctl.settings.ansible import read_inventory

        path: KeyPath = (*self.path, "from", "ansible")
        try:
            hosts = read_inventory(self.surroundings.path(source.path))
        except ValueError as error:
            self.report((*path, "path"), str(error))
            return
        self._check_groups(source, hosts, path)
        wanted = set(source.groups)
        within = [n for n, host in hosts.items() if not wanted or wanted & set(host.groups)]
        if not hosts:
            self.report((*path, "path"), "it names no hosts that are reached over SSH")
        chosen = self._chosen(source.hosts, within, (*path, "hosts")) if source.hosts else within
        for text in chosen:
            node = self._ansible_node(text, hosts[text], source, path)
            if node is not None:
                yield node

    def _check_groups(
        self, source: AnsibleSource, hosts: Mapping[str, HostLogin], path: KeyPath
    ) -> None:
        groups = sorted({group for host in hosts.values() for group in host.groups})
        for index, group in enumerate(source.groups):
            if group not in groups:
                self.report((*path, "groups", index), f"no group `{group}`{nearest(group, groups)}")
        for group in source.pool_of_group:
            if group not in groups:
                where: KeyPath = (*path, "pool_of_group", group)
                self.report(where, f"no group `{group}`{nearest(group, groups)}")

    def _ansible_node(
        self, text: str, host: HostLogin, source: AnsibleSource, path: KeyPath
    ) -> Node | None:
        for problem in host.problems:
            self.report((*path, "path"), f"host {text}: {problem}")
        by_group = source.pool_of_group
        group = next((group for group in by_group if group in host.groups), None)
        where = None if group is None else (*path, "pool_of_group", group)
        pool = self._pool(self.section.pool if group is None else by_group[group], where)
        name = self._name(text, (*path, "path"))
        if pool is None or name is None or host.problems:
            return None
        labels = {f"group.{group}": "true" for group in host.groups}
        fallback = self._prototype(pool)
        keys = (host.identity_file,) if host.identity_file else ()
        return replace(
            fallback,
            name=name,
            address=host.address or text,
            port=host.port or fallback.port,
            user=host.user or fallback.user,
            jump=host.jump or fallback.jump,
            identity_files=keys or fallback.identity_files,
            sudo=fallback.sudo if host.become is None else host.become,
            labels={**pool.labels, **labels, **self.section.labels},
        )

    def _chosen(
        self, patterns: Sequence[str], known: Sequence[str], path: KeyPath
    ) -> Sequence[str]:
        for index, pattern in enumerate(patterns):
            if not any(fnmatchcase(name, pattern) for name in known):
                what = f"`{pattern}` is no host of that file{nearest(pattern, known)}"
                self.report((*path, index), what)
        return [n for n in known if any(fnmatchcase(n, pattern) for pattern in patterns)]

    def _name(self, text: str, path: KeyPath) -> NodeName | None:
        try:
            return check_node_name(text)
        except ValueError as error:
            self.report(path, str(error))
            return None

    def _pool(self, wanted: str | None, path: KeyPath | None = None) -> Pool | None:
        """The pool meant, or None when a problem was reported; only one: it need not be named."""
        path = path or (*self.path, "pool")
        if wanted is None and len(self.pools) == 1:
            (wanted,) = self.pools
        if wanted is None:
            self.report(path, f"missing: the pool it belongs to; pools: {', '.join(self.pools)}")
            return None
        pool = self.pools.get(wanted)
        if pool is None:
            self.report(path, f"no pool `{wanted}`{nearest(wanted, self.pools)}")
        elif pool.provider != "static":
            what = f"provider {pool.provider} creates the nodes of pool {wanted} itself"
            self.report(path, f"{what}; leave the entry out or name a static pool")
            return None
        return pool

    def _prototype(self, pool: Pool) -> Node:
        """All that the nodes of one entry have in common."""
        section, ssh = self.section, self.root.ssh
        return Node(
            name=NodeName(""),
            pool=pool.name,
            address="",
            port=section.port,
            user=section.user,
            identity_files=tuple(section.identity_files),
            known_hosts_files=tuple(section.known_hosts_files),
            jump=section.jump,
            sudo=ssh.sudo if section.sudo is None else section.sudo,
            supervisor=section.supervisor,
            base_dir=section.base_dir,
            labels={**pool.labels, **section.labels},
            network_bits_per_second=section.network_speed,
            use_ssh_config=section.use_ssh_config,
            use_agent=ssh.use_agent if section.use_agent is None else section.use_agent,
            taints=tuple(taint.as_model() for taint in section.taints),
            resources=resources(section.resources),
            reserved=resources(section.reserved),
        )
