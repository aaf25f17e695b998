"""Why an agent goes where it goes: scores of the nodes that take it, reasons of the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from rich.console import Console
from rich.text import Text

from phoenixctl.model.names import NodeName
from phoenixctl.model.placement import Explanation, Rejection, Ruling, Verdict
from phoenixctl.render.gather import fold
from phoenixctl.render.neutral import one_line
from phoenixctl.render.tables import Cell, styled, table

SHOWN: Final = 10  # nodes that take an agent; the others are counted


def print_explanation(found: Explanation, console: Console, *, wide: bool) -> None:
    """Nodes that take the agent with their scores, then what keeps it off the others."""
    console.print(_headline(found), soft_wrap=True)
    if found.open:
        console.print()
        _print_scores(found, console, wide=wide)
    if found.closed:
        console.print()
        _print_closed(found.closed, console)
        console.print()
        console.print(_nearest(found), soft_wrap=True)


def print_why_not(found: Explanation, node: NodeName, console: Console) -> None:
    """Everything about one node: what keeps the agent off, or what is better elsewhere."""
    verdict = _verdict(found, node)
    best = found.open[0] if found.open else None
    if verdict.rejections:
        console.print(f"{node} does not take {found.agent}:", style="bold", markup=False)
        console.print()
        rows = [[r.constraint, r.need, r.have, r.remedy] for r in verdict.rejections]
        table(console, ("CONSTRAINT", "NEEDS", "HAS", "REMEDY"), rows)
    elif best is None or best.node == node:
        console.print(f"{node} takes {found.agent}, and no node is better", style="bold")
    else:
        title = f"{node} takes {found.agent}, and {best.node} is better:"
        console.print(title, style="bold", markup=False)
        console.print()
        _print_difference(found, verdict, best, console)


def explanation_document(found: Explanation, ruling: Ruling | None = None) -> Mapping[str, Any]:
    """Every node with every constraint it fails, or with the terms of its score."""
    nearest = found.nearest
    return {
        **ruling_document(ruling),
        "agent": found.agent,
        "strategy": found.strategy,
        "weights": dict(found.weights),
        "here": list(found.here),
        "nodes": [_verdict_document(v) for v in found.verdicts],
        "company": [{"agent": agent, "node": node} for agent, node in found.company],
        "nearest": None if nearest is None else _verdict_document(nearest),
    }


def print_ruling(ruling: Ruling, console: Console) -> None:
    """Whether it is proven that there is no placement of all, and by which rules."""
    if not ruling.proven:
        console.print(one_line(f"Not proven that no placement exists: {ruling.why}"), markup=False)
        return
    text = Text("Proven: ", style="bold")
    text.append(f"no placement of all of them keeps {one_line(' and '.join(ruling.rules))}")
    if ruling.stay:
        text.append(" as long as agents that run stay where they are")
    console.print(text, soft_wrap=True)


def ruling_document(ruling: Ruling | None) -> Mapping[str, Any]:
    """What was proven, for programs; nothing if nobody asked."""
    if ruling is None:
        return {}
    return {
        "proof": {
            "proven": ruling.proven,
            "rules": list(ruling.rules),
            "as_long_as_agents_stay": ruling.stay,
            "why": ruling.why or None,
        }
    }


def rejection_document(rejection: Rejection) -> dict[str, Any]:
    """One constraint that one node failed."""
    return {
        "node": rejection.node,
        "constraint": rejection.constraint,
        "need": rejection.need,
        "have": rejection.have,
        "remedy": rejection.remedy or None,
    }


def number(value: float | None) -> str:
    """A score or one of its terms; a dash where there is none."""
    return "-" if value is None else f"{value:.3f}"


def _headline(found: Explanation) -> Text:
    where = f"runs on {' and '.join(found.here)}" if found.here else "does not run"
    text = Text(f"{found.agent} {where}. ", style="bold")
    total = len(found.verdicts)
    if found.company:
        return text.append(f"None of {total} nodes takes it alone; {one_line(_together(found))}.")
    if not found.open:
        return text.append(f"None of {total} nodes takes it.", style="bold red")
    best = found.open[0].node
    takes = f"{len(found.open)} of {total} nodes take it"
    if best in found.here:
        return text.append(f"{takes}, and it is on the best one ({found.strategy}).")
    return text.append(f"{takes}; placed now, it would go to {best} ({found.strategy}).")


def _together(found: Explanation) -> str:
    """`with cache-0 on b, it would go to b`."""
    own = next(node for agent, node in found.company if agent == found.agent)
    others = (f"{agent} on {node}" for agent, node in found.company if agent != found.agent)
    return f"with {' and '.join(others)}, it would go to {own}"


def _print_scores(found: Explanation, console: Console, *, wide: bool) -> None:
    names = list(found.weights)
    shown = found.open if wide else found.open[:SHOWN]
    columns = ("NODE", "SCORE", *(f"{name.upper()} x{found.weights[name]:g}" for name in names))
    rows: list[list[Cell]] = [
        [
            styled(v.node, "bold" if v.node in found.here else ""),
            number(v.score),
            *(number(v.terms.get(name)) for name in names),
        ]
        for v in shown
    ]
    table(console, columns, rows, right=frozenset(columns[1:]))
    if len(found.open) > len(shown):
        console.print(f"and {len(found.open) - len(shown)} more (all of them: -o wide)")


def _print_closed(closed: Sequence[Verdict], console: Console) -> None:
    """Constraint by constraint: which nodes fail it, and how near the nearest of them is."""
    by_need: dict[tuple[str, str], list[Rejection]] = {}
    for verdict in closed:
        for r in verdict.rejections:
            by_need.setdefault((r.constraint, r.need), []).append(r)
    rows = []
    for (constraint, need), failed in by_need.items():
        nearest = min(failed, key=lambda r: r.by)
        several = len({r.have for r in failed}) > 1
        have = f"at best {nearest.have}" if several else nearest.have
        names = fold(r.node for r in failed)
        rows.append(
            [constraint, need, have, f"{names} ({len(failed)})" if len(failed) > 1 else names]
        )
    table(console, ("CONSTRAINT", "NEEDS", "HAS", "TURNED DOWN BY"), rows)


def _nearest(found: Explanation) -> Text:
    nearest = found.nearest
    if nearest is None:
        return Text()
    remedies = "; ".join(r.remedy or f"another {r.constraint}" for r in nearest.rejections)
    text = Text("Nearest: ", style="bold")
    return text.append(f"{one_line(nearest.node)}. What it would take: {one_line(remedies)}")


def _print_difference(
    found: Explanation, verdict: Verdict, best: Verdict, console: Console
) -> None:
    rows = []
    for name, weight in found.weights.items():
        ours, theirs = verdict.terms.get(name, 0.0), best.terms.get(name, 0.0)
        rows.append(
            [
                name,
                f"{weight:g}",
                number(ours),
                number(theirs),
                f"{weight * (ours - theirs):+.3f}",
            ]
        )
    total = (verdict.score or 0.0) - (best.score or 0.0)
    rows.append(["score", "", number(verdict.score), number(best.score), f"{total:+.3f}"])
    columns = ("TERM", "WEIGHT", verdict.node, best.node, "DIFFERENCE")
    table(console, columns, rows, right=frozenset(columns[1:]))


def _verdict(found: Explanation, node: NodeName) -> Verdict:
    return next(v for v in found.verdicts if v.node == node)


def _verdict_document(verdict: Verdict) -> dict[str, Any]:
    return {
        "node": verdict.node,
        "takes": verdict.score is not None,
        "score": verdict.score,
        "terms": dict(verdict.terms),
        "rejections": [rejection_document(r) for r in verdict.rejections],
    }
