"""Whether a cluster can decide."""

from __future__ import annotations

import pytest

from phoenixctl.model.errors import Unreachable
from phoenixctl.model.measuring import Asked, Collector, CollectorKind, Sample
from phoenixctl.model.names import NodeName
from phoenixctl.performance.consensus import Standing, consensus_of

STORE = Collector("store", CollectorKind.ETCD)
FINE, SICK, LEADERLESS = (1, 1), (0, 1), (0, 0)


def asked(*members: tuple[int, int] | None, peers: int | None = None) -> list[Asked]:
    """Healthy and led, of each member; None gave no answer."""
    more = () if peers is None else (Sample("consensus_peers", peers),)
    return [
        Asked(STORE, NodeName(f"n{number}"), error=Unreachable("gone"))
        if member is None
        else Asked(
            STORE,
            NodeName(f"n{number}"),
            (
                Sample("consensus_healthy", member[0]),
                Sample("consensus_has_leader", member[1]),
                *more,
            ),
        )
        for number, member in enumerate(members)
    ]


@pytest.mark.parametrize(
    ("members", "standing"),
    [
        ([FINE, FINE, FINE], Standing.HEALTHY),
        ([FINE, FINE, None], Standing.DEGRADED),
        ([FINE, FINE, SICK], Standing.DEGRADED),
        ([FINE, None, None], Standing.DEGRADED),  # it has a leader, so a majority is somewhere
        ([LEADERLESS, None, None], Standing.LOST),
        ([LEADERLESS, LEADERLESS, FINE], Standing.LOST),
        ([SICK, SICK, FINE], Standing.LOST),
        ([None, None, None], Standing.UNKNOWN),
    ],
)
def test_a_cluster_stands_as_its_members_say(
    members: list[tuple[int, int] | None], standing: Standing
) -> None:
    (found,) = consensus_of(asked(*members))
    assert found.standing is standing
    assert (found.members, found.majority) == (3, 2)


def test_members_that_are_not_of_this_fleet_count_too() -> None:
    (found,) = consensus_of(asked(FINE, peers=5))
    assert (found.members, found.answered, found.standing) == (5, 1, Standing.DEGRADED)


def test_other_collectors_tell_nothing_of_consensus() -> None:
    assert consensus_of([Asked(Collector("x", CollectorKind.REDIS), NodeName("a"))]) == ()
