"""`phoenixctl status`."""

from __future__ import annotations

import asyncio
import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from phoenixctl.cli.command import command, single
from phoenixctl.cli.run import Run
from phoenixctl.cli.select import LabelOption, NodesOption, PoolOption, choose_nodes
from phoenixctl.model.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

    from phoenixctl.cli.compose import Parts
    from phoenixctl.model.names import NodeName
    from phoenixctl.model.snapshot import NodeObservation, NodeUnobserved
    from phoenixctl.render.status import StatusView

app = single()


class Sort(StrEnum):
    WORST = "worst"
    NAME = "name"
    CPU = "cpu"
    MEMORY = "memory"
    P95 = "p95"
    THROUGHPUT = "throughput"


@command(app, "status", help="Show the fleet: verdict first, worst nodes first.")
def status(
    run: Run,
    *,
    nodes: NodesOption = None,
    pool: PoolOption = None,
    label: LabelOption = None,
    sort: Annotated[Sort, typer.Option("--sort", help="The order of nodes.")] = Sort.WORST,
    wanted: Annotated[
        list[str] | None,
        typer.Option(
            "--filter",
            metavar="STATE",
            help="Only nodes in this state: ok, slow, degraded, cordoned, unreachable.",
        ),
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Refresh until Ctrl-C.")] = False,
    interval: Annotated[
        float, typer.Option("--interval", min=0.5, metavar="SECONDS", help="With --watch.")
    ] = 2.0,
) -> ExitCode:
    from phoenixctl.cli.observing import unobserved_code

    if watch and run.output.for_programs:
        raise UsageError("--watch shows tables only", hint="phoenixctl status -o json")
    chosen = choose_nodes(run.parts.fleet, nodes, pool, label) if run.parts.fleet.nodes else ()
    states = _states(wanted)
    if watch:
        run.within(
            lambda parts: _watch(
                run, lambda: view_of(parts, chosen, sort, states, progress=False), interval
            )
        )
        return ExitCode.OK
    view = run.within(lambda parts: view_of(parts, chosen, sort, states))
    _emit(run, view)
    return unobserved_code(view.snapshot)


def _emit(run: Run, view: StatusView) -> None:
    from phoenixctl.render.output import Output
    from phoenixctl.render.status import print_status, status_document

    run.emit(
        "status",
        lambda: status_document(view),
        lambda console: print_status(view, console, wide=run.output is Output.WIDE),
    )


async def view_of(
    parts: Parts,
    nodes: tuple[NodeName, ...],
    sort: Sort,
    states: frozenset[str] = frozenset(),
    *,
    progress: bool = True,
) -> StatusView:
    """Observe, judge, and put the nodes in order."""
    from phoenixctl.cli.observing import observed
    from phoenixctl.performance.compliance import assess
    from phoenixctl.performance.verdict import current_readings, judge
    from phoenixctl.render.status import StatusView

    snapshot = await observed(parts, nodes, progress=progress)
    verdict = judge(parts.fleet, snapshot)
    current = current_readings(snapshot, parts.records.availability())
    targets = assess(parts.fleet.targets, current)
    view = StatusView(parts.fleet, snapshot, verdict, targets, ())
    ordered = tuple(n for n in _ordered(view, sort) if not states or _state(view, n) in states)
    return StatusView(parts.fleet, snapshot, verdict, targets, ordered)


def _ordered(view: StatusView, sort: Sort) -> list[NodeObservation | NodeUnobserved]:
    from phoenixctl.model.reading import Metric
    from phoenixctl.model.snapshot import NodeObservation
    from phoenixctl.performance.verdict import worst_first

    if sort is Sort.WORST:
        return list(worst_first(view.snapshot, view.verdict))
    if sort is Sort.NAME:
        return sorted(view.snapshot.nodes.values(), key=lambda node: node.name)
    metric = {
        Sort.CPU: Metric.CPU,
        Sort.MEMORY: Metric.MEMORY,
        Sort.P95: Metric.RESPONSE_P95,
        Sort.THROUGHPUT: Metric.THROUGHPUT,
    }[sort]

    def key(node: NodeObservation | NodeUnobserved) -> tuple[float, str]:
        value = node.metrics[metric].value if isinstance(node, NodeObservation) else None
        return (-(value if value is not None else -1.0), node.name)

    return sorted(view.snapshot.nodes.values(), key=key)


def _state(view: StatusView, node: NodeObservation | NodeUnobserved) -> str:
    from phoenixctl.model.snapshot import NodeUnobserved
    from phoenixctl.render.status import state_of

    if isinstance(node, NodeUnobserved):
        return "unreachable"
    return state_of(node, view.verdict.of(node.name)).plain


def _states(wanted: list[str] | None) -> frozenset[str]:
    known = ("ok", "slow", "degraded", "cordoned", "unreachable")
    states = frozenset(part for text in wanted or () for part in text.split(","))
    unknown = sorted(states - set(known))
    if unknown:
        raise UsageError(f"--filter {unknown[0]} is not a state", hint=f"one of {', '.join(known)}")
    return states


async def _watch(
    run: Run, look: Callable[[], Coroutine[Any, Any, StatusView]], interval: float
) -> None:
    """Rewrite the page at each interval over the same connections; without a terminal, append."""
    terminal = sys.stdout.isatty()
    while True:
        view = await look()
        if terminal:
            sys.stdout.write("\x1b[H\x1b[2J")
        _emit(run, view)
        sys.stdout.write(f"\nevery {interval:g} s, {view.snapshot.taken_at_utc}; Ctrl-C ends\n")
        sys.stdout.flush()
        await asyncio.sleep(interval)
