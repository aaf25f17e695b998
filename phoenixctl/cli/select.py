"""Choosing nodes and agents by name, folded set, glob, pool or label."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Annotated, Final

import typer

from phoenixctl.model.errors import UsageError

if TYPE_CHECKING:
    from phoenixctl.model.fleet import Agent, Fleet
    from phoenixctl.model.names import AgentId, NodeName
    from phoenixctl.model.snapshot import Snapshot

NodesOption = Annotated[
    list[str] | None,
    typer.Option(
        "--nodes", "-n", metavar="NODES", help="Names, folded sets or globs: web[01-20],db*."
    ),
]
PoolOption = Annotated[
    list[str] | None, typer.Option("--pool", "-p", metavar="POOL", help="Nodes of this pool.")
]
LabelOption = Annotated[
    list[str] | None,
    typer.Option("--label", "-l", metavar="KEY=VALUE", help="Nodes with this label."),
]


_OPERATORS: Final = re.compile(r",?[!&^]")


def choose_nodes(
    fleet: Fleet,
    names: Iterable[str] | None = None,
    pools: Iterable[str] | None = None,
    labels: Iterable[str] | None = None,
) -> tuple[NodeName, ...]:
    """Nodes that match all kinds of choice given, in the configuration's order."""
    chosen = set(fleet.nodes)
    if names and not any(names):
        raise UsageError("--nodes is empty", hint="phoenixctl nodes ls")
    if names:
        chosen &= {node for text in names for node in _by_name(fleet, text)}
    if pools:
        chosen &= {node for pool in pools for node in _by_pool(fleet, pool)}
    for label in labels or ():
        key, sign, value = label.partition("=")
        chosen &= {
            name
            for name, node in fleet.nodes.items()
            if key in node.labels and (not sign or node.labels[key] == value)
        }
    if not chosen:
        raise UsageError("no node matches", hint="phoenixctl nodes ls")
    return tuple(name for name in fleet.nodes if name in chosen)


def choose_node(fleet: Fleet, name: str) -> NodeName:
    """One node, by its name alone."""
    found = next((node for node in fleet.nodes if node == name), None)
    if found is None:
        raise no_such("node", name, fleet.nodes, "phoenixctl nodes ls")
    return found


def _by_name(fleet: Fleet, text: str) -> list[NodeName]:
    found: list[NodeName] = []
    for part in _unfolded(text):
        matching = [name for name in fleet.nodes if fnmatchcase(name, part)]
        if not matching:
            raise no_such("node", part, fleet.nodes, "phoenixctl nodes ls")
        found += matching
    return found


def _unfolded(text: str) -> list[str]:
    if "[" not in text:
        return [part for part in text.split(",") if part]
    from ClusterShell.NodeSet import NodeSet, NodeSetException

    from phoenixctl.settings.fold import unfold

    try:
        for operand in _OPERATORS.split(text):
            unfold(operand)  # NodeSet would count a hostile range up for minutes
        return list(NodeSet(text))
    except ValueError as error:
        raise UsageError(str(error)) from None
    except NodeSetException as error:
        raise UsageError(f"{text!r} is not a set of nodes: {error}") from None


def _by_pool(fleet: Fleet, pool: str) -> list[NodeName]:
    if pool not in fleet.pools:
        raise no_such("pool", pool, fleet.pools, "phoenixctl config show")
    return [name for name, node in fleet.nodes.items() if node.pool == pool]


def choose_agents(fleet: Fleet, names: Sequence[str]) -> tuple[Agent, ...]:
    """Configured agents by id (`ingest-0`), spec (`ingest`), or glob; none given: all."""
    agents = fleet.instances()
    if not names:
        return agents
    chosen: set[AgentId] = set()
    for text in names:
        matching = {a.id for a in agents if text == a.spec.name or fnmatchcase(a.id, text)}
        if not matching:
            known = [*fleet.agents, *(a.id for a in agents)]
            raise no_such("agent", text, known, "phoenixctl agents ls")
        chosen |= matching
    return tuple(agent for agent in agents if agent.id in chosen)


def find_agents(fleet: Fleet, snapshot: Snapshot, names: Sequence[str]) -> tuple[AgentId, ...]:
    """Agents by the same words, also those that run but left the configuration."""
    known = dict.fromkeys([*(a.id for a in fleet.instances()), *(a.id for a in snapshot.agents())])
    specs = {a.id: a.spec_name for a in snapshot.agents()}
    specs.update({a.id: a.spec.name for a in fleet.instances()})
    if not names:
        return tuple(known)
    chosen: set[AgentId] = set()
    for text in names:
        matching = {a for a in known if text == specs[a] or fnmatchcase(a, text)}
        if not matching:
            raise no_such("agent", text, [*known, *specs.values()], "phoenixctl agents ls")
        chosen |= matching
    return tuple(agent for agent in known if agent in chosen)


def no_such(kind: str, name: str, known: Iterable[str], command: str) -> UsageError:
    near = difflib.get_close_matches(name, list(known), n=1)
    guess = f"; did you mean {near[0]}?" if near else ""
    return UsageError(f"no {kind} matches {name!r}{guess}", hint=command)
