"""A plan as a graph, for Mermaid (in Markdown) and Graphviz: steps, and what each waits for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from phoenixctl.model.plan import Plan, Risk
from phoenixctl.render.neutral import one_line
from phoenixctl.render.plans import words

_COLOURS: Final = {Risk.SAFE: "#2e7d32", Risk.DISRUPTIVE: "#b26a00", Risk.DESTRUCTIVE: "#b71c1c"}


def mermaid(plan: Plan) -> str:
    """A flow chart; arrows point from a step to those that wait for it."""
    lines = ["flowchart LR"]
    names = _names(plan)
    for step in plan.steps:
        label = one_line(words(step)).replace('"', "#quot;")
        lines.append(f'    {names[step.key]}["{label}"]:::{step.risk}')
    lines += [f"    {before} --> {after}" for before, after in _arrows(plan)]
    lines += [f"    classDef {risk} stroke:{colour}" for risk, colour in _COLOURS.items()]
    return "\n".join(lines) + "\n"


def dot(plan: Plan) -> str:
    """The same for Graphviz."""
    lines = ["digraph plan {", "    rankdir=LR", "    node [shape=box]"]
    names = _names(plan)
    for step in plan.steps:
        label = one_line(words(step)).replace("\\", "\\\\").replace('"', '\\"')
        lines.append(f'    {names[step.key]} [label="{label}" color="{_COLOURS[step.risk]}"]')
    lines += [f"    {before} -> {after}" for before, after in _arrows(plan)]
    return "\n".join([*lines, "}"]) + "\n"


def _names(plan: Plan) -> dict[str, str]:
    return {step.key: f"s{number}" for number, step in enumerate(plan.steps)}


def _arrows(plan: Plan) -> Iterator[tuple[str, str]]:
    names = _names(plan)
    for step in plan.steps:
        yield from ((names[key], names[step.key]) for key in step.after if key in names)
