"""What a whole placement is worth, term by term, by the specification's objectives."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from phoenixctl.model.reading import Metric
from phoenixctl.placement.scores.price import price_of

if TYPE_CHECKING:
    from phoenixctl.placement.arrays import Floats, Ints
    from phoenixctl.placement.board import Board

OVERALL = "overall"


def objectives(
    board: Board, *, count: Ints | None = None, load: Floats | None = None
) -> Mapping[str, float]:
    """Each term from 0 to 1, higher is better, and their weighted mean; those not known left out.

    Latency and throughput are those of the nodes as measured, by agents there. Balance is the mean
    use of the resource that is used least evenly, over that of the fullest node. Cost is the part
    of the price of all nodes that is not in use. `count` (N,) and `load` (N, R): None for those of
    the board.
    """
    agents = board.count if count is None else count
    weights = board.settings.objectives
    terms = {
        "latency": (weights.latency, _mean(_quickness(board), agents)),
        "throughput": (weights.throughput, _mean(_throughput(board), agents)),
        "balance": (weights.balance, _balance(board, board.load if load is None else load)),
        "cost": (weights.cost, _saved(board, agents)),
    }
    known = {name: value for name, (_, value) in terms.items() if value is not None}
    total = sum(terms[name][0] for name in known)
    if total > 0:
        weighted = sum(terms[name][0] * value for name, value in known.items())
        known[OVERALL] = weighted / total
    return MappingProxyType(known)


def response_seconds(board: Board) -> Floats:
    """How soon agents on each node answer: the 95th percentile, else the mean; NaN: not known."""
    slowest, mean = board.measured(Metric.RESPONSE_P95), board.measured(Metric.RESPONSE_MEAN)
    return np.where(np.isnan(slowest), mean, slowest)


def prices(board: Board) -> Floats:
    """(N,) what each node costs per hour; NaN: not known."""
    found = [price_of(seat, board) for seat in board.seats]
    return np.array([np.nan if price is None else price for price in found], np.float64)


def _quickness(board: Board) -> Floats:
    target = board.fleet.targets.agent_response_time_p95_seconds
    return target / np.maximum(response_seconds(board), target)


def _throughput(board: Board) -> Floats:
    per_second = board.measured(Metric.THROUGHPUT)
    return np.minimum(1.0, per_second / board.settings.throughput_per_second)


def _mean(values: Floats, agents: Ints) -> float | None:
    known = np.isfinite(values) & (agents > 0)
    if not known.any():
        return None
    return float(np.average(values[known], weights=agents[known]))


def _balance(board: Board, load: Floats) -> float | None:
    worst = None
    for column in range(len(board.resources)):
        total = board.allowed[:, column]
        known = np.isfinite(total) & (total > 0)
        used = load[known, column] / total[known]
        if used.size and used.max() > 0:
            even = float(load[known, column].sum() / total[known].sum() / used.max())
            worst = even if worst is None else min(worst, even)
    return worst


def _saved(board: Board, agents: Ints) -> float | None:
    found = prices(board)
    known = found[np.isfinite(found)]
    usual = float(known.mean()) if known.size and known.sum() > 0 else 1.0
    paid = np.where(np.isfinite(found), found, usual)
    total = float(paid.sum())
    return 1.0 - float(paid[agents > 0].sum()) / total if total > 0 else None
