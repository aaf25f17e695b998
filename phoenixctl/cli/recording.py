"""A value that is kept: of which metric, and whose it is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from phoenixctl.cli.select import choose_agents, choose_node
from phoenixctl.metrics.kinds import Kind, build
from phoenixctl.metrics.subjects import FLEET, agent_subject
from phoenixctl.model.errors import UsageError

if TYPE_CHECKING:
    from phoenixctl.cli.compose import Parts


@dataclass(frozen=True, slots=True)
class Recorded:
    metric: str
    subject: str
    value: float


def recorded(
    parts: Parts,
    name: str,
    value: float,
    *,
    kind: Kind,
    labels: Sequence[str] | None,
    node: str | None,
    agent: str | None,
) -> Recorded:
    """Keep it now. UsageError for a name that is none, or a subject that there is not."""
    from phoenixctl.store.turns import turn
    from phoenixctl.workflows.record import record

    metric = _metric(name, labels)
    subject = _subject(parts, node, agent)
    if not math.isfinite(value) or (kind is Kind.COUNTER and value < 0):
        raise UsageError(f"{value:g} is no value of a {kind.value}")
    with turn(parts.state / "metrics.turn"):
        now = parts.clock.epoch()
        kept = record(parts.metrics, metric, value, kind=kind, subject=subject, at_seconds=now)
    return Recorded(metric, subject, kept)


def _metric(name: str, labels: Sequence[str] | None) -> str:
    pairs = [text.partition("=") for text in labels or ()]
    bare = next((key for key, sign, _ in pairs if not sign), None)
    if bare is not None:
        raise UsageError(f"--label {bare} has no value", hint="write it like --label code=200")
    try:
        return build(name, [(key, value) for key, _, value in pairs])
    except ValueError as error:
        raise UsageError(str(error)) from None


def _subject(parts: Parts, node: str | None, agent: str | None) -> str:
    where = None if node is None else choose_node(parts.fleet, node)
    if agent is None:
        return FLEET if where is None else where
    found = choose_agents(parts.configured, [agent])
    if where is None:
        raise UsageError(f"on which node is {agent}?", hint="--node says it")
    if len(found) != 1 or found[0].id != agent:
        raise UsageError(f"{agent} is not one agent", hint=f"as {found[0].id}")
    return agent_subject(where, agent)
