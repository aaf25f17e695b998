"""Weights that settle: what each member could take at most, estimated from what it takes now.

A member that serves 200 requests a second while 40 % of it is used could serve 500 (gRPC's proposal
A58). The quotient hardly depends on how much a member is given, so that weights made of it settle,
where weights of response times swing: who gets less answers faster and gets more. Estimates are
averaged over rounds, a weight takes only a part of the step towards its estimate, and what lacks
little stays as it is.

Arrays have shape (members,) in the order of `names`; NaN is unknown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from phoenixctl.balancing.measures import QUICKEST_SECONDS, learned, predicted, to_spare
from phoenixctl.balancing.simple import performance_score, performance_to_weight
from phoenixctl.model.balancing import BalancingSettings, Formula, StrategyName

Floats = NDArray[np.float64]
Codes = NDArray[np.int8]

_LEAST_USED: Final = 0.02  # below this share the quotient is mostly noise, and the last one stays
_LEAST_REQUESTS: Final = 0.1  # a second: fewer in a round are chance
_STEADY: Final = 0.15  # how much a new estimate counts that is like the ones before
_SURPRISE: Final = 0.1  # by which one differs that counts in full
_FAR: Final = 0.1  # from where it should be: nearer than this a weight moves little
_SMALL_MOVE: Final = 0.02
_BUSY: Final = 0.9  # used by so much, a member may fail for having too much
_MANY_ERRORS: Final = 0.5  # of its requests: such a member is looked at as bad


class Standing(IntEnum):
    """What a member's weight is made of."""

    ESTIMATED = 0  # its own estimate, new in this round
    KEPT = 1  # its own, of an earlier round
    MEAN = 2  # it has none: as much as the others have on average
    BLACKOUT = 3  # it is too new to be judged, and gets the mean too
    EJECTED = 4  # it fails, and gets the least there is


COLUMNS: Final = (
    "capacity", "estimated_at", "wanted", "weight", "standing", "health", "ejected", "curves",
)  # fmt: skip
WORDS: Final = {
    Standing.ESTIMATED: "measured",
    Standing.KEPT: "nothing new was measured",
    Standing.MEAN: "never measured, or too long ago: the others' mean",
    Standing.BLACKOUT: "just came: the others' mean",
    Standing.EJECTED: "fails: the least",
}


@dataclass(frozen=True, eq=False)
class Observed:
    """What was seen of each member since the round before.

    `utilization` from 0 to 1, of whatever limits it. `availability` is 1 for one that answers its
    checks and 0 for one that does not. `age_seconds`: how long it has been there. `cpu`, `memory`
    and `network` are ratios of its node.
    """

    names: tuple[str, ...]
    requests_per_second: Floats
    utilization: Floats
    errors_per_second: Floats
    response_seconds: Floats
    availability: Floats
    age_seconds: Floats
    cpu: Floats
    memory: Floats
    network: Floats

    @property
    def error_ratio(self) -> Floats:
        """Errors of all requests; unknown where there were none."""
        requests = np.where(self.requests_per_second > 0, self.requests_per_second, np.nan)
        ratio: Floats = np.minimum(self.errors_per_second, requests) / requests
        return ratio


@dataclass(frozen=True, eq=False)
class Round:
    """What one round came to. `capacity` in requests per second, estimated `estimated_at` seconds;
    `wanted` is where weights go to and `weight` how far they are let. `health` counts the looks in
    a row that spoke for a change of `ejected`. `panic`: too many fail to eject any of them.
    """

    at_seconds: float
    names: tuple[str, ...]
    capacity: Floats
    estimated_at: Floats
    wanted: Floats
    weight: Floats
    standing: Codes
    health: Floats
    ejected: NDArray[np.bool_]
    curves: Floats  # what the predictive strategy has learned, shape (members, 5)
    panic: bool = False

    def weights(self) -> dict[str, float]:
        return dict(zip(self.names, self.weight.tolist(), strict=True))

    def largest_change(self, before: Round) -> float:
        """The largest relative change of a weight since then; infinite when others came or went."""
        if self.names != before.names:
            return float("inf")
        return float(np.max(np.abs(self.weight / before.weight - 1), initial=0.0))


