"""What happens first under the lock: operations that were cut off are written down."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

from phoenixctl.model.errors import StateDamaged
from phoenixctl.model.plan import Plan
from phoenixctl.model.state import State
from phoenixctl.ports.records import PastOperation
from phoenixctl.store import events
from phoenixctl.store.closing import Desk, announce, close_operation, make_up, write_kept
from phoenixctl.store.events import Closed, Event, Line, Opened
from phoenixctl.store.folding import Kept, fold, without_unused_specs
from phoenixctl.store.past import past_operation
from phoenixctl.store.reading import Reader, Reading, Trace, by_operation, is_closed

CUT_OFF = "interrupted"


async def catch_up(desk: Desk, reader: Reader, fleet: str) -> Kept:
    """What is kept now, with every earlier operation closed. A new fleet gets its lineage."""
    reading = await reader.judge(await desk.held.state())
    kept = reading.kept or Kept(State(fleet, new_lineage(), 0))
    if desk.held.taken_over:
        await desk.held.write_state(desk.document(kept))
    kept = reading.numbered(await _close_all(desk, kept, await _sealed(desk, reader, reading)))
    await make_up(desk, kept)
    return kept


def new_lineage() -> str:
    """A name for life of a fleet's record."""
    import uuid  # it costs each command some milliseconds

    return str(uuid.uuid4())


async def _sealed(desk: Desk, reader: Reader, reading: Reading) -> Mapping[str, Sequence[Line]]:
    """The operations that are not in the state file, and that nothing is added to any more."""
    cut_off = [name for name, lines in reading.newer().items() if not is_closed(lines)]
    if not cut_off or reading.kept is None:
        return reading.newer()
    for name in cut_off:
        await desk.held.seal(name)
    return replace(reading, lines=tuple(await reader.lines(reading.kept.state.serial))).newer()


async def _close_all(desk: Desk, kept: Kept, operations: Mapping[str, Sequence[Line]]) -> Kept:
    written = kept
    for lines in operations.values():
        found = [line.event() for line in lines]
        if is_closed(lines):  # the state file was put back to an older one by hand
            kept = fold(kept, found)
        else:
            kept = written = await close_operation(desk, kept, found, outcome=CUT_OFF)
    if kept is not written:
        await desk.held.write_state(desk.document(kept))
    return kept


async def put_in_place(
    desk: Desk,
    reader: Reader,
    make: Callable[[Sequence[Event]], State],
    *,
    title: str,
    by: str,
) -> State:
    """Put another record in the place of the one there is, which is kept, damaged or not.

    `make` gets the events of operations that were cut off and are not in the record.
    """
    raw = await desk.held.state()
    base, good = await reader.salvage(raw)
    if raw is not None and good:
        await desk.held.write_backup(base.state.serial, raw)
    elif raw is not None:
        await desk.held.set_aside(raw)
    trace = await reader.trace(raw) or Trace("", 0)
    base = replace(base, state=replace(base.state, lineage=base.state.lineage or trace.lineage))
    since = await _since(desk, reader, base)
    cut_off = [found for found in since if not any(isinstance(e, Closed) for e in found)]
    state = make([event for found in cut_off for event in found])
    kept = Kept(
        replace(
            state,
            serial=max(trace.serial, state.serial) + 1,
            lineage=state.lineage or trace.lineage or new_lineage(),
        ),
        fold(base, [event for found in since for event in found]).unfinished,
    )
    kept = without_unused_specs(kept)
    for found in cut_off:
        past = past_operation(base, found, at=desk.clock.utc(), outcome=CUT_OFF)
        await desk.held.write_past(past)
    past = await _journaled(desk, base, kept.state, title=title, by=by)
    await write_kept(desk, kept)
    await announce(desk, past, lineage=kept.state.lineage)
    await make_up(desk, kept)
    return kept.state


async def _journaled(desk: Desk, base: Kept, state: State, *, title: str, by: str) -> PastOperation:
    """The replacement as an operation of its own, without steps."""
    plan, now = Plan(title, ()), desk.clock.utc()
    opened = Opened(str(state.serial), now, title, by, state.lineage, plan, format=events.FORMAT)
    await desk.held.append(opened)
    past = past_operation(base, [opened], at=now)
    await desk.held.write_past(past)
    return past


async def _since(desk: Desk, reader: Reader, base: Kept) -> Sequence[Sequence[Event]]:
    """Events of the operations after `base`, by operation, as far as they can be read. Nothing is
    added to them any more."""
    newest = base.state.serial

    async def newer() -> Mapping[str, list[Line]]:
        return by_operation(line for line in await reader.lines(newest) if line.serial > newest)

    for name, lines in (await newer()).items():
        if not is_closed(lines):
            await desk.held.seal(name)
    found = [_readable(lines) for lines in (await newer()).values()]
    return [of for of in found if of]


def _readable(lines: Sequence[Line]) -> list[Event]:
    found = []
    for line in lines:
        with suppress(StateDamaged):
            found.append(line.event())
    return found
