"""Where nodes come from."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from phoenixctl.model.fleet import Pool
from phoenixctl.model.instance import Instance
from phoenixctl.model.names import NodeName

Note = Callable[[Mapping[str, str]], Awaitable[None]]
"""Keeps facts in the journal, on disk when it returns: what a later run must know of this call."""


@dataclass(frozen=True, slots=True)
class NodeRequest:
    """A node that is wanted.

    `lineage` and `operation` make the request one and the same over crashes: asked again with
    both, a provider returns the node it has made for them, and never makes a second one. `notes`
    are those that an earlier, interrupted call has left, oldest first.
    """

    pool: Pool
    name: NodeName
    lineage: str
    operation: str
    notes: tuple[Mapping[str, str], ...] = ()


class Provider(Protocol):
    """Creates, lists and destroys the nodes of a pool. All calls may be repeated safely."""

    async def list(self, pool: Pool) -> Sequence[Instance]:
        """The pool's nodes that exist, by name; also those that other lineages have made."""
        ...

    async def create(self, request: NodeRequest, *, note: Note) -> Instance:
        """The node, running and with all that is needed to reach it.

        `note` is awaited before each call that could make something. PhoenixError says what was
        in the way (capacity, quota, permission), and nothing is left behind then.
        """
        ...

    async def destroy(self, pool: Pool, instance: Instance) -> None:
        """Removed with everything on it, proven gone; nothing to do when it is not there.

        Refused when the provider itself protects it.
        """
        ...

    async def protect(self, pool: Pool, instance: Instance, *, on: bool) -> None:
        """Let the provider itself refuse to remove the node, or not any more. Providers without
        such a thing do nothing: the record protects it."""
        ...
