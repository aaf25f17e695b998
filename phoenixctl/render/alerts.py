"""Alerts: how things stand, what was told, what is silenced."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from rich.console import Console
from rich.text import Text

from phoenixctl.metrics.alert_rules import in_unit
from phoenixctl.metrics.alert_words import Message, alert_document, text
from phoenixctl.model.alerting import Alert, Silence, Status
from phoenixctl.model.errors import PhoenixError
from phoenixctl.model.units import format_duration
from phoenixctl.render.tables import Cell, styled, table
from phoenixctl.render.times import utc

if TYPE_CHECKING:
    from phoenixctl.metrics.alert_round import Round
    from phoenixctl.metrics.alerting import Transition

_STYLE: Final = {
    Status.CRITICAL: "bold red",
    Status.WARNING: "yellow",
    Status.NO_DATA: "magenta",
    Status.PENDING: "dim",
    Status.OK: "green",
}


def words(status: Status) -> str:
    return status.value.replace("_", " ")


def print_alerts(
    alerts: Sequence[Alert], silences: Sequence[Silence], console: Console, *, now: float
) -> None:
    """The worst first."""
    if not alerts:
        console.print(Text("nothing is wrong", style="green"))
        return
    rows: list[list[Cell]] = [
        [
            styled(words(alert.status), _STYLE[alert.status]),
            alert.subject,
            alert.rule,
            "?" if alert.value is None else in_unit(alert.labels.get("metric", ""), alert.value),
            format_duration(max(0.0, now - alert.since)),
            ", ".join(_muting(alert, silences, now)) or "-",
            alert.summary,
        ]
        for alert in worst_first(alerts)
    ]
    columns = ["STATUS", "SUBJECT", "RULE", "VALUE", "FOR", "SILENCED", "WHAT"]
    table(console, columns, rows, right=frozenset({"VALUE", "FOR"}), drop=("SILENCED", "WHAT"))


def worst_first(alerts: Sequence[Alert]) -> list[Alert]:
    order = tuple(Status)
    return sorted(alerts, key=lambda alert: (-order.index(alert.status), alert.key))


def _muting(alert: Alert, silences: Sequence[Silence], now: float) -> Iterator[str]:
    return (silence.id for silence in silences if silence.mutes(alert.labels, now=now))


def alerts_document(
    fleet: str,
    alerts: Sequence[Alert],
    silences: Sequence[Silence],
    *,
    now: float,
    evaluated_at: float | None,
) -> Mapping[str, Any]:
    return {
        "fleet": fleet,
        "at": utc(now),
        "evaluated_at": None if evaluated_at is None else utc(evaluated_at),
        "alerts": [
            {**alert_document(alert), "silenced_by": [*_muting(alert, silences, now)]}
            for alert in worst_first(alerts)
        ],
    }


def print_round(found: Round, console: Console, *, dry_run: bool) -> None:
    """What has changed, and who was told of what."""
    for change in found.evaluation.transitions:
        console.print(_change_line(change), soft_wrap=True)
    for told in found.told:
        notice = told.notice
        if notice.says_nothing:
            continue
        group = ", ".join(f"{label}={value}" for label, value in notice.labels.items())
        verb = "would tell" if dry_run else "told" if told.error is None else "did not reach"
        counts = f"{len(notice.firing)} firing, {len(notice.resolved)} over"
        style = "" if told.error is None else "red"
        where = f" ({group})" if group else ""
        console.print(styled(f"{verb} {notice.receiver}{where}: {counts}", style), soft_wrap=True)
    alerts = len(found.evaluation.alerts)
    console.print(styled(f"{alerts} alert{'' if alerts == 1 else 's'}", ""), soft_wrap=True)


def _change_line(change: Transition) -> Text:
    return Text.assemble(
        (f"{words(change.before)} -> {words(change.after)}  ", _STYLE[change.after]),
        styled(f"{change.rule} of {change.subject}: {change.summary}", ""),
    )


def round_document(fleet: str, found: Round, *, dry_run: bool) -> Mapping[str, Any]:
    return {
        **alerts_document(
            fleet,
            found.evaluation.alerts,
            found.silences,
            now=found.now,
            evaluated_at=None if dry_run else found.now,
        ),
        "dry_run": dry_run,
        "changes": [change_document(change) for change in found.evaluation.transitions],
        "notices": [
            {
                "receiver": told.notice.receiver,
                "group": dict(told.notice.labels),
                "firing": [[*alert.key] for alert in told.notice.firing],
                "resolved": [[*alert.key] for alert in told.notice.resolved],
                "sent": told.error is None and not dry_run,
                "error": None if told.error is None else error_document(told.error),
            }
            for told in found.told
            if not told.notice.says_nothing
        ],
    }


def print_tests(
    messages: Mapping[str, Message],
    errors: Mapping[str, PhoenixError | None],
    console: Console,
    *,
    dry_run: bool,
) -> None:
    for name, error in errors.items():
        verb = "would tell" if dry_run else "told" if error is None else "did not reach"
        console.print(styled(f"{verb} {name}", "" if error is None else "red"), soft_wrap=True)
        if dry_run:
            for line in text(messages[name]).splitlines():
                console.print(styled(f"  {line}", "dim"), soft_wrap=True)


def tests_document(
    fleet: str, errors: Mapping[str, PhoenixError | None], *, dry_run: bool
) -> Mapping[str, Any]:
    return {
        "fleet": fleet,
        "dry_run": dry_run,
        "receivers": [
            {
                "receiver": name,
                "sent": error is None and not dry_run,
                "error": None if error is None else error_document(error),
            }
            for name, error in errors.items()
        ],
    }


def error_document(error: PhoenixError) -> Mapping[str, Any]:
    return {"kind": error.kind, "what": error.what, "hint": error.hint}


def print_changes(changes: Sequence[Transition], console: Console) -> None:
    if not changes:
        console.print(Text("nothing has happened yet", style="dim"))
        return
    rows: list[list[Cell]] = [
        [
            utc(change.at),
            styled(words(change.after), _STYLE[change.after]),
            words(change.before),
            change.subject,
            change.rule,
            change.summary,
        ]
        for change in changes
    ]
    columns = ["WHEN", "STATUS", "BEFORE", "SUBJECT", "RULE", "WHAT"]
    table(console, columns, rows, drop=("BEFORE", "WHAT"))


def change_document(change: Transition) -> Mapping[str, Any]:
    return {
        "at": utc(change.at),
        "rule": change.rule,
        "subject": change.subject,
        "before": change.before.value,
        "after": change.after.value,
        "value": change.value,
        "summary": change.summary,
    }


def print_silences(silences: Sequence[Silence], console: Console, *, now: float) -> None:
    if not silences:
        console.print(Text("nothing is silenced", style="dim"))
        return
    rows: list[list[Cell]] = [
        [
            silence.id,
            silence_state(silence, now),
            utc(silence.start),
            utc(silence.until),
            silence.by,
            " ".join(map(str, silence.matchers)),
            silence.reason,
        ]
        for silence in silences
    ]
    table(console, ["ID", "STATE", "FROM", "UNTIL", "BY", "MATCHES", "REASON"], rows, drop=("BY",))


def silence_state(silence: Silence, now: float) -> str:
    if now < silence.start:
        return "coming"
    return "active" if now < silence.until else "over"


def silence_document(silence: Silence, *, now: float) -> Mapping[str, Any]:
    return {
        "id": silence.id,
        "state": silence_state(silence, now),
        "from": utc(silence.start),
        "until": utc(silence.until),
        "by": silence.by,
        "matchers": [str(matcher) for matcher in silence.matchers],
        "reason": silence.reason,
    }
