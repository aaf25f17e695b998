"""Who has to be told of what: alerts beside what each receiver has been told already.

What was told is compared with what is, so a notice that failed is made again by itself, and one
that arrived is not, until it is time to repeat it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from phoenixctl.model.alerting import (
    Alert,
    Alertmanager,
    AlertSettings,
    Receiver,
    Severity,
    Silence,
    Status,
    all_match,
)

NEVER: Final = float("-inf")


@dataclass(frozen=True, slots=True)
class Delivery:
    """What a receiver knows of one group: told `at`, of these alerts.

    `owed` were to be told and it is not known that they were; what ends meanwhile is still told.
    """

    at: float = NEVER
    alerts: tuple[Alert, ...] = ()
    owed: tuple[Alert, ...] = ()


Deliveries: TypeAlias = Mapping[tuple[str, str], Delivery]  # by receiver and group


@dataclass(frozen=True, slots=True)
class Notice:
    """One message to one receiver about one group.

    `resolved` are over; `replaced` were told with another severity, and go on with the one that
    they have now. `known_after` is what the receiver knows once it has the message.
    """

    receiver: str
    group: str  # its labels, as JSON
    firing: tuple[Alert, ...] = ()
    resolved: tuple[Alert, ...] = ()
    replaced: tuple[Alert, ...] = ()
    known_after: tuple[Alert, ...] = ()
    before: Delivery = Delivery()

    @property
    def labels(self) -> Mapping[str, str]:
        found: dict[str, str] = json.loads(self.group)
        return found

    @property
    def says_nothing(self) -> bool:
        """Whether it only has to be noted: the receiver does not want to hear of what is over."""
        return not self.firing and not self.resolved and not self.replaced

    def owing(self) -> Delivery:
        """What is kept before it is sent."""
        known = {alert.key: alert for alert in (*self.before.owed, *self.firing)}
        for alert in self.before.alerts:
            if known.get(alert.key) == alert:
                del known[alert.key]
        return replace(self.before, owed=tuple(known.values()))

    def delivered(self, at: float) -> Delivery:
        """What is kept when it has arrived."""
        return Delivery(at, self.known_after)


def unmuted(alerts: Iterable[Alert], silences: Sequence[Silence], now: float) -> tuple[Alert, ...]:
    return tuple(a for a in alerts if not any(s.mutes(a.labels, now=now) for s in silences))


def notices(
    settings: AlertSettings,
    alerts: Sequence[Alert],
    silences: Sequence[Silence],
    deliveries: Deliveries,
    now: float,
) -> tuple[Notice, ...]:
    """What to send now, by receiver and group.

    What is silenced is not told, nor that it goes on; of what was told before, the end is.
    """
    loud = unmuted(alerts, silences, now)
    return tuple(
        notice
        for receiver in settings.receivers.values()
        for notice in _of_one(
            receiver, settings, alerts=alerts, loud=loud, deliveries=deliveries, now=now
        )
    )


def _of_one(
    receiver: Receiver,
    settings: AlertSettings,
    *,
    alerts: Sequence[Alert],
    loud: Sequence[Alert],
    deliveries: Deliveries,
    now: float,
) -> Iterator[Notice]:
    by = settings.group_by if receiver.group_by is None else receiver.group_by
    repeat = repeat_seconds(receiver, settings)
    wanted = _grouped((a for a in loud if concerned(receiver, a)), by)
    present = {a.key: a for a in alerts if concerned(receiver, a)}
    known = {group: d for (name, group), d in deliveries.items() if name == receiver.name}
    for group in sorted(wanted.keys() | known.keys()):
        before = known.get(group, Delivery())
        notice = _compared(receiver, group, wanted.get(group, ()), present, before)
        again = bool(notice.firing) and now - before.at >= repeat
        if _is_news(notice) or again:
            yield notice


def _compared(
    receiver: Receiver,
    group: str,
    wanted: Sequence[Alert],
    present: Mapping[tuple[str, str], Alert],
    before: Delivery,
) -> Notice:
    told = {alert.key: alert for alert in (*before.owed, *before.alerts)}
    sure = {alert.key for alert in before.alerts}
    loud = {alert.key for alert in wanted}
    by_key = [told[key] for key in sorted(told)]
    over = tuple(alert for alert in by_key if alert.key not in present)
    same = [a for a in by_key if a.key in present and present[a.key].status is a.status]
    return Notice(
        receiver=receiver.name,
        group=group,
        firing=tuple(wanted),
        # Who does not want to hear of ends still hears of what nobody has told yet.
        resolved=over if receiver.resolved else tuple(a for a in over if a.key not in sure),
        replaced=tuple(a for a in by_key if a.key in present and a not in same),
        known_after=(*wanted, *(a for a in same if a.key in sure - loud)),
        before=before,
    )


def _is_news(notice: Notice) -> bool:
    """Whether the receiver would come to know other alerts, or other severities, than it does."""
    known = {(alert.key, alert.status) for alert in notice.before.alerts}
    after = {(alert.key, alert.status) for alert in notice.known_after}
    return known != after or bool(notice.before.owed)


def repeat_seconds(receiver: Receiver, settings: AlertSettings) -> float:
    """After how long what goes on is told again. An Alertmanager has to hear it every time: it
    repeats by itself, and takes what it does not hear of any more for over."""
    if receiver.repeat_seconds is not None:
        return receiver.repeat_seconds
    return 0.0 if isinstance(receiver.way, Alertmanager) else settings.repeat_seconds


def concerned(receiver: Receiver, alert: Alert) -> bool:
    """Whether the receiver is told of such alerts. Of missing data all are."""
    serious = receiver.severity is Severity.WARNING or alert.status is not Status.WARNING
    return serious and all_match(receiver.match, alert.labels)


def _grouped(alerts: Iterable[Alert], by: Sequence[str]) -> dict[str, tuple[Alert, ...]]:
    found: dict[str, tuple[Alert, ...]] = {}
    for alert in sorted(alerts, key=lambda a: a.key):
        group = json.dumps(group_of(alert, by), ensure_ascii=False)
        found[group] = (*found.get(group, ()), alert)
    return found


def group_of(alert: Alert, by: Sequence[str]) -> Mapping[str, str]:
    """The labels that make its group. A node that is silent fails all its rules at once, so what
    has no data is one group whatever the rule."""
    silent = alert.status is Status.NO_DATA
    found = {label: alert.labels.get(label, "") for label in by}
    if silent:
        found |= {label: Status.NO_DATA.value for label in ("rule", "metric") if label in found}
    return found
