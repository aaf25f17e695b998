"""Few hops that gain much: one stage after the other, and by a search that looks at all at once."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from phoenixctl.placement.rebalance.aims import Aim
from phoenixctl.placement.rebalance.chains import best_pair
from phoenixctl.placement.rebalance.curve import Curve, follow
from phoenixctl.placement.rebalance.emptying import best_emptying
from phoenixctl.placement.rebalance.hops import Hop, Stage
from phoenixctl.placement.rebalance.offers import Offers
from phoenixctl.placement.rebalance.shift import best_shift
from phoenixctl.placement.rebalance.toward import go_toward
from phoenixctl.placement.rebalance.walk import Walk
from phoenixctl.placement.refine import refine
from phoenixctl.placement.solver.anneal import Manner
from phoenixctl.placement.solver.budget import Budget
from phoenixctl.placement.solver.consolidate import consolidate
from phoenixctl.placement.solver.problem import Ints, Problem
from phoenixctl.placement.solver.solve import improve

# Not so hot that what the descent has found is lost.
WARM: Final = Manner(hottest=0.03, gate=0.0)

FEW: Final = 200  # agents
TRIED: Final = 8  # shifts, before pairs are looked at


def descend(aim: Aim, at: Ints, *, most_hops: int) -> Curve:
    """One stage after the other, each the best that is found; it stops when none is worth it."""
    walk = Walk(aim.problem, at, hops=most_hops)
    start, offers = walk.cost, Offers(walk.state)
    return Curve(start, tuple(_stages(walk, offers)), tuple(walk.blocked))


def search(
    aim: Aim, at: Ints, *, most_hops: int, seed: int, iterations: int, exact: int = 0
) -> Curve:
    """The curve of least cost, with the price of its hops, that is found in so many iterations.

    Each is what `descend` finds, or begins with the hops towards a better placement. Then the
    agents of few nodes are seated exactly, so often as `exact` says: PhoenixError without ortools.
    """
    best = descend(aim, at, most_hops=most_hops)
    price = float(aim.problem.moves.agent.max(initial=0.0))
    if not iterations or not _more_to_find(aim.problem, at, best, most_hops):
        return best
    problem = replace(aim.problem, most_moves=most_hops)
    if problem.open_cost.any():  # its iterations are long, and longer the more agents there are
        iterations = max(1, iterations * FEW // max(FEW, problem.agents))
    target = _improved(problem, follow(at, best.hops), seed, Budget(iterations=iterations))
    best = min(best, _toward(aim, at, target, most_hops), key=lambda curve: curve.net(price))
    if not exact:
        return best
    there = follow(at, best.hops)
    target = refine(problem, there, seed=seed, budget=Budget(iterations=exact)).at
    return min(best, _toward(aim, at, target, most_hops), key=lambda curve: curve.net(price))


def _toward(aim: Aim, at: Ints, target: Ints, most_hops: int) -> Curve:
    """The hops towards another placement, and what is worth it from there."""
    walk = Walk(aim.problem, at, hops=most_hops)
    start, offers = walk.cost, Offers(walk.state)
    stages = (*go_toward(walk, offers, target), *_stages(walk, offers))
    return Curve(start, stages, tuple(walk.blocked))


def _more_to_find(problem: Problem, at: Ints, best: Curve, most_hops: int) -> bool:
    """Whether a search may do better: to empty one more node takes hops for all its agents."""
    if not problem.open_cost.any():
        return most_hops > 0
    count = np.bincount(follow(at, best.hops), minlength=problem.nodes)
    return len(best.hops) + int(count[count > 0].min(initial=most_hops + 1)) <= most_hops


def _improved(problem: Problem, start: Ints, seed: int, budget: Budget) -> Ints:
    """A better placement with no more agents away from home, be there a way to it or not."""
    if problem.open_cost.any():
        return consolidate(problem, start, budget, np.random.default_rng(seed), fewest=1).at
    return improve(problem, start, seed=seed, budget=budget, manner=WARM).at


def _stages(walk: Walk, offers: Offers) -> list[Stage]:
    stages: list[Stage] = []
    walk.blocked = []
    while walk.left and (hops := _next(walk, offers)):
        stages.append(walk.keep(hops))
        offers.renew(np.unique([node for hop in hops for node in hop[1:]]))
    return stages


def _next(walk: Walk, offers: Offers) -> tuple[Hop, ...] | None:
    """The hops that gain most, made."""
    emptying = walk.problem.open_cost.any()
    if emptying and (hops := best_emptying(walk, offers)):
        return hops
    refused: list[Hop] = []  # what only a trial of all rules at once can tell
    while len(refused) < TRIED and (hop := best_shift(walk, offers, refused)):
        if walk.gain((hop,)):
            return (hop,)
        refused.append(hop)
    return None if emptying else best_pair(walk, offers)
