"""Instances that no record has are destroyed by their id, each looked at once more before."""

from __future__ import annotations

from dataclasses import dataclass, replace

from phoenixctl.model.errors import Refused
from phoenixctl.model.fleet import Node
from phoenixctl.model.instance import Instance
from phoenixctl.model.names import NodeName
from phoenixctl.model.plan import Action, Step
from phoenixctl.model.snapshot import NodeObservation
from phoenixctl.planning.fingerprint import holder
from phoenixctl.planning.orphans import ADOPT
from phoenixctl.workflows.provision import pool_of, provider_of
from phoenixctl.workflows.retire import refuse_agents
from phoenixctl.workflows.work import Trail, Work


@dataclass(frozen=True, slots=True)
class Reap:
    """Does the steps that destroy orphans. The record has nothing of them, and stays as it is."""

    work: Work

    async def destroy(self, trail: Trail) -> str:
        """Have its provider remove it; one that somebody has a claim to by now is left alone."""
        step = trail.step
        pool, provider = pool_of(self.work, step), provider_of(self.work, step)
        listed = await provider.list(pool)
        found = next((one for one in listed if one.id == step.instance), None)
        self._refuse_claimed(step, found)
        if found is not None:
            await self._refuse_used(found)
        # Not listed is not proven gone: its provider may be behind, or about to end it.
        nobody = Instance(Node(step.node, pool.name, address=""), step.instance)
        try:
            await provider.destroy(pool, found or nobody)
        except Refused as refused:
            raise _unprotected_elsewhere(refused, step) from refused
        return f"destroyed {step.instance}" if found is not None else "was gone"

    def _refuse_claimed(self, step: Step, found: Instance | None) -> None:
        """Refused when it was taken in, is of another record, or its creation is still open."""
        state = self.work.state
        taken_in = holder(step.instance, state)
        if taken_in is not None:
            raise Refused(
                f"{step.instance} is in the record now, as {taken_in}", hint="phoenixctl plan"
            )
        if found is None:
            return
        if not state.lineage or found.lineage != state.lineage:
            by = found.lineage or "an unknown one"
            raise Refused(f"{step.instance} is of another record, {by}", hint=ADOPT)
        for open_step in self.work.operation.unfinished:
            key = f"{open_step.operation} {open_step.step.key}"
            if open_step.step.action is Action.CREATE and key == found.operation:
                raise Refused(
                    f"{step.instance} was made by `{key}`, which has no known end yet",
                    hint="phoenixctl apply finishes that first",
                )

    async def _refuse_used(self, found: Instance) -> None:
        """CommandFailed when an agent lives there, as far as that machine can be asked."""
        # By its own id: another machine may have its node's name.
        alias = NodeName(found.id)
        self.work.know(replace(found.node, name=alias))
        seen = (await self.work.look([alias])).nodes[alias]
        if isinstance(seen, NodeObservation):
            refuse_agents(seen, hint=ADOPT)
        self.work.forget(alias)


def _unprotected_elsewhere(refused: Refused, step: Step) -> Refused:
    """Only what is recorded can be unprotected by us."""
    hint = f"take the protection of {step.instance} off at its provider" if refused.hint else ""
    return Refused(refused.what, hint=hint)
