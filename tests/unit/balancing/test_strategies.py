"""Who gets the next request."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest

from phoenixctl.balancing.pool import Measured, NoHealthyNode, Peer, Pool
from phoenixctl.balancing.strategies.every import PICKS, finished, measured, started
from phoenixctl.balancing.strategies.resource_aware import score
from phoenixctl.model.balancing import BalancingSettings, PeerStatus, StrategyName

SETTINGS = BalancingSettings()
EVERY = pytest.mark.parametrize("strategy", StrategyName)


def pool(*names: str, **weights: float) -> Pool:
    made = Pool(SETTINGS)
    for name in names:
        made.add(name)
    for name, weight in weights.items():
        made.add(name, weight=weight)
    return made


def picked(from_pool: Pool, strategy: StrategyName, count: int, *, hold: bool = False) -> list[str]:
    """Names in their order, a request a second; each is over before the next unless held."""
    rng = Random(7)
    names = []
    for second in range(count):
        peer = started(from_pool, strategy, rng, float(second))
        names.append(peer.name)
        if not hold:
            finished(peer, 0.01, float(second))
    return names


def test_round_robin_takes_turns_whatever_the_weights() -> None:
    assert picked(pool(a=1.0, b=0.5, c=2.0), StrategyName.ROUND_ROBIN, 6) == list("abcabc")


def test_round_robin_takes_turns_also_at_the_same_instant() -> None:
    three, rng = pool(*"abc"), Random(1)
    names = [started(three, StrategyName.ROUND_ROBIN, rng, 5.0).name for _ in range(6)]
    assert names == list("abcabc")


def test_weighted_round_robin_is_smooth() -> None:
    # As in nginx's own example of weights 5, 1 and 1, here 2, 0.4 and 0.4.
    assert picked(pool(a=2.0, b=0.4, c=0.4), StrategyName.WEIGHTED_ROUND_ROBIN, 7) == list(
        "aabacaa"
    )


def test_least_connections_counts_by_weight() -> None:
    found = Counter(picked(pool(a=1.0, b=0.5), StrategyName.LEAST_CONNECTIONS, 9, hold=True))
    assert found == {"a": 6, "b": 3}


def test_two_choices_never_leave_one_far_behind() -> None:
    found = Counter(picked(pool(*"abcdefgh"), StrategyName.TWO_CHOICES, 400, hold=True))
    assert max(found.values()) - min(found.values()) <= 4


def test_peak_ewma_leaves_who_has_become_slow_at_once() -> None:
    both = pool("a", "b")
    for name, seconds in (("a", 0.01), ("b", 0.01), ("b", 2.0)):
        finished(both.peers[name], seconds, 0.0)
    assert set(picked(both, StrategyName.PEAK_EWMA, 5)) == {"a"}


@pytest.mark.parametrize(
    "strategy",
    [StrategyName.RESPONSE_TIME, StrategyName.RESOURCE_AWARE, StrategyName.PREDICTIVE],
)
def test_what_was_measured_gives_more_and_never_all(
    strategy: StrategyName,
) -> None:
    two = pool("good", "bad")
    for name, cpu, response in (("good", 0.1, 0.01), ("bad", 0.9, 0.04)):
        two.peers[name].measured = Measured(
            0, cpu=cpu, response_seconds=response, requests_per_second=10
        )
    for _ in range(5):
        measured(two, strategy)
    found = Counter(picked(two, strategy, 400))
    assert found["good"] > 1.5 * found["bad"] > 30


def test_the_resource_score_is_the_specified_one() -> None:
    seen = Measured(0, cpu=0.5, memory=0.4, network=0.1, response_seconds=0.25)
    assert score(seen) == pytest.approx(0.3 * 0.5 + 0.3 * 0.4 + 0.2 * 0.1 + 0.2 * 0.25)
    slow = Measured(0, cpu=0.0, memory=0.0, network=0.0, response_seconds=9.0)
    assert score(slow) == pytest.approx(0.2)
    assert score(Measured(0, cpu=0.5)) == 0.5
    assert score(Measured(0)) is None


@EVERY
def test_nobody_healthy_is_an_error_that_names_them(strategy: StrategyName) -> None:
    down = pool("a", "b")
    for peer in down.peers.values():
        peer.status = PeerStatus.UNHEALTHY
    with pytest.raises(NoHealthyNode, match="none of the pool is healthy: a, b") as error:
        PICKS[strategy](down, Random(1), 0.0)
    assert error.value.hint == "phoenixctl balance status"
    with pytest.raises(NoHealthyNode, match="nobody in the pool"):
        PICKS[strategy](pool(), Random(1), 0.0)


@EVERY
def test_who_is_unhealthy_or_drains_gets_nothing(strategy: StrategyName) -> None:
    five = pool(*"abcde")
    five.peers["b"].status = PeerStatus.UNHEALTHY
    five.peers["c"].status = PeerStatus.DRAINING
    assert set(picked(five, strategy, 200)) == set("ade")


@EVERY
def test_with_too_few_healthy_ones_all_get_some_but_who_drains(strategy: StrategyName) -> None:
    five = pool(*"abcde")
    for name in "abc":
        five.peers[name].status = PeerStatus.UNHEALTHY
    five.peers["d"].status = PeerStatus.DRAINING
    assert set(picked(five, strategy, 200)) == set("abce")


def test_health_changes_after_looks_in_a_row() -> None:
    one = pool("a")
    peer = one.peers["a"]

    def look(*found: bool) -> PeerStatus:
        for good in found:
            one.looked("a", good=good, now=50.0)
        return peer.status

    assert look(False, False, True, False, False) is PeerStatus.HEALTHY
    assert look(False) is PeerStatus.UNHEALTHY
    assert look(True, False, True) is PeerStatus.UNHEALTHY
    assert look(True) is PeerStatus.HEALTHY
    assert one.share_of(peer, 51.0) < 0.2  # it comes back slowly


def test_a_new_peer_gets_its_share_slowly() -> None:
    one = pool("a")
    peer = one.add("new", weight=1.0, since=100.0)
    shares = [one.share_of(peer, 100.0 + age) for age in (0, 3, 15, 30, 60)]
    assert shares == pytest.approx([0.1, 0.1, 0.5, 1.0, 1.0])


@EVERY
def test_one_peer_gets_everything(strategy: StrategyName) -> None:
    assert picked(pool("a"), strategy, 3) == ["a"] * 3


@EVERY
def test_the_same_seed_picks_the_same(strategy: StrategyName) -> None:
    first, second = (picked(pool(*"abcd"), strategy, 50, hold=True) for _ in range(2))
    assert first == second


def test_a_weight_is_kept_within_its_bounds() -> None:
    assert [pool().add("a", weight=w).weight for w in (0.0, 1.2, 9.0)] == [0.1, 1.2, 2.0]
    assert isinstance(pool().add("a"), Peer)
