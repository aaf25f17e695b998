"""From what was measured to alerts: rules, histories and how things stood give how they stand.

A value counts once, at its own time and not at that of the evaluation: whether an evaluation runs
every second or every minute, an alert begins and ends with the same values.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

import numpy as np

from phoenixctl.metrics.alert_burn import CLEAR, bucketed, burn_rates, key_of
from phoenixctl.metrics.alert_questions import Histories, Question, since, start_of, tiers_of
from phoenixctl.metrics.alert_rules import Judged, concerns, judge, levels_of, summary
from phoenixctl.metrics.alert_state import IDLE, Hold, Phase, Standing, Standings, step
from phoenixctl.metrics.series import History, Tier
from phoenixctl.model.alerting import (
    Alert,
    BurnRule,
    Level,
    OnNoData,
    Rule,
    Status,
    ThresholdRule,
)

# What has been silent for so long is no part of the fleet any more: an agent that was taken away.
FORGOTTEN_SECONDS: Final = 86_400.0

LabelsOf: TypeAlias = Callable[[str], Mapping[str, str] | None]


@dataclass(frozen=True, slots=True)
class Transition:
    """A status that has become another; OK and PENDING are the same here."""

    at: float
    rule: str
    subject: str
    before: Status
    after: Status
    value: float | None
    summary: str


@dataclass(frozen=True, slots=True)
class Evaluation:
    """How things stand now, what is an alert of it, and what has changed since before."""

    standings: Standings
    alerts: tuple[Alert, ...]
    transitions: tuple[Transition, ...]


def evaluate(
    rules: Sequence[Rule],
    histories: Histories,
    before: Standings,
    now: float,
    *,
    labels_of: LabelsOf,
) -> Evaluation:
    """Fold in every value since `before`. Subjects without labels are of the fleet no more."""
    standings: dict[tuple[str, str], Standing] = {}
    transitions: list[Transition] = []
    for rule in rules:
        old = {subject: s for (name, subject), s in before.items() if name == rule.name}
        folded = _folded(rule, histories, old, before, now)
        found = {
            subject: pair
            for subject, pair in folded.items()
            if (labels := labels_of(subject)) is not None and concerns(rule, subject, labels)
        }
        latest = _latest_places({subject: standing for subject, (standing, _) in found.items()})
        for subject, (awake, statuses) in found.items():
            standing, silent = _silent(rule, awake, now)
            on_the_way = statuses
            if not _is_gone(rule, standing, subject, latest, now):
                standings[rule.name, subject] = standing
                on_the_way = [*statuses, *silent]
            transitions += _transitions(rule, subject, old.get(subject), on_the_way)
    transitions += _ended(before, standings, transitions, now)
    transitions.sort(key=lambda t: (t.at, t.rule, t.subject))
    alerts = tuple(alerts_of(rules, standings, labels_of))
    return Evaluation(standings, alerts, tuple(transitions))


def alerts_of(
    rules: Iterable[Rule],
    standings: Standings,
    labels_of: LabelsOf,
    *,
    also: Collection[Status] = (),
) -> Iterator[Alert]:
    """What fires or is silent, in the order of rules and subjects; `also` what has these statuses,
    to be shown and not to be told."""
    by_name = {rule.name: rule for rule in rules}
    for (name, subject), standing in sorted(standings.items()):
        rule, status, labels = by_name.get(name), standing.status, labels_of(subject)
        if rule is None or labels is None or not (status.alerts or status in also):
            continue
        yield Alert(
            rule=name,
            subject=subject,
            status=status,
            since=standing.since or standing.at,
            summary=summary(rule, subject, status, standing.value),
            value=standing.value,
            at=standing.at,
            labels={
                **labels, **rule.labels,
                "rule": name, "metric": rule.metric, "severity": status.value,
            },
        )  # fmt: skip


# How one rule's subjects stand: the new standing, and each status on the way with its time.

_On = tuple[float, Status, float | None]
_Folded = tuple[Standing, list[_On]]


def _folded(
    rule: Rule, histories: Histories, old: Mapping[str, Standing], before: Standings, now: float
) -> dict[str, _Folded]:
    if isinstance(rule, BurnRule):
        return _burning(rule, histories, old, now)
    history = histories[Question(rule.metric, since(rule, before, now), Tier.SECOND)]
    levels = [(s.value, _single(level)) for s, level in levels_of(rule)]
    found: dict[str, _Folded] = {s: (standing, []) for s, standing in old.items()}
    for column, subject in enumerate(history.subjects):
        values = history.values[:, column]
        known = ~np.isnan(values)
        standing = old.get(subject)
        if standing is not None:
            known &= history.times > standing.at
        if not known.any():
            continue
        times, values = history.times[known], values[known]
        if standing is None and _is_stale(rule, float(times[-1]), now):
            continue
        start = standing or Standing(at=float(times[0]))
        found[subject] = _through(rule, levels, start, times.tolist(), values.tolist())
    return found


def _is_stale(rule: Rule, at: float, now: float) -> bool:
    """Whether it has been silent for too long to be begun with: it may have left already."""
    return rule.no_data_seconds is not None and now - at >= rule.no_data_seconds


def _through(
    rule: ThresholdRule,
    levels: Sequence[tuple[str, Level]],
    standing: Standing,
    times: Sequence[float],
    values: Sequence[float],
) -> _Folded:
    """One subject's new values, one after the other."""
    statuses: list[_On] = []
    for at, value in zip(times, values, strict=True):
        judged = {key: judge(level, rule.direction, value) for key, level in levels}
        if not standing.holds and not any(one.over for one in judged.values()):
            standing = _quiet(standing, at, value, statuses)
            continue
        standing = _stepped(rule, standing, judged, at, value)
        statuses.append((at, standing.status, value))
    return standing, statuses


