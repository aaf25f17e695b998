"""What no plan may exceed: it is computed all the same, and not carried out."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from phoenixctl.model.fleet import Guards
from phoenixctl.model.names import AgentId, NodeName
from phoenixctl.model.plan import Action, Breach, Step
from phoenixctl.planning.copies import Copies
from phoenixctl.planning.order import sorted_names

_ENDS = (Action.DESTROY, Action.FORGET)
_TAKES_DOWN = (Action.STOP, Action.DRAIN)


def breaches(
    steps: Sequence[Step],
    guards: Guards,
    copies: Copies,
    *,
    nodes: Collection[str],
    spared: Collection[NodeName],
) -> Iterable[Breach]:
    """Of `max_destroy` and `max_disruption`. `nodes` are all that the fleet has, machines with the
    name of another one by their id; those in `spared` go without us, and so does what runs there.
    """
    ended = [_thing(s, nodes) for s in steps if s.action in _ENDS]
    ended = [name for name in ended if name in nodes and name not in spared]
    allowed = guards.max_destroy.of(len(nodes))
    if len(ended) > allowed:
        yield Breach(
            "max_destroy",
            f"{len(ended)} of {len(nodes)} nodes would be destroyed or forgotten"
            f" ({_some(ended)}); {allowed} may be",
            f"--max-destroy {len(ended)}",
        )
    running = [agent for agent in copies.everyone() if copies.alive(agent)]
    lost = _lost(steps, copies, spared)
    allowed = guards.max_disruption.of(len(running))
    if len(lost) > allowed:
        yield Breach(
            "max_disruption",
            f"{len(lost)} of {len(running)} running agents would be taken down and not come back"
            f" ({_some(lost)}); {allowed} may be",
            f"--max-disruption {len(lost)}",
        )


def _thing(step: Step, nodes: Collection[str]) -> str:
    return step.instance if step.instance in nodes else step.node


def _lost(steps: Iterable[Step], copies: Copies, spared: Collection[NodeName]) -> list[AgentId]:
    """Agents that run now, and in the end do not, by this plan."""
    taken: dict[AgentId, set[NodeName]] = {}
    started: set[AgentId] = set()
    for step in steps:
        if step.agent is None:
            continue
        if step.action in _TAKES_DOWN:
            taken.setdefault(step.agent, set()).add(step.node)
        elif step.action is Action.START:
            started.add(step.agent)
    lost = []
    for agent, places in taken.items():
        alive = {seen.node for seen in copies.alive(agent)}
        if alive and alive <= places and not alive <= set(spared) and agent not in started:
            lost.append(agent)
    return lost


def _some(names: Iterable[str]) -> str:
    shown = sorted_names(names)
    more = f" and {len(shown) - 5} more" if len(shown) > 5 else ""
    return ", ".join(shown[:5]) + more
