"""Folding a journal into a record, against a plain telling of the same rules."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from phoenixctl.model.names import AgentId, NodeName
from phoenixctl.model.plan import Action, Inverse, Plan, Step
from phoenixctl.model.state import AgentRecord, Patch, State
from phoenixctl.store import events
from phoenixctl.store.events import (
    Begun,
    Closed,
    Ended,
    Event,
    Noted,
    Opened,
    Settled,
    read_lines,
    write_event,
)
from phoenixctl.store.folding import Kept, fold, without_unused_specs
from phoenixctl.store.past import audit_line, past_operation, read_entry, with_settled
from tests.builders import spec
from tests.conformance.record_story import start

AT = "2026-01-01T00:00:00Z"
LINEAGE = "79c87cf3"
NEW = Kept(State("shop", LINEAGE, 0))
KEYS = ("web-0", "web-1", "web-2")


def opened(operation: str, patch: Patch | None = None, *, lineage: str = LINEAGE) -> Opened:
    plan = Plan("apply", tuple(start(agent) for agent in KEYS))
    return Opened(operation, AT, "apply", "op@here", lineage, plan, patch or Patch(), events.FORMAT)


def key(agent: str) -> str:
    return start(agent).key


agents = st.sampled_from(KEYS)
outcomes = st.sampled_from(["ok", "failed", "unknown", "skipped"])
patches = st.dictionaries(
    agents, st.one_of(st.none(), st.integers(1, 9)), max_size=2
).map(lambda found: Patch(agents={
    AgentId(name): None if epoch is None else AgentRecord(AgentId(name), NodeName("a"), "d", epoch)
    for name, epoch in found.items()
}))  # fmt: skip


def happenings(operation: str) -> st.SearchStrategy[Event]:
    earlier = st.sampled_from([str(number) for number in range(1, int(operation) + 1)])
    return st.one_of(
        agents.map(lambda name: Begun(operation, AT, start(name))),
        st.builds(
            lambda name, of: Noted(operation, AT, key(name), {"token": name}, of),
            agents, st.one_of(st.just(""), earlier),
        ),
        st.builds(
            lambda name, outcome, patch: Ended(operation, AT, key(name), outcome, "", patch),
            agents, outcomes, patches,
        ),
        st.builds(
            lambda of, name, outcome, patch: Settled(
                operation, AT, of, key(name), outcome, "", patch
            ),
            earlier, agents, outcomes, patches,
        ),
    )  # fmt: skip


@st.composite
def journals(draw: st.DrawFn) -> list[list[Event]]:
    """Up to four operations, one after the other; the last may be cut off anywhere."""
    operations: list[list[Event]] = []
    for number in range(1, draw(st.integers(1, 4)) + 1):
        name = str(number)
        found: list[Event] = [opened(name, draw(patches))]
        found += draw(st.lists(happenings(name), max_size=8))
        operations.append([*found, Closed(name, AT, "ok")])
    last = operations[-1]
    operations[-1] = last[: draw(st.integers(1, len(last)))]
    return operations


def told(events: Sequence[Event]) -> tuple[dict[str, int], dict[tuple[str, str], int]]:
    """The same rules in the plainest way: epochs of agents; notes of unfinished steps."""
    epochs: dict[str, int] = {}
    notes: dict[tuple[str, str], int] = {}
    for event in events:
        for name, record in getattr(event, "patch", Patch()).agents.items():
            if record is None:
                epochs.pop(name, None)
            else:
                epochs[name] = record.epoch
        if isinstance(event, Begun):
            notes.setdefault((event.operation, event.step.key), 0)
        elif isinstance(event, Noted) and (event.of or event.operation, event.key) in notes:
            notes[event.of or event.operation, event.key] += 1
        elif isinstance(event, Ended) and event.outcome != "unknown":
            notes.pop((event.operation, event.key), None)
        elif isinstance(event, Settled) and event.outcome != "unknown":
            notes.pop((event.of, event.key), None)
    return epochs, notes


def seen(kept: Kept) -> tuple[dict[str, int], dict[tuple[str, str], int]]:
    return (
        {str(agent.id): agent.epoch for agent in kept.state.agents.values()},
        {(u.operation, u.step.key): len(u.notes) for u in kept.unfinished},
    )


@given(journals())
def test_folding_tells_what_happened(operations: list[list[Event]]) -> None:
    flat = [event for operation in operations for event in operation]
    kept = fold(NEW, flat)
    assert seen(kept) == told(flat)
    assert kept.state.serial == len(operations)
    assert kept.state.lineage == LINEAGE


@given(journals(), st.data())
def test_a_journal_may_be_cut_at_any_byte(
    operations: list[list[Event]], data: st.DataObject
) -> None:
    flat = [event for operation in operations for event in operation]
    lines = [write_event(event) for event in flat]
    raw = b"\n".join(lines) + b"\n"
    length = data.draw(st.integers(0, len(raw)))
    read, lost = read_lines(raw[:length].split(b"\n"))
    whole = [line.event() for line in read]
    assert whole == flat[: len(whole)]
    assert lost <= 1
    # A line without its end may be whole.
    assert raw[:length].count(b"\n") <= len(whole) <= raw[:length].count(b"\n") + 1
    assert seen(fold(NEW, whole)) == told(whole)


@given(journals(), st.data())
def test_it_is_the_same_whichever_operations_were_written_down_before(
    operations: list[list[Event]], data: st.DataObject
) -> None:
    """A state file may be written after any operation, and its journal be there still or not."""
    flat = [event for operation in operations for event in operation]
    written = data.draw(st.integers(0, len(operations)))
    before = fold(NEW, [event for operation in operations[:written] for event in operation])
    rest = [event for operation in operations[written:] for event in operation]
    assert seen(fold(before, rest)) == told(flat)
    assert fold(before, flat) == fold(before, rest)
    assert fold(fold(before, rest), flat) == fold(before, rest)


@given(journals())
def test_every_event_has_a_line(operations: list[list[Event]]) -> None:
    flat = [event for operation in operations for event in operation]
    read, lost = read_lines(write_event(event) for event in flat)
    assert [line.event() for line in read] == flat
    assert lost == 0


def test_a_journal_of_another_lineage_is_passed_over() -> None:
    patch = Patch(agents={AgentId("web-0"): AgentRecord(AgentId("web-0"), NodeName("a"), "d", 1)})
    found: list[Event] = [opened("1", patch, lineage="other"), Begun("1", AT, start("web-0"))]
    assert fold(NEW, found) == NEW


def test_what_was_noted_stays_when_a_step_is_begun_again() -> None:
    found: list[Event] = [
        opened("1"), Begun("1", AT, start("web-0")), Noted("1", AT, key("web-0"), {"token": "1"}),
        Ended("1", AT, key("web-0"), "unknown", ""), Begun("1", AT, start("web-0")),
    ]  # fmt: skip
    [unfinished] = fold(NEW, found).unfinished
    assert unfinished.notes == ({"token": "1"},)
    assert unfinished.title == "apply"


def test_specifications_are_kept_for_agents_and_for_steps_that_may_have_to_be_taken_back() -> None:
    step = replace(start("web-9"), spec_digest="next", inverse=Inverse(Action.UPDATE, "before"))
    record = AgentRecord(AgentId("web-0"), NodeName("a"), "now", 1)
    specs = {digest: spec("web") for digest in ("now", "next", "before", "gone")}
    state = replace(NEW.state, agents={record.id: record}, specs=specs)
    opening = opened("1")
    kept = fold(Kept(state), [opening, Begun("1", AT, step)])
    assert set(without_unused_specs(kept).state.specs) == {"now", "next", "before"}


def test_a_past_operation_is_told_also_without_its_first_line() -> None:
    step: Step = start("web-0")
    past = past_operation(NEW, [Begun("1", AT, step)], at=AT, outcome="interrupted")
    assert past.entry.id == "1"
    assert past.plan.steps == ()
    assert [(end.key, end.outcome) for end in past.ends] == [(step.key, "unknown")]
    found = with_settled(past, [Settled("2", AT, "1", step.key, "ok", "it runs")])
    assert [(end.key, end.outcome, end.detail) for end in found.ends] == [
        (step.key, "ok", "it runs")
    ]


def test_an_operation_that_an_earlier_version_audited_does_not_say_when_it_began() -> None:
    past = past_operation(NEW, [opened("1")], at=AT)
    line = json.loads(audit_line(past))
    assert read_entry(json.dumps(line).encode()) == past.entry
    assert past.entry.begun
    del line["begun"]
    assert read_entry(json.dumps(line).encode()) == replace(past.entry, begun="")
