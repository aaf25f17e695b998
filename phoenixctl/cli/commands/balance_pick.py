"""`phoenixctl balance pick`, and who takes part: set-strategy, add, remove."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from phoenixctl.cli.change_options import DryRun, LockWait
from phoenixctl.cli.durations import seconds_of
from phoenixctl.cli.run import Run
from phoenixctl.model.balancing import StrategyName
from phoenixctl.render.neutral import neutralise


def pick(
    run: Run,
    *,
    backend: Annotated[
        str, typer.Argument(metavar="BACKEND", help="lb/work, or the spec of its agents.")
    ],
    strategy: Annotated[
        StrategyName | None, typer.Option("--strategy", "-s", help="By default the fleet's.")
    ] = None,
    hold: Annotated[
        str,
        typer.Option(
            "--hold", metavar="TIME", help="It counts as open for so long, or until --done."
        ),
    ] = "10s",
    done: Annotated[
        str | None,
        typer.Option("--done", metavar="MEMBER", help="Pick nobody: one of its requests is over."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say who it would be, and count nothing.")
    ] = False,
) -> None:
    from phoenixctl.cli.picking import over, picked

    if done is not None:
        over(run, backend, done, dry_run=dry_run)
        return
    found = picked(run, backend, strategy, seconds_of("--hold", hold) or 0.0, dry_run=dry_run)
    if run.output.for_programs:
        run.emit("balance-picked", found.document, lambda _console: None)
    else:  # a line for a script, for which no console has to be made
        sys.stdout.write(neutralise(f"{found.name} {found.place}\n"))


def set_strategy(
    run: Run,
    *,
    strategy: Annotated[StrategyName, typer.Argument(help="What weights are made of from now on.")],
    lock_wait: LockWait = None,
    dry_run: DryRun = False,
) -> None:
    from phoenixctl.cli.picking import choose

    choose(run, strategy, lock_wait, dry_run=dry_run)


def add(
    run: Run,
    *,
    agent: Annotated[str, typer.Argument(metavar="AGENT", help="An agent that was removed.")],
    lock_wait: LockWait = None,
    dry_run: DryRun = False,
) -> None:
    from phoenixctl.cli.picking import put

    put(run, agent, lock_wait, inside=True, dry_run=dry_run)


def remove(
    run: Run,
    *,
    agent: Annotated[str, typer.Argument(metavar="AGENT", help="An agent behind a router.")],
    lock_wait: LockWait = None,
    dry_run: DryRun = False,
) -> None:
    from phoenixctl.cli.picking import put

    put(run, agent, lock_wait, inside=False, dry_run=dry_run)
