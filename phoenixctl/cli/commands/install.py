"""`phoenixctl install`."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from phoenixctl.cli.command import command, group
from phoenixctl.cli.run import Run
from phoenixctl.model.errors import ExitCode

app = group("Let this machine do by itself what is to be done again and again.")


class Form(StrEnum):
    TIMER = "timer"  # a collection now and then
    WATCH = "watch"  # the pulse of all nodes, all the time
    CRON = "cron"


@command(app, "collector", help="Gather metrics by a systemd timer, a service, or cron.")
def collector(
    run: Run,
    *,
    form: Annotated[
        Form, typer.Option("--as", help="Who does it: systemd, or cron.", show_choices=True)
    ] = Form.TIMER,
    every: Annotated[
        str | None,
        typer.Option("--every", metavar="TIME", help="How often: 1m; of a watch 1s."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be written and write nothing.")
    ] = False,
) -> ExitCode:
    from phoenixctl.cli.installing import install_collector

    return install_collector(run, form.value, every, dry_run=dry_run)
