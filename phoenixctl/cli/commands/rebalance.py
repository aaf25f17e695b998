"""`phoenixctl rebalance`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from phoenixctl.cli.approve import change
from phoenixctl.cli.change_options import DryRun, LockWait, Yes
from phoenixctl.cli.command import command, single
from phoenixctl.cli.run import Run
from phoenixctl.cli.scope import Exclude, Target
from phoenixctl.model.errors import ExitCode, UsageError
from phoenixctl.model.rules import Goal

if TYPE_CHECKING:
    from phoenixctl.cli.compose import Parts
    from phoenixctl.model.fleet import Fleet
    from phoenixctl.model.plan import Plan
    from phoenixctl.model.rules import Rebalancing
    from phoenixctl.planning.rebalance import Rebalanced
    from phoenixctl.planning.scope import Scope

app = single()

Wanted = Annotated[
    Goal | None,
    typer.Option(
        "--goal", help="What for; without: as configured, else even.", show_choices=True
    ),
]  # fmt: skip
MaxMoves = Annotated[
    int | None, typer.Option("--max-moves", metavar="N", min=0, help="Never more moves than this.")
]
MoveCost = Annotated[
    float | None,
    typer.Option(
        "--move-cost",
        metavar="X",
        min=0.0,
        help="What a move must be worth; 1 is what an agent costs in the worst placement.",
    ),
]
Seed = Annotated[
    int, typer.Option("--seed", metavar="N", help="The same one finds the same moves.")
]  # fmt: skip
Exact = Annotated[
    bool,
    typer.Option("--exact", help="Look closer, for some seconds; needs phoenixctl[opt]."),
]
Curve = Annotated[
    bool, typer.Option("--curve", help="Show only what so many moves would gain; change nothing.")
]
Out = Annotated[
    Path | None,
    typer.Option("--out", metavar="FILE", help="Keep the plan, for `apply FILE`; change nothing."),
]


@command(app, "rebalance", help="Move a few agents, those that gain most, to even out the fleet.")
def rebalance(
    run: Run,
    *,
    goal: Wanted = None,
    max_moves: MaxMoves = None,
    move_cost: MoveCost = None,
    seed: Seed = 0,
    exact: Exact = False,
    target: Target = None,
    exclude: Exclude = None,
    curve: Curve = False,
    out: Out = None,
    lock_wait: LockWait = None,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> ExitCode:
    if out is not None and (curve or yes or dry_run):
        raise UsageError(
            "--out goes with neither --curve, --dry-run nor --yes", hint="phoenixctl apply FILE"
        )

    if exact:
        from phoenixctl.placement.exact import check_installed

        check_installed()

    async def find(parts: Parts) -> Rebalanced:
        from phoenixctl.planning.scope import Scope

        settings = _settings(parts.configured, goal, max_moves, move_cost)
        scope = Scope(targets=tuple(target or ()), excludes=tuple(exclude or ()))
        return await _found(parts, settings, scope, seed, exact=exact)

    async def make(parts: Parts) -> Plan:
        done = await find(parts)
        if not run.output.for_programs:
            _show(run, done)
        return done.plan

    if curve:
        done = run.within(find)
        _show(run, done)
        for text in done.plan.notes:
            run.note(text)
        return ExitCode.OK
    if out is not None:
        return _keep(run, run.within(make), out)
    return change(run, make, yes=yes, dry_run=dry_run, lock_wait=lock_wait, ask_always=True)


async def _found(
    parts: Parts, settings: Rebalancing, scope: Scope, seed: int, *, exact: bool
) -> Rebalanced:
    from dataclasses import replace

    from phoenixctl.cli.planned import looked
    from phoenixctl.planning.config_digest import config_digest
    from phoenixctl.planning.fingerprint import with_fingerprints
    from phoenixctl.planning.rebalance import plan_rebalance
    from phoenixctl.workflows.observe import FULL

    seen = await looked(parts, depth=FULL)
    done = plan_rebalance(
        parts.configured,
        seen.state,
        seen.snapshot,
        seen.inventory,
        settings,
        config_digest=config_digest(parts.configured),
        seed=seed,
        exact=exact,
        scope=scope,
    )
    return replace(done, plan=with_fingerprints(done.plan, seen.snapshot, seen.state))


def _settings(
    fleet: Fleet, goal: Goal | None, max_moves: int | None, move_cost: float | None
) -> Rebalancing:
    from phoenixctl.model.rules import BY_DEFAULT, Rebalancing

    configured = (fleet.placement or BY_DEFAULT).rebalance
    return Rebalancing(
        goal=configured.goal if goal is None else goal,
        max_moves=configured.max_moves if max_moves is None else max_moves,
        move_cost=configured.move_cost if move_cost is None else move_cost,
    )


def _show(run: Run, done: Rebalanced) -> None:
    from phoenixctl.render.rebalance import print_rebalance, rebalance_document

    run.emit(
        "rebalance",
        lambda: rebalance_document(done.found),
        lambda console: print_rebalance(done.found, console),
    )


def _keep(run: Run, plan: Plan, out: Path) -> ExitCode:
    from phoenixctl.cli.commands.plan import exit_code_of, show
    from phoenixctl.store.plan_file import write_plan

    show(run, plan, None)
    write_plan(out, plan)
    run.note(f"kept in {out}; next: phoenixctl apply {out}")
    return exit_code_of(plan, detailed=False)
