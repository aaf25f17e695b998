"""Instances and answers in the format of the ROADEF/EURO challenge 2012, machine reassignment.

Everything is a whole number. In a model: the resources, the machines, the services, the processes,
the balances and three weights, each list behind its length. An assignment, given or found, is one
line with the machine of each process.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Resource:
    transient: bool
    weight: int


@dataclass(frozen=True)
class Machine:
    neighbourhood: int
    location: int
    capacity: list[int]  # by resource, as the next two
    safety: list[int]
    move_cost: list[int]  # by machine


@dataclass(frozen=True)
class Service:
    spread: int
    needs: list[int]  # services


@dataclass(frozen=True)
class Process:
    service: int
    requires: list[int]  # by resource
    move_cost: int


@dataclass(frozen=True)
class Balance:
    """For each unit of `have` that is free on a machine, `target` units of `want` should be."""

    have: int
    want: int
    target: int
    weight: int


@dataclass(frozen=True)
class Weights:
    process: int
    service: int
    machine: int


@dataclass(frozen=True)
class Instance:
    resources: list[Resource]
    machines: list[Machine]
    services: list[Service]
    processes: list[Process]
    balances: list[Balance]
    weights: Weights
    initial: list[int]  # the machine of each process


def read(folder: Path, name: str) -> Instance:
    """The instance of this name; FileNotFoundError if the folder does not have it."""
    return parse(
        (folder / f"model_{name}.txt").read_text(), (folder / f"assignment_{name}.txt").read_text()
    )


def parse(model: str, assignment: str) -> Instance:
    """An instance from the text of its two files; ValueError if a model has too little or too much.

    >>> parse("0 0 0 0 0 1 1 1", "").weights
    Weights(process=1, service=1, machine=1)
    """
    text = _Numbers(model)
    resources = [Resource(bool(text.next()), text.next()) for _ in range(text.next())]
    machines = _machines(text, len(resources))
    services = [Service(text.next(), text.several(text.next())) for _ in range(text.next())]
    processes = [
        Process(text.next(), text.several(len(resources)), text.next()) for _ in range(text.next())
    ]
    balances = [Balance(*text.several(4)) for _ in range(text.next())]
    weights = Weights(*text.several(3))
    text.end()
    initial = parse_assignment(assignment)
    return Instance(resources, machines, services, processes, balances, weights, initial)


def parse_assignment(text: str) -> list[int]:
    """The machine of each process."""
    return [int(word) for word in text.split()]


def written(assignment: list[int]) -> str:
    """The line that holds an answer."""
    return " ".join(map(str, assignment)) + "\n"


def _machines(text: _Numbers, resources: int) -> list[Machine]:
    count = text.next()
    return [
        Machine(
            neighbourhood=text.next(),
            location=text.next(),
            capacity=text.several(resources),
            safety=text.several(resources),
            move_cost=text.several(count),
        )
        for _ in range(count)
    ]


class _Numbers:
    """The numbers of a text, from the first to the last."""

    def __init__(self, text: str) -> None:
        self._words = text.split()
        self._read = 0

    def next(self) -> int:
        return self.several(1)[0]

    def several(self, count: int) -> list[int]:
        found = self._words[self._read : self._read + count]
        if len(found) < count:
            raise ValueError(f"the model ends after {len(self._words)} numbers, before its time")
        self._read += count
        return [int(word) for word in found]

    def end(self) -> None:
        if self._read < len(self._words):
            raise ValueError(f"{len(self._words) - self._read} numbers too many in the model")
