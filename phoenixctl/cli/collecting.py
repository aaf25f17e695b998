"""A collection of metrics, and what failed in it in words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from phoenixctl.model.errors import ExitCode, PhoenixError
from phoenixctl.model.names import NodeName

if TYPE_CHECKING:
    from phoenixctl.cli.compose import Parts
    from phoenixctl.cli.run import Run
    from phoenixctl.metrics.gathered import Collected
    from phoenixctl.model.measuring import Asked
    from phoenixctl.model.reading import Reading
    from phoenixctl.model.snapshot import Snapshot


async def collected(parts: Parts, nodes: Iterable[NodeName]) -> Collected:
    """Gather and keep the metrics of these nodes, with progress on stderr."""
    from phoenixctl.cli.observing import observed
    from phoenixctl.performance.verdict import covers, current_readings
    from phoenixctl.workflows.collect import collect

    def targeted(snapshot: Snapshot) -> Mapping[str, Reading]:
        # Of chosen nodes they would be other values, under the name of the fleet's.
        if not covers(parts.fleet, snapshot):
            return {}
        return current_readings(snapshot, parts.records.availability())

    async def ask(snapshot: Snapshot) -> tuple[Asked, ...]:
        if parts.fleet.metrics is None or not parts.fleet.metrics.collectors:
            return ()
        from phoenixctl.workflows.collectors import ask_collectors, running_on

        answering = [node.name for node in snapshot.observed()]
        return await ask_collectors(
            parts.fleet, parts.reach, parts.secret, answering, running_on(snapshot)
        )

    return await collect(lambda: observed(parts, nodes), targeted, ask, parts.metrics, parts.clock)


def name_failures(run: Run, found: Collected) -> None:
    """What gave no answer, or not all of it, on stderr; the same hint once."""
    failed: list[tuple[str, PhoenixError]] = [
        (node.name, node.error) for node in found.snapshot.unobserved()
    ]
    failed += [
        (f"{one.node}, collector {one.collector.name}", one.error)
        for one in found.asked
        if one.error is not None
    ]
    for what, error in failed:
        run.note(f"{what}: {error.kind}: {error}")
    for hint in dict.fromkeys(error.hint for _, error in failed if error.hint):
        run.note(f"  try: {hint}")


def code_of(found: Collected) -> ExitCode:
    """As `status` has it for nodes; 3 when nothing but a collector failed."""
    from phoenixctl.cli.observing import unobserved_code
    from phoenixctl.model.outcome import gravest

    failed = any(one.error is not None for one in found.asked)
    of_collectors = ExitCode.SOME_FAILED if failed else ExitCode.OK
    return gravest((unobserved_code(found.snapshot), of_collectors))
