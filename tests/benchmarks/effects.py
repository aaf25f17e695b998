"""How often a change is judged rightly: harmless ones undone, harmful ones caught.

    python -m tests.benchmarks.effects [--rounds N]

A simulated fleet of 20 nodes, 5 of them canaries, 10 minutes before and 5 after the change, looked
at each minute. Each request takes a lognormal time (sigma 0.6) around the level of its node, which
wanders by itself (AR(1), 5 % wide, half of it gone after 7 minutes) and with the whole fleet (10 %
wide). Beside it, on the same requests: the canaries' 95th percentile after against before (undone
when it is 5 % higher), and a rank test of the canaries' requests after against before.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from phoenixctl.performance.effect import Course, detectable, effect
from tests.benchmarks.gates import Gate, report

NODES, CANARIES, BEFORE, AFTER = 20, 5, 10, 5
REQUESTS = 400  # of a node in a minute
SIGMA, OWN, COMMON, STAYS = 0.6, 0.05, 0.10, 0.9
TRIALS = 200  # of each kind and round
SECONDS = 0.05  # CPU of one look
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Seen:
    requests: Floats  # log seconds, shape (minutes, nodes, requests)
    canary: NDArray[np.bool_]

    def course(self, minutes: int = AFTER) -> Course:
        p95 = np.exp(np.quantile(self.requests, 0.95, axis=2))
        return Course(p95[:BEFORE], p95[BEFORE : BEFORE + minutes], self.canary, planned=AFTER)


def run(rounds: int, say: Callable[[str], None]) -> list[Gate]:
    """The rates over all rounds; the CPU of a look in the middle of all."""
    rng = np.random.default_rng(20)
    trials = rounds * TRIALS
    say(f"undone of {trials} changes, %                      harmless    +10 %    +20 %")
    rates: dict[str, list[float]] = {name: [] for name in JUDGES}
    spent: list[float] = []
    for rise in (0.0, 0.1, 0.2):
        undone = dict.fromkeys(JUDGES, 0)
        for _ in range(trials):
            seen = _trial(rng, rise)
            for name, harmful in JUDGES.items():
                start = time.process_time()
                undone[name] += harmful(seen)
                if name == OURS:
                    spent.append((time.process_time() - start) / AFTER)
        for name, count in undone.items():
            rates[name].append(100 * count / trials)
    for name, found in rates.items():
        say(f"  {name:47}" + "".join(f"{rate:9.1f}" for rate in found))
    harmless, ten, twenty = rates[OURS]
    least = [detectable(_trial(rng, 0.0).course().before, CANARIES, planned=AFTER)]
    say(f"  told before the trial to be found in 9 of 10: {least[0]:+.1%}")
    gates = [
        Gate("harmless changes undone, %", harmless, 5.0),
        Gate("+10 % not caught, %", 100 - ten, 10.0),
        Gate("+20 % not caught, %", 100 - twenty, 0.0),
        Gate("one look, CPU s", float(np.median(spent)), SECONDS),
    ]
    report(gates, say)
    return gates


def _trial(rng: np.random.Generator, rise: float) -> Seen:
    minutes = BEFORE + AFTER
    level = rng.normal(np.log(0.02), 0.3, NODES)
    own = _wandering(rng, OWN, (minutes, NODES))
    common = _wandering(rng, COMMON, (minutes, 1))
    canary = np.zeros(NODES, bool)
    canary[rng.permutation(NODES)[:CANARIES]] = True
    middle = level + own + common
    middle[BEFORE:, canary] += np.log1p(rise)
    return Seen(rng.normal(middle[:, :, None], SIGMA, (minutes, NODES, REQUESTS)), canary)


def _wandering(rng: np.random.Generator, wide: float, shape: tuple[int, int]) -> Floats:
    steps = rng.normal(0.0, wide * np.sqrt(1 - STAYS**2), shape)
    found = np.empty(shape)
    found[0] = rng.normal(0.0, wide, shape[1])
    for minute in range(1, shape[0]):
        found[minute] = STAYS * found[minute - 1] + steps[minute]
    return found


def _by_effect(seen: Seen) -> bool:
    looks = (effect(seen.course(minutes), seed=0) for minutes in range(1, AFTER + 1))
    return any(found is not None and found.harmful for found in looks)


def _by_percentile(seen: Seen) -> bool:
    mine = seen.requests[:, seen.canary]
    before, after = (np.quantile(part, 0.95) for part in (mine[:BEFORE], mine[BEFORE:]))
    return bool(after - before > np.log(1.05))


def _by_ranks(seen: Seen) -> bool:
    """Mann and Whitney's test, by its normal approximation."""
    mine = seen.requests[:, seen.canary]
    before, after = mine[:BEFORE].ravel(), mine[BEFORE:].ravel()
    above = np.searchsorted(np.sort(before), after).sum()
    middle = before.size * after.size / 2
    deviation = np.sqrt(before.size * after.size * (before.size + after.size + 1) / 12)
    return bool((above - middle) / deviation > 1.645)


OURS = "difference in differences of nodes, permuted"
JUDGES: dict[str, Callable[[Seen], bool]] = {
    OURS: _by_effect,
    "95th percentile after against before": _by_percentile,
    "rank test of requests": _by_ranks,
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    gates = run(parser.parse_args().rounds, print)
    return 0 if all(gate.held for gate in gates) else 1


if __name__ == "__main__":
    sys.exit(main())
