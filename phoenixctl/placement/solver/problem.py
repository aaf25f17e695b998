"""Placing agents on nodes as frozen arrays: what is hard, what costs, and what may be moved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

Ints: TypeAlias = NDArray[np.int64]
Floats: TypeAlias = NDArray[np.float64]
Singles: TypeAlias = NDArray[np.float32]
Bools: TypeAlias = NDArray[np.bool_]

NOWHERE: Final = -1
NODES: Final = 0  # the partition in which every node is a domain of its own


@dataclass(frozen=True, slots=True)
class Apart:
    """No agent of `groups` shares a domain with another one of `others`."""

    groups: tuple[int, ...]
    others: tuple[int, ...]
    partition: int = NODES


@dataclass(frozen=True, slots=True)
class Together:
    """An agent of `groups` has another one of `others` in its domain.

    The two are either the same groups or have none in common. If they are the same, the first
    agent may go anywhere. `mutual`: an agent may go anywhere too while none of `others` is placed.
    """

    groups: tuple[int, ...]
    others: tuple[int, ...]
    partition: int = NODES
    mutual: bool = False


@dataclass(frozen=True, slots=True)
class Spread:
    """The agents of `groups` are in at least so many domains."""

    groups: tuple[int, ...]
    partition: int
    at_least: int


@dataclass(frozen=True, slots=True)
class Skew:
    """No domain has so many more agents of `groups` than the one with the fewest.

    Counted are the domains with a node that takes agents of these groups.
    """

    groups: tuple[int, ...]
    partition: int
    at_most: int = 1


@dataclass(frozen=True, slots=True)
class Pull:
    """Each pair of an agent of `groups` and another one of `others` in one domain costs this.

    Below zero they attract each other. Soft affinity, and with a group itself a soft spread.
    """

    groups: tuple[int, ...]
    others: tuple[int, ...]
    partition: int
    cost: float


@dataclass(frozen=True, slots=True)
class Hinges:
    """Soft caps. A node pays `weight` for each unit of a column above its soft cap.

    Columns are mixed from resources: soft capacity has one resource in a column; a wanted balance
    of free a to free b (at least t units of a for one of b) mixes two. An infinite cap costs
    nothing. Several caps for one resource make a price that rises with the load.
    """

    mix: Floats  # (R, H)
    soft: Floats  # (N, H)
    weight: Floats  # (H,)


@dataclass(frozen=True, slots=True)
class MoveCosts:
    """What it costs that an agent is not at home: its own part, the way, the most moved group."""

    agent: Floats  # (A,)
    kind: Ints  # (N,) nodes of one kind are equally far from others
    between: Floats  # (Q, Q) from kind to kind
    group: float = 0.0  # times the number of moved agents of the group with the most


@dataclass(frozen=True, slots=True)
class Problem:
    """A agents of G groups for N nodes with R resources.

    Agents of one group are alike in their rules, not in their needs. `transient` resources are
    used at home too by an agent that is elsewhere. An agent without a home has `NOWHERE`.
    """

    capacity: Floats  # (N, R)
    need: Floats  # (A, R)
    group: Ints  # (A,)
    groups: int
    home: Ints  # (A,)
    transient: Bools  # (R,)
    eligible: Bools  # (E, N)
    eligible_row: Ints  # (G,) into `eligible`
    preference: Floats  # (F, N) cost of an agent there
    preference_row: Ints  # (G,) into `preference`
    hinges: Hinges
    moves: MoveCosts
    open_cost: Floats  # (N,) of a node with any agent
    unplaced_cost: Floats  # (A,)
    movable: Bools  # (A,) others stay where they are
    partitions: tuple[Ints, ...]  # each (N,): the node's domain; the first is `NODES`
    apart: tuple[Apart, ...] = ()
    together: tuple[Together, ...] = ()
    spread: tuple[Spread, ...] = ()
    skew: tuple[Skew, ...] = ()
    pulls: tuple[Pull, ...] = ()
    most_moves: int | None = None  # agents that are not at home

    @property
    def agents(self) -> int:
        return len(self.need)

    @property
    def nodes(self) -> int:
        return len(self.capacity)

    def domains(self, partition: int) -> int:
        """How many domains a partition has."""
        return int(self.partitions[partition].max(initial=-1)) + 1


def describe(
    capacity: ArrayLike,
    need: ArrayLike,
    *,
    group: ArrayLike | None = None,
    home: ArrayLike | None = None,
    transient: ArrayLike | None = None,
    eligible: ArrayLike | None = None,
    eligible_row: ArrayLike | None = None,
    preference: ArrayLike | None = None,
    preference_row: ArrayLike | None = None,
    hinges: Hinges | None = None,
    moves: MoveCosts | None = None,
    open_cost: ArrayLike = 0.0,
    unplaced_cost: ArrayLike = 1.0,
    movable: ArrayLike = True,
    partitions: Sequence[ArrayLike] = (),
    apart: Sequence[Apart] = (),
    together: Sequence[Together] = (),
    spread: Sequence[Spread] = (),
    skew: Sequence[Skew] = (),
    pulls: Sequence[Pull] = (),
    most_moves: int | None = None,
) -> Problem:
    """A problem in which all that is not said is free.

    Without `group` every agent is a group of its own. `partitions` come after `NODES`, so the
    first of them is number 1.
    """
    cap, wanted = _floats(capacity), _floats(need)
    agents, nodes = wanted.shape[0], cap.shape[0]
    of = np.arange(agents) if group is None else np.asarray(group, np.int64)
    groups = max(int(of.max(initial=-1)) + 1, *_named(apart, together, spread, skew, pulls))
    return Problem(
        capacity=cap,
        need=wanted,
        group=of,
        groups=groups,
        home=_ints(home, agents, NOWHERE),
        transient=np.zeros(cap.shape[1], bool) if transient is None else _bools(transient),
        eligible=np.ones((1, nodes), bool) if eligible is None else _bools(eligible),
        eligible_row=_ints(eligible_row, groups, 0),
        preference=np.zeros((1, nodes)) if preference is None else _floats(preference),
        preference_row=_ints(preference_row, groups, 0),
        hinges=hinges or _no_hinges(cap),
        moves=moves or MoveCosts(np.zeros(agents), np.zeros(nodes, np.int64), np.zeros((1, 1))),
        open_cost=np.broadcast_to(_floats(open_cost), nodes),
        unplaced_cost=np.broadcast_to(_floats(unplaced_cost), agents),
        movable=np.broadcast_to(_bools(movable), agents),
        partitions=(np.arange(nodes), *(np.asarray(p, np.int64) for p in partitions)),
        apart=tuple(apart),
        together=tuple(together),
        spread=tuple(spread),
        skew=tuple(skew),
        pulls=tuple(pulls),
        most_moves=most_moves,
    )


def soft_caps(soft: ArrayLike, weight: ArrayLike = 1.0) -> Hinges:
    """A soft cap (N, R) for each resource with the price (R,) of a unit above it."""
    caps = _floats(soft)
    resources = caps.shape[1]
    return Hinges(np.eye(resources), caps, np.broadcast_to(_floats(weight), resources))


def _named(*rules: Sequence[Apart | Together | Spread | Skew | Pull]) -> Sequence[int]:
    """One more than each group that a rule names."""
    of = [group for kind in rules for rule in kind for group in rule.groups]
    of += [g for kind in rules for r in kind if not isinstance(r, Spread | Skew) for g in r.others]
    return [0, *(group + 1 for group in of)]


def _no_hinges(capacity: Floats) -> Hinges:
    nodes, resources = capacity.shape
    return Hinges(np.zeros((resources, 0)), np.zeros((nodes, 0)), np.zeros(0))


def _floats(values: ArrayLike) -> Floats:
    return np.asarray(values, np.float64)


def _bools(values: ArrayLike) -> Bools:
    return np.asarray(values, np.bool_)


def _ints(values: ArrayLike | None, count: int, default: int) -> Ints:
    return np.full(count, default) if values is None else np.asarray(values, np.int64)
