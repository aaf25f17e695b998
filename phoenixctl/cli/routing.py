"""Every router asked, and what is wrong with those that do not answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phoenixctl.model.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from phoenixctl.cli.compose import Parts
    from phoenixctl.cli.run import Run
    from phoenixctl.model.errors import PhoenixError
    from phoenixctl.model.routing import RouterStatus
    from phoenixctl.model.snapshot import Snapshot


async def asked(parts: Parts, *, rates: bool = False) -> tuple[Sequence[RouterStatus], Snapshot]:
    """Every router, beside what is seen to run; with `rates` also how much that does."""
    from phoenixctl.cli.observing import observed
    from phoenixctl.workflows.observe import FULL, READY
    from phoenixctl.workflows.traffic import Traffic

    if not parts.configured.routers:
        raise UsageError(
            "no router is configured",
            hint="write one under routers; its keys: phoenixctl config schema",
        )
    await parts.know_recorded_nodes()
    snapshot = await observed(parts, depth=FULL if rates else READY)
    found = await Traffic(parts.fleet, parts.routers, parts.clock).status(snapshot)
    return found, snapshot


def errors_of(found: Sequence[RouterStatus]) -> Iterator[tuple[str, PhoenixError]]:
    """What is wrong with routers and backends, by their names."""
    for router in found:
        if router.error is not None:
            yield router.settings.name, router.error
        for backend in router.backends:
            if backend.error is not None:
                yield f"{router.settings.name}/{backend.name}", backend.error


def name_errors(run: Run, found: Sequence[RouterStatus]) -> None:
    """The same for a person, on stderr."""
    for name, error in errors_of(found):
        run.note(f"{name}: {error.kind}: {error}")
        if error.hint:
            run.note(f"  try: {error.hint}")
