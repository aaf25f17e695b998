"""What a rebalance would gain, move by move, and what it does to the placement."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from rich.console import Console
from rich.text import Text

from phoenixctl.model.units import format_ratio
from phoenixctl.placement.rebalance.result import Move, Point, Rebalance, Standing
from phoenixctl.render.gather import fold
from phoenixctl.render.neutral import one_line
from phoenixctl.render.tables import table

_MOVES_SHOWN: Final = 3  # of those that are worth it only together


def print_rebalance(found: Rebalance, console: Console) -> None:
    """The verdict, the curve, what changes term by term, and the waves."""
    console.print(_verdict(found), soft_wrap=True)
    if not found.points:
        return
    console.print()
    columns = ("MOVES", "GAIN", "OBJECTIVE", "BOUND", "THE LAST ONES")
    rows = [
        [
            str(point.moves),
            *map(_number, (point.gain, point.objective, point.bound)),
            _made(point),
        ]
        for point in found.points
    ]
    table(console, columns, rows, right=frozenset(columns[:4]))
    console.print()
    sides = frozenset({"BEFORE", "AFTER"})
    table(console, ("TERM", "BEFORE", "AFTER"), list(_terms(found)), right=sides)
    console.print()
    waves = [
        [str(number), fold(sorted(move.agent for move in wave))]
        for number, wave in enumerate(found.waves, 1)
    ]
    table(console, ("WAVE", "AGENTS"), waves, right=frozenset({"WAVE"}))
    console.print()


def rebalance_document(found: Rebalance) -> Mapping[str, Any]:
    """The same for programs."""
    return {
        "goal": found.goal.value,
        "objective": {
            "before": round(found.start, 6),
            "after": round(found.objective, 6),
            "bound": round(found.bound, 6),
            "gap": round(found.gap, 6),
        },
        "curve": [
            {
                "moves": point.moves,
                "gain": round(point.gain, 6),
                "objective": round(point.objective, 6),
                "bound": round(point.bound, 6),
                "gap": round(point.gap, 6),
                "made": [_move_document(move) for move in point.made],
            }
            for point in found.points
        ],
        "before": _standing_document(found.before),
        "after": _standing_document(found.after),
        "waves": [
            [{**_move_document(move), "reason": found.why[move]} for move in wave]
            for wave in found.waves
        ],
        "emptied": list(found.emptied),
        "blocked": [list(pair) for pair in found.blocked],
        "refused": [
            {**_move_document(refusal.move), "why": refusal.why} for refusal in found.refused
        ],
    }


def _verdict(found: Rebalance) -> Text:
    at_best = f"no placement is below {_number(found.bound)}"
    if not found.points:
        stays = f"{found.goal}: no move is worth it; it stays at {_number(found.start)}"
        return Text(f"{stays} of the worst placement, {at_best}", style="bold green")
    count = found.points[-1].moves
    moves = f"{count} move{'s' if count > 1 else ''}"
    falls = f"{found.goal}: from {_number(found.start)} of the worst placement to"
    gap = f"{at_best}, gap {_number(found.gap)}"
    return Text(f"{falls} {_number(found.objective)} in {moves}; {gap}", style="bold")


def _made(point: Point) -> str:
    shown = [f"{m.agent} {m.source} -> {m.target}" for m in point.made[:_MOVES_SHOWN]]
    more = len(point.made) - _MOVES_SHOWN
    return one_line(", ".join(shown) + (f" and {more} more" if more > 0 else ""))


def _terms(found: Rebalance) -> Iterator[list[str]]:
    """The goal's own terms, then the use of nodes, then the fleet's objectives."""
    before, after = found.before, found.after
    for name, value in before.terms.items():
        yield [f"goal: {name}", _number(value), _number(after.terms.get(name, 0.0))]
    yield ["nodes in use", str(before.use.nodes), str(after.use.nodes)]
    yield ["most agents on one", str(before.use.most_agents), str(after.use.most_agents)]
    for name, value in before.use.fullest.items():
        then = after.use.fullest.get(name, 0.0)
        mean = format_ratio(before.use.mean[name])
        yield [f"fullest, {name} (mean {mean})", format_ratio(value), format_ratio(then)]
    for name, value in before.objectives.items():
        reached = _number(after.objectives[name]) if name in after.objectives else "?"
        yield [f"objective: {name}", _number(value), reached]


def _standing_document(standing: Standing) -> Mapping[str, Any]:
    return {
        "terms": {name: round(value, 6) for name, value in standing.terms.items()},
        "nodes_in_use": standing.use.nodes,
        "most_agents": standing.use.most_agents,
        "fullest": {name: round(value, 6) for name, value in standing.use.fullest.items()},
        "mean": {name: round(value, 6) for name, value in standing.use.mean.items()},
        "objectives": {name: round(value, 6) for name, value in standing.objectives.items()},
    }


def _move_document(move: Move) -> dict[str, str]:
    return {"agent": move.agent, "from": move.source, "to": move.target}


def _number(value: float) -> str:
    return f"{abs(value):.4f}"
