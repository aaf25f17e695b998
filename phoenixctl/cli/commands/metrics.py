"""`phoenixctl metrics`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from phoenixctl.cli.command import command, group
from phoenixctl.cli.commands.metrics_serve import serve
from phoenixctl.cli.durations import seconds_of
from phoenixctl.cli.metric_query import MetricArgument, Whose
from phoenixctl.cli.periods import Period
from phoenixctl.cli.run import Run
from phoenixctl.cli.select import LabelOption, NodesOption, PoolOption, choose_nodes
from phoenixctl.metrics.grouping import By
from phoenixctl.metrics.kinds import Kind
from phoenixctl.model.errors import ExitCode, UsageError

app = group("Keep metrics over time, and show them.")


class Format(StrEnum):
    CSV = "csv"
    JSON = "json"  # an object on each line
    PARQUET = "parquet"


@command(app, "collect", help="Gather the metrics of the fleet once and keep them; for cron.")
def collect(
    run: Run,
    *,
    nodes: NodesOption = None,
    pool: PoolOption = None,
    label: LabelOption = None,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Say only what failed, as cron mails it.")
    ] = False,
) -> ExitCode:
    from phoenixctl.cli.collecting import code_of, collected, name_failures
    from phoenixctl.render.collected import collected_document, print_collected

    chosen = choose_nodes(run.parts.fleet, nodes, pool, label)
    found = run.within(lambda parts: collected(parts, chosen))
    if not quiet or run.output.for_programs:
        run.emit(
            "metrics-collected",
            lambda: collected_document(found),
            lambda console: print_collected(found, console),
        )
    name_failures(run, found)
    return code_of(found)


@command(app, "watch", help="Keep the pulse of nodes, once a second or oftener, until Ctrl-C.")
def watch(
    run: Run,
    *,
    nodes: NodesOption = None,
    pool: PoolOption = None,
    label: LabelOption = None,
    interval: Annotated[
        str,
        typer.Option("--interval", metavar="TIME", help="1s; of chosen nodes down to 100ms."),
    ] = "1s",
    lasting: Annotated[
        str | None, typer.Option("--for", metavar="TIME", help="End by itself after so long.")
    ] = None,
) -> ExitCode:
    from phoenixctl.cli.watching import watched

    chosen = choose_nodes(run.parts.fleet, nodes, pool, label)
    every = seconds_of("--interval", interval) or 0.0
    least = 0.1 if nodes or pool or label else 1.0
    if every < least - 1e-9:
        raise UsageError(
            f"--interval {interval}: at least {least:g}s",
            hint="oftener than once a second is for chosen nodes: -n web-1 --interval 200ms",
        )
    return watched(run, chosen, every, seconds_of("--for", lasting))


@command(
    app,
    "record",
    help="Keep a value that a script has measured.",
    context_settings={"ignore_unknown_options": True},  # -5 is a value
)
def record(
    run: Run,
    *,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The metric's name.")],
    value: Annotated[
        float, typer.Argument(metavar="VALUE", help="Of a counter: what is added to it.")
    ],
    kind: Annotated[
        Kind, typer.Option("--kind", help="What its values are.", show_choices=True)
    ] = Kind.GAUGE,
    label: Annotated[
        list[str] | None, typer.Option("--label", "-l", metavar="KEY=VALUE", help="A label of it.")
    ] = None,
    node: Annotated[
        str | None, typer.Option("--node", "-n", metavar="NODE", help="It is of this node.")
    ] = None,
    agent: Annotated[
        str | None,
        typer.Option("--agent", "-a", metavar="AGENT", help="Of this agent; --node says where."),
    ] = None,
) -> None:
    from phoenixctl.cli.recording import recorded
    from phoenixctl.render.metric_values import shown
    from phoenixctl.render.tables import styled

    done = recorded(run.parts, name, value, kind=kind, labels=label, node=node, agent=agent)
    run.emit(
        "metrics-recorded",
        lambda: {"metric": done.metric, "subject": done.subject, "value": done.value},
        lambda console: console.print(
            styled(f"{done.metric} of {done.subject}: {shown(done.metric, done.value)}", "")
        ),
    )


@command(app, "ls", help="List the metrics that are kept.")
def ls(run: Run) -> None:
    from phoenixctl.cli.metric_query import kept
    from phoenixctl.render.metrics import listed_document, print_listed

    found = kept(run.parts.metrics)
    run.emit(
        "metrics",
        lambda: listed_document(run.parts.fleet.name, found),
        lambda console: print_listed(found, console),
    )


@command(app, "get", help="Show a metric: its last values, and their course over a time.")
def get(
    run: Run,
    *,
    metric: MetricArgument,
    whose: Whose,
    period: Period,
    plot: Annotated[bool, typer.Option("--plot", help="Draw a graph of each.")] = False,
    image: Annotated[
        Path | None,
        typer.Option("--image", metavar="FILE", help="Draw them into a .png or .svg too."),
    ] = None,
) -> None:
    from phoenixctl.cli.exporting import draw
    from phoenixctl.cli.metric_query import asked
    from phoenixctl.render.metrics import print_values, values_document

    now = run.parts.clock.epoch()
    found = asked(run.parts, metric, whose, period.at(now), now=now)
    if image is not None:
        draw(found, image)
    run.emit(
        "metrics-values",
        lambda: values_document(found),
        lambda console: print_values(found, console, plots=plot, now=now),
    )


@command(app, "stats", help="Sum a metric up over a time: averages, percentiles, rate, trend.")
def stats(
    run: Run,
    *,
    metric: MetricArgument,
    whose: Whose,
    period: Period,
    by: Annotated[
        By, typer.Option("--by", help="What is summed up together.", show_choices=True)
    ] = By.SUBJECT,
    top: Annotated[
        int | None, typer.Option("--top", min=1, metavar="N", help="Only those with most.")
    ] = None,
) -> None:
    from phoenixctl.cli.metric_query import asked, summed_up
    from phoenixctl.render.metrics import print_stats, stats_document

    now = run.parts.clock.epoch()
    chosen = asked(run.parts, metric, whose, period.at(now), now=now)
    found = [summed_up(run.parts, one, by, top) for one in chosen]
    run.emit(
        "metrics-stats",
        lambda: stats_document(found),
        lambda console: print_stats(found, console),
    )


@command(app, "export", help="Write values for other programs: a row for each time and subject.")
def export(
    run: Run,
    *,
    metric: MetricArgument,
    whose: Whose,
    period: Period,
    form: Annotated[
        Format, typer.Option("--format", "-f", help="What to write.", show_choices=True)
    ] = Format.CSV,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Where to; by default to stdout.")
    ] = None,
) -> None:
    from phoenixctl.cli.exporting import export as exported
    from phoenixctl.cli.metric_query import asked

    if run.output.for_programs:
        raise UsageError("what is exported has a --format instead of --output")
    now = run.parts.clock.epoch()
    found = asked(run.parts, metric, whose, period.at(now), now=now)
    exported(found, form.value, out)


command(app, "serve", help="Tell a Prometheus what is known of the fleet, over HTTP.")(serve)


@command(app, "health", help="Show who answers, who cannot reach whom, and who has a leader.")
def health(
    run: Run,
    *,
    probes: Annotated[
        int,
        typer.Option(
            "--probes", min=0, max=64, metavar="N", help="How many others each node tries."
        ),
    ] = 8,
) -> ExitCode:
    from phoenixctl.cli.cluster_health import code_of, looked_at
    from phoenixctl.render.health import health_document, print_health

    view = run.within(lambda parts: looked_at(parts, probes))
    run.emit(
        "metrics-health",
        lambda: health_document(view),
        lambda console: print_health(view, console),
    )
    return code_of(view)
