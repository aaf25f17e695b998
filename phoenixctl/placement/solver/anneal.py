"""Simulated annealing with swaps and chains, many at once.

Each iteration draws moves between random pairs of nodes: for each pair one of all its swaps, or of
all chains from one to the other and on to a third, as likely as the temperature says. Picks that
touch other nodes are independent, so all of them are made.

While it is hot only large agents move. Small ones would fill every gap at no cost, and then no
large one could move any more; they have their turn when the temperature comes down to their size.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from phoenixctl.placement.solver.budget import Budget, Curve
from phoenixctl.placement.solver.columns import BARRED, gather, sample_nodes
from phoenixctl.placement.solver.cooling import Cooling, heat
from phoenixctl.placement.solver.grids import Grid, find_ends
from phoenixctl.placement.solver.picks import Picks, carry_out, choose
from phoenixctl.placement.solver.problem import Bools, Floats, Ints, Singles
from phoenixctl.placement.solver.state import State

PACED: Final = 4  # iterations after which the pace is known


@dataclass(frozen=True, slots=True)
class Manner:
    """How to anneal. Temperatures are in parts of the size of agents: the load of each in the
    column in which it has most."""

    hottest: float = 0.3  # of the largest ones, those above 97 % of all
    coldest: float = 0.005  # of the median
    frozen: float = 1e-6  # of the median
    quench: float = 0.15  # part of the budget for the way from coldest to frozen, from the best
    gate: float = 3.0  # times the temperature is how large an agent must be to move, at first
    chains: float = 0.7  # part of the grids
    tries: int = 2  # nodes asked for the end of each chain
    seats: int = 16  # agents of a node in one grid
    width: int = 128  # nodes in one grid
    retries: int = 4
    busy: float = 0.1  # moves to make in each iteration, in parts of the width
    enough: float = -np.inf  # a cost at which to stop


class Annealing:
    """One run over a state, which it changes."""

    def __init__(self, state: State, rng: np.random.Generator, manner: Manner) -> None:
        self.state, self.rng, self.manner = state, rng, manner
        self.width = _width(state.problem.nodes, manner.width)
        self.most = min(manner.seats, int(state.seats.count.max(initial=0)) + 1)
        cells = (self.most + 1) ** 2 * self.width
        self.gumbel = rng.gumbel(size=min(1 << 20, 64 * cells)).astype(np.float32)
        self.noise: Singles = self.gumbel
        self.ready: Bools = state.figures.movable
        self.grids: dict[int, Grid] = {}
        self.matchings = 2.0
        size = state.figures.load.max(axis=1, initial=0.0)
        large, typical = self._scales(size)
        # Who has no part in the load moves for other reasons, and is as large as any.
        self.size = np.where(size > 0, size, typical)
        self.cooling = Cooling(
            hottest=large * manner.hottest,
            coldest=typical * manner.coldest,
            frozen=typical * manner.frozen,
            quench=manner.quench,
        )

    def run(self, budget: Budget) -> Curve:
        """Anneal until the budget is spent, or enough is reached."""
        curve = Curve(self.state.assignment, self.state.cost)
        curve.offer(curve.at, curve.cost, 0, budget.elapsed())
        iteration = 0
        from_best = False
        while (spent := budget.spent(iteration)) < 1 and curve.cost > self.manner.enough:
            if iteration % 20 == 0 or iteration == PACED:
                self._cool(spent, budget.foreseen(iteration))
            if iteration % 1000 == 999:
                self.state.refresh()
            if not from_best and spent > 1 - self.manner.quench:
                from_best = True
                self.state = State(self.state.figures, curve.at)
            self._step()
            iteration += 1
            if self.state.cost < curve.cost:
                at, cost = self.state.assignment, self.state.cost
                curve.offer(at, cost, iteration, budget.elapsed())
        return curve

    def _cool(self, spent: float, iterations: float) -> None:
        movable = self.state.figures.movable
        moves = iterations * self.manner.busy * self.width / max(int(movable.sum()), 1)
        temperature = self.cooling.temperature(spent, heat(moves))
        self.noise = self.gumbel * np.float32(temperature)
        self.ready = movable & (self.size >= self.manner.gate * temperature * (1 - spent))

    def _step(self) -> None:
        state, rng, manner = self.state, self.rng, self.manner
        nodes = sample_nodes(state, self.width, rng)
        columns = gather(state, nodes, self.ready, self.most, rng)
        grid = self._grid(columns.seats)
        ends = find_ends(state, columns, manner.tries, rng) if manner.chains else None
        found: list[Picks] = []
        for _ in range(round(self.matchings)):
            partner = ring(self.width, rng)
            if ends is not None and rng.random() < manner.chains:
                costs, onward = grid.chains(state, columns, partner, ends), ends
            else:
                costs, onward = grid.swaps(state, columns, partner), None
            noise = self._noise(costs.size)
            found.append(
                choose(state, columns, partner, costs, noise, ends=onward, retries=manner.retries)
            )
        picks = Picks.joined(found)
        made = carry_out(state, picks[rng.permutation(len(picks))])
        # Few moves in each iteration waste the work that all grids share, many get in each
        # other's way.
        wanted = manner.busy * self.width
        self.matchings += 0.02 if made < wanted else -0.05
        self.matchings = min(max(self.matchings, 1.0), 12.0)

    def _noise(self, cells: int) -> Singles:
        start = int(self.rng.integers(self.noise.size - cells))
        return self.noise[start : start + cells]

    def _grid(self, seats: int) -> Grid:
        if seats not in self.grids:
            self.grids[seats] = Grid(seats, self.width)
        return self.grids[seats]

    def _scales(self, size: Floats) -> tuple[float, float]:
        """The size of large and of typical agents; without loads, a typical change of a swap."""
        sizes = size[self.state.figures.movable]
        sizes = sizes[sizes > 0]
        if sizes.size:
            large, typical = np.quantile(sizes, [0.97, 0.5])
            return float(large), float(typical)
        nodes = sample_nodes(self.state, self.width, self.rng)
        columns = gather(self.state, nodes, self.ready, self.most, self.rng)
        grid, partner = self._grid(columns.seats), ring(self.width, self.rng)
        costs = grid.swaps(self.state, columns, partner)
        changes = np.abs(costs[(costs != 0) & (costs < BARRED / 2)])
        change = float(np.median(changes)) if changes.size else 1.0
        return change, change


def ring(width: int, rng: np.random.Generator) -> Ints:
    """A partner for each column, so that each is the partner of one."""
    order = rng.permutation(width)
    partner = np.empty(width, np.int64)
    partner[order] = np.roll(order, 1)
    return partner


def _width(nodes: int, wanted: int) -> int:
    """All nodes if they are about as many as wanted; few of them several times."""
    if nodes > wanted * 1.25:
        return wanted
    return nodes * max(1, round(0.75 * wanted / max(nodes, 1)))
