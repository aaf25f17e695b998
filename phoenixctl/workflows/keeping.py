"""A checkpoint from one node to another, where it is whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from secrets import token_hex
from typing import Final

from phoenixctl.model.command import Command, Completed
from phoenixctl.model.errors import CommandFailed, PhoenixError
from phoenixctl.model.fleet import Fleet
from phoenixctl.model.names import AgentId, NodeName
from phoenixctl.model.outcome import Succeeded
from phoenixctl.planning.peers import Shelves
from phoenixctl.ports.clock import Clock
from phoenixctl.ports.reach import Reach, Session
from phoenixctl.remote.checkpoints import (
    CheckpointId,
    Content,
    Shelf,
    drop_command,
    keep_command,
    parse_drop,
    parse_keep,
    parse_receive,
    parse_shelf,
    part_of,
    receive_command,
    shelf_command,
)

# A large checkpoint is read whole for its checksum.
READING_SECONDS: Final = 900.0


@dataclass(frozen=True, slots=True)
class Listing:
    """What nodes keep, as they said at `at` (operator's monotonic seconds); why others did not."""

    shelves: Shelves
    silent: Mapping[NodeName, PhoenixError]
    at: float


@dataclass(frozen=True, slots=True)
class Keeping:
    """Reads and fills the shelves of nodes."""

    fleet: Fleet
    reach: Reach
    clock: Clock

    async def listing(self, nodes: Iterable[NodeName]) -> Listing:
        """Asks these nodes what they keep, with one command for each, all at once."""

        async def job(session: Session) -> Shelf:
            node = self.fleet.nodes[session.node]
            completed = await session.run(shelf_command(node, self.fleet.name))
            if completed.stdout_truncated:
                raise CommandFailed(f"{node.name} keeps more checkpoints than can be listed")
            return parse_shelf(completed)

        at = self.clock.monotonic()
        outcomes = await self.reach.each(nodes, job)
        shelves = {name: o.value for name, o in outcomes.items() if isinstance(o, Succeeded)}
        silent = {name: o.error for name, o in outcomes.items() if not isinstance(o, Succeeded)}
        return Listing(shelves, silent, at)

    async def copy(
        self,
        agent: AgentId,
        checkpoint: CheckpointId,
        content: Content,
        *,
        source: tuple[NodeName, str],
        target: NodeName,
        age_seconds: Callable[[], float],
    ) -> bool:
        """Keep it on the target too; whether it was new there. `source` is a node and a path.

        CommandFailed when the disk there is full or what arrived is damaged; nothing of it is left
        there then.
        """
        from phoenixctl.workflows.copying import copy_file  # few starts need it

        fleet, node, token = self.fleet, self.fleet.nodes[target], token_hex(6)
        receive = receive_command(
            agent, node, fleet.name, checkpoint, token=token, size=content.size
        )
        into = parse_receive(await self._run(target, receive)).path
        if into is None:
            return False
        try:
            await copy_file(fleet, self.reach, source, (target, into))
            keep = keep_command(
                agent, node, fleet.name, checkpoint, content, token=token,
                age_seconds=age_seconds(),
            )  # fmt: skip
            return parse_keep(await self._run(target, keep))
        except BaseException:
            with suppress(PhoenixError):
                await self.drop(agent, target, part_of(checkpoint, token))
            raise

    async def drop(self, agent: AgentId, node: NodeName, *names: str) -> int:
        """Remove these from a node's shelf; how many there were."""
        command = drop_command(agent, self.fleet.nodes[node], self.fleet.name, *names)
        return parse_drop(await self._run(node, command))

    async def _run(self, node: NodeName, command: Command) -> Completed:
        async def job(session: Session) -> Completed:
            return await session.run(command, timeout_seconds=READING_SECONDS)

        outcome = (await self.reach.each((node,), job))[node]
        if isinstance(outcome, Succeeded):
            return outcome.value
        raise outcome.error
