"""How an operation ends, also one that was cut off: what is written, in which order.

The state file is what counts: it takes the place of the operation's journal. What comes before it
is written anew when a crash comes between; what comes after it is made up for by `make_up`.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

from phoenixctl.ports.clock import Clock
from phoenixctl.ports.records import PastOperation
from phoenixctl.store.backing import Backing, Held
from phoenixctl.store.document import write_document
from phoenixctl.store.events import Closed, Event, Settled
from phoenixctl.store.folding import Kept, fold, without_unused_specs
from phoenixctl.store.past import past_operation, read_past, with_settled


@dataclass(frozen=True, slots=True)
class Desk:
    """All that is needed to write: the store, its lock, the time."""

    backing: Backing
    held: Held
    clock: Clock

    def document(self, kept: Kept) -> bytes:
        """A state file that is like no other, so that none is taken for another."""
        return write_document(kept, at=self.clock.utc(), nonce=os.urandom(16).hex())


async def close_operation(
    desk: Desk,
    before: Kept,
    events: Sequence[Event],
    *,
    outcome: str | None = None,
) -> Kept:
    """Write down what an operation has changed; what is kept now.

    Without an `outcome` it is told from its steps.
    """
    past = past_operation(before, events, at=desk.clock.utc(), outcome=outcome)
    after = without_unused_specs(fold(before, events))
    # Also what was not folded, as of another lineage, has used up its serial.
    serial = max(after.state.serial, int(past.entry.id))
    after = replace(after, state=replace(after.state, serial=serial))
    await _pass_on(desk, [event for event in events if isinstance(event, Settled)])
    await desk.held.write_past(past)
    await write_kept(desk, after)
    await announce(desk, past, lineage=after.state.lineage)
    return after


async def write_kept(desk: Desk, kept: Kept) -> None:
    """The state file of a serial that is final, and its backup."""
    content = desk.document(kept)
    await desk.held.write_state(content)
    await desk.held.write_backup(kept.state.serial, content)


async def announce(desk: Desk, past: PastOperation, *, lineage: str) -> None:
    """The operation's line in the audit log; with that it is over."""
    await desk.held.audit(past)
    await _retire(desk, past.entry.id, past.entry.outcome, lineage)


async def make_up(desk: Desk, kept: Kept) -> None:
    """What a crash has kept from being written after the state file."""
    for operation in await desk.held.half_closed(kept.state.serial):
        raw = await desk.backing.past(operation)
        outcome = ""
        if raw is not None:
            past = read_past(raw, where=f"operation {operation}")
            outcome = past.entry.outcome
            if not await desk.backing.is_audited(operation):
                await desk.held.audit(past)
        await _retire(desk, operation, outcome, kept.state.lineage)


async def _retire(desk: Desk, operation: str, outcome: str, lineage: str) -> None:
    await desk.held.retire(Closed(operation, desk.clock.utc(), outcome, lineage))


async def _pass_on(desk: Desk, settles: Sequence[Settled]) -> None:
    """Tell the operations whose steps were settled, so that they can be rolled back as they are."""
    by_operation: dict[str, list[Settled]] = defaultdict(list)
    for event in settles:
        by_operation[event.of].append(event)
    for operation, found in by_operation.items():
        raw = await desk.backing.past(operation)
        if raw is not None:
            past = read_past(raw, where=f"operation {operation}")
            await desk.held.write_past(with_settled(past, found))
