"""Alerts from the kept metrics: shown, and told to receivers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from phoenixctl.cli.select import no_such
from phoenixctl.metrics.alert_notices import Notice
from phoenixctl.metrics.alert_round import Round, Told
from phoenixctl.metrics.alert_rules import EVERYTHING, labels_of, rules_of
from phoenixctl.metrics.alert_words import Message
from phoenixctl.metrics.alerting import alerts_of
from phoenixctl.model.alerting import Alert, Matcher, Status, parse_matcher
from phoenixctl.model.errors import ExitCode, PhoenixError, UsageError
from phoenixctl.workflows.alerts import due, evaluate_and_tell, look, tell_test

if TYPE_CHECKING:
    from phoenixctl.cli.compose import Parts
    from phoenixctl.cli.run import Run
    from phoenixctl.ports.alerts import Memory


@dataclass(frozen=True, slots=True)
class Looked:
    """How things stand, with what earlier evaluations left."""

    now: float
    alerts: tuple[Alert, ...]
    memory: Memory


def matchers_of(texts: Iterable[str] | None) -> tuple[Matcher, ...]:
    """UsageError for what is no condition."""
    try:
        return tuple(parse_matcher(text) for text in texts or ())
    except ValueError as error:
        raise UsageError(str(error)) from None


def looked(run: Run, *, pending: bool = False) -> Looked:
    """What fires now, and with `pending` what is about to; nothing is kept of it."""
    parts = run.parts
    memory, now = parts.alerts.recall(), parts.clock.epoch()
    evaluation = look(parts.fleet, parts.metrics, memory, now=now)
    labels = partial(labels_of, fleet=parts.fleet)
    rules = rules_of(parts.fleet.alerts)
    statuses = [Status.PENDING] if pending else []
    alerts = tuple(alerts_of(rules, evaluation.standings, labels, also=statuses))
    if not evaluation.standings:
        run.note("no metric that a rule looks at is kept; try: phoenixctl metrics collect")
    return Looked(now, alerts, memory)


def evaluated(run: Run, *, wait: float, dry_run: bool) -> Round:
    """One evaluation; a dry one keeps nothing and tells nobody."""
    parts = run.parts
    if dry_run:
        memory, now = parts.alerts.recall(), parts.clock.epoch()
        evaluation = look(parts.fleet, parts.metrics, memory, now=now)
        notices = due(parts.fleet, evaluation, memory, now=now)
        return Round(now, evaluation, memory.silences, tuple(map(Told, notices)))

    async def alone() -> Round:
        async with parts.alerts.held("alerts evaluate", wait_seconds=wait):
            return await evaluate_and_tell(
                parts.fleet,
                parts.metrics,
                parts.alerts,
                parts.notifiers,
                now=parts.clock.epoch(),
            )

    found = asyncio.run(alone())
    if not found.evaluation.standings:
        run.note("no metric that a rule looks at is kept; try: phoenixctl metrics collect")
    return found


def tested(run: Run, names: Sequence[str], *, dry_run: bool) -> ExitCode:
    """Try receivers, side by side; 3 when one could not be told."""
    parts = run.parts
    from phoenixctl.render.alerts import print_tests, tests_document

    chosen = _chosen(parts, names)
    messages = {name: _test_message(parts, name) for name in chosen}
    errors: dict[str, PhoenixError | None] = dict.fromkeys(chosen)
    if not dry_run:

        async def all_of_them() -> list[PhoenixError | None]:
            sending = (tell_test(parts.notifiers[name], messages[name]) for name in chosen)
            return await asyncio.gather(*sending)

        errors = dict(zip(chosen, asyncio.run(all_of_them()), strict=True))
    run.emit(
        "alerts-test",
        lambda: tests_document(parts.fleet.name, errors, dry_run=dry_run),
        lambda console: print_tests(messages, errors, console, dry_run=dry_run),
    )
    for name, error in errors.items():
        if error is not None:
            run.note(f"{name}: {error.kind}: {error}")
            if error.hint:
                run.note(f"  try: {error.hint}")
    return ExitCode.SOME_FAILED if any(errors.values()) else ExitCode.OK


def _chosen(parts: Parts, names: Sequence[str]) -> Sequence[str]:
    settings = parts.fleet.alerts
    known = [] if settings is None else list(settings.receivers)
    if not known:
        raise UsageError(
            "no receiver is configured",
            hint="write one under alerts.receivers; its keys: phoenixctl config schema",
        )
    for name in names:
        if name not in known:
            raise no_such("receiver", name, known, "phoenixctl config show")
    return [name for name in known if not names or name in names]


def _test_message(parts: Parts, receiver: str) -> Message:
    now = parts.clock.epoch()
    fleet = parts.fleet.name
    alert = Alert(
        rule="test",
        subject=EVERYTHING,
        status=Status.WARNING,
        since=now,
        summary=f"{parts.by} tries this way; nothing is wrong",
        labels={"rule": "test", "severity": Status.WARNING.value, "fleet": fleet},
    )
    notice = Notice(receiver, json.dumps({"rule": "test"}), (alert,), known_after=(alert,))
    return Message(fleet, now, notice, test=True)
