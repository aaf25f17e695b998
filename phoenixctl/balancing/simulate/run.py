"""One way of spreading requests, played request by request.

Each machine serves first come, first served by its workers, so that the end of a request is known
when it comes; what is left to do in the order of time are arrivals, ends, polls and rounds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from heapq import heappop, heappush, heapreplace
from math import inf
from typing import Final

import numpy as np

from phoenixctl.balancing.pool import Measured, Peer, Pool
from phoenixctl.balancing.simulate.setting import Floats, Machine, Naive, Setting, Way
from phoenixctl.balancing.strategies.every import finished, measured, started
from phoenixctl.balancing.strategies.resource_aware import score
from phoenixctl.balancing.weights import Observed, Round, first_round, next_round
from phoenixctl.model.balancing import BalancingSettings

_REFUSED_SECONDS: Final = 0.001  # a broken machine says so at once
_MEMORY: Final = 0.4  # of each machine, all the time: memory says nothing of the load here


@dataclass(frozen=True, eq=False)
class Outcome:
    """`p50` to `p99` in seconds over all requests, errors taking the whole time-out.

    `errors` is a share of the requests. `imbalance` is how much busier the busiest machine was than
    all on average, 0.1 being 10 %. `weights` has shape (rounds, machines).
    """

    way: Way
    requests: int
    p50: float
    p95: float
    p99: float
    errors: float
    imbalance: float
    weights: Floats


@dataclass(slots=True)
class _Server:
    """A machine at work. `free` has the time at which each worker has nothing left to do."""

    machine: Machine
    speed: float
    free: list[float]
    given: float = 0.0  # seconds of work that it ever got
    served: int = 0
    failed: int = 0
    took: float = 0.0
    connections: int = 0
    before: tuple[float, int, int, float] = (0.0, 0, 0, 0.0)  # at the last poll
    at_round: tuple[float, int, int, float] = (0.0, 0, 0, 0.0)
    worked: float = 0.0  # when judging began

    def done(self, now: float) -> float:
        """Seconds of work that are behind it."""
        return self.given - sum(end - now for end in self.free if end > now)

    def take(self, now: float, work: float) -> float:
        """When a request that comes now is answered."""
        begin = max(now, self.free[0])
        end = begin + work / self.speed
        self.given += end - begin
        heapreplace(self.free, end)
        return end


@dataclass(slots=True)
class _Play:
    setting: Setting
    way: Way
    settings: BalancingSettings
    rng: np.random.Generator
    servers: list[_Server]
    pools: list[Pool]
    round: Round
    weights: list[Floats] = field(default_factory=list)
    best: int = 0  # of what was polled


def simulate(
    setting: Setting, way: Way, settings: BalancingSettings | None = None, *, seed: int = 0
) -> Outcome:
    """Play all of the setting; the same requests come for the same seed whatever the way."""
    play = _begun(setting, way, settings or BalancingSettings(), seed)
    arrivals, work = _requests(setting, seed)
    took = np.empty(arrivals.size)
    _played(play, arrivals.tolist(), work.tolist(), took)
    return _outcome(play, arrivals, took)


def _begun(setting: Setting, way: Way, settings: BalancingSettings, seed: int) -> _Play:
    servers = [_Server(m, m.speed, [0.0] * m.workers) for m in setting.machines]
    pools = []
    for _ in range(setting.balancers):
        pool = Pool(settings)
        for machine in setting.machines:
            pool.add(machine.name)
        pools.append(pool)
    names = [machine.name for machine in setting.machines]
    return _Play(
        setting,
        way,
        settings,
        np.random.default_rng([seed, 1]),
        servers,
        pools,
        first_round(names, at_seconds=0.0),
    )


def _requests(setting: Setting, seed: int) -> tuple[Floats, Floats]:
    """When requests come, and how long each takes an ordinary machine."""
    rng = np.random.default_rng(seed)
    counts = rng.poisson(setting.rates)
    second = np.repeat(np.arange(counts.size), counts)
    arrivals = np.sort(second + rng.random(second.size))
    middle = np.log(setting.service_seconds) - setting.sigma**2 / 2
    return arrivals, rng.lognormal(middle, setting.sigma, second.size)


def _played(play: _Play, arrivals: list[float], work: list[float], took: Floats) -> None:
    index = {server.machine.name: n for n, server in enumerate(play.servers)}
    ends: list[tuple[float, int, Peer, int, float]] = []
    times = _Times(play, index)
    timeout, strategy = play.setting.timeout_seconds, play.way.strategy
    for number, now in enumerate(arrivals):
        while ends and ends[0][0] <= now:
            _ended(play, heappop(ends))
        if now >= times.next:
            times.come(now)
        pool = play.pools[number % len(play.pools)]
        if isinstance(strategy, Naive):
            peer = _best(play, pool, now)
        else:
            peer = started(pool, strategy, play.rng, now)
        at = index[peer.name]
        server = play.servers[at]
        server.connections += 1
        broken = server.speed <= 0
        over = now + _REFUSED_SECONDS if broken else server.take(now, work[number])
        lost = broken or over - now > timeout
        took[number] = timeout if lost else over - now
        if lost and not broken:
            over = now + timeout
        heappush(ends, (over, number, peer, at, -1.0 if lost else over - now))


class _Times:
    """What comes at times of its own: polls, rounds, what happens to machines, the first judged
    moment."""

    def __init__(self, play: _Play, index: Mapping[str, int]) -> None:
        setting = play.setting
        self._play = play
        self._index = index
        self._happenings = sorted(setting.happenings, key=lambda h: h.at_seconds, reverse=True)
        self._poll, self._round = setting.poll_seconds, setting.round_seconds
        self._judged: float = setting.warm_seconds
        self.next = 0.0

    def come(self, now: float) -> None:
        play, setting = self._play, self._play.setting
        if now >= self._poll:
            _polled(play, now)
            self._poll += setting.poll_seconds
        if now >= self._round:
            _round(play, now)
            self._round += setting.round_seconds
        while self._happenings and self._happenings[-1].at_seconds <= now:
            happening = self._happenings.pop()
            play.servers[self._index[happening.machine]].speed = happening.speed
        if now >= self._judged:
            self._judged = inf
            for server in play.servers:
                server.worked = server.done(now)
        happens = self._happenings[-1].at_seconds if self._happenings else inf
        self.next = min(self._poll, self._round, self._judged, happens)


def _ended(play: _Play, end: tuple[float, int, Peer, int, float]) -> None:
    now, _, peer, at, seconds = end
    server = play.servers[at]
    server.connections -= 1
    if seconds < 0:
        server.failed += 1
        finished(peer, play.setting.timeout_seconds, now)
    else:
        server.served += 1
        server.took += seconds
        finished(peer, seconds, now)


def _best(play: _Play, pool: Pool, now: float) -> Peer:
    peer = pool.peers[play.servers[play.best].machine.name]
    peer.connections += 1
    peer.last_use = now
    return peer


def _polled(play: _Play, now: float) -> None:
    """What senders hear of the machines: how busy they were, and how long answers took."""
    found = [_measured(play, server, now) for server in play.servers]
    if isinstance(play.way.strategy, Naive):
        play.best = _best_of(play, found)
        return
    for pool in play.pools:
        for server, seen in zip(play.servers, found, strict=True):
            pool.peers[server.machine.name].measured = seen
        measured(pool, play.way.strategy)


def _measured(play: _Play, server: _Server, now: float) -> Measured:
    seconds = play.setting.poll_seconds
    done, served, failed, took = server.before
    server.before = (server.done(now), server.served, server.failed, server.took)
    used = (server.before[0] - done) / (seconds * server.machine.workers)
    count = server.served - served
    lost = server.failed - failed
    total = server.took - took + lost * play.setting.timeout_seconds
    return Measured(
        at=now,
        cpu=min(used, 1.0),
        memory=_MEMORY,
        network=min(used, 1.0) / 10,
        response_seconds=total / (count + lost) if count + lost else None,
        requests_per_second=(count + lost) / seconds,
    )


def _best_of(play: _Play, found: list[Measured]) -> int:
    def value(number: int) -> float:
        seen = found[number]
        match play.way.strategy:
            case Naive.POLLED_RESPONSE:
                return seen.response_seconds or 0.0
            case Naive.POLLED_SCORE:
                return score(seen) or 0.0
            case _:
                return play.servers[number].connections

    return min(range(len(found)), key=value)


def _round(play: _Play, now: float) -> None:
    if play.way.formula is None:
        return
    seen = _observed(play, now)
    play.round = next_round(play.round, seen, play.settings, at_seconds=now)
    play.weights.append(play.round.weight)
    for pool in play.pools:
        for name, weight in play.round.weights().items():
            pool.peers[name].weight = weight


def _observed(play: _Play, now: float) -> Observed:
    seconds = play.setting.round_seconds
    rows = []
    for server in play.servers:
        done, served, failed, took = server.at_round
        server.at_round = (server.done(now), server.served, server.failed, server.took)
        count, lost = server.served - served, server.failed - failed
        used = (server.at_round[0] - done) / (seconds * server.machine.workers)
        response = (server.took - took) / count if count else np.nan
        rows.append(((count + lost) / seconds, min(used, 1.0), lost / seconds, response))
    requests, used_all, errors, responses = np.array(rows).T
    whole = np.full(len(rows), 1.0)
    memory, network = np.full(len(rows), _MEMORY), used_all / 10
    return Observed(
        play.round.names, requests, used_all, errors, responses, whole, whole * now,
        used_all, memory, network,
    )  # fmt: skip


def _outcome(play: _Play, arrivals: Floats, took: Floats) -> Outcome:
    setting = play.setting
    judged = took[arrivals >= setting.warm_seconds]
    end = float(arrivals[-1])
    busy = [(server.done(end) - server.worked) / server.machine.workers for server in play.servers]
    p50, p95, p99 = np.quantile(judged, [0.5, 0.95, 0.99])
    return Outcome(
        way=play.way,
        requests=int(judged.size),
        p50=float(p50),
        p95=float(p95),
        p99=float(p99),
        errors=float(np.mean(judged >= setting.timeout_seconds)),
        imbalance=max(busy) / (sum(busy) / len(busy)) - 1 if any(busy) else 0.0,
        weights=np.array(play.weights).reshape(len(play.weights), len(play.servers)),
    )
