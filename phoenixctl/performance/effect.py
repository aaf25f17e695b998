"""What a change did: nodes that have it against nodes that have not, after it against before it.

The node is the sample, not the request: requests of one node share its neighbours, its cache and
its minute, so that a test on requests finds an effect in nearly every harmless change. What happens
to all nodes alike drops out in the difference of the differences, on a log scale as response times
multiply. How sure it is comes from the permutation test (Fisher 1935): how often would other nodes,
drawn in the canaries' place, show as much?
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from math import ceil, comb, exp
from statistics import NormalDist
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

ALPHA: Final = 0.04  # of harmless changes, so many may be taken for harmful ones
POWER: Final = 0.9  # of effects of the least size told by `detectable` that are found
_MOST_DRAWS: Final = 20_000  # 5 of 20 nodes can be drawn in 15,504 ways: all of them are tried
_LEAST_KNOWN: Final = 0.5  # of a node's values before and after, else it is left out


@dataclass(frozen=True, slots=True)
class Effect:
    """By how much values are higher than they would be without the change: 0.1 is 10 % more.

    `low` to `high` holds the true one in 92 of 100 cases. `worse` and `better` are the chances of
    at least such a rise or fall if the change did nothing. `harmful` and `useful` are the verdicts,
    which also reckon with the looks before this one.
    """

    ratio: float
    low: float
    high: float
    worse: float
    better: float
    harmful: bool
    useful: bool
    canaries: int
    controls: int


@dataclass(frozen=True, eq=False)
class Course:
    """Values of nodes before and after a change, each of shape (times, nodes) and equally far
    apart; NaN is unknown. `canary` of shape (nodes,) tells who has the change. `planned` is how
    many times will be looked at after it, of which `after` has the first.
    """

    before: Floats
    after: Floats
    canary: Flags
    planned: int

    def __post_init__(self) -> None:
        if not 0 < len(self.after) <= self.planned:
            raise ValueError("after a change there are values, and no more than planned")


def can_tell(canaries: int, controls: int, *, alpha: float = ALPHA) -> bool:
    """Whether any outcome could be surer than chance: not with 1 canary beside 10 others."""
    return min(canaries, controls) > 0 and 1 / comb(canaries + controls, canaries) <= alpha


def effect(course: Course, *, seed: int, alpha: float = ALPHA) -> Effect | None:
    """The effect so far, judged at the end of each of its times; None where nothing could be told.

    Looking five times at the same chance of error would take one of seven harmless changes for
    harmful. The error is spent as O'Brien and Fleming's boundary spends it (Lan and DeMets 1983):
    nearly nothing early, when only a large effect is to be seen, nearly all of it at the end.
    Draws beyond 20,000 are by `seed`.
    """
    differences, canary = _differences(course)
    canaries, controls = int(canary.sum()), int((~canary).sum())
    if not can_tell(canaries, controls, alpha=alpha):
        return None
    drawn = _drawn(canaries, canaries + controls, seed)
    shown = _shown(differences, canary)
    others = _statistics(differences, drawn)
    latest, spread = shown[-1], others[:, -1]
    spent = [_spent((look + 1) / course.planned, alpha) for look in range(len(shown))]
    within = _within(differences[-1], canary, drawn, alpha)
    return Effect(
        ratio=exp(latest) - 1,
        low=exp(within[0]) - 1,
        high=exp(within[1]) - 1,
        worse=_share(spread, latest),
        better=_share(-spread, -latest),
        harmful=_crossed(others, shown, spent),
        useful=_crossed(-others, -shown, spent),
        canaries=canaries,
        controls=controls,
    )


def detectable(
    before: Floats, canaries: int, *, planned: int, alpha: float = ALPHA, power: float = POWER
) -> float | None:
    """The least rise, as a ratio, that such a trial will find with this `power`.

    It is reckoned from how much nodes have differed of themselves between two stretches of the time
    before, the later one as long as the trial; `before` has shape (times, nodes). None where that
    is too short or the nodes are too few.
    """
    if len(before) < 2 * planned or not can_tell(canaries, before.shape[1] - canaries, alpha=alpha):
        return None
    moved = _means(before[-planned:]) - _means(before[:-planned])
    moved = moved[~np.isnan(moved)]
    controls = moved.size - canaries
    if controls < 1:
        return None
    usual = NormalDist()
    reach = usual.inv_cdf(1 - alpha) + usual.inv_cdf(power)
    deviation = float(moved.std(ddof=1)) * (1 / canaries + 1 / controls) ** 0.5
    return exp(reach * deviation) - 1


def _differences(course: Course) -> tuple[Floats, Flags]:
    """Of each node, its mean log until each look less the one before; shape (looks, nodes)."""
    before = _means(course.before)
    logs = _logs(course.after)
    known = ~np.isnan(logs)
    counts = np.cumsum(known, axis=0)
    sums = np.cumsum(np.where(known, logs, 0.0), axis=0)
    looks = np.arange(1, len(logs) + 1)[:, None]
    after = np.where(counts >= _LEAST_KNOWN * looks, sums / np.maximum(counts, 1), np.nan)
    found = after - before
    complete = ~np.isnan(found[-1])
    # A node that is unknown at an early look only is as all others there: it tells nothing.
    middle = np.nanmean(np.where(complete, found, np.nan), axis=1, keepdims=True)
    return np.where(np.isnan(found), middle, found)[:, complete], course.canary[complete]


def _means(values: Floats) -> Floats:
    """The mean log of each node; NaN where less than half is known."""
    logs = _logs(values)
    count = np.count_nonzero(~np.isnan(logs), axis=0)
    total = np.nansum(logs, axis=0)
    enough = count >= max(1, ceil(_LEAST_KNOWN * len(logs)))
    return np.where(enough, total / np.maximum(count, 1), np.nan)


def _logs(values: Floats) -> Floats:
    return np.log(np.where(values > 0, values, np.nan))


@lru_cache(maxsize=8)
def _drawn(canaries: int, nodes: int, seed: int) -> Flags:
    """Who would be the canaries in each draw, shape (draws, nodes)."""
    if comb(nodes, canaries) <= _MOST_DRAWS:
        chosen = np.array(list(combinations(range(nodes), canaries)))
    else:
        order = np.random.default_rng(seed).random((_MOST_DRAWS, nodes))
        chosen = np.argpartition(order, canaries, axis=1)[:, :canaries]
    drawn = np.zeros((len(chosen), nodes), bool)
    np.put_along_axis(drawn, chosen, True, axis=1)
    drawn.flags.writeable = False  # it is kept for the next look
    return drawn


def _shown(differences: Floats, canary: Flags) -> Floats:
    shown: Floats = _statistics(differences, canary[None, :])[0]
    return shown


def _statistics(differences: Floats, drawn: Flags) -> Floats:
    """The mean of those drawn less that of the others, shape (draws, looks)."""
    chosen = int(drawn[0].sum())
    rest = drawn.shape[1] - chosen
    sums: Floats = drawn.astype(np.float64) @ differences.T
    others: Floats = (differences.sum(axis=1) - sums) / rest
    return sums / chosen - others


def _share(others: Floats, shown: float) -> float:
    """How many of the draws show as much; the draw that was made is one of them."""
    return float(np.count_nonzero(others >= shown - 1e-12) / others.size)


def _spent(time: float, alpha: float) -> float:
    """How much of `alpha` may be spent until this part of the trial; all of it at 1."""
    usual = NormalDist()
    return 2 - 2 * usual.cdf(usual.inv_cdf(1 - alpha / 2) / time**0.5)


def _crossed(others: Floats, shown: Floats, spent: list[float]) -> bool:
    """Whether the effect is beyond the boundary at one of the looks.

    The boundary of a look is where, of the draws that crossed none before, as many cross it as may.
    """
    left = np.ones(len(others), bool)
    for look, share in enumerate(spent):
        here = others[:, look]
        most = int(share * len(others) + 1e-9) - int(np.count_nonzero(~left))
        if most <= 0:
            continue
        ranked = np.sort(here[left])[::-1]
        boundary = ranked[most] if most < ranked.size else -np.inf  # those above it may cross
        if shown[look] > boundary + 1e-12:
            return True
        left &= here <= boundary + 1e-12
    return False


def _within(differences: Floats, canary: Flags, drawn: Flags, alpha: float) -> tuple[float, float]:
    """The effects which, taken away from the canaries, leave what chance would show (both sides at
    `alpha`); on the log scale."""
    both = np.stack([differences, canary.astype(np.float64)])
    shown, others = _shown(both, canary), _statistics(both, drawn)
    reach = 2 * float(np.ptp(differences)) + 1e-9

    def likely(shift: float) -> bool:
        left = others[:, 0] - shift * others[:, 1]
        middle = float(shown[0] - shift)
        return min(_share(left, middle), _share(-left, -middle)) > alpha

    middle = float(shown[0])
    return _edge(likely, middle, middle - reach), _edge(likely, middle, middle + reach)


def _edge(likely: Callable[[float], bool], inside: float, outside: float) -> float:
    """Where between the two it stops being likely."""
    for _ in range(24):
        between = (inside + outside) / 2
        if likely(between):
            inside = between
        else:
            outside = between
    return inside
