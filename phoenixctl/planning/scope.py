"""What of the fleet a plan is about."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from fnmatch import fnmatchcase
from types import MappingProxyType

from phoenixctl.model.errors import UsageError
from phoenixctl.model.fleet import Fleet
from phoenixctl.model.names import NodeName
from phoenixctl.planning.addresses import addresses, spec_name
from phoenixctl.planning.copies import Copies
from phoenixctl.planning.draft import Draft
from phoenixctl.planning.known import STATIC
from phoenixctl.planning.order import sorted_names
from phoenixctl.planning.orphans import Orphan


@dataclass(frozen=True, slots=True)
class Scope:
    """What an operator asks for beside the configuration.

    `targets` and `excludes` are addresses, also as patterns: `pool.web`, `node.web-*`,
    `agent.ingest-0`, and `agent.ingest` for all of a spec. `replace` names nodes to make anew;
    `destroy` wants nothing to be left; `assume_dead` are silent nodes on which, somebody vouches,
    nothing runs, and of those that are `fenced` too it is certain; `reap` destroys instances of
    this record that it does not have; `sizes` are wanted sizes of pools, for now instead of the
    configured ones.
    """

    targets: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()
    replace: tuple[NodeName, ...] = ()
    destroy: bool = False
    assume_dead: frozenset[NodeName] = frozenset()
    fenced: frozenset[NodeName] = frozenset()
    reap: bool = False
    sizes: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))

    def concerns(self, addresses: Iterable[str]) -> bool:
        """Whether something with these addresses is to be dealt with at all; without any, it is."""
        own = tuple(addresses)
        if not own:
            return True
        wanted = not self.targets or any(matches(pattern, own) for pattern in self.targets)
        return wanted and not any(matches(pattern, own) for pattern in self.excludes)


def matches(pattern: str, addresses: Iterable[str]) -> bool:
    return any(fnmatchcase(address, pattern) for address in addresses)


def check_names(scope: Scope, fleet: Fleet) -> None:
    """UsageError for a node or pool that there is not, with the nearest there is. `fleet` has all
    nodes that are known."""
    for node in (*scope.replace, *sorted_names(scope.assume_dead | scope.fenced)):
        if node not in fleet.nodes:
            raise _no_such("node", node, fleet.nodes)
    for name in scope.sizes:
        if name not in fleet.pools:
            raise _no_such("pool", name, fleet.pools)
        if fleet.pools[name].provider == STATIC:
            raise UsageError(
                f"the nodes of pool {name} are machines that exist; none can be created",
                hint="list them under nodes in the configuration, then: phoenixctl plan",
            )


def narrow(
    draft: Draft, scope: Scope, fleet: Fleet, copies: Copies, orphans: Iterable[Orphan]
) -> None:
    """Leave out what is not asked for. UsageError for an address that names nothing."""
    if not scope.targets and not scope.excludes:
        return
    named = {key: addresses(step) for key, step in draft.steps.items()}
    known = _known(fleet, copies) | {address for own in named.values() for address in own}
    known |= {address for orphan in orphans for address in orphan.addresses}
    for pattern in (*scope.targets, *scope.excludes):
        if not matches(pattern, known):
            raise _no_such("address", pattern, known)
    if scope.targets:
        draft.keep(k for k, own in named.items() if any(matches(t, own) for t in scope.targets))
    for pattern in scope.excludes:
        keys = [key for key in draft.steps if matches(pattern, named[key])]
        _exclude(draft, pattern, keys)


def _exclude(draft: Draft, pattern: str, keys: Sequence[str]) -> None:
    asked = set(keys)
    more = [step.address for step in draft.drop(keys) if step.key not in asked]
    if more:
        these = ", ".join(dict.fromkeys(more))
        draft.notes.append(f"without {pattern} these are left out as well: {these}")


def _known(fleet: Fleet, copies: Copies) -> set[str]:
    agents = {*(a.id for a in fleet.instances()), *copies.everyone()}
    specs = {*fleet.agents, *map(spec_name, agents)}
    return {
        *(f"pool.{name}" for name in fleet.pools),
        *(f"node.{name}" for name in fleet.nodes),
        *(f"agent.{name}" for name in (*agents, *specs)),
    }


def _no_such(kind: str, name: str, known: Iterable[str]) -> UsageError:
    there = sorted_names(known)
    bare = [address for address in there if address.partition(".")[2] == name]
    near = bare or get_close_matches(name, there, n=1)
    if near:
        return UsageError(f"there is no {kind} {name}", hint=f"did you mean {near[0]}?")
    return UsageError(f"there is no {kind} {name}", hint="see: phoenixctl status")
