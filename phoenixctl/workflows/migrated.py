"""What is recorded of a migration: where the agent is, and how it came there."""

from __future__ import annotations

from typing import Final

from phoenixctl.model.names import AgentId
from phoenixctl.model.state import AgentRecord, Migrated, Patch
from phoenixctl.remote.agents import spec_digest
from phoenixctl.workflows.side import Side
from phoenixctl.workflows.work import Work

KEPT: Final = 20  # migrations of an agent that the record tells of


def recorded_at(side: Side, epoch: int, *, used: int | None = None) -> Patch:
    """The agent is on this side. `used` is the epoch of a copy that was taken back: the next one
    has to be higher."""
    spec = side.agent.spec
    digest, agent = spec_digest(spec), side.agent.id
    return Patch(
        agents={agent: AgentRecord(agent, side.name, digest, epoch)},
        specs={} if digest in side.work.state.specs else {digest: spec},
        epochs={agent: used},
    )


def told_of(agent: AgentId, one: Migrated, work: Work) -> Patch:
    """One more migration of the agent, the latest last."""
    past = work.state.migrations.get(agent, ())
    return Patch(migrations={agent: (*past, one)[-KEPT:]})
