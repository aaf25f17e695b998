"""Plans that drain nodes: their agents move to other nodes, or are stopped where that is asked for.

What is seen decides what is still to be done, so that a drain which was cut off goes on when it is
typed again.
"""

from __future__ import annotations

from collections.abc import Sequence

from phoenixctl.model.fleet import Fleet
from phoenixctl.model.names import NodeName
from phoenixctl.model.plan import Plan, Stopping
from phoenixctl.model.snapshot import Snapshot
from phoenixctl.model.state import State
from phoenixctl.planning.emptying import Emptying, reachable
from phoenixctl.planning.known import Inventory


def plan_drain(
    nodes: Sequence[NodeName],
    fleet: Fleet,
    state: State,
    snapshot: Snapshot,
    inventory: Inventory,
    *,
    stop: Stopping | None = None,
    grace_seconds: float | None = None,
) -> Plan:
    """Cordon the nodes, then bring each agent to a node that is not among them.

    `snapshot` covers `known_nodes`. `stop`: which agents are stopped instead; without it, an agent
    that no other node takes is a breach, and nothing may be done. `grace_seconds` takes the place
    of each agent's own drain deadline and grace. Refused when a node does not answer: nothing on it
    could be drained, only given up.
    """
    observed = reachable(nodes, snapshot, "drained")
    emptying = Emptying.of(
        nodes, fleet, state, snapshot, inventory, stop=stop, grace_seconds=grace_seconds
    )
    for node in observed:
        emptying.cordon(node, "so that it takes no new agents", f"{node.name} is drained")
    emptying.empty(observed)
    again = f"phoenixctl nodes drain {' '.join(nodes)} --stop"
    return emptying.plan(f"drain {', '.join(nodes)}", again)
