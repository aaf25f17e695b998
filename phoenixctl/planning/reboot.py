"""Plans that reboot nodes, one after the other: drain, reboot, uncordon.

The cordon of such a plan names the boot that is to end. So it can be seen on the node itself
whether a plan that was cut off has rebooted it already.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from phoenixctl.model.errors import Refused
from phoenixctl.model.fleet import Fleet
from phoenixctl.model.names import NodeName
from phoenixctl.model.plan import Action, Change, Plan, Risk, Step, Stopping
from phoenixctl.model.snapshot import NodeObservation, Snapshot
from phoenixctl.model.state import State
from phoenixctl.planning import steps
from phoenixctl.planning.emptying import Emptying, reachable
from phoenixctl.planning.known import Inventory

EMBEDDED: Final = "local"
_MARK: Final = re.compile(r"it is rebooted \(boot ([0-9a-f-]{36})\)")


def plan_reboot(
    nodes: Sequence[NodeName],
    fleet: Fleet,
    state: State,
    snapshot: Snapshot,
    inventory: Inventory,
    *,
    stop: Stopping | None = None,
    grace_seconds: float | None = None,
) -> Plan:
    """Empty each node, reboot it, and let it take agents again; then the next one.

    As in `plan_drain`; what is stopped is started there again. A node that was cordoned by somebody
    before stays so. Refused for nodes that are no machines of their own.
    """
    observed = reachable(nodes, snapshot, "rebooted")
    emptying = Emptying.of(
        nodes, fleet, state, snapshot, inventory, stop=stop, grace_seconds=grace_seconds
    )
    _refuse_embedded(nodes, emptying.fleet)
    before: tuple[str, ...] = ()
    for rank, node in enumerate(observed):
        before = _rebooted(emptying, node, rank, before)
    for name in nodes:
        if name not in emptying.back:
            kept = f"{name} stays cordoned, as it was before; then: phoenixctl nodes uncordon"
            emptying.draft.notes.append(f"{kept} {name}")
    if any(step.action is Action.START for step in emptying.draft.steps.values()):
        emptying.draft.notes.append("nothing is moved back; for that: phoenixctl rebalance")
    again = f"phoenixctl nodes reboot {' '.join(nodes)} --stop"
    return emptying.plan(f"reboot {', '.join(nodes)}", again)


def _rebooted(
    emptying: Emptying, node: NodeObservation, rank: int, before: tuple[str, ...]
) -> tuple[str, ...]:
    """The steps of one node, after those `before`; what the next node waits for."""
    ours = _marked_boot(node)
    pool = emptying.fleet.nodes[node.name].pool
    reboot, back = f"{Action.REBOOT} {node.name}", f"{Action.UNCORDON} {node.name}"
    if node.cordon is None or ours is not None:
        emptying.back[node.name] = back
    mark = f"it is rebooted (boot {node.boot_id})"
    emptying.cordon(node, mark, f"{node.name} is rebooted", before, rank)
    done = ours is not None and ours != node.boot_id
    already = set(emptying.draft.steps)
    if not done:
        emptying.empty((node,))
        drained = [
            key
            for key, step in emptying.draft.steps.items()
            if key not in already
            and step.action is not Action.START
            and node.name in (step.source or step.node,)
        ]
        first = emptying.making.ground.leaving[node.name].first
        emptying.draft.add(_reboot(node, pool, (*first, *drained)))
    else:
        emptying.unchanged.append(f"{node.name} was rebooted")
        emptying.return_to(node)
    last = () if done else (reboot,)
    if node.name in emptying.back:
        why = "it takes agents again"
        emptying.draft.add(steps.uncordon(node.name, why, pool=pool, after=last))
        emptying.making.ground.joins[node.name] = back
        emptying.seating.add(replace(node, cordon=None, agents=()))
        last = (back,)
    returned = [
        key
        for key, step in emptying.draft.steps.items()
        if step.action is Action.START and step.node == node.name
    ]
    return (*last, *returned)


def _reboot(node: NodeObservation, pool: str, after: tuple[str, ...]) -> Step:
    return Step(
        Action.REBOOT,
        node.name,
        None,
        "when nothing of the fleet runs there",
        Risk.DISRUPTIVE,
        after,
        pool=pool,
        changes=(Change("boot", node.boot_id, None, known=False),),
    )


def _marked_boot(node: NodeObservation) -> str | None:
    """The boot that a plan of ours was to end, None when somebody else has cordoned the node."""
    found = _MARK.fullmatch(node.cordon.reason) if node.cordon is not None else None
    return found.group(1) if found is not None else None


def _refuse_embedded(nodes: Sequence[NodeName], fleet: Fleet) -> None:
    for name in nodes:
        pool = fleet.pools.get(fleet.nodes[name].pool)
        if pool is not None and pool.provider == EMBEDDED:
            raise Refused(
                f"{name} is a process on this machine and cannot be rebooted",
                hint=f"to have it made anew: phoenixctl apply --replace {name}",
            )
