"""The benchmark of packing: its reader, and a checker that finds what is wrong."""

from __future__ import annotations

from tests.benchmarks.vbp import pack
from tests.benchmarks.vbp_files import faults, parsed

TWO_RESOURCES = parsed("small", "2\n10 20\n2\n4 10 2\n3 5 1\n")


def test_an_instance_has_every_agent_of_each_kind() -> None:
    assert TWO_RESOURCES.capacity == (10, 20)
    assert TWO_RESOURCES.needs == ((4, 10), (4, 10), (3, 5))


def test_a_packing_within_capacity_has_no_faults() -> None:
    assert faults(TWO_RESOURCES, [0, 0, 1]) == []


def test_an_overfull_node_a_missing_agent_and_one_that_is_nowhere_are_found() -> None:
    assert faults(TWO_RESOURCES, [0, 0, 0]) == [
        "node 0 has 11 of resource 0",
        "node 0 has 25 of resource 1",
    ]
    assert faults(TWO_RESOURCES, [0, 0]) == ["2 of 3 agents"]
    assert faults(TWO_RESOURCES, [0, 1, -1]) == ["agent 2 is nowhere"]


def test_what_the_solver_packs_is_right() -> None:
    least, by_measures, at = pack(TWO_RESOURCES, 0.1, 0)
    assert faults(TWO_RESOURCES, at) == []
    assert least <= len(set(at)) <= by_measures
