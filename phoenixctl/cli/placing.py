"""What the commands about places look at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phoenixctl.model.fleet import Agent, AgentSpec, Fleet
from phoenixctl.model.snapshot import Snapshot

if TYPE_CHECKING:
    from phoenixctl.cli.compose import Parts


async def seen_in_full(parts: Parts) -> tuple[Fleet, Snapshot]:
    """The fleet with every node that is known from anywhere, and all that can be measured."""
    from phoenixctl.cli.planned import looked
    from phoenixctl.workflows.observe import FULL

    seen = await looked(parts, depth=FULL)
    return seen.fleet, seen.snapshot


def one_more(spec: AgentSpec, number: int = 0) -> Agent:
    """An agent that the spec would have with so many replicas more than it has."""
    return Agent(spec, spec.replicas + number)
