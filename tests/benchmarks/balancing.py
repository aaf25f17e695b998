"""How strategies spread requests, and what a round of weights costs.

    python -m tests.benchmarks.balancing [--rounds N]

A simulated fleet of 10 machines with 4 workers each, of speeds 1, 0.75 and 0.5, behind 3 proxies;
requests take 10 ms, lognormal, and have 2 s. Beside what can be had are ways that are written about
and that fail: sending everything to the best of what was polled.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from phoenixctl.balancing.simulate.run import Outcome, simulate
from phoenixctl.balancing.simulate.setting import FAILING, WAYS, Machine, Setting, Way, under
from phoenixctl.balancing.weights import Observed, first_round, next_round
from phoenixctl.model.balancing import BalancingSettings, Formula
from tests.benchmarks.gates import Gate, report

SPEEDS = [1.0] * 4 + [0.75] * 4 + [0.5] * 2
SETTING = Setting(
    tuple(Machine(f"m{n}", speed) for n, speed in enumerate(SPEEDS)),
    round_seconds=5.0,
    warm_seconds=40.0,
)
SECONDS = 70
LOADS = (0.7, 0.9)
WEIGHTED, PLAIN = "least-connections + weights", "least-connections"


def run(rounds: int, say: Callable[[str], None]) -> list[Gate]:
    """Percentiles are means over as many seeds as there are rounds."""
    gates: list[Gate] = []
    for load in LOADS:
        say(f"load {load:.0%}: p50, p95, p99 in ms, errors in %, p99 beside {PLAIN}")
        found = {
            way.name: [_played(way, load, seed) for seed in range(rounds)]
            for way in (*WAYS, *FAILING)
        }
        plain = _mean(found[PLAIN], "p99")
        for name, outcomes in found.items():
            p50, p95, p99 = (_mean(outcomes, key) for key in ("p50", "p95", "p99"))
            errors = _mean(outcomes, "errors")
            say(
                f"  {name:32}{1e3 * p50:7.0f}{1e3 * p95:7.0f}{1e3 * p99:7.0f}{100 * errors:8.1f}"
                f"{p99 / plain:8.2f}x"
            )
        weighted = found[WEIGHTED]
        gates += [
            Gate(f"p99 beside {PLAIN} at {load:.0%}", _mean(weighted, "p99") / plain, 1.0),
            Gate(f"errors at {load:.0%}, %", 100 * _mean(weighted, "errors"), 0.0),
            Gate(f"last changes of a weight at {load:.0%}", _changes(weighted), 0.021),
        ]
    gates += _costs(rounds, say)
    report(gates, say)
    return gates


def _played(way: Way, load: float, seed: int) -> Outcome:
    settings = BalancingSettings()
    if way.formula is Formula.SIMPLE:
        settings = replace(settings, formula=Formula.SIMPLE)
    return simulate(under(SETTING, load, SECONDS), way, settings, seed=seed)


def _mean(outcomes: list[Outcome], key: str) -> float:
    return float(np.mean([getattr(outcome, key) for outcome in outcomes]))


def _changes(outcomes: list[Outcome]) -> float:
    """The largest change of a weight in the last five rounds, in the middle of the seeds."""
    last = [outcome.weights[-6:] for outcome in outcomes]
    return float(np.median([np.max(np.abs(w[1:] / w[:-1] - 1)) for w in last]))


def _costs(rounds: int, say: Callable[[str], None]) -> list[Gate]:
    rng = np.random.default_rng(1)
    count = 1000
    names = tuple(f"m{n}" for n in range(count))
    seen = Observed(
        names, rng.uniform(10, 100, count), rng.uniform(0.1, 0.9, count), np.zeros(count),
        rng.uniform(0.01, 0.1, count), np.ones(count), np.full(count, 3600.0),
        rng.uniform(0.1, 0.9, count), rng.uniform(0.1, 0.9, count), rng.uniform(0.1, 0.9, count),
    )  # fmt: skip
    best = 1.0
    found = first_round(names, at_seconds=0.0)
    for number in range(20 * rounds):
        start = time.process_time()
        found = next_round(found, seen, BalancingSettings(), at_seconds=30.0 * number)
        best = min(best, time.process_time() - start)
    say(f"a round of weights for {count} members: {1e3 * best:.2f} ms CPU")
    return [Gate(f"a round of {count} members, CPU ms", 1e3 * best, 2.0)]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    gates = run(parser.parse_args().rounds, print)
    return 0 if all(gate.held for gate in gates) else 1


if __name__ == "__main__":
    sys.exit(main())
