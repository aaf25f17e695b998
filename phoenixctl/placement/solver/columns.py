"""A sample of nodes with their agents, laid out for the grids: one column for each node."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from phoenixctl.placement.solver.problem import Bools, Ints, Singles
from phoenixctl.placement.solver.sizes import TINY
from phoenixctl.placement.solver.state import State

BARRED: Final = np.float32(1e18)  # more than any cost: not allowed


@dataclass(frozen=True, slots=True)
class Columns:
    """K columns with L seats. The last seat of each is nobody: who swaps with it just moves.

    `stay` is what an agent stops paying by leaving, negative; `BARRED` in seats without an agent.
    """

    nodes: Ints  # (K,)
    agents: Ints  # (L, K)
    homes: Ints  # (L, K)
    stay: Singles  # (L, K)
    need: Singles  # (R, L, K)
    load: Singles  # (H, L, K)
    over: Singles  # (H, K)
    lasting: Singles  # (T, L, K) of transient resources
    away: Singles  # (T, L, K) the same, where an agent is not at home and so frees it by leaving
    room: Singles  # (T, K)

    @property
    def seats(self) -> int:
        return len(self.agents)


def sample_nodes(state: State, width: int, rng: np.random.Generator) -> Ints:
    """Nodes for the columns: half of them as likely as they are dear, the others any.

    With fewer than wanted, each several times.
    """
    nodes = state.problem.nodes
    if nodes <= width:
        times = -(-width // nodes)
        return np.concatenate([rng.permutation(nodes) for _ in range(times)])[:width]
    price = np.maximum(state.over, 0.0).sum(axis=1)
    # The largest of uniform numbers to the power of 1 / price are a draw by price.
    keys = np.log(1.0 - rng.random(nodes)) / (price + price.mean() * 0.01 + TINY)
    dear = np.argpartition(keys, -(width // 2))[-(width // 2) :]
    others = rng.permutation(nodes)
    others = others[~np.isin(others, dear)]
    return np.concatenate([dear, others])[:width]


def gather(state: State, nodes: Ints, ready: Bools, most: int, rng: np.random.Generator) -> Columns:
    """Columns of these nodes with at most `most` of their agents that are `ready` (A+1,)."""
    figures = state.figures
    agents = _seated(state, nodes, ready, most, rng)
    homes, where = figures.home[agents], np.broadcast_to(nodes, agents.shape)
    stay = -figures.standing(agents, where).astype(np.float32)
    stay[agents == figures.nobody] = BARRED
    stay[-1] = 0.0
    lasting = figures.lasting_by_resource[:, agents]
    room = np.maximum(state.room[nodes], 0.0) + figures.blur[nodes]
    return Columns(
        nodes=nodes,
        agents=agents,
        homes=homes,
        stay=stay,
        need=figures.need_by_resource[:, agents],
        load=figures.load_by_column[:, agents],
        over=np.ascontiguousarray(state.over[nodes].T, np.float32),
        lasting=lasting,
        away=lasting * (homes != where),
        room=np.ascontiguousarray(room[:, figures.transient].T, np.float32),
    )


def _seated(state: State, nodes: Ints, ready: Bools, most: int, rng: np.random.Generator) -> Ints:
    """(L, K) agents that are ready, in the first seats; nobody in the others and the last."""
    width = int(state.seats.count[nodes].max(initial=0))
    rows = state.seats.rows[nodes, :width]
    waiting = ~ready[rows]
    counts = width - waiting.sum(axis=1)
    if counts.max(initial=0) > most:
        order = np.argsort(rng.random(rows.shape, np.float32) + waiting, axis=1)
    else:
        order = np.argsort(waiting, axis=1, kind="stable")
    seats = min(most, int(counts.max(initial=0)))
    chosen = np.full((nodes.shape[0], seats + 1), state.figures.nobody)
    taken = np.take_along_axis(rows, order[:, :seats], axis=1)
    chosen[:, :seats] = np.where(np.arange(seats) < counts[:, None], taken, state.figures.nobody)
    return np.ascontiguousarray(chosen.T)