def first_round(names: Sequence[str], *, at_seconds: float) -> Round:
    """Before anything was seen: equal weights."""
    count = len(names)
    return Round(
        at_seconds=at_seconds,
        names=tuple(names),
        capacity=np.full(count, np.nan),
        estimated_at=np.full(count, np.nan),
        wanted=np.ones(count),
        weight=np.ones(count),
        standing=np.full(count, Standing.MEAN, np.int8),
        health=np.zeros(count),
        ejected=np.zeros(count, bool),
        curves=np.zeros((count, 5)),
    )


def next_round(
    before: Round,
    seen: Observed,
    settings: BalancingSettings,
    *,
    at_seconds: float,
    growth: float = 1.0,
) -> Round:
    """The weights after what was seen; of members that came since, from the mean on.

    No weight is ever below `least`, so that they are never all nothing. `growth` is the load to
    come as a multiple of the present one, for the predictive strategy.
    """
    last = _of(before, seen.names)
    new = _quotient(seen, settings)
    judged = seen.age_seconds >= settings.blackout_seconds
    judged |= np.isnan(seen.age_seconds)
    fresh = judged & ~np.isnan(new)
    capacity, estimated_at = _averaged(last, new, fresh, settings, at_seconds)
    standing = np.where(
        fresh,
        Standing.ESTIMATED,
        np.where(np.isnan(capacity), Standing.MEAN, Standing.KEPT),
    ).astype(np.int8)
    standing[~judged] = Standing.BLACKOUT
    curves = learned(last.curves, seen.requests_per_second, seen.response_seconds)
    wanted = _wanted(seen, capacity, standing, curves, settings=settings, growth=growth)
    health, ejected, panic = _ejected(last, seen, settings)
    if not panic:
        wanted[ejected] = settings.least
        standing[ejected] = Standing.EJECTED
    weight = _stepped(last.weight, wanted, settings, ejected & (not panic))
    return Round(
        at_seconds, seen.names, capacity, estimated_at, wanted, weight, standing,
        health, ejected, curves, panic,
    )  # fmt: skip


def _of(before: Round, names: tuple[str, ...]) -> Round:
    """What the round before says of these members; newcomers as in a first round."""
    if before.names == names:
        return before
    place = {name: number for number, name in enumerate(before.names)}
    start = first_round(names, at_seconds=before.at_seconds)
    known = np.array([name in place for name in names], bool)
    source = np.array([place[name] for name in names if name in place], np.int64)
    for column in COLUMNS:
        getattr(start, column)[known] = getattr(before, column)[source]
    return start


def _quotient(seen: Observed, settings: BalancingSettings) -> Floats:
    """Requests per second over the share used.

    Errors count as use, for they cost less than an answer and would make a failing member look
    strong. Those of a busy one come of having too much: what it can do is what it answers.
    """
    errors = np.nan_to_num(seen.error_ratio, nan=0.0)
    busy = seen.utilization >= _BUSY
    answered = seen.requests_per_second * np.where(busy, 1 - errors, 1.0)
    used = seen.utilization + settings.error_penalty * np.where(busy, 0.0, errors)
    enough = (used >= _LEAST_USED) & (answered >= _LEAST_REQUESTS)
    quotient: Floats = answered / np.where(enough, used, np.nan)
    return quotient


def _averaged(
    last: Round, new: Floats, fresh: NDArray[np.bool_], settings: BalancingSettings, now: float
) -> tuple[Floats, Floats]:
    """The estimates with the new ones in them, and when each was last made anew.

    What is a little different is mostly noise and counts little; what is very different has
    happened, and counts as much as `half_life_rounds` says.
    """
    kept = np.where(now - last.estimated_at <= settings.expiry_seconds, last.capacity, np.nan)
    most = 1 - 0.5 ** (1 / settings.half_life_rounds)
    surprise = np.abs(new / kept - 1) / _SURPRISE
    share = np.clip(most * surprise, min(_STEADY, most), most)
    both = np.where(np.isnan(kept), new, kept + share * (new - kept))
    capacity = np.where(fresh, both, kept)
    return capacity, np.where(fresh, now, last.estimated_at)


