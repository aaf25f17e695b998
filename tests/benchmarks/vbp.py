"""How well many agents are packed on few nodes: excess over the optimum, next to published ones.

    python -m tests.benchmarks.vbp [FOLDER] [--every N] [--effort X] [--seed N]

FOLDER (default ../shared/data/vbp) has the instances of Panigrahy et al. and the triplets as in
github.com/Vectorpack/experiments_vector_paper: `*_instances.tar.gz` with the needs of all agents,
and `*_summary_known.csv` with the optimum or a bound and what heuristics reached. Every packing is
checked by `tests.benchmarks.vbp_files`, which knows nothing of the solver; the exit status is 1 if
one is wrong, or if the best of all published heuristics is better. CPU time alone is measured.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from phoenixctl.placement.solver.bound import nodes_needed
from phoenixctl.placement.solver.budget import Budget
from phoenixctl.placement.solver.consolidate import consolidate
from phoenixctl.placement.solver.figures import Figures
from phoenixctl.placement.solver.packing import packed
from phoenixctl.placement.solver.problem import NOWHERE, describe
from tests.benchmarks.gates import Gate, report
from tests.benchmarks.vbp_files import Instance, Known, faults, instances, known

FOLDER = Path("../shared/data/vbp")
SETS = ("Panigrahy", "Triplet")
FOR_EACH_AGENT, AT_LEAST = 3, 750  # tries to place an agent, after the packing by measures
EVERY_IN_QUICK_MODE = 37


@dataclass(slots=True)
class Tally:
    """Nodes over those of the optimum, summed over instances."""

    instances: int = 0
    optimum: int = 0
    bound: int = 0
    measures: int = 0
    found: int = 0
    heuristics: int = 0
    cpu_seconds: float = 0.0

    def percent(self, nodes: int) -> float:
        return 100 * (nodes - self.optimum) / max(self.optimum, 1)


def run(rounds: int, say: Callable[[str], None]) -> list[Gate]:
    """A part of the instances, the same ones each time; `rounds` is of no account."""
    if not FOLDER.is_dir():
        say(f"  no instances in {FOLDER}: see the head of tests/benchmarks/vbp.py")
        return []
    return measure(FOLDER, EVERY_IN_QUICK_MODE, 1.0, 0, say)


def measure(
    folder: Path, every: int, effort: float, seed: int, say: Callable[[str], None]
) -> list[Gate]:
    """Pack every so manieth instance of both sets and compare."""
    gates: list[Gate] = []
    for name in SETS:
        tally, wrong = Tally(), 0
        of = known(folder / f"{name}_summary_known.csv")
        for number, instance in enumerate(instances(folder / f"{name}_instances.tar.gz")):
            if number % every == 0:
                wrong += _packed(instance, of[instance.name], tally, effort, seed, say)
        _tell(name, tally, say)
        ours, theirs = tally.percent(tally.found), tally.percent(tally.heuristics)
        gates.append(Gate(f"{name}, wrong packings", wrong, 0))
        gates.append(Gate(f"{name}, excess in % (the best of all heuristics)", ours, theirs))
    report(gates, say)
    return gates


def _packed(
    instance: Instance, of: Known, tally: Tally, effort: float, seed: int,
    say: Callable[[str], None],
) -> int:  # fmt: skip
    """Pack one instance and count it; 1 if the packing is wrong."""
    begun = time.process_time()
    least, by_measures, at = pack(instance, effort, seed)
    tally.cpu_seconds += time.process_time() - begun
    problems = faults(instance, at)
    for problem in problems:
        say(f"  WRONG {instance.name}: {problem}")
    tally.instances += 1
    tally.optimum += of.optimum
    tally.heuristics += of.heuristics
    tally.bound += least
    tally.measures += by_measures
    tally.found += len(set(at))
    return int(bool(problems))


def pack(instance: Instance, effort: float, seed: int) -> tuple[int, int, list[int]]:
    """The bound, the nodes in use after the measures, and the node of each agent in the end."""
    agents = len(instance.needs)
    problem = describe(np.tile(instance.capacity, (agents, 1)), np.array(instance.needs))
    least = nodes_needed(problem)
    at = packed(Figures(problem), np.full(agents, NOWHERE), fewest=least)
    used, at = np.unique(at, return_inverse=True)
    fewer = describe(np.tile(instance.capacity, (used.size, 1)), np.array(instance.needs))
    budget = Budget(iterations=round(effort * max(AT_LEAST, FOR_EACH_AGENT * agents)))
    rng = np.random.default_rng(seed)
    found = consolidate(fewer, at, budget, rng, fewest=least)
    return least, used.size, found.at.tolist()


def _tell(name: str, tally: Tally, say: Callable[[str], None]) -> None:
    say(f"{name}: {tally.instances} instances with {tally.optimum} nodes at the least known")
    say(f"  our lower bound                    {tally.percent(tally.bound):7.2f} %")
    say(f"  filling by measures                {tally.percent(tally.measures):7.2f} %")
    say(f"  and emptying nodes                 {tally.percent(tally.found):7.2f} %")
    say(f"  best of all published heuristics   {tally.percent(tally.heuristics):7.2f} %")
    say(f"  CPU                                {tally.cpu_seconds:7.1f} s")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=FOLDER)
    parser.add_argument("--every", type=int, default=1, help="take one instance of so many")
    parser.add_argument("--effort", type=float, default=1.0, help="so many times the search")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    gates = measure(options.folder, options.every, options.effort, options.seed, print)
    return 0 if gates and all(gate.held for gate in gates) else 1


if __name__ == "__main__":
    sys.exit(main())
