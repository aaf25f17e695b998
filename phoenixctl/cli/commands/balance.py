"""`phoenixctl balance`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from phoenixctl.cli.change_options import DryRun, LockWait, Yes
from phoenixctl.cli.command import command, group
from phoenixctl.cli.commands.balance_pick import add, pick, remove, set_strategy
from phoenixctl.cli.commands.balance_simulate import simulate
from phoenixctl.cli.durations import seconds_of
from phoenixctl.cli.run import Run
from phoenixctl.model.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from phoenixctl.cli.compose import Parts

app = group("Give each member the share of requests that it can take.")

TakeBack = Annotated[
    bool, typer.Option("--take-back", help="Also weights that somebody else has set.")
]


@command(app, "status", help="Show each member's weight, what it is made of, and who else set it.")
def status(run: Run) -> ExitCode:
    from phoenixctl.cli.balancing import looked
    from phoenixctl.cli.routing import errors_of, name_errors
    from phoenixctl.model.outcome import gravest
    from phoenixctl.render.balancing import print_weighings, weighings_document

    look = run.within(looked)
    run.emit(
        "balance-status",
        lambda: weighings_document(run.parts.configured.name, look.settings, look.found),
        lambda console: print_weighings(look.settings, look.found, console),
    )
    name_errors(run, look.statuses)
    return gravest([error.exit_code for _, error in errors_of(look.statuses)])


@command(app, "plan", help="Show which weights the next round would set; changes nothing.")
def plan(run: Run, *, take_back: TakeBack = False) -> ExitCode:
    from phoenixctl.cli.balancing import applied

    return applied(run, take_back=take_back, yes=False, dry_run=True, lock_wait=None)


@command(app, "apply", help="Set the weights of one round.")
def apply(
    run: Run,
    *,
    take_back: TakeBack = False,
    lock_wait: LockWait = None,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> ExitCode:
    from phoenixctl.cli.balancing import applied

    return applied(run, take_back=take_back, yes=yes, dry_run=dry_run, lock_wait=lock_wait)


@command(app, "auto", help="Set weights round after round, for a unit; or once, for cron.")
def auto(
    run: Run,
    *,
    once: Annotated[bool, typer.Option("--once", help="One round, then end.")] = False,
    interval: Annotated[
        str | None,
        typer.Option("--interval", metavar="TIME", help="Between two rounds; by default 30s."),
    ] = None,
    dry_run: DryRun = False,
) -> ExitCode:
    from phoenixctl.cli.balancing import applied, one_round, rounds
    from phoenixctl.model.balancing import BalancingSettings

    if dry_run:
        return applied(run, take_back=False, yes=False, dry_run=True, lock_wait=None)
    if once and interval is not None:
        raise UsageError("--once has no --interval")
    settings = run.parts.configured.balancing or BalancingSettings()
    pause = seconds_of("--interval", interval) or settings.interval_seconds

    async def work(parts: Parts) -> ExitCode:
        if once:
            return await one_round(run, parts)
        run.note(f"a round of weights every {pause:g} s; end it with Ctrl-C")
        return await rounds(run, parts, pause)

    return run.within(work)


@command(app, "history", help="Show the last rounds of weights.")
def history(
    run: Run,
    *,
    count: Annotated[
        int, typer.Option("--count", "-n", min=1, max=10_000, help="How many rounds.")
    ] = 100,
) -> None:
    from phoenixctl.cli.balance_history import past_rounds
    from phoenixctl.render.balancing import print_rounds, rounds_document

    found = past_rounds(run.parts, count)
    run.emit(
        "balance-history",
        lambda: rounds_document(run.parts.configured.name, found),
        lambda console: print_rounds(found, console),
    )


command(
    app, "simulate", help="Play strategies on members like these, request by request, and compare."
)(simulate)
command(app, "pick", help="Name the agent that the next request should go to, for scripts.")(pick)
command(app, "set-strategy", help="Choose what weights are made of, before the configuration.")(
    set_strategy
)
command(app, "add", help="Let an agent take part in balancing again.")(add)
command(app, "remove", help="Take an agent out of balancing: it gets no new requests.")(remove)
