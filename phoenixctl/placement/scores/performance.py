"""How well a node serves now: response times, throughput and availability of its agents."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from phoenixctl.model.fleet import Agent
from phoenixctl.model.reading import Metric
from phoenixctl.model.rules import Latency

if TYPE_CHECKING:
    from phoenixctl.placement.arrays import At, Floats
    from phoenixctl.placement.board import Board


def performance(_agent: Agent, board: Board, at: At) -> Floats:
    """The mean of what is known of latency, throughput and availability (the specification's, which
    takes all three as known)."""
    return board.memo("performance", lambda: _performance(board))[at]


def latency(_agent: Agent, board: Board, at: At) -> Floats:
    """How quickly agents there answer, for whoever wants nothing else."""
    return board.memo("latency", lambda: _or_middle(_latency(board)))[at]


def _performance(board: Board) -> Floats:
    enough = board.settings.throughput_per_second
    parts = np.array([
        _latency(board),
        np.minimum(1.0, board.measured(Metric.THROUGHPUT) / enough),
        board.measured(Metric.AVAILABILITY),
    ])  # fmt: skip
    known = ~np.isnan(parts)
    counted = known.sum(axis=0)
    sums = np.where(known, parts, 0.0).sum(axis=0)
    return _or_middle(np.where(counted, sums / np.maximum(counted, 1), np.nan))


def _latency(board: Board) -> Floats:
    """1 while the 95th percentile of response times, else their mean, is within the fleet's target,
    then as much less as it is more; or, if the settings say so, the specification's 1 / max(ms, 1),
    for which 1 ms or 2 ms is half of everything. NaN where it is unknown."""
    slowest, mean = board.measured(Metric.RESPONSE_P95), board.measured(Metric.RESPONSE_MEAN)
    seconds = np.where(np.isnan(slowest), mean, slowest)
    if board.settings.latency is Latency.INVERSE:
        found: Floats = 1.0 / np.maximum(seconds * 1000, 1.0)
        return found
    target = board.fleet.targets.agent_response_time_p95_seconds
    return target / np.maximum(seconds, target)


def _or_middle(scores: Floats) -> Floats:
    """A node of which nothing is known is as good as the others are on average."""
    known = scores[~np.isnan(scores)]
    middle = float(known.mean()) if known.size else 0.5
    return np.where(np.isnan(scores), middle, scores)
