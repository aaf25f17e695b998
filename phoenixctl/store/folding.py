"""What is recorded after the events of a journal: one rule for every store."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from types import MappingProxyType
from typing import Any

from phoenixctl.model.state import NO_CHANGE, Patch, State, patched
from phoenixctl.ports.records import Unfinished
from phoenixctl.store.events import Begun, Ended, Event, Noted, Opened, Settled

UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Kept:
    """What a state file keeps: the record, and the steps that have no known end, oldest first."""

    state: State
    unfinished: tuple[Unfinished, ...] = ()


def fold(kept: Kept, events: Iterable[Event]) -> Kept:
    """What is recorded when these events are added, oldest first.

    A state file holds everything of the operations up to its serial; their events are passed
    over, and so are those of another lineage. So the same events may be folded twice.
    """
    newer = [event for event in events if int(event.operation) > kept.state.serial]
    foreign = {
        event.operation
        for event in newer
        if isinstance(event, Opened) and event.lineage != kept.state.lineage
    }
    newer = [event for event in newer if event.operation not in foreign]
    open_steps = {(u.operation, u.step.key): u for u in kept.unfinished}
    titles: dict[str, str] = {}
    for event in newer:
        _follow(event, open_steps, titles)
    change = joined(getattr(event, "patch", NO_CHANGE) for event in newer)
    serial = max((int(event.operation) for event in newer), default=kept.state.serial)
    state = replace(patched(kept.state, change), serial=serial)
    return Kept(state, tuple(open_steps.values()))


def _follow(
    event: Event, open_steps: dict[tuple[str, str], Unfinished], titles: dict[str, str]
) -> None:
    match event:
        case Opened():
            titles[event.operation] = event.title
        case Begun():
            title = titles.get(event.operation, "")  # its own line may be torn
            begun = Unfinished(event.operation, title, event.step)
            # Begun again after an end that was not seen: what was noted of it still holds.
            open_steps.setdefault((event.operation, event.step.key), begun)
        case Noted():
            of = event.of or event.operation
            step = open_steps.get((of, event.key))
            if step is not None:
                open_steps[of, event.key] = replace(step, notes=(*step.notes, event.facts))
        case Ended():
            if event.outcome != UNKNOWN:
                open_steps.pop((event.operation, event.key), None)
        case Settled():
            if event.outcome != UNKNOWN:
                open_steps.pop((event.of, event.key), None)
        case _:
            pass  # Closed tells that what the others have changed is written down


def joined(patches: Iterable[Patch]) -> Patch:
    """Many changes as one, the last one winning."""
    parts: dict[str, dict[Any, Any]] = {field.name: {} for field in fields(Patch)}
    for patch in patches:
        if patch is not NO_CHANGE:
            for name, part in parts.items():
                part.update(getattr(patch, name))
    return Patch(**parts)


def without_unused_specs(kept: Kept) -> Kept:
    """The same without the specifications that no recorded agent and no unfinished step has."""
    needed = {agent.spec_digest for agent in kept.state.agents.values()}
    for cut_off in kept.unfinished:
        needed.add(cut_off.step.spec_digest)
        if cut_off.step.inverse is not None:
            needed.add(cut_off.step.inverse.spec_digest)
    specs = {digest: spec for digest, spec in kept.state.specs.items() if digest in needed}
    return replace(kept, state=replace(kept.state, specs=MappingProxyType(specs)))
