"""Metrics in an SQLite file: one blob for each metric and time, with the values of all subjects.

A row for each sample costs many times as much: tests/benchmarks/metrics.py. The file is in WAL
mode: readers see it as it was when they began, and the writer goes on.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final, Self

from phoenixctl.metrics.series import Batch, History, Tier
from phoenixctl.model.errors import StateDamaged
from phoenixctl.store.metric_blocks import Block, history, latest, pack
from phoenixctl.store.metric_schema import changing, explained, open_database

FILE_NAME: Final = "metrics.sqlite"
# The newest of each metric and roster is found in the index alone; then its blob is read.
_LATEST: Final = """
    SELECT newest.name, blocks.at, blocks.roster, blocks.content FROM (
        SELECT metrics.name, metrics.id, blocks.roster, MAX(blocks.at) AS at FROM metrics
        JOIN blocks ON blocks.tier = :tier AND blocks.metric = metrics.id AND blocks.at >= :since
        GROUP BY metrics.id, blocks.roster
    ) AS newest
    JOIN blocks ON blocks.tier = :tier AND blocks.metric = newest.id AND blocks.at = newest.at
        AND blocks.roster = newest.roster
    ORDER BY newest.name, blocks.at, blocks.roster
"""


class SqliteMetrics:
    """Implements ports.metrics.MetricStore in a fleet's state folder, for one thread."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE_NAME
        self._connection = open_database(self._path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def write(self, batch: Batch, *, tier: Tier = Tier.SECOND) -> None:
        at = round(batch.at_seconds * 1000)
        with explained(self._path), changing(self._connection):
            roster = self._roster(batch.subjects)
            metrics = self._metrics(batch.columns)
            self._connection.executemany(
                "INSERT OR REPLACE INTO blocks VALUES (?, ?, ?, ?, ?)",
                [
                    (tier.resolution_seconds, metrics[metric], at, roster, pack(values))
                    for metric, values in batch.columns.items()
                ],
            )

    def read(self, metric: str, *, start: float, until: float, tier: Tier = Tier.SECOND) -> History:
        with explained(self._path):
            self._connection.execute("BEGIN")  # blocks and rosters of the same moment
            try:
                found = self._connection.execute(
                    "SELECT at, roster, content FROM blocks WHERE tier = ? AND at >= ? AND at < ?"
                    " AND metric = (SELECT id FROM metrics WHERE name = ?) ORDER BY at, roster",
                    (tier.resolution_seconds, round(start * 1000), round(until * 1000), metric),
                )
                blocks = [Block(*row) for row in found]
                rosters = self._rosters({block.roster for block in blocks})
            finally:
                self._connection.execute("COMMIT")
        try:
            return history(blocks, rosters)
        except ValueError as error:
            raise StateDamaged(f"{self._path} cannot be used: {error}") from error

    def series(self, tier: Tier = Tier.SECOND) -> Mapping[str, tuple[str, ...]]:
        with explained(self._path):
            found = self._connection.execute(
                "SELECT DISTINCT metrics.name, rosters.subjects FROM blocks"
                " JOIN metrics ON metrics.id = blocks.metric"
                " JOIN rosters ON rosters.id = blocks.roster WHERE tier = ? ORDER BY metrics.name",
                (tier.resolution_seconds,),
            ).fetchall()
        subjects: dict[str, set[str]] = {}
        for metric, names in found:
            subjects.setdefault(metric, set()).update(json.loads(names))
        return {metric: tuple(sorted(names)) for metric, names in subjects.items()}

    def latest(self, *, since: float) -> Mapping[str, Mapping[str, float]]:
        with explained(self._path):
            self._connection.execute("BEGIN")  # blocks and rosters of the same moment
            try:
                found = self._connection.execute(
                    _LATEST, {"tier": Tier.SECOND.resolution_seconds, "since": round(since * 1000)}
                ).fetchall()
                rosters = self._rosters({row[2] for row in found})
            finally:
                self._connection.execute("COMMIT")
        try:
            return latest([(row[0], Block(*row[1:])) for row in found], rosters)
        except ValueError as error:
            raise StateDamaged(f"{self._path} cannot be used: {error}") from error

    def forget(self, *, now: float) -> int:
        removed = 0
        with explained(self._path), changing(self._connection):
            for tier in Tier:
                limit = round((now - tier.kept_seconds) * 1000)
                removed += self._connection.execute(
                    "DELETE FROM blocks WHERE tier = ? AND at < ?", (tier.resolution_seconds, limit)
                ).rowcount
            if removed:
                self._connection.execute(
                    "DELETE FROM rosters WHERE id NOT IN (SELECT roster FROM blocks)"
                )
                self._connection.execute(
                    "DELETE FROM metrics WHERE id NOT IN (SELECT metric FROM blocks)"
                )
        return removed

    def close(self) -> None:
        self._connection.close()

    def _roster(self, subjects: tuple[str, ...]) -> int:
        # Looked up at each batch: another process may have forgotten the number since.
        names = json.dumps(subjects, ensure_ascii=False, separators=(",", ":"))
        self._connection.execute("INSERT OR IGNORE INTO rosters (subjects) VALUES (?)", (names,))
        found = self._connection.execute("SELECT id FROM rosters WHERE subjects = ?", (names,))
        return int(found.fetchone()[0])

    def _rosters(self, numbers: Iterable[int]) -> dict[int, tuple[str, ...]]:
        found: dict[int, tuple[str, ...]] = {}
        for number in numbers:
            rows = self._connection.execute("SELECT subjects FROM rosters WHERE id = ?", (number,))
            found[number] = tuple(json.loads(rows.fetchone()[0]))
        return found

    def _metrics(self, names: Iterable[str]) -> dict[str, int]:
        self._connection.executemany(
            "INSERT OR IGNORE INTO metrics (name) VALUES (?)", [(name,) for name in names]
        )
        return dict(self._connection.execute("SELECT name, id FROM metrics"))
