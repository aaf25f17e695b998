"""What it costs to rebalance a large fleet: CPU time by goal.

    python -m tests.benchmarks.rebalancing [--rounds N]

1,000 nodes and 10,000 agents of 30 specs, many on some nodes and few on others, a zone spread for
each spec; at most 50 moves, simulated before they are told.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from phoenixctl.model.fleet import Fleet
from phoenixctl.model.reading import Metric
from phoenixctl.model.rules import Goal, Rebalancing, Rules, Spread
from phoenixctl.model.snapshot import AgentObservation, Snapshot
from phoenixctl.placement.rebalance.rebalancing import rebalance
from phoenixctl.placement.rebalance.result import Rebalance
from tests.benchmarks.gates import Gate, report
from tests.builders import GiB, MiB, agent, fleet, node, seen, snapshot, spec

NODES, AGENTS, SPECS, MOVES = 1000, 10_000, 30, 50
LIMIT_SECONDS = 7.0


def run(rounds: int, say: Callable[[str], None]) -> list[Gate]:
    """The least CPU of so many rounds counts; judge the dearest goal."""
    f, s = _fleet()
    say(f"{AGENTS} agents of {SPECS} specs on {NODES} nodes, at most {MOVES} moves, CPU in s")
    dearest = 0.0
    for goal in Goal:
        measured = [_measured(f, s, goal) for _ in range(rounds)]
        seconds = min(taken for taken, _ in measured)
        found = measured[0][1]
        say(
            f"  {goal:12}{seconds:8.2f}   {len(found.moves)} moves in {len(found.waves)} waves,"
            f" objective {found.start:.4f} -> {found.objective:.4f}, bound {found.bound:.4f},"
            f" refused {len(found.refused)}"
        )
        dearest = max(dearest, seconds)
    gates = [Gate("rebalance, CPU s of the dearest goal", dearest, LIMIT_SECONDS)]
    report(gates, say)
    return gates


def _measured(f: Fleet, s: Snapshot, goal: Goal) -> tuple[float, Rebalance]:
    start = time.process_time()
    found = rebalance(
        f, s, Rebalancing(goal, MOVES, 0.001),
        movable=lambda _agent: True, at_once=dict.fromkeys(f.agents, 4),
    )  # fmt: skip
    return time.process_time() - start, found


def _fleet() -> tuple[Fleet, Snapshot]:
    """More agents on the later nodes; each spec keeps its zones as even as they are."""
    rng = np.random.default_rng(7)
    rules = Rules(spread=(Spread("zone", max_skew=AGENTS // SPECS),))
    specs = [
        spec(
            f"spec-{n}",
            replicas=AGENTS // SPECS + (n < AGENTS % SPECS),
            cpu=float(rng.choice([0.1, 0.25, 0.5])),
            memory=MiB(float(rng.choice([128, 256, 512]))),
            rules=rules,
        )
        for n in range(SPECS)
    ]
    f = fleet(
        *(node(f"node-{n}", labels={"zone": f"zone-{n % 3}"}) for n in range(NODES)), agents=specs
    )
    there: list[list[AgentObservation]] = [[] for _ in range(NODES)]
    for one in f.instances():
        place = int(rng.triangular(0, NODES, NODES))
        there[place].append(replace(agent(one.id), spec_digest=""))
    looks = [
        seen(
            name, *there[number], cores=16.0, memory=GiB(32),
            metrics={Metric.RESPONSE_P95: 0.2 if number % 10 == 0 else 0.02},
        )
        for number, name in enumerate(f.nodes)
    ]  # fmt: skip
    return f, snapshot(*looks)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=1)
    options = parser.parse_args()
    return 0 if all(gate.held for gate in run(options.rounds, print)) else 1


if __name__ == "__main__":
    sys.exit(main())
