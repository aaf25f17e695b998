"""What the metrics of a large fleet cost: CPU time and bytes, next to a row for each sample.

    python -m tests.benchmarks.metrics [--rounds N]

1,000 nodes with 50 metrics, every 10 s for an hour. Both stores are SQLite in WAL, in the same run;
of several runs the least counts. The peer has the values of one metric for the hour, which is what
the question needs, and two ticks of all metrics.
"""

from __future__ import annotations

import argparse
import contextlib
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from phoenixctl.metrics.series import Batch
from phoenixctl.store.metrics import SqliteMetrics
from tests.benchmarks.gates import Gate, report

NODES, METRICS, TICKS, EVERY_SECONDS = 1_000, 50, 360, 10
SUBJECTS = tuple(f"node-{number:04}" for number in range(NODES))
NAMES = tuple(f"metric-{number}" for number in range(METRICS))
NOON = 1_800_000_000
INGEST_LIMIT_MS = 5.0
P95_LIMIT_MS = 20.0
SAMPLE_LIMIT_BYTES = 6.0  # four are the value itself

Found = dict[str, float]


def run(rounds: int, say: Callable[[str], None]) -> list[Gate]:
    """Measure, print a row each, and judge against the budgets."""
    costs: dict[str, list[float]] = {}
    for _ in range(rounds):
        with tempfile.TemporaryDirectory(prefix="metrics-") as name:
            for what, cost in (_ours(Path(name)) | _rows(Path(name))).items():
                costs.setdefault(what, []).append(cost)
    least = {what: min(found) for what, found in costs.items()}
    say(f"{NODES} nodes x {METRICS} metrics, CPU in ms, the least of {rounds} runs")
    say(f"  {'':28} {'blobs':>10} {'rows':>10} {'rows/blobs':>11}")
    for what in ("ingest of a tick", "p95 over an hour", "bytes per sample"):
        ours, rows = least[what], least[f"{what}, rows"]
        say(f"  {what:28} {ours:10.2f} {rows:10.2f} {rows / ours:9.1f} x")
    gates = [
        Gate("ingest of 50k samples, ms", least["ingest of a tick"], INGEST_LIMIT_MS),
        Gate("p95 over an hour of 1,000 nodes, ms", least["p95 over an hour"], P95_LIMIT_MS),
        Gate("bytes on disk per sample", least["bytes per sample"], SAMPLE_LIMIT_BYTES),
    ]
    report(gates, say)
    return gates


def _ours(folder: Path) -> Found:
    batches = [_tick(number) for number in range(TICKS)]
    with SqliteMetrics(folder) as store:
        start = time.process_time()
        for batch in batches:
            store.write(batch)
        ingest = _ms_since(start) / TICKS
        start = time.process_time()
        values = store.read(NAMES[0], start=NOON, until=NOON + 3600).values.ravel()
        found = _p95(values)
        asked = _ms_since(start)
    assert found == _p95(np.concatenate([batch.columns[NAMES[0]] for batch in batches]))
    size = (folder / "metrics.sqlite").stat().st_size / (TICKS * METRICS * NODES)
    return {"ingest of a tick": ingest, "p95 over an hour": asked, "bytes per sample": size}


def _rows(folder: Path) -> Found:
    path = folder / "rows.sqlite"
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = NORMAL")
        database.execute(
            "CREATE TABLE samples (metric INTEGER, at INTEGER, node INTEGER, value REAL,"
            " PRIMARY KEY (metric, at, node)) WITHOUT ROWID"
        )
        for number in range(2, TICKS):
            _insert(database, _tick(number), NAMES[:1], number)
        start = time.process_time()
        for number in range(2):
            _insert(database, _tick(number), NAMES, number)
        ingest = _ms_since(start) / 2
        start = time.process_time()
        samples = database.execute(
            "SELECT value FROM samples WHERE metric = 0 AND at >= 0 AND at < ?", (TICKS,)
        )
        _p95(np.fromiter((value for (value,) in samples), np.float32))
        asked = _ms_since(start)
        count = database.execute("SELECT count(*) FROM samples").fetchone()[0]
    return {
        "ingest of a tick, rows": ingest,
        "p95 over an hour, rows": asked,
        "bytes per sample, rows": path.stat().st_size / count,
    }


def _insert(
    database: sqlite3.Connection, batch: Batch, metrics: tuple[str, ...], number: int
) -> None:
    database.execute("BEGIN IMMEDIATE")
    for metric, name in enumerate(metrics):
        values = batch.columns[name].tolist()
        database.executemany(
            "INSERT INTO samples VALUES (?, ?, ?, ?)",
            [(metric, number, node, value) for node, value in enumerate(values)],
        )
    database.execute("COMMIT")


def _tick(number: int) -> Batch:
    values = np.random.default_rng(number).lognormal(size=(METRICS, NODES)).astype(np.float32)
    return Batch(NOON + number * EVERY_SECONDS, SUBJECTS, dict(zip(NAMES, values, strict=True)))


def _p95(values: np.ndarray) -> float:
    """The nearest rank."""
    rank = round(values.size * 0.95) - 1
    return float(np.partition(values, rank)[rank])


def _ms_since(start: float) -> float:
    return (time.process_time() - start) * 1000


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    gates = run(parser.parse_args().rounds, print)
    return 0 if all(gate.held for gate in gates) else 1


if __name__ == "__main__":
    sys.exit(main())
