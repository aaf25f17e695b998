"""Plans that start, stop and restart agents where they are.

Each is the difference between what is asked for and a snapshot, so running it again after an
interruption yields only what is still missing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from phoenixctl.model.fleet import Agent, Fleet
from phoenixctl.model.names import AgentId, NodeName
from phoenixctl.model.placement import Placement
from phoenixctl.model.plan import Action, Change, Plan, Risk, Step
from phoenixctl.model.snapshot import AgentObservation, AgentState, Snapshot
from phoenixctl.planning import steps
from phoenixctl.planning.copies import ALIVE, Copies, latest_first, left_alone, silent_nodes
from phoenixctl.planning.digests import Digests
from phoenixctl.planning.lanes import before_next
from phoenixctl.planning.proof import NO_LEASES, Leases, relying_on_lease, unproven
from phoenixctl.planning.starting import left_behind, unplaced, why_start

__all__ = ["ALIVE", "plan_restart", "plan_start", "plan_stop"]


def plan_start(
    agents: Sequence[Agent],
    fleet: Fleet,
    snapshot: Snapshot,
    *,
    assume_dead: frozenset[NodeName] = frozenset(),
    fenced: frozenset[NodeName] = frozenset(),
    leases: Leases = NO_LEASES,
    on: NodeName | None = None,
) -> Plan:
    """Start what does not run: `on` that node, else where it was before, else where placement puts
    it.

    An agent that was found nowhere may still run on a node that does not answer. It is started
    only when no such node could hold it, or the operator vouches that the node is dead. A
    singleton needs proof: its lease is over, or its node is `fenced`.
    """
    copies, digests = Copies(snapshot), Digests()
    silent = silent_nodes(snapshot, fleet, assume_dead, fenced)
    lapsed = {agent.id for agent in agents if leases.over(agent.id)}
    unchanged: list[str] = []
    warnings: list[str] = []
    starting: list[Agent] = []
    going: list[Step] = []
    hidden: dict[tuple[NodeName, ...], list[Agent]] = {}
    for agent in agents:
        alive, digest = copies.alive(agent.id), digests.of(agent.spec)
        if len(alive) == 1 and alive[0].state is AgentState.STOPPING:
            why = "a stop of it was under way"
            going.append(steps.start(agent.id, alive[0].node, why, digest=digest))
        elif alive:
            unchanged.append(f"{agent.id} runs on {' and '.join(a.node for a in alive)}")
            warnings.extend(_warnings_about(agent, alive, digest))
        elif not (where := silent.may_hold(agent.spec)) or agent.id in lapsed:
            starting.append(agent)
        else:
            hidden.setdefault(where, []).append(agent)
    placement = _placed(starting, fleet, snapshot, copies, on)
    gone = _giving_way(placement, copies)
    starting += [agent for agent in fleet.instances() if agent.id in gone]
    started = (s for a in starting for s in _starts(a, placement, copies, digests, gone))
    found = [*going, *gone.values(), *(relying_on_lease(step, lapsed) for step in started)]
    warnings.extend(_left_alone(hidden, leases))
    warnings.extend(unplaced(placement, on))
    return Plan("start agents", tuple(found), tuple(unchanged), tuple(warnings))


def _left_alone(
    hidden: Mapping[tuple[NodeName, ...], Sequence[Agent]], leases: Leases
) -> Iterable[str]:
    """Those that may run on nodes that do not answer; of singletons, what would prove otherwise."""
    for nodes, agents in hidden.items():
        yield from (unproven(agent, nodes, leases) for agent in agents if agent.spec.singleton)
        ordinary = [agent.id for agent in agents if not agent.spec.singleton]
        if ordinary:
            yield left_alone(nodes, ordinary)


def _placed(
    starting: Sequence[Agent],
    fleet: Fleet,
    snapshot: Snapshot,
    copies: Copies,
    on: NodeName | None,
) -> Placement:
    if not starting:
        return Placement({}, {})
    from phoenixctl.placement.place import place, place_at  # arrays, for plans that place something

    if on is not None:
        return place_at(starting, on, fleet, snapshot)
    homes = {agent.id: copies.homes(agent.id) for agent in starting}
    return place(starting, fleet, snapshot, homes=homes)


def _giving_way(placement: Placement, copies: Copies) -> dict[AgentId, Step]:
    """The stops of those that make room for others."""
    return {
        victim: steps.end(Action.STOP, copies.present(victim), f"it makes room for {winner}")
        for winner, victims in placement.preempted.items()
        for victim in victims
    }


def plan_stop(wanted: Sequence[AgentId], snapshot: Snapshot, *, purge: bool = False) -> Plan:
    """Stop agents wherever they are found; with `purge` also those that are stopped."""
    copies = Copies(snapshot)
    found: list[Step] = []
    unchanged: list[str] = []
    warnings: list[str] = []
    silent = ", ".join(n.name for n in snapshot.unobserved())
    for agent in wanted:
        if not copies.of(agent) and silent:
            warnings.append(f"{agent} was not found, but {silent} did not answer")
        elif not copies.of(agent):
            unchanged.append(f"{agent} is on no node")
        for seen in copies.of(agent):
            if seen.state is AgentState.STOPPED and not purge and not seen.held:
                unchanged.append(f"{agent} is stopped on {seen.node}")
            else:
                risk = Risk.DESTRUCTIVE if purge else Risk.DISRUPTIVE
                how = f"held back ({seen.held})" if seen.held else seen.state
                why = f"it is {how}" + (", and its state is removed" if purge else "")
                found.append(steps.end(Action.STOP, seen, why, risk=risk))
    return Plan("stop agents", tuple(found), tuple(unchanged), tuple(warnings))


def plan_restart(
    agents: Sequence[Agent],
    snapshot: Snapshot,
    *,
    at_once: int,
    former: Mapping[AgentId, str] | None = None,
) -> Plan:
    """Restart agents, at most `at_once` of them at a time; an agent that does not come back
    keeps those behind it from being stopped.

    `former`: by agent the digest of the specification that it goes back to; who has it, or none,
    stays as it is. None: all are restarted with that of now.
    """
    copies, digests = Copies(snapshot), Digests()
    found: list[Step] = []
    unchanged: list[str] = []
    warnings: list[str] = []
    silent = ", ".join(n.name for n in snapshot.unobserved())
    for agent in agents:
        everywhere = copies.of(agent.id)
        # A failed copy beside a living one stays as it is: restarted, the agent would run twice.
        failed = [a for a in latest_first(everywhere) if a.state is AgentState.FAILED]
        chosen = copies.alive(agent.id) or failed[:1]
        if not chosen:
            state = f"is stopped on {everywhere[0].node}" if everywhere else "was found nowhere"
            there = f", but {silent} did not answer" if silent else ""
            start = f"; start it with `agents start {agent.id}`" if not silent else ""
            warnings.append(f"{agent.id} {state}{there}{start}")
        for seen in chosen:
            before = before_next([step.key for step in found[-at_once:]], at_once)
            if former is None:
                found.append(_restart(seen, digests.of(agent.spec), before))
            elif former.get(agent.id, seen.spec_digest) == seen.spec_digest:
                unchanged.append(f"{agent.id} has the spec that it had")
            else:
                found.append(_restart(seen, former[agent.id], before, "it had this spec before"))
    return Plan("restart agents", tuple(found), tuple(unchanged), tuple(warnings))


def _restart(
    seen: AgentObservation, digest: str, after: Iterable[str], why: str = "its spec has changed"
) -> Step:
    older = seen.spec_digest != digest
    changed = (Change("spec", seen.spec_digest or None, digest),) if older else ()
    why = why if older else "asked for"
    return steps.update(
        seen, why, digest=digest, changed=changed, action=Action.RESTART, after=after
    )


def _warnings_about(agent: Agent, alive: Sequence[AgentObservation], digest: str) -> Iterable[str]:
    if len(alive) > 1:
        where = " and ".join(a.node for a in alive)
        yield f"{agent.id} runs {len(alive)} times, on {where}; stop it and start it once"
    if any(a.spec_digest != digest for a in alive):
        yield f"{agent.id} runs an older spec; apply it with `agents restart {agent.id}`"


def _starts(
    agent: Agent,
    placement: Placement,
    copies: Copies,
    digests: Digests,
    gone: Mapping[AgentId, Step],
) -> list[Step]:
    """Its start where placement puts it, after what is left of it elsewhere was stopped, and what
    makes room for it."""
    node = placement.assigned.get(agent.id)
    if node is None:
        return []
    everywhere = copies.of(agent.id)
    own = gone.get(agent.id)
    left: list[Step] = []
    if own is None:
        left = left_behind(everywhere, node)
    first = [*left, *(gone[victim] for victim in placement.preempted.get(agent.id, ()))]
    start = steps.start(
        agent.id,
        node,
        why_start(everywhere, node) if own is None else own.reason,
        digest=digests.of(agent.spec),
        after=[step.key for step in (*first, *([] if own is None else [own]))],
    )
    return [*left, start]
