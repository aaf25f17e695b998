"""Give every step of earlier runs its end: a run was killed, or an answer was lost.

Every act may be repeated, so a step is finished by doing it again, from what is seen now.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Final

from phoenixctl.model.errors import (
    AuthenticationFailed,
    CommandFailed,
    ConfigError,
    HostKeyError,
    OutcomeUnknown,
    Unreachable,
)
from phoenixctl.model.names import NodeName
from phoenixctl.model.plan import Action, Plan
from phoenixctl.ports.records import Unfinished
from phoenixctl.workflows.acts import acts
from phoenixctl.workflows.carry import Act, attempt
from phoenixctl.workflows.means import NOBODY, Manner, Means, Watcher
from phoenixctl.workflows.report import StepResult
from phoenixctl.workflows.specs import STARTING
from phoenixctl.workflows.together import together
from phoenixctl.workflows.work import Trail, Work

TITLE: Final = "finish what was cut off"
_NODES_AT_ONCE: Final = 32
# Nothing more is known after these than before: the step stays as it is, for a later run.
_STILL_UNKNOWN: Final = (
    AuthenticationFailed, ConfigError, HostKeyError, OutcomeUnknown, Unreachable,
)  # fmt: skip


async def recover(
    means: Means, *, watcher: Watcher = NOBODY, lock_wait_seconds: float = 0.0
) -> tuple[StepResult, ...]:
    """Finish what earlier runs have begun, oldest first; what became of it.

    A step that cannot be done any more has failed by that. One whose node or provider cannot be
    reached keeps its unknown end, and the next run tries again. Locked while another run goes on.
    """
    if not await means.records.unfinished():
        return ()
    async with means.records.changing(
        TITLE, wait_seconds=lock_wait_seconds, on_wait=watcher.on_wait
    ) as operation:
        return await settle(Work(means, Manner(), operation, Plan(TITLE, ())), watcher)


async def settle(
    work: Work, watcher: Watcher, *, stopping: Callable[[], bool] = lambda: False
) -> tuple[StepResult, ...]:
    """The same within a run that has the lock. Nodes side by side, the steps of each in order."""
    unfinished = tuple(work.operation.unfinished)
    if not unfinished:
        return ()
    work.saw(await work.look(node for u in unfinished for node in u.step.nodes))
    act = acts(work)
    results: dict[int, StepResult] = {}
    places = asyncio.Semaphore(_NODES_AT_ONCE)

    async def on_node(node: NodeName) -> None:
        async with places:
            for number, one in enumerate(unfinished):
                if one.step.node == node and not stopping():
                    results[number] = await _settled(work, act, one)
                    if watcher.on_recovered is not None:
                        watcher.on_recovered(one, results[number])

    await together(on_node(node) for node in dict.fromkeys(u.step.node for u in unfinished))
    return tuple(results[number] for number in sorted(results))


async def _settled(work: Work, act: Act, unfinished: Unfinished) -> StepResult:
    step = unfinished.step
    note = partial(work.operation.note, step)
    trail = Trail(step, unfinished.operation, note, unfinished.notes)
    result = await attempt(partial(_finish, work, act), trail, work.means.clock)
    if not isinstance(result.error, _STILL_UNKNOWN):
        await work.operation.settle(
            unfinished, outcome=result.outcome, detail=result.detail, patch=trail.patch
        )
    return result


async def _finish(work: Work, act: Act, trail: Trail) -> str:
    """Do the step again; undo a start that a later one has overtaken.

    The agent was given up there and started on another node since: two of it must not run.
    """
    step = trail.step
    if step.agent is None:
        return await act(trail)
    if step.node not in work.fleet.nodes:
        raise CommandFailed(f"{step.node} is not in the fleet any more")
    record = work.state.agents.get(step.agent)
    if step.action is Action.MIGRATE:
        return await act(trail)
    if step.action not in STARTING or record is None or record.node == step.node:
        return await act(trail)
    trail.step = replace(step, action=Action.STOP)
    try:
        return f"{await act(trail)}, for it was started on {record.node} since"
    finally:
        trail.step = step
