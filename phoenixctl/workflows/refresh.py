"""Bring the record up to date, or build it anew, from what the nodes and providers show."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from phoenixctl.model.errors import StateDamaged
from phoenixctl.model.plan import Drift
from phoenixctl.model.state import State
from phoenixctl.planning.adopt import differences, rebuilt_state, refreshed_state
from phoenixctl.ports.records import Records
from phoenixctl.workflows.look import Look


@dataclass(frozen=True, slots=True)
class Refreshed:
    """The record as it should be, and in what it differs from the one there is."""

    state: State
    differences: tuple[Drift, ...]


async def rebuilt(
    records: Records, fleet: str, *, adopt: bool, look: Callable[[State], Awaitable[Look]]
) -> Refreshed:
    """What is recorded as it is now; with `adopt` also what is not recorded.

    StateDamaged for a record that cannot be read, unless it is to be built anew.
    """
    try:
        before = await records.read()
    except StateDamaged:
        if not adopt:
            raise
        before = State(fleet, "", 0)
    seen = await look(before)
    make = rebuilt_state if adopt else refreshed_state
    after = make(seen.fleet, seen.snapshot, seen.inventory, before=before)
    return Refreshed(after, differences(before, after))
