"""`phoenixctl alerts`."""

from __future__ import annotations

from typing import Annotated

import typer

from phoenixctl.cli.change_options import LockWait
from phoenixctl.cli.command import command, group
from phoenixctl.cli.durations import seconds_of
from phoenixctl.cli.run import Run
from phoenixctl.model.errors import ExitCode, UsageError

app = group("Show what is wrong by the metrics, and tell who has to know.", default=True)

Match = Annotated[
    list[str] | None,
    typer.Option(
        "--match", "-m", metavar="CONDITION", help="Only with such a label: pool=web, node=~web-.*"
    ),
]


@command(app, "ls", help="Show what fires now, by the metrics that are kept; tells nobody.")
def ls(
    run: Run,
    *,
    match: Match = None,
    pending: Annotated[bool, typer.Option("--pending", help="Also what is about to fire.")] = False,
) -> None:
    from phoenixctl.cli.alerting import looked, matchers_of
    from phoenixctl.model.alerting import all_match
    from phoenixctl.render.alerts import alerts_document, print_alerts

    matchers = matchers_of(match)
    found = looked(run, pending=pending)
    alerts = [alert for alert in found.alerts if all_match(matchers, alert.labels)]
    silences, at = found.memory.silences, found.memory.evaluated_at
    run.emit(
        "alerts",
        lambda: alerts_document(
            run.parts.fleet.name, alerts, silences, now=found.now, evaluated_at=at
        ),
        lambda console: print_alerts(alerts, silences, console, now=found.now),
    )


@command(
    app,
    "evaluate",
    help="Find what is wrong and tell the receivers, for cron. 3: one could not be told; the next "
    "evaluation tries again. 6: another evaluation does not end.",
)
def evaluate(
    run: Run,
    *,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Say only what failed, as cron mails it.")
    ] = False,
    lock_wait: LockWait = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what has changed and who would be told.")
    ] = False,
) -> ExitCode:
    from phoenixctl.cli.alerting import evaluated
    from phoenixctl.render.alerts import print_round, round_document

    found = evaluated(run, wait=seconds_of("--lock-wait", lock_wait) or 0.0, dry_run=dry_run)
    if not quiet or run.output.for_programs:
        run.emit(
            "alerts-evaluated",
            lambda: round_document(run.parts.fleet.name, found, dry_run=dry_run),
            lambda console: print_round(found, console, dry_run=dry_run),
        )
    for told in found.told:
        if told.error is not None:
            run.note(f"{told.notice.receiver}: {told.error.kind}: {told.error}")
            if told.error.hint:
                run.note(f"  try: {told.error.hint}")
    return ExitCode.SOME_FAILED if found.failed else ExitCode.OK


@command(app, "history", help="Show what began, changed and ended, the latest first.")
def history(
    run: Run,
    *,
    limit: Annotated[
        int, typer.Option("--limit", min=1, metavar="N", help="At most so many.")
    ] = 50,
    since: Annotated[
        str | None,
        typer.Option("--from", metavar="WHEN", help="Since then; 2026-01-31T12:00Z, or 2h."),
    ] = None,
) -> None:
    from phoenixctl.cli.periods import moment
    from phoenixctl.render.alerts import change_document, print_changes

    start = 0.0 if since is None else moment("--from", since, run.parts.clock.epoch())
    changes = run.parts.alerts.history(limit=limit, since=start)
    run.emit(
        "alerts-history",
        lambda: {
            "fleet": run.parts.fleet.name,
            "changes": [change_document(change) for change in changes],
        },
        lambda console: print_changes(changes, console),
    )


@command(
    app,
    "silence",
    help="Tell nobody of alerts that match all conditions; without any, list the silences.",
)
def silence(
    run: Run,
    *,
    conditions: Annotated[
        list[str] | None,
        typer.Argument(metavar="[CONDITION]...", help="pool=web, rule!=cpu, node=~web-.*"),
    ] = None,
    lasting: Annotated[
        str | None, typer.Option("--for", metavar="TIME", help="How long: 30m, 2h.")
    ] = None,
    start: Annotated[
        str | None,
        typer.Option("--from", metavar="WHEN", help="Its begin, as 2026-01-31T12:00Z; or now."),
    ] = None,
    reason: Annotated[
        str | None, typer.Option("--reason", metavar="TEXT", help="Why; others read it.")
    ] = None,
    expire: Annotated[
        str | None, typer.Option("--expire", metavar="ID", help="End this one now.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the silence, and what it would mute now.")
    ] = False,
) -> None:
    from phoenixctl.cli import silencing

    if expire is not None:
        if conditions or lasting or start or reason:
            raise UsageError("--expire goes alone", hint="phoenixctl alerts silence --help")
        silencing.end(run, expire, dry_run=dry_run)
    elif conditions:
        silencing.add(run, conditions, lasting, start, reason or "", dry_run=dry_run)
    elif lasting or start or reason:
        raise UsageError(
            "say what is to be silent",
            hint="phoenixctl alerts silence pool=web --for 2h --reason 'new disks'",
        )
    else:
        silencing.show(run)


@command(app, "test", help="Send a message that says it is a test; all receivers, or these.")
def try_receivers(
    run: Run,
    *,
    receivers: Annotated[
        list[str] | None, typer.Argument(metavar="[RECEIVER]...", help="Of the configuration.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the message and send it to nobody.")
    ] = False,
) -> ExitCode:
    from phoenixctl.cli.alerting import tested

    return tested(run, receivers or (), dry_run=dry_run)
