"""`phoenixctl show`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from phoenixctl.cli.command import command, single
from phoenixctl.cli.commands.plan import AsGraph, Detailed, exit_code_of, show
from phoenixctl.cli.run import Run
from phoenixctl.model.errors import ExitCode

app = single()


@command(app, "show", help="Show a plan that was kept in a file.")
def show_file(
    run: Run,
    *,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Written by `plan --out FILE`.")],
    graph: AsGraph = None,
    detailed_exitcode: Detailed = False,
) -> ExitCode:
    from phoenixctl.store.plan_file import read_plan

    plan = read_plan(file)
    show(run, plan, graph)
    return exit_code_of(plan, detailed=detailed_exitcode)
