"""Views of small fleets for tests of the live view."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from phoenixctl.model.fleet import Fleet
from phoenixctl.model.snapshot import NodeObservation, NodeUnobserved
from phoenixctl.performance.compliance import assess
from phoenixctl.performance.verdict import current_readings, judge
from phoenixctl.render.top.view import Line, TopView
from tests.builders import NOW, fleet, node, snapshot

EPOCH = 1_800_000_000.0


def view(
    *nodes: NodeObservation | NodeUnobserved,
    of: Fleet | None = None,
    last: Mapping[str, NodeObservation] | None = None,
    **more: Any,
) -> TopView:
    """What a round saw; `last` has the last answers of nodes that are silent now."""
    of = of or fleet(*(node(seen.name) for seen in nodes))
    seen = snapshot(*nodes)
    answers = {one.name: one for one in seen.observed()}
    return TopView(
        fleet=of,
        nodes=tuple(of.nodes),
        snapshot=seen,
        verdict=judge(of, seen),
        targets=assess(of.targets, current_readings(seen, {})),
        at=EPOCH,
        last={**answers, **(last or {})},
        **more,
    )


def before(observation: NodeObservation, seconds: float) -> NodeObservation:
    """The same answer, so long ago."""
    return replace(observation, at=NOW - seconds)


def plain(line: Line) -> str:
    return "".join(text for text, _ in line)


def styles(line: Line) -> dict[str, str]:
    """The style of each piece, by its text without the blanks around it."""
    return {text.strip(): style for text, style in line}
