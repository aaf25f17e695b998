"""Who may get a request: peers with status, weight and what they have open."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from phoenixctl.balancing.curve import NOTHING_LEARNED, Curve
from phoenixctl.model.balancing import BalancingSettings, PeerStatus
from phoenixctl.model.errors import PhoenixError


class NoHealthyNode(PhoenixError):
    """Nobody could take a request."""

    kind = "no healthy node"


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured of a peer, `at` seconds. None is unknown.

    The first three are ratios. `requests_per_second` is the load that the response time is of.
    """

    at: float
    cpu: float | None = None
    memory: float | None = None
    network: float | None = None
    response_seconds: float | None = None
    requests_per_second: float | None = None


@dataclass(slots=True)
class Peer:
    """One replica as whoever sends requests knows it. Times are in seconds, of any one clock.

    `good` and `bad` looks in a row make its status. `turn` is what smooth round robin owes it,
    `latency` what peak-EWMA thinks of it, `share` what a strategy by measured values gives it,
    `curve` how it slows down under load.
    """

    name: str
    weight: float = 1.0
    status: PeerStatus = PeerStatus.HEALTHY
    connections: int = 0
    last_use: float | None = None
    since: float | None = None  # when it came; None: it has always been there
    good: int = 0
    bad: int = 0
    turn: float = 0.0
    latency: float | None = None
    latency_at: float = 0.0
    share: float = 1.0
    curve: Curve = NOTHING_LEARNED
    measured: Measured | None = None


@dataclass(slots=True)
class Pool:
    """All peers of one backend, in the order in which they came."""

    settings: BalancingSettings
    peers: dict[str, Peer] = field(default_factory=dict)

    def add(self, name: str, *, weight: float = 1.0, since: float | None = None) -> Peer:
        """A new peer; one of that name that is there already gets the weight."""
        peer = self.peers.get(name)
        if peer is None:
            peer = self.peers[name] = Peer(name, since=since)
        peer.weight = min(max(weight, self.settings.least), self.settings.most)
        return peer

    def remove(self, name: str) -> None:
        self.peers.pop(name, None)

    def looked(self, name: str, *, good: bool, now: float) -> None:
        """What a look at a peer's health found. It takes `fall` bad ones in a row to make it
        unhealthy and `rise` good ones to make it healthy, so that one that flaps stays as it is.
        One that comes back gets its share slowly, like a new one."""
        peer = self.peers[name]
        peer.good, peer.bad = (peer.good + 1, 0) if good else (0, peer.bad + 1)
        if peer.status is PeerStatus.HEALTHY and peer.bad >= self.settings.fall:
            peer.status = PeerStatus.UNHEALTHY
        elif peer.status is PeerStatus.UNHEALTHY and peer.good >= self.settings.rise:
            peer.status = PeerStatus.HEALTHY
            peer.since = now

    def candidates(self) -> Sequence[Peer]:
        """Who may be picked: the healthy ones; with too few of them all that do not drain, as the
        few would be the next to fall. NoHealthyNode when there is none at all."""
        serving = [p for p in self.peers.values() if p.status is not PeerStatus.DRAINING]
        healthy = [p for p in serving if p.status is PeerStatus.HEALTHY]
        if not healthy:
            raise NoHealthyNode(_none_healthy(serving), hint="phoenixctl balance status")
        few = len(healthy) < self.settings.panic_below * len(serving)
        return serving if few else healthy

    def share_of(self, peer: Peer, now: float) -> float:
        """A peer's weight, less while it is new: from a tenth to all of it over the slow start."""
        if peer.since is None:
            return peer.weight
        age, whole = now - peer.since, self.settings.slow_start_seconds
        if age >= whole:
            return peer.weight
        return peer.weight * max(0.1, age / whole)


def _none_healthy(serving: Iterable[Peer]) -> str:
    names = [peer.name for peer in serving]
    if not names:
        return "there is nobody in the pool who takes requests"
    return f"none of the pool is healthy: {', '.join(names[:5])}" + (
        f" and {len(names) - 5} more" if len(names) > 5 else ""
    )
