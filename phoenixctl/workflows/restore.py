"""An agent that starts on a node that has not its state begins from its last checkpoint.

Found when it is started, by asking every node what it keeps. Done again after a crash, it begins
from the same one, until it was seen to serve; from then on with the state that is there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from phoenixctl.model.errors import CommandFailed, PhoenixError
from phoenixctl.model.fleet import Agent
from phoenixctl.model.names import AgentId
from phoenixctl.model.outcome import Succeeded
from phoenixctl.model.plan import Action
from phoenixctl.model.units import format_duration
from phoenixctl.planning.peers import Offer, Shelves, kept_of, offers
from phoenixctl.ports.reach import Session
from phoenixctl.remote.checkpoints import forget_command, parse_drop
from phoenixctl.remote.restoring import (
    again_command,
    confirm_command,
    here_command,
    parse_confirm,
    parse_here,
    parse_place,
    place_command,
)
from phoenixctl.workflows.hooks import call
from phoenixctl.workflows.keeping import READING_SECONDS, Keeping, Listing
from phoenixctl.workflows.work import Trail, Work


@dataclass(frozen=True, slots=True)
class Restored:
    """What a start begins from: `path` on its node, the epoch that it has, and how it is told."""

    path: str
    epoch: int
    words: str


@dataclass(frozen=True, slots=True)
class Restore:
    """Begins the starts of a run from checkpoints, where that is needed."""

    work: Work

    async def before(
        self, session: Session, trail: Trail, agent: Agent, epoch: int
    ) -> Restored | None:
        """Lay the agent's last checkpoint ready for a start with this epoch or a later one; None
        when it has none, or starts with the state that the node has.

        CommandFailed when there are some and none can be used: it must not start empty then.
        """
        if trail.step.action is not Action.START or agent.spec.checkpoints is None:
            return None
        node, fleet = self.work.fleet.nodes[session.node], self.work.fleet.name
        here = parse_here(await session.run(here_command(agent.id, node, fleet)))
        listing = await self._listing()
        passed: list[str] = []
        found = offers(agent.id, listing.shelves, above=here.epoch, target=session.node)
        # A record that was built anew may not know it; what comes next has to be the later.
        epoch = max([epoch, *(offer.kept.id.epoch + 1 for offer in found)])
        for offer in found:
            path = await self._laid(
                session, agent, offer, listing=listing, epoch=epoch, passed=passed
            )
            if path is not None:
                await trail.note({"restored": str(offer.kept.id)})
                return Restored(path, epoch, self._words(offer, passed, listing))
        if passed:
            raise _unusable(agent.id, passed, listing.shelves)
        if here.pending is None:
            return None
        again = again_command(agent.id, node, fleet, here.pending, epoch)
        path = parse_place(await session.run(again))
        return Restored(str(path), epoch, "from the checkpoint that it was started from before")

    async def after(
        self, session: Session, agent: Agent, restored: Restored, *, serves: bool
    ) -> None:
        """The agent was started. Its hook, if it has one, has to succeed; once it serves, it is
        not started from the checkpoint again."""
        fleet, hook = self.work.fleet, agent.spec.restore
        if hook is not None:
            await call(session, hook, agent.id, agent.port, fleet)
        if serves or hook is not None:
            node = fleet.nodes[session.node]
            command = confirm_command(agent.id, node, fleet.name, restored.path)
            parse_confirm(await session.run(command))

    async def forget(self, agent: AgentId) -> str:
        """Remove all its checkpoints with its state; says how many were removed, and where not."""
        fleet = self.work.fleet

        async def job(session: Session) -> int:
            command = forget_command(agent, fleet.nodes[session.node], fleet.name)
            return parse_drop(await session.run(command))

        outcomes = await self.work.means.reach.each(fleet.nodes, job)
        removed = sum(o.value for o in outcomes.values() if isinstance(o, Succeeded))
        left = [name for name, o in outcomes.items() if not isinstance(o, Succeeded)]
        said = f"{removed} {'copy' if removed == 1 else 'copies'} of its checkpoints removed"
        return f"{said}, those on {', '.join(left)} are left" if left else said

    async def _listing(self) -> Listing:
        """What the nodes keep, asked once for all starts of the run."""
        if self.work.listing is None:
            asking = self._keeping.listing(tuple(self.work.fleet.nodes))
            self.work.listing = asyncio.ensure_future(asking)
        return await asyncio.shield(self.work.listing)

    @property
    def _keeping(self) -> Keeping:
        return Keeping(self.work.fleet, self.work.means.reach, self.work.means.clock)

    async def _laid(
        self,
        session: Session,
        agent: Agent,
        offer: Offer,
        *,
        listing: Listing,
        epoch: int,
        passed: list[str],
    ) -> str | None:
        """Where the checkpoint lies on the target now; None when no copy of it can be used, and
        then `passed` says why."""
        kept, target = offer.kept, session.node
        for node in offer.nodes:
            try:
                if node != target:
                    await self._keeping.copy(
                        agent.id,
                        kept.id,
                        kept.content,
                        source=(node, listing.shelves[node].path(agent.id, kept.id)),
                        target=target,
                        age_seconds=lambda: self._age(offer, listing),
                    )
                path = await self._placed(session, agent, offer, epoch)
            except PhoenixError as error:
                passed.append(f"epoch {kept.id.epoch} on {node}: {error}")
                continue
            if path is not None:
                return path
            passed.append(f"epoch {kept.id.epoch} on {node}: its checksum differs")
            await self._keeping.drop(agent.id, target, str(kept.id))
        return None

    async def _placed(self, session: Session, agent: Agent, offer: Offer, epoch: int) -> str | None:
        command = place_command(
            agent.id,
            self.work.fleet.nodes[session.node],
            self.work.fleet.name,
            offer.kept.id,
            offer.kept.content,
            user=agent.spec.user,
            epoch=epoch,
        )
        return parse_place(await session.run(command, timeout_seconds=READING_SECONDS))

    def _age(self, offer: Offer, listing: Listing) -> float:
        return offer.kept.age_seconds + self.work.means.clock.monotonic() - listing.at

    def _words(self, offer: Offer, passed: Sequence[str], listing: Listing) -> str:
        """How old it is: what was acknowledged since is lost."""
        said = f"from its checkpoint, {format_duration(self._age(offer, listing))} old"
        if listing.silent:
            said += f" (of those that answer; not: {', '.join(listing.silent)})"
        return f"{said}; passed over: {'; '.join(passed)}" if passed else said


def _unusable(agent: AgentId, passed: Sequence[str], shelves: Shelves) -> CommandFailed:
    node, base = next((name, shelves[name].base) for name, _ in kept_of(agent, shelves))
    return CommandFailed(
        f"{agent}: none of its checkpoints can be used: {'; '.join(passed)}",
        hint=f"to start it empty: phoenixctl exec -n {node} -- rm -r {base}/checkpoints/{agent}",
    )
