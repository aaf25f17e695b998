"""What an evaluation has to read: which metrics, since when, in which resolution."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple, TypeAlias

from phoenixctl.metrics.alert_state import Standings
from phoenixctl.metrics.series import History, Tier
from phoenixctl.model.alerting import BurnRule, Rule, ThresholdRule

_LEAST_LOOK_SECONDS: Final = 300.0


class Question(NamedTuple):
    """What an evaluation has to know: a metric since a time, in one resolution."""

    metric: str
    start: float
    tier: Tier


Histories: TypeAlias = Mapping[Question, History]


def questions(rules: Iterable[Rule], before: Standings, now: float) -> tuple[Question, ...]:
    """What to read for `evaluate`, each once."""
    return tuple(dict.fromkeys(q for rule in rules for q in _questions(rule, before, now)))


def _questions(rule: Rule, before: Standings, now: float) -> Iterator[Question]:
    if isinstance(rule, BurnRule):
        for metric in filter(None, (rule.metric, rule.weight)):
            for tier in tiers_of(rule):
                yield Question(metric, start_of(rule, tier, now), tier)
        return
    yield Question(rule.metric, since(rule, before, now), Tier.SECOND)


def since(rule: ThresholdRule, before: Standings, now: float) -> float:
    """From when on values may not have been counted."""
    seen = [s.at for (name, _), s in before.items() if name == rule.name]
    look = max(rule.for_seconds, rule.keep_firing_seconds, _LEAST_LOOK_SECONDS)
    oldest = now - Tier.SECOND.kept_seconds
    return max(oldest, min([now - look, *(at for at in seen if at > oldest)]))


def tiers_of(rule: BurnRule) -> tuple[Tier, ...]:
    """The finest first, until one is kept long enough."""
    longest = max((burn.long_seconds for burn in rule.windows), default=0.0)
    found: list[Tier] = []
    for tier in (Tier.SECOND, Tier.MINUTE, Tier.FIVE_MINUTES, Tier.HOUR):
        found.append(tier)
        if tier.kept_seconds >= longest:
            break
    return tuple(found)


def start_of(rule: BurnRule, tier: Tier, now: float) -> float:
    longest = max((burn.long_seconds for burn in rule.windows), default=0.0)
    return now - min(longest, tier.kept_seconds)
