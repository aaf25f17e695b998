"""`phoenixctl top`."""

from __future__ import annotations

import os
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from phoenixctl.cli.command import command, single
from phoenixctl.cli.run import Run
from phoenixctl.cli.select import LabelOption, NodesOption, PoolOption, choose_nodes
from phoenixctl.model.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from phoenixctl.cli.compose import Parts
    from phoenixctl.model.names import NodeName
    from phoenixctl.render.top.columns import Sorting
    from phoenixctl.render.top.view import TopView

app = single()


class Sort(StrEnum):
    WORST = "worst"
    NODE = "node"
    STATE = "state"
    DEVIATION = "dev"
    CPU = "cpu"
    MEMORY = "mem"
    P95 = "p95"
    P99 = "p99"
    ERRORS = "err"
    THROUGHPUT = "msg"


@command(app, "top", help="Watch the fleet on the whole screen: sort, filter, look into a node.")
def top(
    run: Run,
    *,
    nodes: NodesOption = None,
    pool: PoolOption = None,
    label: LabelOption = None,
    interval: Annotated[
        str | None,
        typer.Option(
            "--interval",
            "-i",
            metavar="TIME",
            help="How often nodes are asked; by default 2s, less often where that takes too much.",
        ),
    ] = None,
    sort: Annotated[Sort, typer.Option("--sort", help="The order of nodes.")] = Sort.WORST,
    reverse: Annotated[bool, typer.Option("--reverse", help="The other way round.")] = False,
    wanted: Annotated[
        str, typer.Option("--filter", metavar="WORDS", help="Only rows that have these words.")
    ] = "",
) -> ExitCode:
    from phoenixctl.render.top.columns import WORST, Sorting

    chosen = choose_nodes(run.parts.fleet, nodes, pool, label) if run.parts.fleet.nodes else ()
    sorting = Sorting(WORST if sort is Sort.WORST else sort.value.upper(), reverse)
    seconds = _interval(interval)
    if run.output.for_programs:
        return _once(run, chosen, sorting, wanted)
    from phoenixctl.cli.top.terminal import colour, has_screen

    if not has_screen():
        raise UsageError("top needs a terminal", hint="phoenixctl status --watch")
    colour(os.environ, wanted=not run.no_color)
    from phoenixctl.cli.top.watch import Watch

    async def watch(parts: Parts) -> ExitCode:
        shown = Watch(parts, chosen, interval_seconds=seconds, sorting=sorting, words=wanted)
        return await shown.run()

    return run.within(watch)


def _interval(text: str | None) -> float | None:
    from phoenixctl.cli.durations import seconds_of

    seconds = seconds_of("--interval", text)
    if seconds is not None and seconds < 0.5:
        raise UsageError("--interval is 500ms at least", hint="phoenixctl top --interval 2s")
    return seconds


def _once(run: Run, nodes: tuple[NodeName, ...], sorting: Sorting, words: str) -> ExitCode:
    """One moment of it, for programs."""
    from phoenixctl.cli.observing import unobserved_code
    from phoenixctl.render.top.columns import NODE_COLUMNS, ordered
    from phoenixctl.render.top.document import top_document
    from phoenixctl.render.top.rows import agent_rows, matching, node_rows

    view = run.within(lambda parts: _seen(parts, nodes))
    rows = ordered(NODE_COLUMNS, matching(node_rows(view), words), sorting)
    agents = matching(agent_rows(view), words)
    run.emit("top", lambda: top_document(view, rows, agents), lambda _console: None)
    return unobserved_code(view.snapshot)


async def _seen(parts: Parts, nodes: tuple[NodeName, ...]) -> TopView:
    from phoenixctl.cli.observing import observed
    from phoenixctl.cli.top.looking import Beside, view_of

    beside = Beside(parts)
    snapshot = await observed(parts, nodes)
    await beside.look()
    last = {node.name: node for node in snapshot.observed()}
    return view_of(parts, nodes, snapshot, last, beside)