def _quiet(standing: Standing, at: float, value: float, statuses: list[_On]) -> Standing:
    """The case of most values: nothing was wrong, and nothing is."""
    if standing.silent_since is not None or not statuses:
        statuses.append((at, Status.OK, value))
    return Standing(at, value)


def _stepped(
    rule: Rule, standing: Standing, judged: Mapping[str, Judged], at: float, value: float
) -> Standing:
    limit = rule.no_data_seconds
    # Nobody knows what was in a gap: what was about to fire begins anew.
    torn = standing.silent_since is not None or (limit is not None and at - standing.at > limit)
    holds: dict[str, Hold] = {}
    for key, one in judged.items():
        hold = standing.holds.get(key, IDLE)
        if torn and hold.phase is Phase.PENDING:
            hold = IDLE
        new = step(
            hold,
            over=one.over,
            clear=one.clear,
            at=at,
            for_seconds=rule.for_seconds,
            keep_seconds=rule.keep_firing_seconds,
        )
        if new is not IDLE:
            holds[key] = new
    return Standing(at, value, holds)


def _burning(
    rule: BurnRule, histories: Histories, old: Mapping[str, Standing], now: float
) -> dict[str, _Folded]:
    """Burn rates are of windows that end now, so there is one value for each subject."""
    tiers = tiers_of(rule)
    start = now - max((burn.long_seconds for burn in rule.windows), default=0.0)

    def read(metric: str) -> list[History]:
        return [histories[Question(metric, start_of(rule, tier, now), tier)] for tier in tiers]

    bad = read(rule.metric)
    newest = _newest(bad)
    subjects = sorted(newest)
    found: dict[str, _Folded] = {s: (standing, []) for s, standing in old.items()}
    if not subjects:
        return found
    buckets = bucketed(bad, subjects, start=start, until=now)
    weight = bucketed(read(rule.weight), subjects, start=start, until=now) if rule.weight else None
    rates = [
        tuple(
            burn_rates(rule, buckets, weight, seconds=seconds, least_seconds=least)
            for seconds, least in (
                (burn.long_seconds, burn.short_seconds),
                (burn.short_seconds, 0.0),
            )
        )
        for burn in rule.windows
    ]
    for place, subject in enumerate(subjects):
        at = newest[subject]
        if old[subject].at >= at if subject in old else _is_stale(rule, at, now):
            continue
        standing = old.get(subject) or Standing(at=at)
        slower = [float(min(long[place], short[place])) for long, short in rates]
        judged = {
            key_of(burn): Judged(rate > burn.factor, rate <= CLEAR * burn.factor)
            for burn, rate in zip(rule.windows, slower, strict=True)
            if not np.isnan(rate)
        }
        known = [rate for rate in slower if not np.isnan(rate)]
        value = max(known) if known else None
        unknown = {key_of(burn) for burn in rule.windows} - judged.keys()
        kept = {key: hold for key, hold in standing.holds.items() if key in unknown}
        stepped = _stepped(rule, standing, judged, now, value if value is not None else 0.0)
        new = replace(stepped, at=at, value=value, holds={**kept, **stepped.holds})
        found[subject] = (new, [(now, new.status, value)])
    return found


