"""One operation whole, as it is kept when it is over, and its line in the audit log."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from phoenixctl.model.codec import decode, encode
from phoenixctl.model.errors import PhoenixError
from phoenixctl.model.fleet import AgentSpec
from phoenixctl.model.names import AgentId
from phoenixctl.model.plan import Plan
from phoenixctl.model.state import Patch
from phoenixctl.ports.records import Entry, PastOperation, StepEnd
from phoenixctl.store.events import Begun, Ended, Event, Opened, Settled
from phoenixctl.store.folding import Kept, joined

FORMAT: Final = 1
_BAD: Final = ("failed", "unknown")


def past_operation(
    before: Kept, events: Sequence[Event], *, at: str, outcome: str | None = None
) -> PastOperation:
    """What became of an operation, from the record before it and all that it has journaled.

    Without an `outcome` it is told from the ends of its steps.
    """
    opened = [event for event in events if isinstance(event, Opened)]
    plan = opened[-1].plan if opened else Plan("", ())
    ends = _ends(events)
    entry = Entry(
        id=events[0].operation,
        title=opened[-1].title if opened else "",
        by=opened[-1].by if opened else "",
        at=at,
        outcome=outcome or _outcome(plan, ends),
        steps=len(plan.steps),
        failures=sum(end.outcome in _BAD for end in ends.values()),
        begun=opened[0].at if opened else "",
    )
    change = joined(e.patch for e in events if isinstance(e, Opened | Ended | Settled))
    return PastOperation(entry, plan, tuple(ends.values()), _specs(before, plan, change))


def _ends(events: Iterable[Event]) -> dict[str, StepEnd]:
    ends: dict[str, StepEnd] = {}
    for event in events:
        if isinstance(event, Begun):
            ends[event.step.key] = StepEnd(event.step.key, "unknown", "the run was cut off")
        elif isinstance(event, Ended):
            ends[event.key] = StepEnd(event.key, event.outcome, event.detail)
    return ends


def _outcome(plan: Plan, ends: Mapping[str, StepEnd]) -> str:
    if any(end.outcome in _BAD for end in ends.values()):
        return "some failed"
    done = {key for key, end in ends.items() if end.outcome == "ok"}
    return "ok" if all(step.key in done for step in plan.steps) else "interrupted"


def _specs(before: Kept, plan: Plan, change: Patch) -> dict[str, AgentSpec]:
    """The specifications that the plan's agents had, have and go back to."""
    known = {**before.state.specs, **{d: s for d, s in change.specs.items() if s is not None}}
    needed: set[str] = set()
    for step in plan.steps:
        needed |= {step.spec_digest, step.inverse.spec_digest if step.inverse else ""}
        needed |= _recorded(step.agent, before, change)
    return {digest: known[digest] for digest in sorted(needed) if digest in known}


def _recorded(agent: AgentId | None, before: Kept, change: Patch) -> set[str]:
    if agent is None:
        return set()
    found = (before.state.agents.get(agent), change.agents.get(agent))
    return {record.spec_digest for record in found if record is not None}


def with_settled(past: PastOperation, settles: Iterable[Settled]) -> PastOperation:
    """The same, with the ends that a later operation has found for some of its steps."""
    found = {s.key: StepEnd(s.key, s.outcome, s.detail) for s in settles}
    kept = tuple(end for end in past.ends if end.key not in found)
    return replace(past, ends=(*kept, *found.values()))


def write_past(past: PastOperation) -> bytes:
    return json.dumps({"format": FORMAT, **encode(past)}, sort_keys=True).encode() + b"\n"


def read_past(raw: bytes, *, where: str) -> PastOperation:
    try:
        content: dict[str, Any] = json.loads(raw)
        if content.pop("format") > FORMAT:
            raise ValueError("a later version of phoenixctl wrote it")
        specs = {str(d): decode(AgentSpec, s) for d, s in content.pop("specs", {}).items()}
        return replace(decode(PastOperation, {**content, "specs": {}}), specs=specs)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise PhoenixError(f"{where} cannot be read: {error}", hint="phoenixctl history") from None


def audit_line(past: PastOperation) -> bytes:
    """Who, when, what, how it ended; the plan as the keys of its steps."""
    entry = past.entry
    line = {
        "format": FORMAT,
        "at": entry.at,
        "begun": entry.begun,
        "by": entry.by,
        "operation": entry.title,
        "outcome": entry.outcome,
        "id": entry.id,
        "steps": entry.steps,
        "failures": entry.failures,
        "plan": [step.key for step in past.plan.steps],
    }
    return json.dumps(line).encode()


def read_entry(line: bytes) -> Entry | None:
    """An operation of the audit log; None for lines about something else, and for torn ones."""
    try:
        found = json.loads(line)
        return Entry(
            id=str(found["id"]),
            title=str(found["operation"]),
            by=str(found["by"]),
            at=str(found["at"]),
            outcome=str(found["outcome"]),
            steps=int(found["steps"]),
            failures=int(found["failures"]),
            begun=str(found.get("begun", "")),
        )
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
