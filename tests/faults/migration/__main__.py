"""`python -m tests.faults.migration --seeds 0-199 [--at-once 2]`: a table of what came of it.

The exit status is 1 when anything was active twice or lost, or did not come to an end.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import traceback
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.faults.migration.schedules import Schedule, place, play


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", default="0-199", metavar="FIRST-LAST")
    parser.add_argument("--at-once", type=int, default=2)
    options = parser.parse_args()
    first, _, last = options.seeds.partition("-")
    seeds = range(int(first), int(last or first) + 1)
    lanes = [seeds[lane :: options.at_once] for lane in range(options.at_once)]
    with ThreadPoolExecutor(options.at_once) as pool:
        found = [pair for lane in pool.map(_lane, lanes) for pair in lane]
    table = Counter((schedule.fault, how) for schedule, how in found)
    for (fault, how), count in sorted(table.items()):
        print(f"{fault:28} {how:12} {count:4}")
    wrong = [schedule for schedule, how in found if how == "WRONG"]
    print(f"{len(found)} schedules, {len(wrong)} wrong")
    return 1 if wrong else 0


def _lane(seeds: range) -> list[tuple[Schedule, str]]:
    found = []
    with tempfile.TemporaryDirectory(prefix="migrations-") as root, place(Path(root)) as on:
        for seed in seeds:
            schedule = Schedule.of(seed)
            try:
                how = play(on, schedule)
            except Exception:
                traceback.print_exc()
                how = "WRONG"
            print(f"{schedule}: {how}", flush=True)
            found.append((schedule, how))
    return found


if __name__ == "__main__":
    sys.exit(main())
