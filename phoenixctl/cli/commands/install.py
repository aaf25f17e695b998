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


class ScalingForm(StrEnum):
    TIMER = "timer"
    CRON = "cron"
    SERVICE = "service"  # one evaluation after the other


Every = Annotated[
    str | None,
    typer.Option("--every", metavar="TIME", help="How often: 1m; of a watch 1s."),
]
OnlyShow = Annotated[
    bool, typer.Option("--dry-run", help="Show what would be written and write nothing.")
]


@command(app, "collector", help="Gather metrics by a systemd timer, a service, or cron.")
def collector(
    run: Run,
    *,
    form: Annotated[
        Form, typer.Option("--as", help="Who does it: systemd, or cron.", show_choices=True)
    ] = Form.TIMER,
    every: Every = None,
    dry_run: OnlyShow = False,
) -> ExitCode:
    from phoenixctl.cli.installing import install
    from phoenixctl.render.scheduled import COLLECTOR

    return install(run, [COLLECTOR], form.value, every, dry_run=dry_run)


@command(app, "autoscaler", help="Scale pools by a systemd timer, a service, or cron.")
def autoscaler(
    run: Run,
    *,
    form: Annotated[
        ScalingForm, typer.Option("--as", help="Who does it: systemd, or cron.", show_choices=True)
    ] = ScalingForm.TIMER,
    every: Every = None,
    dry_run: OnlyShow = False,
) -> ExitCode:
    from phoenixctl.cli.installing import install
    from phoenixctl.render.scheduled import AUTOSCALER

    return install(run, [AUTOSCALER], form.value, every, dry_run=dry_run)


@command(app, "timer", help="Gather metrics and scale pools, both by systemd timers.")
def timer(run: Run, *, every: Every = None, dry_run: OnlyShow = False) -> ExitCode:
    from phoenixctl.cli.installing import install
    from phoenixctl.render.scheduled import AUTOSCALER, COLLECTOR

    return install(run, [COLLECTOR, AUTOSCALER], "timer", every, dry_run=dry_run)


@command(app, "cron", help="Gather metrics and scale pools, both by lines for cron.")
def cron(run: Run, *, every: Every = None, dry_run: OnlyShow = False) -> ExitCode:
    from phoenixctl.cli.installing import install
    from phoenixctl.render.scheduled import AUTOSCALER, COLLECTOR

    return install(run, [COLLECTOR, AUTOSCALER], "cron", every, dry_run=dry_run)
