"""`agents renew`: singletons go on running where they are recorded."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from phoenixctl.cli.select import choose_agents
from phoenixctl.model.errors import ExitCode
from phoenixctl.model.outcome import gravest
from phoenixctl.remote.renew import Renewal
from phoenixctl.render.renewals import renewal_document, renewal_rows, renewal_words
from phoenixctl.workflows.leases import renew, would_renew

if TYPE_CHECKING:
    from phoenixctl.cli.compose import Parts
    from phoenixctl.cli.run import Run

_MOST_SECONDS: Final = 60.0  # between two rounds
_LEAST_SECONDS: Final = 1.0
_ROUNDS: Final = 3.0  # in a lease: one or two may be lost


async def renew_once(
    run: Run, parts: Parts, names: Sequence[str], *, dry_run: bool = False
) -> ExitCode:
    """One round. Every permission that was not renewed is named."""
    from phoenixctl.render.tables import table

    found = await _round(parts, names, dry_run=dry_run)
    run.emit(
        "renewals",
        lambda: {"fleet": parts.fleet.name, "agents": [renewal_document(one) for one in found]},
        lambda console: table(console, *renewal_rows(found)),
    )
    _tell(run, found)
    return gravest(one.exit_code for one in found)


async def renew_again_and_again(run: Run, parts: Parts, names: Sequence[str]) -> ExitCode:
    """Until Ctrl-C. Says only what goes wrong, and when it is right again."""
    told: dict[str, str] = {}
    while True:
        found = await _round(parts, names)
        for one in found:
            words = "" if one.exit_code is ExitCode.OK else renewal_words(one)
            if told.get(one.agent, "") != words:
                run.note(words or f"{one.agent}: renewed on {one.node}")
            told[one.agent] = words
        await asyncio.sleep(_pause(parts))


async def _round(
    parts: Parts, names: Sequence[str], *, dry_run: bool = False
) -> tuple[Renewal, ...]:
    only = {agent.id for agent in choose_agents(parts.fleet, names)} if names else None
    await parts.know_recorded_nodes()
    if dry_run:
        return would_renew(parts.fleet, await parts.records.read(), only)
    return await renew(parts.fleet, parts.reach, parts.records, only)


def _pause(parts: Parts) -> float:
    leases = [s.lease_seconds for s in parts.configured.agents.values() if s.lease_seconds]
    return max(_LEAST_SECONDS, min([_MOST_SECONDS, *(lease / _ROUNDS for lease in leases)]))


def _tell(run: Run, found: Sequence[Renewal]) -> None:
    for one in found:
        if one.exit_code is not ExitCode.OK:
            run.note(renewal_words(one))
            if one.error is not None and one.error.hint:
                run.note(f"  try: {one.error.hint}")
