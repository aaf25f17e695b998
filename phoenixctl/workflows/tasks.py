"""What the steps of a playbook do that are about no agent's place: run, copy, wait, tell."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from phoenixctl.model.command import Command, Completed
from phoenixctl.model.errors import CommandFailed, PhoenixError
from phoenixctl.model.names import AgentId, NodeName
from phoenixctl.model.playbook import Approve, Copy, Exec, Notify, RotateHostKey, Wait
from phoenixctl.model.reading import AgentMetric, Metric, Reading
from phoenixctl.model.snapshot import AgentState, NodeObservation, Snapshot
from phoenixctl.model.units import format_duration
from phoenixctl.ports.here import Here
from phoenixctl.ports.reach import Session
from phoenixctl.workflows.observe import FULL, observe
from phoenixctl.workflows.rotate import rotate_host_key
from phoenixctl.workflows.specs import parts
from phoenixctl.workflows.work import Trail, Work

_LAST_LINES: Final = 3  # of a command that failed
_LONGEST_LINE: Final = 300
_SHOWN: Final = 4


@dataclass(frozen=True, slots=True)
class Tasks:
    """Does them. What an earlier run has begun is left to its playbook, which does it again when it
    goes on: nobody else waits for it, or runs its command. Only a host key that is half rotated is
    seen to its end."""

    work: Work
    recovering: bool = False

    async def __call__(self, trail: Trail) -> str:
        if self.recovering and not isinstance(trail.step.task, RotateHostKey):
            raise CommandFailed("was cut off; whether it came to its end is not known")
        match trail.step.task:
            case Exec() as task:
                return await self._exec(trail.step.node, task)
            case Copy() as task:
                return await self._copy(trail.step.node, task)
            case Wait() as task:
                return await self._wait(task)
            case Notify() as task:
                return await self._notify(trail, task)
            case Approve():
                return f"by {self.work.means.by}"  # it was asked for before the step was begun
            case RotateHostKey():
                return await rotate_host_key(self.work, self._here, trail)
            case None:
                raise ValueError(f"{trail.step.key} has nothing to do")

    @property
    def _here(self) -> Here:
        here = self.work.means.here
        if here is None:
            raise CommandFailed("nothing can be done on the operator's machine from here")
        return here

    async def _exec(self, node: NodeName, task: Exec) -> str:
        async def job(session: Session) -> Completed:
            command = Command(*task.argv)
            return await session.run(command, timeout_seconds=task.timeout_seconds, sudo=task.sudo)

        completed = await self.work.on(node, job)
        if not completed.ok:
            raise CommandFailed(f"{task.argv[0]} {_ended(completed)}")
        return f"done in {format_duration(completed.seconds)}"

    async def _copy(self, node: NodeName, task: Copy) -> str:
        if await self._here.digest(task.source) != task.digest:
            raise CommandFailed(
                f"{task.source} has changed since the plan was made",
                hint="run the playbook again, with --restart for all nodes to get the same",
            )

        async def job(session: Session) -> int:
            return (await session.upload(Path(task.source), task.target)).bytes

        return f"{await self.work.on(node, job)} bytes"

    async def _wait(self, task: Wait) -> str:
        clock = self.work.means.clock
        begun = clock.monotonic()
        while True:
            missing = tuple(unmet(task, await self._look(task)))
            waited = clock.monotonic() - begun
            if not missing:
                return f"after {format_duration(waited)}"
            if waited >= task.within_seconds:
                more = f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
                raise CommandFailed(
                    f"not within {format_duration(task.within_seconds)}:"
                    f" {'; '.join(missing[:_SHOWN])}{more}",
                    hint="phoenixctl status",
                )
            await asyncio.sleep(task.every_seconds)

    async def _look(self, task: Wait) -> Snapshot:
        """Its nodes; for agents, all nodes that there are."""
        means, fleet = self.work.means, self.work.fleet
        nodes = [name for name in task.nodes if name in fleet.nodes]
        return await observe(
            fleet,
            means.reach,
            means.clock,
            means.records,
            nodes=list(fleet.nodes) if task.agents else nodes,
            depth=FULL,
        )

    async def _notify(self, trail: Trail, task: Notify) -> str:
        """Who cannot be told is no reason to stop what is told about."""
        play = self.work.plan.play
        told = {
            "schema": "phoenixctl.notice/1",
            "fleet": self.work.fleet.name,
            "text": task.text,
            "step": trail.step.stage,
            "playbook": play.playbook if play else None,
            "batch": play.batch + 1 if play else None,
            "batches": len(play.batches) if play else None,
            "of_batch": list(play.batches[play.batch]) if play else [],
            "failed": list(play.failed) if play else [],
            "undoing": play.undoing if play else False,
        }
        command = Command(*task.argv, stdin=json.dumps(told).encode() + b"\n")
        try:
            completed = await self._here.run(command, timeout_seconds=task.timeout_seconds)
        except PhoenixError as error:
            return f"warning: nobody was told: {error}"
        if not completed.ok:
            return f"warning: nobody was told: {task.argv[0]} {_ended(completed)}"
        return "told"


def unmet(task: Wait, snapshot: Snapshot) -> Iterator[str]:
    """Who is not where the wait wants it, a few words each; what is not known is not there."""
    if not task.agents:
        for name in task.nodes:
            node = snapshot.nodes.get(name)
            if not isinstance(node, NodeObservation):
                yield f"{name} does not answer"
            else:
                yield from _beyond(task, name, node.metrics.get(Metric(task.metric)))
        return
    for node in snapshot.unobserved():
        yield f"{node.name} does not answer"
    found = [agent for agent in snapshot.agents() if parts(agent.id)[0] in task.agents]
    alive = [agent for agent in found if agent.state is not AgentState.STOPPED]
    stopped = {agent.id for agent in found} - {agent.id for agent in alive}
    yield from (f"{agent} does not run" for agent in sorted(stopped))
    for agent in alive:  # what it has left on nodes where it was before says nothing
        yield from _beyond(task, agent.id, agent.metrics.get(AgentMetric(task.metric)))
    seen = {parts(agent.id)[0] for agent in found}
    yield from (f"no agent of {name} was found" for name in task.agents if name not in seen)


def _beyond(task: Wait, name: NodeName | AgentId, reading: Reading | None) -> Iterator[str]:
    if reading is None or reading.value is None:
        why = f" ({reading.why})" if reading is not None and reading.why else ""
        yield f"{task.metric} of {name} is not known{why}"
    elif (task.below is not None and reading.value >= task.below) or (
        task.above is not None and reading.value <= task.above
    ):
        yield f"{task.metric} of {name} is {reading.value:g}"


def _ended(completed: Completed) -> str:
    """`ended with status 3: its last words`."""
    how = (
        f"was ended by {completed.signal}"
        if completed.exit_status is None
        else f"ended with status {completed.exit_status}"
    )
    said = (completed.stderr.strip() or completed.stdout.strip()).decode("utf-8", "replace")
    last = "; ".join(line[:_LONGEST_LINE] for line in said.splitlines()[-_LAST_LINES:])
    return f"{how}: {last}" if last else how
