"""All benchmarks: `make bench`, or `python -m tests.benchmarks [--only NAME]`.

Each prints ratios to a peer or a bound that it measured in the same run, and judges CPU time or
counts, never wall time. The exit status is 1 when a gate is not held.
"""

from __future__ import annotations

import argparse
import sys

from tests.benchmarks import (
    applying,
    balancing,
    effects,
    fanout,
    metrics,
    placing,
    planning,
    rebalancing,
    rightsizing,
    roadef,
    startup,
    store,
    top,
    vbp,
    watching,
)

BENCHMARKS = {
    "startup": startup.run,
    "fanout": fanout.run,
    "store": store.run,
    "metrics": metrics.run,
    "watching": watching.run,
    "top": top.run,
    "applying": applying.run,
    "planning": planning.run,
    "placing": placing.run,
    "rebalancing": rebalancing.run,
    "balancing": balancing.run,
    "effects": effects.run,
    "rightsizing": rightsizing.run,
    "roadef": roadef.run,
    "vbp": vbp.run,
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=list(BENCHMARKS), action="append")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    held = True
    for name in options.only or BENCHMARKS:
        print(f"== {name}")
        gates = BENCHMARKS[name](options.rounds, print)
        held = held and all(gate.held for gate in gates)
        print()
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
