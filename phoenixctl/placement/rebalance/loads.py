"""What each agent brings to its node: what it asks for, else what it was measured to use."""

from __future__ import annotations

from typing import Final

import numpy as np

from phoenixctl.model.names import AgentId
from phoenixctl.model.reading import AgentMetric
from phoenixctl.placement.board import Board
from phoenixctl.placement.candidates import living
from phoenixctl.placement.capacity import CPU, MEMORY
from phoenixctl.placement.posed import Posed
from phoenixctl.placement.solver.problem import Floats

STEPS: Final = 64  # of a node: measured use is rounded to them, so that agents are of few kinds

_MEASURED: Final = {CPU: AgentMetric.CPU, MEMORY: AgentMetric.RSS}


def loads_of(board: Board, posed: Posed) -> Floats:
    """(A, R) for the agents of the problem; what is neither asked for nor known is as the balance
    of the board counts it."""
    nominal = np.array([board.residents[agent].weight for agent in posed.agents])
    nominal = nominal.reshape(len(posed.agents), len(board.resources))
    asked = np.array([board.residents[agent].need for agent in posed.agents]).reshape(nominal.shape)
    measured = np.full(nominal.shape, np.nan)
    for column, resource in enumerate(board.resources):
        if resource in _MEASURED:
            measured[:, column] = _measured(board, posed, _MEASURED[resource])
            total = board.total[:, column]
            if np.isfinite(total).any():
                step = float(np.nanmean(total)) / STEPS
                measured[:, column] = np.round(measured[:, column] / step) * step
    used = np.where(np.isnan(measured), nominal, measured)
    return np.where(asked > 0, asked, used)


def _measured(board: Board, posed: Posed, metric: AgentMetric) -> Floats:
    found: dict[tuple[AgentId, int], float] = {}
    for number, seat in enumerate(board.seats):
        for seen in living(seat.observed):
            reading = seen.metrics.get(metric)
            if reading is not None and reading.value is not None:
                found[seen.id, number] = reading.value
    home = posed.home.tolist()
    return np.array(
        [found.get(key, np.nan) for key in zip(posed.agents, home, strict=True)], np.float64
    )
