"""Exact answers about a part of a fleet, by CP-SAT: what cannot be done, and what is best.

The only importer of ortools, which comes with `phoenixctl[opt]`. Searches have a limit of
deterministic time, about seconds, and one worker: the same question gets the same answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from phoenixctl.model.errors import PhoenixError, UsageError
from phoenixctl.placement.seating import Seating
from phoenixctl.placement.solver.problem import NOWHERE, Ints, Problem
from phoenixctl.placement.solver.state import State

if TYPE_CHECKING:
    from types import ModuleType

MOST_SEATS: Final = 24_000  # agents times nodes, about 400 of them on 60
PROOF_SECONDS: Final = 10.0  # deterministic, for each set of rules that is tried
SEATED_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Proof:
    """No placement of all agents keeps these rules; of fewer of them this was not proven.

    A rule is named by its kind and its number: `("capacity", 0)` is the first resource,
    `("apart", 2)` the third of the problem's rules of that kind. `("eligible", 0)`, `("fixed", 0)`
    and `("moves", 0)` are where agents may go, those that stay, and the limit on moves.
    """

    rules: tuple[tuple[str, int], ...]


def check_installed() -> None:
    """PhoenixError if ortools is not."""
    _cp_model()


def infeasible(problem: Problem, seconds: float = PROOF_SECONDS) -> Proof | None:
    """Prove that not all agents can be placed, and say which few rules make it so.

    If it is so whether or not some stay, that is not among them. None if all can be placed, or if
    it was not settled in these deterministic seconds. UsageError for more than 24,000 seats.
    """
    seats = problem.agents * problem.nodes
    if seats > MOST_SEATS:
        raise UsageError(
            f"a proof for {problem.agents} agents on {problem.nodes} nodes would take too long",
            hint="ask about the agents of one spec, or fewer nodes: 400 agents on 60 nodes will do",
        )
    seating = Seating(
        _cp_model(), problem, np.full(problem.agents, NOWHERE), np.arange(problem.agents),
        np.arange(problem.nodes), switched=True,
    )  # fmt: skip
    seating.add_rules()
    rules = seating.contradiction(list(seating.switches), seconds)
    if rules is None:
        return None
    for rule in sorted(rules, key=lambda rule: rule[0] != "fixed"):
        fewer = seating.contradiction([other for other in rules if other != rule], seconds)
        rules = rules if fewer is None else fewer
    return Proof(tuple(rules))


def exact_neighbourhood(
    state: State, nodes: Ints, *, seed: int, seconds: float = SEATED_SECONDS
) -> bool:
    """Seat the movable agents of these nodes anew, at the least cost; whether that is a gain.

    `seconds` are deterministic. Everybody else stays. Hard rules are kept as by every change of the
    state. Pulls and the price of the most moved group are not looked at while seating, but a
    result that is dearer with them is not taken.
    """
    problem, before = state.problem, state.assignment
    agents = np.flatnonzero(np.isin(before, nodes) & problem.movable)
    if not agents.size:
        return False
    outside = before.copy()
    outside[agents] = NOWHERE
    cp = _cp_model()
    seating = Seating(cp, problem, outside, agents, np.unique(nodes), switched=False)
    seating.add_rules(before)
    seating.add_costs(state, before)
    seating.suggest(before)
    found = seating.best(seconds, seed)
    if found is None or (found == before[agents]).all():
        return False
    old = state.cost
    if state.change([(int(a), int(n)) for a, n in zip(agents, found, strict=True)]) is None:
        return False
    if state.cost < old - 1e-9 * max(abs(old), 1.0):
        return True
    state.reset(before)
    return False


def _cp_model() -> ModuleType:
    try:
        from ortools.sat.python import cp_model
    except ImportError as error:
        raise PhoenixError(
            "exact answers need ortools, which is not installed",
            hint="pip install 'phoenixctl[opt]'",
        ) from error
    module: ModuleType = cp_model
    return module
