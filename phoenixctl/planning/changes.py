"""What a step changes, attribute by attribute. Of secrets only where they come from."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any, Final

from phoenixctl.model.fleet import AgentSpec, Pool, SecretRef
from phoenixctl.model.plan import Change
from phoenixctl.model.units import format_bytes, format_cores

# They say how many there are and how they are changed, not what runs.
_NOT_RUNNING: Final = frozenset({"name", "replicas", "rollout"})
_FORMATS: Final = {"resources.memory": format_bytes, "resources.cpu": format_cores}


def spec_changes(
    before: AgentSpec | None, after: AgentSpec, digests: tuple[str, str]
) -> tuple[Change, ...]:
    """What differs between two specifications; only their digests when one is not known."""
    if before is None:
        return (Change("spec", digests[0] or None, digests[1]),)
    old, new = dict(_attributes(before)), dict(_attributes(after))
    return tuple(
        Change(name, old.get(name), new.get(name))
        for name in sorted(old.keys() | new.keys())
        if old.get(name) != new.get(name)
    )


def moved(before: str, after: str) -> Change:
    return Change("node", before, after)


def yes(name: str) -> tuple[Change, ...]:
    """Something becomes so: `cordoned`, `protected`."""
    return (Change(name, "no", "yes"),)


def no(name: str) -> tuple[Change, ...]:
    return (Change(name, "yes", "no"),)


def new_node(pool: Pool) -> tuple[Change, ...]:
    """What a node will have that its pool creates; where the provider chooses, only it knows."""
    made = [Change("provider", None, pool.provider)]
    if pool.aws is not None:
        zones = tuple(zone.zone for zone in pool.aws.zones)
        made += [_chosen("type", pool.aws.types), _chosen("zone", zones)]
        markets = ("spot", "on-demand") if pool.aws.on_demand_fallback else ("spot",)
        made.append(_chosen("market", markets if pool.aws.spot else ("on-demand",)))
    made.append(Change("address", None, None, known=False))
    if pool.protected:
        made.append(Change("protected", None, "yes"))
    return tuple(made)


def _chosen(name: str, among: tuple[str, ...]) -> Change:
    if len(among) == 1:
        return Change(name, None, among[0])
    return Change(name, None, None, known=False)


def _attributes(spec: AgentSpec) -> Iterator[tuple[str, str]]:
    for field in fields(spec):
        if field.name not in _NOT_RUNNING:
            yield from _flat(field.name, getattr(spec, field.name))


def _flat(name: str, value: Any) -> Iterator[tuple[str, str]]:
    """`env.LOG_LEVEL`, `resources.memory`: one attribute for each thing that can be written."""
    if isinstance(value, SecretRef):
        yield name, f"{value.source}:{value.name}"
    elif is_dataclass(value):
        for field in fields(value):
            yield from _flat(f"{name}.{field.name}", getattr(value, field.name))
    elif isinstance(value, Mapping):
        for key, entry in value.items():
            yield from _flat(f"{name}.{key}", entry)
    elif value is not None and value != ():
        yield name, _text(name, value)


def _text(name: str, value: Any) -> str:
    if name in _FORMATS:
        return _FORMATS[name](value)
    if isinstance(value, tuple):
        return shlex.join(map(str, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)
