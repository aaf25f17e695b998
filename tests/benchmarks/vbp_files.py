"""Instances of vector bin packing as they are published, and a checker that is plain arithmetic."""

from __future__ import annotations

import csv
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath


@dataclass(frozen=True, slots=True)
class Instance:
    name: str
    capacity: tuple[int, ...]  # of every node, by resource
    needs: tuple[tuple[int, ...], ...]  # of each agent


@dataclass(frozen=True, slots=True)
class Known:
    """How many nodes an instance needs, or at least needs, and what the best heuristic uses."""

    optimum: int
    heuristics: int


def instances(archive: Path) -> Iterator[Instance]:
    """The instances of a tar file, by name."""
    with tarfile.open(archive) as tar:
        members = {PurePosixPath(m.name).stem: m for m in tar.getmembers() if m.isfile()}
        for name in sorted(members):
            file = tar.extractfile(members[name])
            if file is not None and members[name].name.endswith(".vbp"):
                yield parsed(name, file.read().decode("ascii"))


def parsed(name: str, text: str) -> Instance:
    """Resources, a node's capacity of each, kinds of agents; then the needs and number of each."""
    numbers = [int(word) for word in text.split()]
    resources = numbers[0]
    capacity = tuple(numbers[1 : 1 + resources])
    needs: list[tuple[int, ...]] = []
    rest = numbers[2 + resources :]
    for start in range(0, len(rest), resources + 1):
        row = tuple(rest[start : start + resources])
        needs += [row] * rest[start + resources]
    return Instance(name, capacity, tuple(needs))


def known(table: Path) -> dict[str, Known]:
    """What is known of each instance; the lower bound where the optimum is not."""
    with table.open(encoding="ascii") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    return {
        row["instance_name"]: Known(
            int(row["OPT"]) if row["OPT"].isdigit() and int(row["OPT"]) else int(row["LB"]),
            int(row["best_overall"]),
        )
        for row in rows
    }


def faults(instance: Instance, at: Sequence[int]) -> list[str]:
    """What is wrong with the packing that puts each agent on the node `at` its place."""
    if len(at) != len(instance.needs):
        return [f"{len(at)} of {len(instance.needs)} agents"]
    found = [f"agent {agent} is nowhere" for agent, node in enumerate(at) if node < 0]
    used: dict[int, list[int]] = {}
    for node, need in zip(at, instance.needs, strict=True):
        load = used.setdefault(node, [0] * len(need))
        for resource, amount in enumerate(need):
            load[resource] += amount
    for node, load in used.items():
        for resource, amount in enumerate(load):
            if amount > instance.capacity[resource]:
                found.append(f"node {node} has {amount} of resource {resource}")
    return found
