"""What an answer to the challenge costs and what it breaks, from the rules of the challenge alone.

Whole numbers and lists, nothing of the solver: it shares no mistake with what it checks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from tests.benchmarks.roadef_format import Balance, Instance


def violations(instance: Instance, assignment: list[int]) -> list[str]:
    """Every hard constraint that an assignment breaks, in words; none if it is feasible."""
    if len(assignment) != len(instance.processes):
        return [f"{len(assignment)} machines for {len(instance.processes)} processes"]
    strange = [m for m in assignment if not 0 <= m < len(instance.machines)]
    if strange:
        return [f"there is no machine {machine}" for machine in strange]
    return [
        *_capacity(instance, assignment),
        *_conflict(instance, assignment),
        *_spread(instance, assignment),
        *_dependency(instance, assignment),
    ]


def cost(instance: Instance, assignment: list[int]) -> int:
    """The cost of a feasible assignment."""
    used = usage(instance, assignment)
    return (
        _load_cost(instance, used)
        + sum(_balance_cost(instance, used, balance) for balance in instance.balances)
        + _move_cost(instance, assignment)
    )


def usage(instance: Instance, assignment: list[int]) -> list[list[int]]:
    """By machine and resource, what its processes require."""
    used = [[0] * len(instance.resources) for _ in instance.machines]
    for process, machine in zip(instance.processes, assignment, strict=True):
        for resource, required in enumerate(process.requires):
            used[machine][resource] += required
    return used


def _capacity(instance: Instance, assignment: list[int]) -> Iterator[str]:
    held = usage(instance, assignment)
    for process, before, after in zip(
        instance.processes, instance.initial, assignment, strict=True
    ):
        for resource, required in enumerate(process.requires):
            if instance.resources[resource].transient and before != after:
                held[before][resource] += required
    for number, machine in enumerate(instance.machines):
        for resource, capacity in enumerate(machine.capacity):
            if held[number][resource] > capacity:
                much = f"{held[number][resource]} of {capacity}"
                yield f"capacity: machine {number} uses {much} of resource {resource}"


def _conflict(instance: Instance, assignment: list[int]) -> Iterator[str]:
    pairs = zip(instance.processes, assignment, strict=True)
    together = Counter((process.service, machine) for process, machine in pairs)
    for (service, machine), count in together.items():
        if count > 1:
            yield f"conflict: {count} processes of service {service} on machine {machine}"


def _spread(instance: Instance, assignment: list[int]) -> Iterator[str]:
    locations: list[set[int]] = [set() for _ in instance.services]
    for process, machine in zip(instance.processes, assignment, strict=True):
        locations[process.service].add(instance.machines[machine].location)
    for number, service in enumerate(instance.services):
        if len(locations[number]) < service.spread:
            there = f"{len(locations[number])} locations of {service.spread}"
            yield f"spread: service {number} is in {there}"


def _dependency(instance: Instance, assignment: list[int]) -> Iterator[str]:
    present: list[set[int]] = [set() for _ in instance.services]
    for process, machine in zip(instance.processes, assignment, strict=True):
        present[process.service].add(instance.machines[machine].neighbourhood)
    for number, service in enumerate(instance.services):
        for needed in service.needs:
            for place in sorted(present[number] - present[needed]):
                yield f"dependency: service {number} lacks {needed} in neighbourhood {place}"


def _load_cost(instance: Instance, used: list[list[int]]) -> int:
    return sum(
        resource.weight * max(0, used[m][r] - machine.safety[r])
        for m, machine in enumerate(instance.machines)
        for r, resource in enumerate(instance.resources)
    )


def _balance_cost(instance: Instance, used: list[list[int]], balance: Balance) -> int:
    missing = 0
    for number, machine in enumerate(instance.machines):
        have = machine.capacity[balance.have] - used[number][balance.have]
        want = machine.capacity[balance.want] - used[number][balance.want]
        missing += max(0, balance.target * have - want)
    return balance.weight * missing


def _move_cost(instance: Instance, assignment: list[int]) -> int:
    pairs = list(zip(instance.initial, assignment, strict=True))
    moved = [
        process
        for process, (before, after) in zip(instance.processes, pairs, strict=True)
        if before != after
    ]
    of_service = Counter(process.service for process in moved)
    way = sum(instance.machines[before].move_cost[after] for before, after in pairs)
    return (
        instance.weights.process * sum(process.move_cost for process in moved)
        + instance.weights.service * max(of_service.values(), default=0)
        + instance.weights.machine * way
    )
