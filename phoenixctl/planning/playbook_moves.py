"""The moves of a playbook as plans: each is what the command of the same name would do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from phoenixctl.model.fleet import Agent, Fleet
from phoenixctl.model.names import AgentId, NodeName
from phoenixctl.model.plan import Plan, Stopping
from phoenixctl.model.playbook import (
    Batch,
    Drain,
    Migrate,
    Move,
    Rebalance,
    Reboot,
    Restart,
    Scale,
    Specification,
    Uncordon,
)
from phoenixctl.model.rules import BY_DEFAULT, Rebalancing
from phoenixctl.model.snapshot import AgentState, Snapshot
from phoenixctl.model.state import State
from phoenixctl.planning.cordons import plan_uncordon
from phoenixctl.planning.difference import plan_changes
from phoenixctl.planning.drain import plan_drain
from phoenixctl.planning.known import Inventory
from phoenixctl.planning.lifecycle import plan_restart
from phoenixctl.planning.migrate import plan_migrate
from phoenixctl.planning.rebalance import plan_rebalance
from phoenixctl.planning.reboot import plan_reboot
from phoenixctl.planning.scope import Scope


@dataclass(frozen=True, slots=True)
class Moves:
    """Implements `planning.playbook.Movers`. `configured` is the fleet as it is written; the
    snapshot that is given covers all nodes that are known. `former` are the digests of the
    specifications that agents had before the run."""

    configured: Fleet
    known: Fleet
    state: State
    inventory: Inventory
    config_digest: str
    bootstrap_digests: Mapping[str, str]
    former: Mapping[AgentId, str] = field(default_factory=dict)

    def __call__(self, move: Move, batch: Batch, snapshot: Snapshot) -> Plan:
        match move:
            case Drain() | Reboot():
                return self._emptied(move, batch, snapshot)
            case Uncordon():
                pools = {name: self.known.nodes[name].pool for name in batch.nodes}
                return plan_uncordon(batch.nodes, snapshot, pools=pools)
            case Restart():
                former = self.former if move.specification is Specification.FORMER else None
                agents = self._agents(batch, snapshot)
                return plan_restart(agents, snapshot, at_once=move.at_once, former=former)
            case Migrate():
                return self._migrated(move, batch, snapshot)
            case Scale():
                return self._scaled(move, snapshot)
            case Rebalance():
                return self._rebalanced(move, snapshot)

    def _emptied(self, move: Drain | Reboot, batch: Batch, snapshot: Snapshot) -> Plan:
        make = plan_drain if isinstance(move, Drain) else plan_reboot
        return make(
            batch.nodes,
            self.configured,
            self.state,
            snapshot,
            self.inventory,
            stop=Stopping(move.stop) if move.stop else None,
            grace_seconds=move.deadline_seconds,
        )

    def _agents(self, batch: Batch, snapshot: Snapshot) -> list[Agent]:
        """The agents of the batch, or those that run on its nodes."""
        wanted = set(batch.agents) | {
            agent.id
            for agent in snapshot.agents()
            if agent.node in batch.nodes and agent.state is not AgentState.STOPPED
        }
        return [agent for agent in self.configured.instances() if agent.id in wanted]

    def _migrated(self, move: Migrate, batch: Batch, snapshot: Snapshot) -> Plan:
        there = [agent.id for agent in snapshot.agents() if agent.state is AgentState.RUNNING
                 and agent.node in batch.nodes]  # fmt: skip
        known = {agent.id for agent in self.configured.instances()}
        return plan_migrate(
            [*batch.agents, *(agent for agent in there if agent in known)],
            self.configured,
            self.state,
            snapshot,
            self.inventory,
            to=NodeName(move.to) if move.to else None,
            way=move.way,
        )

    def _scaled(self, move: Scale, snapshot: Snapshot) -> Plan:
        return plan_changes(
            self.configured,
            self.state,
            snapshot,
            self.inventory,
            config_digest=self.config_digest,
            bootstrap_digests=self.bootstrap_digests,
            scope=Scope(targets=(f"pool.{move.pool}",), sizes={move.pool: move.size}),
        )

    def _rebalanced(self, move: Rebalance, snapshot: Snapshot) -> Plan:
        usual = (self.configured.placement or BY_DEFAULT).rebalance
        settings: Rebalancing = replace(
            usual,
            goal=usual.goal if move.goal is None else move.goal,
            max_moves=usual.max_moves if move.max_moves is None else move.max_moves,
        )
        return plan_rebalance(
            self.configured,
            self.state,
            snapshot,
            self.inventory,
            settings,
            config_digest=self.config_digest,
        ).plan
