"""What asking for the right size saves, and how often it is too little: on public traces.

    python -m tests.benchmarks.rightsizing [--data DIR]

DIR is the folder `traces` of public workload traces, `timestamp,value` in a file each (default:
../shared/data/traces). Each trace is the use of an agent. From the second day on, a day's request
is the advice of the evening before; slack is what is asked for and not used, beside a request of
the whole trace's peak, which only hindsight knows.
"""

from __future__ import annotations

import argparse
import csv
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from phoenixctl.performance.rightsize import CPU, MEMORY, Floats, Manner, followed
from tests.benchmarks.gates import Gate, report

TRACES = Path("../shared/data/traces")
MOST_ABOVE = 6.0  # % of the time, in the middle of the traces
LEAST_SAVED = 25.0  # % of the slack of a request of the peak, in the middle
SECONDS = 0.25  # CPU of one advice with its days


def run(_rounds: int, say: Callable[[str], None], data: Path = TRACES) -> list[Gate]:
    """Every trace by both manners; skipped, and it says so, where the traces are not."""
    if not data.is_dir():
        say(f"skipped: there is no folder {data}; give it with --data")
        return []
    say("slack saved beside a request of the peak, and time above the request, %")
    say(f"  {'trace':24}{'of CPU: saved':>15}{'above':>8}{'of memory: saved':>19}{'above':>8}")
    saved, above, spent = [], [], []
    for path in sorted(data.glob("*.csv")):
        times, values = _read(path)
        row = []
        for manner in (CPU, MEMORY):
            start = time.process_time()
            found = _followed(times, values, manner)
            spent.append(time.process_time() - start)
            row.append(found)
        say(f"  {path.stem:24}{row[0][0]:15.1f}{row[0][1]:8.1f}{row[1][0]:19.1f}{row[1][1]:8.1f}")
        saved.append(row[0][0])
        above.append(row[0][1])
    gates = [
        Gate("time above the request of CPU, median %", float(np.median(above)), MOST_ABOVE),
        Gate("slack not saved, median %", 100 - float(np.median(saved)), 100 - LEAST_SAVED),
        Gate("one trace followed, median CPU s", float(np.median(spent)), SECONDS),
    ]
    report(gates, say)
    return gates


def _followed(times: Floats, values: Floats, manner: Manner) -> tuple[float, float]:
    """The share of the peak's slack that was saved, and of time above, in %."""
    requests = followed(times, values[:, None], manner)
    judged = ~np.isnan(requests)
    used, asked = values[judged], requests[judged]
    slack = np.maximum(asked - used, 0).sum()
    most = (values.max() - used).sum()
    return 100 * (1 - slack / most), 100 * float(np.mean(used > asked))


def _read(path: Path) -> tuple[Floats, Floats]:
    with path.open(newline="") as file:
        rows = [(row["timestamp"], float(row["value"])) for row in csv.DictReader(file)]
    times = [datetime.fromisoformat(at).replace(tzinfo=UTC).timestamp() for at, _ in rows]
    return np.array(times), np.array([value for _, value in rows])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=TRACES)
    gates = run(1, print, parser.parse_args().data)
    return 0 if all(gate.held for gate in gates) else 1


if __name__ == "__main__":
    sys.exit(main())
