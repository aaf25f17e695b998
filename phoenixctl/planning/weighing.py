"""The weights that members of routers should have: from what is seen of them, as steps of a plan.

A weight that is not what this side has last set is somebody else's: it is told and left alone until
it is taken back by hand, for two who each put theirs right would never end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from phoenixctl.balancing.kept import round_from
from phoenixctl.balancing.weights import WORDS, Observed, Round, Standing, first_round, next_round
from phoenixctl.model.balancing import (
    BalanceMemory,
    BalancingSettings,
    KeptBackend,
    KeptMember,
)
from phoenixctl.model.names import AgentId, NodeName
from phoenixctl.model.reading import AgentMetric, Metric, Reading
from phoenixctl.model.routing import (
    BackendStatus,
    MemberState,
    RouterFacts,
    RouterSettings,
    RouterStatus,
    SeenMember,
    scaled,
)
from phoenixctl.model.snapshot import AgentObservation, AgentState, NodeObservation, Snapshot
from phoenixctl.planning.order import by_name
from phoenixctl.planning.routing import agent_of

_LEAST_SECONDS: Final = 0.5  # between two counts: of less no rate is made
_RUNNING: Final = (AgentState.RUNNING, AgentState.STARTING)


@dataclass(frozen=True, slots=True)
class Weighed:
    """One member: what was seen of it, and what its weight should be.

    `now` is the weight that its router has, `wanted` the one that it should have; None: it is left
    alone, and `why` says so. `foreign`: somebody else has set it.
    """

    seen: SeenMember
    agent: AgentId | None
    node: NodeName | None
    weight: float | None
    wanted: int | None
    why: str
    foreign: bool = False
    requests_per_second: float | None = None
    error_ratio: float | None = None
    utilization: float | None = None
    response_seconds: float | None = None
    cpu: float | None = None
    memory: float | None = None
    capacity: float | None = None

    @property
    def name(self) -> str:
        return self.seen.member.name

    @property
    def now(self) -> int:
        return self.seen.member.weight

    @property
    def changes(self) -> bool:
        return self.wanted is not None and self.wanted != self.now


@dataclass(frozen=True, eq=False)
class Weighing:
    """One backend, `lb/ingest`, with a round of weights over the members that are ours."""

    of: str
    members: tuple[Weighed, ...]
    round: Round
    before: Round
    pid: int | None
    restarted: bool
    counts: Mapping[str, KeptMember]

    @property
    def largest_change(self) -> float:
        return self.round.largest_change(self.before)


@dataclass(frozen=True, slots=True)
class _Ours:
    """A member with the agent that it is of."""

    seen: SeenMember
    agent: AgentObservation
    kept: KeptMember | None


def weighings(
    statuses: Iterable[RouterStatus],
    snapshot: Snapshot,
    memory: BalanceMemory,
    settings: BalancingSettings,
    *,
    now: float,
    take_back: bool = False,
    growth: Callable[[str], float] = lambda _of: 1.0,
) -> tuple[Weighing, ...]:
    """A round for each backend that answers; `now` in seconds since 1970.

    `growth` tells the load to come of a backend as a multiple of the present one.
    """
    return tuple(
        _Weigher(router.settings, router.facts, backend, snapshot, memory, settings, now,
                 take_back, growth).weighing()
        for router in statuses
        for backend in router.backends
        if backend.error is None
    )  # fmt: skip


@dataclass(frozen=True)
class _Weigher:
    router: RouterSettings
    facts: RouterFacts | None
    backend: BackendStatus
    snapshot: Snapshot
    memory: BalanceMemory
    settings: BalancingSettings
    now: float
    take_back: bool
    growth: Callable[[str], float]

    def weighing(self) -> Weighing:
        of = f"{self.router.name}/{self.backend.name}"
        kept = self.memory.backends.get(of)
        pid = None if self.facts is None else self.facts.pid
        restarted = kept is not None and None not in (pid, kept.pid) and kept.pid != pid
        ours = [] if not self.backend.seen else list(self._ours(kept))
        before = (round_from(kept.round) if kept is not None and kept.round else None) or (
            first_round([one.seen.member.name for one in ours], at_seconds=self.now)
        )
        observed = _observed(ours, self.snapshot, self.now)
        found = next_round(
            before, observed, self.settings, at_seconds=self.now, growth=self.growth(of)
        )
        rows = {
            row.name: row
            for number, one in enumerate(ours)
            for row in [self._row(one, number, observed, found, restarted=restarted)]
        }
        members = tuple(
            rows.get(seen.member.name) or _not_ours(seen)
            for seen in sorted(self.backend.seen, key=lambda seen: by_name(seen.member.name))
        )
        counts = {one.seen.member.name: _counted(one, self.now) for one in ours}
        return Weighing(of, _one_serves(members), found, before, pid, restarted, counts)

    def _ours(self, kept: KeptBackend | None) -> Iterator[_Ours]:
        """Members of agents that were seen, in the order of names."""
        agents: dict[AgentId, AgentObservation] = {}
        for agent in self.snapshot.agents():
            if agent.state in _RUNNING and agent.role == "active":
                agents.setdefault(agent.id, agent)
        known: Mapping[str, KeptMember] = {} if kept is None else kept.members
        for seen in sorted(self.backend.seen, key=lambda seen: by_name(seen.member.name)):
            name = agent_of(seen.member.name, self.backend.specs)
            if name is not None and name in agents:
                yield _Ours(seen, agents[name], known.get(seen.member.name))

    def _row(
        self, one: _Ours, number: int, observed: Observed, found: Round, *, restarted: bool
    ) -> Weighed:
        weight = float(found.weight[number])
        wanted, why, foreign = self._wanted(one, weight, restarted=restarted)
        standing = Standing(int(found.standing[number]))
        told = "" if found.panic or standing is Standing.ESTIMATED else WORDS[standing]
        if found.panic:
            told = "too many fail: all get requests"
        return Weighed(
            seen=one.seen,
            agent=one.agent.id,
            node=one.agent.node,
            weight=weight,
            wanted=wanted,
            why=why or told,
            foreign=foreign,
            requests_per_second=_known(observed.requests_per_second[number]),
            error_ratio=_known(observed.error_ratio[number]),
            utilization=_known(observed.utilization[number]),
            response_seconds=_known(observed.response_seconds[number]),
            cpu=_known(observed.cpu[number]),
            memory=_known(observed.memory[number]),
            capacity=_known(found.capacity[number]),
        )

    def _wanted(
        self, one: _Ours, weight: float, *, restarted: bool
    ) -> tuple[int | None, str, bool]:
        """The weight for the router, why it is left alone, and whether it is somebody else's."""
        member = one.seen.member
        if one.agent.id in self.memory.out:
            return 0, "taken out of balancing", False
        if one.seen.weighs_itself:
            return None, "its agent-check sets the weight", False
        if member.state is not MemberState.READY or one.seen.held:
            return None, f"it is {'held' if one.seen.held else member.state}", False
        given = () if one.kept is None else one.kept.set
        if given and member.weight not in given and not restarted and not self.take_back:
            return None, f"set by another hand: {given[-1]} was set last", True
        return scaled(self.router.weight, weight), "", False