def _wanted(
    seen: Observed,
    capacity: Floats,
    standing: Codes,
    curves: Floats,
    *,
    settings: BalancingSettings,
    growth: float,
) -> Floats:
    """Where weights go to, 1 being the mean of the members."""
    if settings.formula is Formula.SIMPLE:
        return performance_to_weight(
            performance_score(
                seen.availability,
                seen.response_seconds,
                seen.error_ratio,
                seen.requests_per_second,
            )
        )
    own = (standing == Standing.ESTIMATED) | (standing == Standing.KEPT)
    match settings.strategy:
        case StrategyName.ROUND_ROBIN:
            good = np.full(len(capacity), np.nan)
        case StrategyName.RESPONSE_TIME:
            answered = seen.response_seconds >= QUICKEST_SECONDS
            good = 1 / np.where(answered, seen.response_seconds, np.nan)
        case StrategyName.RESOURCE_AWARE:
            good = to_spare(seen.cpu, seen.memory, seen.network, seen.response_seconds)
        case StrategyName.PREDICTIVE:
            good = 1 / predicted(curves, seen.requests_per_second * growth)
        case _:
            good = np.where(own, capacity, np.nan)
    good = np.where(standing == Standing.BLACKOUT, np.nan, good)
    known = ~np.isnan(good)
    mean = float(good[known].mean()) if known.any() else 1.0
    return np.clip(np.where(known, good / mean, 1.0), settings.least, settings.most)


def _stepped(
    weight: Floats, wanted: Floats, settings: BalancingSettings, at_once: NDArray[np.bool_]
) -> Floats:
    """A part of the way, within a factor: a small one where little is lacking, so that noise moves
    nothing by much, and none where it is next to nothing."""
    if settings.formula is Formula.SIMPLE:
        return wanted
    lacking = np.abs(wanted / weight - 1)
    step = weight + settings.step * (wanted - weight)
    factor = np.where(lacking < _FAR, 1 + _SMALL_MOVE, settings.most_change)
    step = np.clip(step, weight / factor, weight * factor)
    step = np.where(lacking < settings.dead_band, weight, step)
    return np.clip(np.where(at_once, wanted, step), settings.least, settings.most)


def _ejected(
    last: Round, seen: Observed, settings: BalancingSettings
) -> tuple[Floats, NDArray[np.bool_], bool]:
    """Looks in a row that speak for a change, who is out, and whether too many would be.

    A look is bad when the member does not answer its checks, or fails most of its requests without
    being busy: one that has too much needs less, not nothing. A look that tells nothing changes
    nothing.
    """
    errors = np.nan_to_num(seen.error_ratio, nan=0.0)
    busy = seen.utilization >= _BUSY
    bad = (seen.availability < 1) | ((errors >= _MANY_ERRORS) & ~busy)
    known = ~np.isnan(seen.availability) | (seen.requests_per_second > 0)
    change = np.where(last.ejected, ~bad, bad) & known
    health = np.where(change, last.health + 1, np.where(known, 0, last.health))
    limit = np.where(last.ejected, settings.rise, settings.fall)
    turned = health >= limit
    ejected = np.where(turned, ~last.ejected, last.ejected)
    health = np.where(turned, 0, health)
    if ejected.sum() > (1 - settings.panic_below) * len(ejected):
        return health, ejected, True
    # Who does not even answer its checks is worse than who fails whatever it gets.
    badness = np.where(seen.availability < 1, 2.0, errors)
    return health, _capped(ejected, badness, settings), False


def _capped(
    ejected: NDArray[np.bool_], badness: Floats, settings: BalancingSettings
) -> NDArray[np.bool_]:
    """At most so many at a time, the worst first; one may always be."""
    most = max(1, int(settings.most_ejected * len(ejected)))
    if ejected.sum() <= most:
        return ejected
    order = np.lexsort((np.arange(len(ejected)), -badness, ~ejected))
    kept = np.zeros(len(ejected), bool)
    kept[order[:most]] = True
    return kept
