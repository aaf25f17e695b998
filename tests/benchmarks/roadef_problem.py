"""An instance of the challenge as a problem for the solver."""

from __future__ import annotations

import numpy as np

from phoenixctl.placement.solver.problem import (
    Apart,
    Hinges,
    MoveCosts,
    Problem,
    Spread,
    Together,
    describe,
)
from tests.benchmarks.roadef_format import Instance

LOCATION, NEIGHBOURHOOD = 1, 2  # partitions


def problem_of(instance: Instance) -> Problem:
    """Processes are agents, services their groups, machines nodes.

    The cost of a process that stays is no choice, so a price for the way from a machine to itself
    is left out.
    """
    machines, processes = instance.machines, instance.processes
    services = list(enumerate(instance.services))
    return describe(
        [machine.capacity for machine in machines],
        [process.requires for process in processes],
        group=[process.service for process in processes],
        home=instance.initial,
        transient=[resource.transient for resource in instance.resources],
        hinges=_hinges(instance),
        moves=_moves(instance),
        partitions=[
            [machine.location for machine in machines],
            [machine.neighbourhood for machine in machines],
        ],
        apart=[Apart((number,), (number,)) for number, _ in services],
        spread=[
            Spread((number,), LOCATION, service.spread)
            for number, service in services
            if service.spread > 1
        ],
        together=[
            Together((number,), (needed,), NEIGHBOURHOOD)
            for number, service in services
            for needed in sorted(set(service.needs) - {number})
        ],
    )


def _hinges(instance: Instance) -> Hinges:
    """A column for each resource above its safety capacity, and one for each balance.

    Of a balance, target * (capacity - use) of the one less (capacity - use) of the other is
    missing: the use mixed with -target and 1, above what the capacities mixed so come to.
    """
    capacity = np.array([machine.capacity for machine in instance.machines], np.float64)
    safety = np.array([machine.safety for machine in instance.machines], np.float64)
    loads, columns = len(instance.resources), len(instance.resources) + len(instance.balances)
    mix = np.zeros((loads, columns))
    mix[:, :loads] = np.eye(loads)
    for number, balance in enumerate(instance.balances, start=loads):
        mix[balance.have, number] -= balance.target
        mix[balance.want, number] += 1
    weights = [*(r.weight for r in instance.resources), *(b.weight for b in instance.balances)]
    soft = np.hstack([safety, capacity @ mix[:, loads:]])
    return Hinges(mix, soft, np.array(weights, np.float64))


def _moves(instance: Instance) -> MoveCosts:
    weights = instance.weights
    own = [weights.process * process.move_cost for process in instance.processes]
    way = np.array([machine.move_cost for machine in instance.machines], np.float64)
    return MoveCosts(
        agent=np.array(own, np.float64),
        kind=np.arange(len(instance.machines)),
        between=weights.machine * way,
        group=float(weights.service),
    )
