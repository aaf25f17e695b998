"""What the metrics of a large fleet cost: CPU time and bytes, next to rows in SQLite and in DuckDB.

    python -m tests.benchmarks.metrics [--rounds N]

1,000 nodes with 50 metrics, every 10 s for an hour: of ten metrics six are pure noise, the worst
there is to keep, two are counters, one has small whole numbers and one stands still. All stores are
asked in the same run; of several runs the least counts. SQLite's rows are those of one metric for
the hour, which is what the question needs, and two ticks of all metrics: all would take a minute.
Roll-ups are made once, of an hour of ten of the metrics; a day of fifty is reckoned from that.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from phoenixctl.metrics.histogram import histograms
from phoenixctl.metrics.kinds import Kind
from phoenixctl.metrics.rollup import GAP_SECONDS
from phoenixctl.metrics.series import Batch, Tier, Values
from phoenixctl.store.metrics import FILE_NAME, SqliteMetrics
from tests.benchmarks.gates import Gate, report

NODES, METRICS, TICKS, EVERY_SECONDS = 1_000, 50, 360, 10
MIXED = 10  # metrics after which the mix begins anew
SUBJECTS = tuple(f"node-{number:04}" for number in range(NODES))
NAMES = tuple(f"metric-{number}" for number in range(METRICS))
NOON = 1_800_000_000
INGEST_LIMIT_MS = 5.0
P95_LIMIT_MS = 20.0
DAY_LIMIT_GB = 2.0
HISTOGRAM_LIMIT_MS = 3.0
ROLLUP_LIMIT_MS = 600.0  # a hundredth of a core

Found = dict[str, float]
COSTS = ("ingest of a tick", "p95 over an hour", "bytes per sample")


def run(rounds: int, say: Callable[[str], None]) -> list[Gate]:
    """Measure, print a row each, and judge against the budgets."""
    stores = {"blobs": _ours, "rows": _rows}
    if importlib.util.find_spec("duckdb"):
        stores["DuckDB"] = _duckdb
    else:
        say("DuckDB is not installed: pip install duckdb, or make bench")
    least: dict[str, Found] = {}
    for name, measure in stores.items():
        runs = [_in_folder(measure) for _ in range(rounds)]
        least[name] = {what: min(found[what] for found in runs) for what in COSTS}
    say(f"{NODES} nodes x {METRICS} metrics, CPU in ms, the least of {rounds} runs")
    say(f"  {'':28}" + "".join(f"{name:>10}" for name in stores))
    for what in COSTS:
        say(f"  {what:28}" + "".join(f"{least[name][what]:10.2f}" for name in stores))
    day = _in_folder(_day)
    say(f"A day at {EVERY_SECONDS} s in all tiers, in GB; from an hour of {MIXED} metrics:")
    say("  " + ", ".join(f"{what} {day[what]:.2f}" for what in ("values", *_COARSE, "all")))
    say(f"  if all {METRICS} metrics were noise: {day['noise']:.2f}")
    ours = least["blobs"]
    gates = [
        Gate("ingest of 50k samples, ms", ours["ingest of a tick"], INGEST_LIMIT_MS),
        Gate("p95 over an hour of 1,000 nodes, ms", ours["p95 over an hour"], P95_LIMIT_MS),
        Gate("bytes of a day of 1,000 nodes, GB", day["all"], DAY_LIMIT_GB),
        Gate("roll-ups, ms of CPU a minute", day["rollup"], ROLLUP_LIMIT_MS),
        Gate("histogram of 100k values, ms", _histogram(rounds), HISTOGRAM_LIMIT_MS),
    ]
    report(gates, say)
    return gates


def _in_folder(measure: Callable[[Path], Found]) -> Found:
    with tempfile.TemporaryDirectory(prefix="metrics-") as name:
        return measure(Path(name))


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
    size = (folder / FILE_NAME).stat().st_size / (TICKS * METRICS * NODES)
    return {"ingest of a tick": ingest, "p95 over an hour": asked, "bytes per sample": size}


_COARSE = {tier.name.lower(): tier for tier in Tier if tier is not Tier.SECOND}


def _day(folder: Path) -> Found:
    """Bytes of a day of all metrics in GB, and the CPU of roll-ups for each minute in ms."""
    share = METRICS / MIXED
    with SqliteMetrics(folder) as store:
        for number in range(TICKS):
            store.write(_tick(number, MIXED))
    values = (folder / FILE_NAME).stat().st_size
    with SqliteMetrics(folder) as store:
        start = time.process_time()
        store.rollup(now=NOON + 3600)
        spent = _ms_since(start)
    rolled = (folder / FILE_NAME).stat().st_size - values
    with contextlib.closing(sqlite3.connect(folder / FILE_NAME)) as database:
        query = "SELECT tier, name = ?, sum(length(moments) + length(histograms)) FROM rollups"
        query += " JOIN metrics ON metrics.id = metric GROUP BY 1, 2"
        rows = database.execute(query, (NAMES[0],)).fetchall()
    inside = sum(size for _, _, size in rows)
    # Those of counters are kept for longer by a gap, and are twice as long.
    counters = sum(kind is Kind.COUNTER for kind in _tick(0, MIXED).kinds.values())
    wide = 2 * counters / (MIXED + counters)
    kept = values * share * (Tier.SECOND.kept_seconds + wide * GAP_SECONDS) / 3600
    day = 24 * share * rolled / inside  # with what SQLite adds
    tiers = {
        name: day * sum(size for tier, _, size in rows if tier == of.resolution_seconds)
        for name, of in _COARSE.items()
    }
    noise = day * MIXED * sum(size for _, is_noise, size in rows if is_noise)
    found = {"values": kept, **tiers, "all": kept + sum(tiers.values()), "noise": kept + noise}
    return {what: size / 1e9 for what, size in found.items()} | {"rollup": spent * share / 60}


def _histogram(rounds: int) -> float:
    values, row = np.random.default_rng(1).lognormal(size=100_000), np.zeros(100_000, np.int64)
    costs = []
    for _ in range(10 * rounds):
        start = time.process_time()
        histograms(values, row, 1)
        costs.append(_ms_since(start))
    return min(costs)


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
            _insert(database, _tick(number, 1), number)
        ticks = [_tick(number) for number in range(2)]
        start = time.process_time()
        for number, batch in enumerate(ticks):
            _insert(database, batch, number)
        ingest = _ms_since(start) / 2
        start = time.process_time()
        samples = database.execute(
            "SELECT value FROM samples WHERE metric = 0 AND at >= 0 AND at < ?", (TICKS,)
        )
        _p95(np.fromiter((value for (value,) in samples), np.float32))
        asked = _ms_since(start)
        count = database.execute("SELECT count(*) FROM samples").fetchone()[0]
    size = path.stat().st_size / count
    return {"ingest of a tick": ingest, "p95 over an hour": asked, "bytes per sample": size}


def _insert(database: sqlite3.Connection, batch: Batch, number: int) -> None:
    database.execute("BEGIN IMMEDIATE")
    for metric, values in enumerate(batch.columns.values()):
        database.executemany(
            "INSERT INTO samples VALUES (?, ?, ?, ?)",
            [(metric, number, node, value) for node, value in enumerate(values.tolist())],
        )
    database.execute("COMMIT")


def _duckdb(folder: Path) -> Found:
    import duckdb

    path = folder / "rows.duckdb"
    with duckdb.connect(str(path), config={"threads": 1}) as database:
        database.execute("CREATE TABLE samples (metric SMALLINT, tick INT, node INT, value FLOAT)")
        batches = [_tick(number) for number in range(TICKS)]
        start = time.process_time()
        for number, batch in enumerate(batches):
            _append(database, batch, number)
        database.execute("CHECKPOINT")
        ingest = _ms_since(start) / TICKS
        start = time.process_time()
        database.execute(
            "SELECT quantile_disc(value, 0.95) FROM samples"
            " WHERE metric = 0 AND tick >= 0 AND tick < ?",
            (TICKS,),
        ).fetchone()
        asked = _ms_since(start)
        (count,) = database.execute("SELECT count(*) FROM samples").fetchone()
    size = path.stat().st_size / count
    return {"ingest of a tick": ingest, "p95 over an hour": asked, "bytes per sample": size}


def _append(database: Any, batch: Batch, number: int) -> None:
    size = len(batch.columns) * NODES
    columns = {
        "metric": np.repeat(np.arange(len(batch.columns), dtype=np.int16), NODES),
        "tick": np.full(size, number, np.int32),
        "node": np.tile(np.arange(NODES, dtype=np.int32), len(batch.columns)),
        "value": np.concatenate(list(batch.columns.values())).astype(np.float32),
    }
    database.register("fresh", columns)
    database.execute("INSERT INTO samples SELECT metric, tick, node, value FROM fresh")
    database.unregister("fresh")


def _tick(number: int, metrics: int = METRICS) -> Batch:
    rng = np.random.default_rng(number)
    columns: dict[str, Values] = {}
    for metric in range(metrics):
        match metric % MIXED:
            case 6 | 7:
                each = np.arange(NODES) + rng.poisson(5, NODES)
                columns[NAMES[metric]] = (each + 1000 * number).astype(np.float64)
            case 8:
                columns[NAMES[metric]] = rng.integers(0, 20, NODES).astype(np.float32)
            case 9:
                columns[NAMES[metric]] = np.full(NODES, 16e9, np.float32)
            case _:
                columns[NAMES[metric]] = rng.lognormal(size=NODES).astype(np.float32)
    kinds = {name: Kind.COUNTER for name, values in columns.items() if values.dtype == np.float64}
    return Batch(NOON + number * EVERY_SECONDS, SUBJECTS, columns, kinds)


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