def _one_serves(members: tuple[Weighed, ...]) -> tuple[Weighed, ...]:
    """The same, but nobody's weight becomes 0 when that would leave no one with traffic."""
    after = [m.now if m.wanted is None else m.wanted for m in members]
    ready = [m.seen.member.state is MemberState.READY for m in members]
    if any(weight > 0 and up for weight, up in zip(after, ready, strict=True)):
        return members
    return tuple(
        replace(m, wanted=None, why="somebody has to serve") if m.wanted == 0 else m
        for m in members
    )


def _not_ours(seen: SeenMember) -> Weighed:
    return Weighed(seen, None, None, None, None, "no agent of ours that was seen to run")


def _counted(one: _Ours, now: float) -> KeptMember:
    seen, kept = one.seen, one.kept
    return KeptMember(
        node=one.agent.node,
        agent=one.agent.id,
        address=seen.member.address,
        port=seen.member.port,
        weight=1.0,
        healthy=seen.up is not False and one.agent.ready is not False,
        set=() if kept is None else kept.set,
        total=seen.sessions_total,
        errors=seen.errors_total,
        counted_at=now,
        since=now if kept is None else kept.since,
    )


def _observed(ours: Sequence[_Ours], snapshot: Snapshot, now: float) -> Observed:
    rows = [_seen_of(one, snapshot, now) for one in ours]
    columns = np.array(rows, float).reshape(len(rows), 9).T
    return Observed(tuple(one.seen.member.name for one in ours), *columns)


def _seen_of(one: _Ours, snapshot: Snapshot, now: float) -> tuple[float, ...]:
    """Requests, use, errors, response, availability, age; its node's cpu, memory, network."""
    metrics = one.agent.metrics
    node = snapshot.nodes.get(one.agent.node)
    of_node = node.metrics if isinstance(node, NodeObservation) else {}
    requests = _rate(one, one.seen.sessions_total, _total(one), now)
    if np.isnan(requests):
        requests = _value(metrics.get(AgentMetric.THROUGHPUT))
    errors = _rate(one, one.seen.errors_total, None if one.kept is None else one.kept.errors, now)
    if np.isnan(errors):
        errors = requests * _value(metrics.get(AgentMetric.ERROR_RATE))
    age = np.nan if one.kept is None else now - one.kept.since
    return (
        requests, _use(one.agent, of_node), errors,
        _value(metrics.get(AgentMetric.RESPONSE_MEAN)), _availability(one), age,
        *(_value(of_node.get(m)) for m in (Metric.CPU, Metric.MEMORY, Metric.NETWORK)),
    )  # fmt: skip


def _total(one: _Ours) -> int | None:
    return None if one.kept is None else one.kept.total


def _rate(one: _Ours, total: int | None, before: int | None, now: float) -> float:
    """By how much a counter of the router has grown in a second since the round before."""
    if one.kept is None or total is None or before is None or total < before:
        return float("nan")
    seconds = now - one.kept.counted_at
    return (total - before) / seconds if seconds >= _LEAST_SECONDS else float("nan")


def _use(agent: AgentObservation, of_node: Mapping[Metric, Reading]) -> float:
    """What the agent says itself, else its CPU of what it may have, else its node's."""
    said = _value(agent.metrics.get(AgentMetric.UTILIZATION))
    if not np.isnan(said):
        return said
    cores, limit = _value(agent.metrics.get(AgentMetric.CPU)), agent.limits.get("cpu")
    if limit and not np.isnan(cores):
        return min(cores / limit, 1.0)
    return _value(of_node.get(Metric.CPU))


def _availability(one: _Ours) -> float:
    if one.seen.up is not None:
        return float(one.seen.up)
    return float("nan") if one.agent.ready is None else float(one.agent.ready)


def _value(reading: Reading | None) -> float:
    return float("nan") if reading is None or reading.value is None else reading.value


def _known(value: np.float64) -> float | None:
    return None if np.isnan(value) else float(value)
