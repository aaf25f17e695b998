"""Silences: made, ended, listed."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from phoenixctl.cli.alerting import looked, matchers_of
from phoenixctl.cli.durations import seconds_of
from phoenixctl.cli.periods import moment
from phoenixctl.cli.select import no_such
from phoenixctl.model.alerting import Silence, all_match
from phoenixctl.model.errors import UsageError
from phoenixctl.render.alerts import print_silences, silence_document

if TYPE_CHECKING:
    from phoenixctl.cli.run import Run


def add(
    run: Run,
    conditions: Sequence[str],
    lasting: str | None,
    start: str | None,
    reason: str,
    *,
    dry_run: bool,
) -> None:
    """Keep a silence and say what it mutes now."""
    parts = run.parts
    seconds = seconds_of("--for", lasting)
    if not seconds:
        raise UsageError("say how long it lasts", hint="--for 2h")
    now = parts.clock.epoch()
    begins = now if start is None else moment("--from", start, now)
    made = Silence(
        id=secrets.token_hex(4),
        matchers=matchers_of(conditions),
        start=begins,
        until=begins + seconds,
        by=parts.by,
        reason=reason,
    )
    if made.until <= now:
        raise UsageError("the silence would be over already", hint="see --from and --for")
    muted = sum(all_match(made.matchers, alert.labels) for alert in looked(run).alerts)
    if not dry_run:
        parts.alerts.silence(made)
    _show(run, [made], dry_run=dry_run)
    run.note(f"{'would match' if dry_run else 'matches'} {muted} of the alerts that fire now")


def end(run: Run, name: str, *, dry_run: bool) -> None:
    """A silence is over now, or never comes."""
    store, now = run.parts.alerts, run.parts.clock.epoch()
    known = {silence.id: silence for silence in store.recall().silences}
    if name not in known:
        raise no_such("silence", name, known, "phoenixctl alerts silence")
    ended = replace(known[name], until=min(now, known[name].until))
    if not dry_run:
        store.silence(ended)
    _show(run, [ended], dry_run=dry_run)


def show(run: Run) -> None:
    """All that are kept, those that are over too, for a while."""
    _show(run, run.parts.alerts.recall().silences, dry_run=False)


def _show(run: Run, silences: Sequence[Silence], *, dry_run: bool) -> None:
    now = run.parts.clock.epoch()
    run.emit(
        "alerts-silences",
        lambda: {
            "fleet": run.parts.fleet.name,
            "dry_run": dry_run,
            "silences": [silence_document(silence, now=now) for silence in silences],
        },
        lambda console: print_silences(silences, console, now=now),
    )