def _newest(histories: Iterable[History]) -> dict[str, float]:
    """When each subject was last known."""
    found: dict[str, float] = {}
    for history in histories:
        known = ~np.isnan(history.values)
        for column, subject in enumerate(history.subjects):
            rows = np.flatnonzero(known[:, column])
            if rows.size:
                at = float(history.times[rows[-1]])
                found[subject] = max(at, found.get(subject, at))
    return found


def _single(level: Level) -> Level:
    """As values are kept: 0.8 as float32 is above 0.8, and must not be taken for more."""
    return Level(float(np.float32(level.at)), float(np.float32(level.clear)))


# What is silent, gone or changed.


def _silent(rule: Rule, standing: Standing, now: float) -> tuple[Standing, list[_On]]:
    limit = rule.no_data_seconds
    if limit is None or standing.silent_since is not None or now - standing.at < limit:
        return standing, []
    since = standing.at + limit
    return replace(standing, silent_since=since), [(since, Status.NO_DATA, None)]


def _latest_places(standings: Mapping[str, Standing]) -> dict[str, float]:
    """When each agent was last known on any node."""
    found: dict[str, float] = {}
    for subject, standing in standings.items():
        agent = subject.partition("/")[2]
        if agent:
            found[agent] = max(standing.at, found.get(agent, standing.at))
    return found


def _is_gone(
    rule: Rule, standing: Standing, subject: str, latest: Mapping[str, float], now: float
) -> bool:
    if standing.silent_since is None:
        return False
    if rule.on_no_data is OnNoData.END:
        return True
    agent = subject.partition("/")[2]
    moved = bool(agent) and latest[agent] > standing.at
    return moved or now - standing.at > FORGOTTEN_SECONDS


def _transitions(
    rule: Rule, subject: str, old: Standing | None, statuses: Iterable[_On]
) -> Iterator[Transition]:
    before = _told(old.status) if old is not None else Status.OK
    for at, status, value in statuses:
        after = _told(status)
        if after is not before:
            words = summary(rule, subject, after if after.alerts else before, value)
            yield Transition(at, rule.name, subject, before, after, value, words)
        before = after


def _ended(
    before: Standings, after: Standings, known: Iterable[Transition], now: float
) -> Iterator[Transition]:
    """Alerts whose rule or subject is there no more are over."""
    last = {(t.rule, t.subject): t.after for t in known}
    for key, standing in sorted(before.items()):
        status = last.get(key, standing.status)
        if key not in after and status.alerts:
            yield Transition(
                now, *key, status, Status.OK, None, "it is gone, or has no values any more"
            )


def _told(status: Status) -> Status:
    return status if status.alerts else Status.OK
