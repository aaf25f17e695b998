"""`phoenixctl balance pick`, and who takes part: set-strategy, add, remove."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from phoenixctl.cli.approve import DryRun, LockWait
from phoenixctl.cli.durations import seconds_of
from phoenixctl.cli.run import Run
from phoenixctl.model.balancing import StrategyName

if TYPE_CHECKING:
    from phoenixctl.cli.picking import Picked


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
        over(run.parts, backend, done, dry_run=dry_run)
        return
    found = picked(run.parts, backend, strategy, seconds_of("--hold", hold) or 0.0, dry_run=dry_run)
    run.emit("balance-picked", found.document, lambda console: _line(found, console))


def _line(found: Picked, console: object) -> None:
    from rich.console import Console

    if isinstance(console, Console):
        console.print(f"{found.name} {found.place}", highlight=False, markup=False, soft_wrap=True)


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
