"""A notice as people and programs read it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from phoenixctl.metrics.alert_notices import Notice
from phoenixctl.model.alerting import Alert, Status

SCHEMA: Final = "phoenixctl.alert-notice/1"
MOST_LINES: Final = 50  # of a text for people; what is sent to programs is whole


@dataclass(frozen=True, slots=True)
class Message:
    """A notice of a fleet, sent `at`. `test`: nothing is wrong, somebody only tries the way."""

    fleet: str
    at: float
    notice: Notice
    test: bool = False

    @property
    def says_something(self) -> bool:
        """Whether there is anything for people in it."""
        return bool(self.notice.firing or self.notice.resolved)


def utc(at: float) -> str:
    """`2026-01-31T12:00:00.250Z`"""
    text = datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def title(message: Message) -> str:
    """One line: `[CRITICAL] web: cpu, 3 alerts, 1 over`."""
    notice = message.notice
    worst = max((alert.status for alert in notice.firing), key=_SEVERITY.index, default=None)
    word = "OVER" if worst is None else _WORDS[worst]
    group = ", ".join(_plain(value) for value in notice.labels.values() if value)
    counts = [_count(len(notice.firing), "alert")] if notice.firing else []
    counts += [f"{len(notice.resolved)} over"] if notice.resolved else []
    test = "[TEST] " if message.test else ""
    subject = ", ".join(part for part in (group, *counts) if part)
    return f"{test}[{word}] {_plain(message.fleet)}: {subject}"


def text(message: Message) -> str:
    """The title, and a line for each alert; the worst first."""
    lines = [title(message), *_lines(message.notice)]
    left = len(lines) - 1 - MOST_LINES
    if left > 0:
        lines = [*lines[: MOST_LINES + 1], f"and {left} more"]
    return "\n".join(lines)


def document(message: Message) -> Mapping[str, Any]:
    """For programs. `replaced` go on, with the severity that they have under `firing`.

    A message that comes twice, for nobody knew whether it had arrived, has the same `id`.
    """
    notice = message.notice
    return {
        "schema": SCHEMA,
        "id": _id(notice),
        "fleet": message.fleet,
        "receiver": notice.receiver,
        "at": utc(message.at),
        "test": message.test,
        "status": "firing" if notice.firing else "resolved",
        "title": title(message),
        "group": dict(notice.labels),
        "firing": [alert_document(alert) for alert in notice.firing],
        "resolved": [alert_document(alert) for alert in notice.resolved],
        "replaced": [alert_document(alert) for alert in notice.replaced],
    }


def alert_document(alert: Alert) -> Mapping[str, Any]:
    return {
        "rule": alert.rule,
        "subject": alert.subject,
        "status": alert.status.value,
        "since": utc(alert.since),
        "value": alert.value,
        "at": None if alert.at is None else utc(alert.at),
        "summary": alert.summary,
        "labels": dict(alert.labels),
    }


def _id(notice: Notice) -> str:
    """What it says and what was told before: a repeat after a while is another message."""
    said = [[*alert.key, alert.status, alert.since] for alert in (*notice.firing, *notice.resolved)]
    content = repr((notice.receiver, notice.group, len(notice.firing), said, notice.before.at))
    return hashlib.sha256(content.encode()).hexdigest()[:32]


def _lines(notice: Notice) -> Iterator[str]:
    for alert in _worst_first(notice.firing):
        words = _plain(alert.summary)
        yield f"{_WORDS[alert.status].lower()}: {words}, since {utc(alert.since)[:19]}Z"
    for alert in notice.resolved:
        yield f"over: {_plain(alert.rule)} of {_plain(alert.subject)}"


def _worst_first(alerts: Sequence[Alert]) -> list[Alert]:
    return sorted(alerts, key=lambda a: (-_SEVERITY.index(a.status), a.key))


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def _plain(part: str) -> str:
    """On one line, and without what a terminal or a header of a mail would obey."""
    return "".join(c if c.isprintable() else "?" for c in part)


_SEVERITY: Final = tuple(Status)
_WORDS: Final = {
    Status.WARNING: "WARNING",
    Status.CRITICAL: "CRITICAL",
    Status.NO_DATA: "NO DATA",
}
