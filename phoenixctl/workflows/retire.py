"""Nodes go: they are protected or not, and destroyed or forgotten when nothing runs on them."""

from __future__ import annotations

from dataclasses import dataclass, replace

from phoenixctl.model.errors import CommandFailed, PhoenixError, Refused
from phoenixctl.model.instance import Instance
from phoenixctl.model.plan import Action, Step
from phoenixctl.model.snapshot import NodeObservation, NodeUnobserved
from phoenixctl.model.state import NodeRecord, Patch, State
from phoenixctl.planning.copies import ALIVE
from phoenixctl.planning.known import STATIC
from phoenixctl.ports.reach import Session
from phoenixctl.remote.cordon import parse_cordon, uncordon_command
from phoenixctl.remote.joined import parse_mark, unmark_command
from phoenixctl.workflows.provision import pool_of, provider_of
from phoenixctl.workflows.work import Trail, Work

_PROVEN = {"empty": "nothing of the fleet runs there"}


@dataclass(frozen=True, slots=True)
class Retire:
    """Does the steps that take nodes out of the fleet, and those that keep them from it."""

    work: Work

    async def protect(self, trail: Trail) -> str:
        """Let no plan remove the node, and no call to its provider; or let them again."""
        step, work = trail.step, self.work
        on = step.action is Action.PROTECT
        record = work.state.nodes.get(step.node)
        if record is None:
            raise CommandFailed(f"{step.node} is not recorded", hint="phoenixctl apply")
        if record.provider != STATIC:
            provider = provider_of(work, step)
            await provider.protect(pool_of(work, step), _instance(record, work.state), on=on)
        trail.changed(Patch(nodes={step.node: replace(record, protected=on)}))
        return "protected" if on else "may be removed"

    async def destroy(self, trail: Trail) -> str:
        """Prove that nothing of the fleet runs there, and have its provider remove it."""
        step, work = trail.step, self.work
        pool, provider = pool_of(work, step), provider_of(work, step)
        record = work.state.nodes.get(step.node)
        self._refuse_protected(record)
        instance = _instance(record, work.state) if record else await self._listed(step)
        if instance is not None:
            await self._prove_empty(trail, instance)
            await provider.destroy(pool, instance)
        self._gone(trail)
        return "destroyed" if instance is not None else "was gone"

    async def forget(self, trail: Trail) -> str:
        """Take our marks off a host that stays, and drop it from the record."""
        step, work = trail.step, self.work
        record = work.state.nodes.get(step.node)
        self._refuse_protected(record)
        if record is None:
            return "was forgotten"
        said = ""
        if await self._prove_empty(trail, _instance(record, work.state)):
            await work.on(step.node, self._take_marks_off)
        else:
            said = "; it does not answer, so its marks stay"
        self._gone(trail)
        return f"forgotten{said}"

    def _refuse_protected(self, record: NodeRecord | None) -> None:
        if record is not None and record.protected:
            name = record.node.name
            raise Refused(f"{name} is protected", hint=f"phoenixctl nodes unprotect {name}")

    async def _prove_empty(self, trail: Trail, instance: Instance) -> bool:
        """Whether the node answers. CommandFailed when an agent lives there; the node's own error
        when it cannot be asked and the plan did not know that."""
        step = trail.step
        if step.node not in self.work.fleet.nodes:
            self.work.know(instance.node)
        seen = (await self.work.look([step.node])).nodes[step.node]
        if isinstance(seen, NodeUnobserved):
            proven = any(note.items() >= _PROVEN.items() for note in trail.notes)
            if not proven and not _known_silent(step):
                raise _unproven(step, seen.error)
            return False
        refuse_agents(seen, hint=f"phoenixctl nodes drain {seen.name}")
        await trail.note(_PROVEN)
        return True

    async def _listed(self, step: Step) -> Instance | None:
        """A node that is not recorded, as its provider knows it; not one of another record."""
        provider, lineage = provider_of(self.work, step), self.work.state.lineage
        listed = await provider.list(pool_of(self.work, step))
        mine = (i for i in listed if i.lineage == lineage and i.node.name == step.node)
        return next(mine, None)

    async def _take_marks_off(self, session: Session) -> None:
        node, fleet = self.work.fleet.nodes[session.node], self.work.fleet.name
        parse_cordon(await session.run(uncordon_command(node, fleet)))
        parse_mark(await session.run(unmark_command(node, fleet)))

    def _gone(self, trail: Trail) -> None:
        """Neither the node is recorded any more nor what was there; epochs stay."""
        name, state = trail.step.node, self.work.state
        lost = [record.id for record in state.agents.values() if record.node == name]
        epochs = {agent: self.work.epoch(agent) for agent in lost}
        trail.changed(Patch(nodes={name: None}, agents=dict.fromkeys(lost), epochs={**epochs}))
        self.work.forget(name)


def _known_silent(step: Step) -> bool:
    """Whether the plan was made knowing that the node does not answer, and vouched for."""
    return "answers=no" in step.relies_on.get(f"node.{step.node}", "").split("; ")


def refuse_agents(seen: NodeObservation, *, hint: str) -> None:
    """CommandFailed when an agent lives there."""
    alive = [agent.id for agent in seen.agents if agent.state in ALIVE]
    if alive:
        some = ", ".join(alive[:3]) + (f" and {len(alive) - 3} more" if len(alive) > 3 else "")
        raise CommandFailed(f"{seen.name} is still needed: {some} on it", hint=hint)


def _unproven(step: Step, error: PhoenixError) -> PhoenixError:
    told = type(error)(
        f"{error.what}; so nobody knows what runs on {step.node}",
        hint=f"if that machine is dead: phoenixctl plan --assume-dead {step.node}",
    )
    told.hop = error.hop
    return told


def _instance(record: NodeRecord, state: State) -> Instance:
    return Instance(
        record.node,
        record.id,
        zone=record.zone,
        kind=record.kind,
        market=record.market,
        protected=record.protected,
        lineage=state.lineage,
        operation=record.operation,
    )
