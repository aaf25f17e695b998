"""By which way an agent can be migrated: what its specification lacks limits it."""

from __future__ import annotations

from typing import Final

from phoenixctl.model.errors import Refused
from phoenixctl.model.fleet import AgentSpec
from phoenixctl.model.moving import Way


def lacks(spec: AgentSpec, way: Way) -> tuple[str, ...]:
    """The hooks without which it cannot be migrated so."""
    needed = {Way.LIVE: ("drain", "activate"), Way.CHECKPOINT: ("checkpoint",), Way.COLD: ()}
    return tuple(hook for hook in needed[way] if getattr(spec, hook) is None)


def way_of(spec: AgentSpec, wanted: Way | None = None) -> Way:
    """The wanted way, else the configured one, else the first that its hooks allow.

    Refused when it lacks a hook for the one that is wanted or configured.
    """
    way = wanted or (spec.migration.way if spec.migration is not None else None)
    if way is None:
        return next(way for way in Way if not lacks(spec, way))
    if missing := lacks(spec, way):
        hooks = " and ".join(f"`{hook}`" for hook in missing)
        other = next(way for way in Way if not lacks(spec, way))
        raise Refused(
            f"{spec.name} cannot be migrated {_WORDS[way]}: its spec has no {hooks} hook",
            hint=f"add it, or use --strategy {other}",
        )
    return way


def said_of_way(spec: AgentSpec, wanted: Way | None = None) -> str:
    """What migrating one of its agents costs."""
    way = way_of(spec, wanted)
    costs = {
        Way.LIVE: "requests wait while its last changes are copied",
        Way.CHECKPOINT: "it is down until it has started from its checkpoint",
        Way.COLD: "it is down until it has started with its state folder",
    }
    kept = spec.migration is None or spec.migration.state or way is Way.CHECKPOINT
    if not kept:
        costs |= {Way.COLD: "it is down until it has started, without its state"}
    return f"each agent of {spec.name} migrates {_WORDS[way]}: {costs[way]}"


_WORDS: Final = {Way.LIVE: "live", Way.CHECKPOINT: "by a checkpoint", Way.COLD: "cold"}
