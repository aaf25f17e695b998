"""The last rounds of weights, from the store of metrics."""

from __future__ import annotations

from math import isnan
from typing import TYPE_CHECKING, Final

from phoenixctl.metrics.series import Tier
from phoenixctl.planning.weight_rounds import labelled
from phoenixctl.render.past_rounds import PastRound

if TYPE_CHECKING:
    from collections.abc import Mapping

    from phoenixctl.cli.compose import Parts

# As they were for two hours, then by the minute for a week.
_KEPT: Final = ((Tier.SECOND, 2 * 3600.0), (Tier.MINUTE, 7 * 86_400.0))


def past_rounds(parts: Parts, count: int) -> list[PastRound]:
    """Of each backend, the latest last; of the last two hours as they were, of the days before by
    the minute."""
    found: list[PastRound] = []
    for of in _backends(parts):
        fine, coarse = (_rounds(parts, of, kept)[-count:] for kept in _KEPT)
        found += fine if len(fine) >= len(coarse) else coarse
    return sorted(found, key=lambda one: one.at_seconds)


def _backends(parts: Parts) -> list[str]:
    """Those that have rounds in the store."""
    before, after = labelled("balance_weight", "|").split("|")
    return [
        name.removeprefix(before).removesuffix(after)
        for name in parts.metrics.series()
        if name.startswith(before)
    ]


def _rounds(parts: Parts, of: str, kept: tuple[Tier, float]) -> list[PastRound]:
    tier, seconds = kept
    now = parts.clock.epoch()
    metric = labelled("balance_weight", of)
    history = parts.metrics.read(metric, start=now - seconds, until=now + 1, tier=tier)
    rounds: list[PastRound] = []
    before: Mapping[str, float] = {}
    for at, row in zip(history.times, history.values, strict=True):
        weights = {
            subject: float(weight)
            for subject, weight in zip(history.subjects, row, strict=True)
            if not isnan(weight)
        }
        if weights:
            rounds.append(_round(of, float(at), weights, before))
            before = weights
    return rounds


def _round(
    of: str, at: float, weights: Mapping[str, float], before: Mapping[str, float]
) -> PastRound:
    changes = {name: abs(w / before[name] - 1) for name, w in weights.items() if name in before}
    moved = max(changes, key=changes.__getitem__, default=None)
    change = None if moved is None else changes[moved]
    return PastRound(of, at, weights, change, moved if change else None)
