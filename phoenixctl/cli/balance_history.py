"""The last rounds of weights, from the store of metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from phoenixctl.render.past_rounds import PastRound

if TYPE_CHECKING:
    from collections.abc import Mapping

    from phoenixctl.cli.compose import Parts

_HOURS: Final = 2.0  # for which values are kept as they were
_DAYS: Final = 7.0  # for which they are kept by the minute


def past_rounds(parts: Parts, count: int) -> list[PastRound]:
    """The latest last; of the last two hours as they were, of the days before by the minute."""
    from phoenixctl.metrics.series import Tier

    now = parts.clock.epoch()
    found: list[PastRound] = []
    for tier, seconds in ((Tier.SECOND, _HOURS * 3600), (Tier.MINUTE, _DAYS * 86_400)):
        history = parts.metrics.read(
            "balance_weight", start=now - seconds, until=now + 1, tier=tier
        )
        rounds = [
            (float(at), {s: float(v) for s, v in zip(history.subjects, row, strict=True) if v == v})  # noqa: PLR0124 (NaN)
            for at, row in zip(history.times, history.values, strict=True)
        ]
        found = max(found, _with_changes([one for one in rounds if one[1]])[-count:], key=len)
        if len(found) >= count:
            break
    return found


def _with_changes(rounds: list[tuple[float, dict[str, float]]]) -> list[PastRound]:
    found = []
    before: Mapping[str, float] = {}
    for at, weights in rounds:
        changes = {name: abs(w / before[name] - 1) for name, w in weights.items() if name in before}
        moved = max(changes, key=changes.__getitem__, default=None)
        change = None if moved is None else changes[moved]
        found.append(PastRound(at, weights, change, moved if change else None))
        before = weights
    return found
