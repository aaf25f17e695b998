"""The same work on many nodes at once: a limit, a deadline for the whole, an outcome for each."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Final, TypeVar

from phoenixctl.model.names import NodeName
from phoenixctl.model.outcome import Outcome

T = TypeVar("T")

# What a cancelled node may take to end its command on the other side.
_TIDY_SECONDS: Final = 3.0


async def fan_out(
    names: Iterable[NodeName],
    work: Callable[[NodeName], Awaitable[Outcome[T]]],
    *,
    cut_short: Callable[[NodeName], Outcome[T]],
    parallel: int,
    deadline_seconds: float | None,
    on_outcome: Callable[[NodeName, Outcome[T]], None] | None,
) -> dict[NodeName, Outcome[T]]:
    """Work on all names, `parallel` at a time, and give the outcomes in the order of the names.

    `work` never raises but when it is cancelled; `cut_short` then tells the outcome of a name
    whose work the deadline has ended. Cancelling the call cancels all work and waits for it.
    """
    order = list(dict.fromkeys(names))
    outcomes: dict[NodeName, Outcome[T]] = {}
    places = asyncio.Semaphore(parallel)

    def report(name: NodeName, outcome: Outcome[T]) -> None:
        outcomes[name] = outcome
        if on_outcome is not None:
            on_outcome(name, outcome)

    async def one(name: NodeName) -> None:
        async with places:
            outcome = await work(name)
        report(name, outcome)

    tasks = [asyncio.ensure_future(one(name)) for name in order]
    try:
        if tasks:
            await asyncio.wait(tasks, timeout=deadline_seconds, return_when=asyncio.FIRST_EXCEPTION)
    finally:
        await _tidy([task for task in tasks if not task.done()])
    for task in tasks:
        if task.done() and not task.cancelled():
            task.result()  # an error of `on_outcome` is the caller's own
    for name in order:
        if name not in outcomes:
            report(name, cut_short(name))
    return {name: outcomes[name] for name in order}


async def _tidy(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=_TIDY_SECONDS)
