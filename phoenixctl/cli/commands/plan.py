"""`phoenixctl plan`."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from phoenixctl.cli.command import command, single
from phoenixctl.cli.run import Run
from phoenixctl.cli.scope import PlanOptions
from phoenixctl.model.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from phoenixctl.model.plan import Plan

app = single()


class Graph(StrEnum):
    MERMAID = "mermaid"
    DOT = "dot"


Out = Annotated[
    Path | None,
    typer.Option("--out", metavar="FILE", help="Keep the plan, for `apply FILE`."),
]
AsGraph = Annotated[
    Graph | None, typer.Option("--graph", help="Write it as a graph of its steps instead.")
]
Detailed = Annotated[
    bool,
    typer.Option("--detailed-exitcode", help="End with 10 when there is something to do."),
]


@command(app, "plan", help="Show what would be done to make the fleet as configured.")
def plan(
    run: Run,
    *,
    asked: PlanOptions,
    refresh_only: Annotated[
        bool, typer.Option("--refresh-only", help="Show only what is not as recorded.")
    ] = False,
    out: Out = None,
    graph: AsGraph = None,
    detailed_exitcode: Detailed = False,
) -> ExitCode:
    if refresh_only and (asked.destroy or asked.reap or asked.replace or out):
        raise UsageError(
            "--refresh-only goes with neither --destroy, --reap, --replace nor --out",
            hint="phoenixctl refresh carries it out",
        )

    found = run.within(asked.planned)
    if refresh_only:
        found = _without_steps(found)
    show(run, found, graph)
    if out is not None:
        from phoenixctl.store.plan_file import write_plan

        write_plan(out, found)
        run.note(f"kept in {out}; next: phoenixctl apply {out}")
    return exit_code_of(found, detailed=detailed_exitcode)


def exit_code_of(plan: Plan, *, detailed: bool) -> ExitCode:
    """8 for a plan that a guard forbids; 10 when asked for and there is something to do."""
    if plan.breaches:
        return ExitCode.REFUSED
    return ExitCode.CHANGES if detailed and (plan.steps or plan.drift) else ExitCode.OK


def show(run: Run, plan: Plan, graph: Graph | None) -> None:
    """The plan on stdout: for people, for programs, or as a graph."""
    from phoenixctl.render.output import Output
    from phoenixctl.render.plans import plan_document, print_plan

    if graph is not None:
        from phoenixctl.render.graph import dot, mermaid

        sys.stdout.write(mermaid(plan) if graph is Graph.MERMAID else dot(plan))
        return
    wide = run.output is Output.WIDE
    run.emit(
        "plan", lambda: plan_document(plan), lambda console: print_plan(plan, console, wide=wide)
    )


def _without_steps(plan: Plan) -> Plan:
    from dataclasses import replace

    return replace(plan, steps=(), breaches=(), cost=None, warnings=())
