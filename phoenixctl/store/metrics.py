"""Metrics in an SQLite file: one blob for each metric and time, with the values of all subjects.

A row for each sample costs many times as much: tests/benchmarks/metrics.py. The file is in WAL
mode: readers see it as it was when they began, and the writer goes on.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from phoenixctl.metrics.digest import pack_digests, unpack_moments
from phoenixctl.metrics.kinds import Kind
from phoenixctl.metrics.rollup import Rolled, RollUps, spread_out, united
from phoenixctl.metrics.series import Batch, History, Tier
from phoenixctl.model.errors import StateDamaged
from phoenixctl.store.metric_blocks import Block, history, pack
from phoenixctl.store.metric_latest import latest_values
from phoenixctl.store.metric_names import Names
from phoenixctl.store.metric_rolling import BELOW, GAP, Rolling, bucket
from phoenixctl.store.metric_schema import SCHEMA
from phoenixctl.store.sqlite import changing, explained, open_database

FILE_NAME: Final = "metrics.sqlite"

_Moments: TypeAlias = tuple[int, int, NDArray[np.int64], NDArray[np.float64]]


class SqliteMetrics:
    """Implements ports.metrics.MetricStore in a fleet's state folder, for one thread."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE_NAME
        self._connection = open_database(self._path, SCHEMA)
        self._names = Names(self._connection)
        self._rolling = Rolling(self._connection, self._names)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def write(self, batch: Batch) -> None:
        at = _ms(batch.at_seconds)
        with explained(self._path), changing(self._connection):
            roster = self._names.roster(batch.subjects)
            metrics = self._names.of_batch(batch)
            self._connection.executemany(
                "INSERT OR REPLACE INTO blocks VALUES (?, ?, ?, ?)",
                [
                    (number, at, roster, pack(batch.columns[name], wide=kind is Kind.COUNTER))
                    for name, (number, kind) in metrics.items()
                    if name in batch.columns
                ],
            )
            self._connection.executemany(
                "INSERT OR REPLACE INTO rollups VALUES (?, ?, ?, ?, ?, ?)",
                [
                    (1, metrics[name][0], at, roster, *pack_digests(observed))
                    for name, observed in batch.observed.items()
                ],
            )
            self._rolling.written(metrics.values(), at)

    def read(self, metric: str, *, start: float, until: float, tier: Tier = Tier.SECOND) -> History:
        with self._reading():
            found = self._names.metric(metric)
            if found is None:
                return history([], {})
            number, kind = found
            if tier is Tier.SECOND:
                return self._values(number, _ms(start), _ms(until))
            return self._means(tier, number, kind, bucket(tier, _ms(start)), _ms(until))

    def digests(self, metric: str, *, start: float, until: float, tier: Tier) -> RollUps:
        with self._reading():
            found = self._names.metric(metric)
            if found is None:
                return _rollups([], tier)
            if tier is Tier.SECOND:
                return _rollups(self._each(found[0], _ms(start), _ms(until)), tier)
            first = bucket(tier, _ms(start))
            return _rollups(self._rolling.between(tier, found[0], first, _ms(until)), tier)

    def series(self, tier: Tier = Tier.SECOND) -> Mapping[str, tuple[str, ...]]:
        # The first tier's values are in both tables.
        with explained(self._path):
            found = self._connection.execute(
                "WITH pairs AS (SELECT metric, roster FROM rollups WHERE tier = :tier"
                " UNION SELECT metric, roster FROM blocks WHERE :tier = 1)"
                " SELECT metrics.name, rosters.subjects FROM pairs"
                " JOIN metrics ON metrics.id = metric JOIN rosters ON rosters.id = roster"
                " ORDER BY metrics.name",
                {"tier": tier.resolution_seconds},
            ).fetchall()
        subjects: dict[str, set[str]] = {}
        for metric, names in found:
            subjects.setdefault(metric, set()).update(json.loads(names))
        return {metric: tuple(sorted(names)) for metric, names in subjects.items()}

    def latest(self, *, since: float) -> Mapping[str, Mapping[str, float]]:
        with self._reading():
            return latest_values(self._connection, self._names, _ms(since))

    def kinds(self) -> Mapping[str, Kind]:
        with explained(self._path):
            return self._names.kinds()

    def rollup(self, *, now: float) -> int:
        oldest = bucket(Tier.HOUR, _ms(now - Tier.HOUR.kept_seconds))
        made = 0
        with self._whole():
            for tier in BELOW:  # the finest first: the next one is made of it
                for metric, at in self._rolling.due(tier, _ms(now)):
                    made += self._rolling.roll(tier, metric, at, oldest=oldest)
        return made

    def forget(self, *, now: float) -> int:
        self.rollup(now=now)
        with explained(self._path), changing(self._connection):
            removed = [self._forget(tier, _ms(now - tier.kept_seconds)) for tier in Tier]
            if removed[-1]:  # seldom, for it looks at everything
                self._forget_names()
        return sum(removed)

    def close(self) -> None:
        self._connection.close()

    @contextmanager
    def _whole(self) -> Iterator[None]:
        """StateDamaged for what was cut off or changed by somebody else."""
        with explained(self._path):
            try:
                yield
            except ValueError as error:
                raise StateDamaged(f"{self._path} cannot be used: {error}") from error

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """All tables as they were at one moment."""
        with self._whole():
            self._connection.execute("BEGIN")
            try:
                yield
            finally:
                self._connection.execute("COMMIT")

    def _values(self, metric: int, start: int, until: int) -> History:
        """As they were written, and the means of what was observed."""
        blocks = self._rolling.blocks(metric, start, until)
        observed = self._moments(Tier.SECOND, metric, start, until)
        means = [
            Block(at, roster, pack(_mean(count, total))) for at, roster, count, total in observed
        ]
        if means:
            blocks = sorted([*blocks, *means], key=lambda block: (block.at, block.roster))
        return history(blocks, self._names.rosters({block.roster for block in blocks}))

    def _means(self, tier: Tier, metric: int, kind: Kind, start: int, until: int) -> History:
        """The means of buckets; of a counter by how much it has grown in all of them so far."""
        counter = kind is Kind.COUNTER
        fresh = self._rolling.fresh(tier, metric, start, until)
        found = [
            (at, roster, count, total)
            for at, roster, count, total in self._moments(tier, metric, start, until)
            if at not in fresh
        ]
        rosters = self._names.rosters({roster for _, roster, _, _ in found})
        for number, (at, part) in enumerate(fresh.items(), start=1):
            if part is not None:
                rosters[-number] = part.subjects
                found.append((at, -number, part.digests.count, part.digests.total))
        blocks = [
            Block(at, roster, pack(_mean(count, total, counter=counter), wide=counter))
            for at, roster, count, total in sorted(found, key=lambda row: row[0])
        ]
        means = history(blocks, rosters)
        if not counter:
            return means
        grown = np.cumsum(np.nan_to_num(means.values), axis=0)
        grown[np.isnan(means.values)] = np.nan
        return History(means.times, means.subjects, grown)

    def _moments(self, tier: Tier, metric: int, start: int, until: int) -> list[_Moments]:
        """Count and sum alone, which is a tenth of the work."""
        rows = self._connection.execute(
            "SELECT at, roster, moments FROM rollups"
            " WHERE tier = ? AND metric = ? AND at >= ? AND at < ? ORDER BY at, roster",
            (tier.resolution_seconds, metric, start, until),
        ).fetchall()
        rosters = self._names.rosters({row[1] for row in rows})
        return [
            (at, roster, *unpack_moments(moments, len(rosters[roster]))[:2])
            for at, roster, moments in rows
        ]

    def _each(self, metric: int, start: int, until: int) -> list[tuple[int, Rolled]]:
        """Each time at which something was written as a bucket of its own."""
        rows = self._connection.execute(
            "SELECT at FROM blocks WHERE metric = ?1 AND at >= ?2 AND at < ?3 UNION"
            " SELECT at FROM rollups WHERE tier = 1 AND metric = ?1 AND at >= ?2 AND at < ?3",
            (metric, start, until),
        ).fetchall()
        made = [(at, self._rolling.of_values(metric, at, at + 1)) for (at,) in sorted(rows)]
        return [(at, part) for at, part in made if part is not None]

    def _forget(self, tier: Tier, limit: int) -> int:
        key = (tier.resolution_seconds, limit)
        self._connection.execute(
            "INSERT INTO horizons VALUES (?, ?) ON CONFLICT (tier)"
            " DO UPDATE SET at = max(at, excluded.at)",
            key,
        )
        removed = self._connection.execute(
            "DELETE FROM rollups WHERE tier = ? AND at < ? AND metric IN (SELECT id FROM metrics)",
            key,
        ).rowcount
        if tier is Tier.SECOND:
            # What a counter grew from is kept as long as its growth may be asked for.
            for which, before in (("<>", limit), ("=", limit - GAP)):
                removed += self._connection.execute(
                    "DELETE FROM blocks WHERE at < ? AND metric IN"  # noqa: S608 - of the two signs
                    f" (SELECT id FROM metrics WHERE kind {which} 'counter')",
                    (before,),
                ).rowcount
        return removed

    def _forget_names(self) -> None:
        for column, table in (("metric", "metrics"), ("roster", "rosters")):
            self._connection.execute(
                f"DELETE FROM {table} WHERE id NOT IN"  # noqa: S608 - of the words above
                f" (SELECT {column} FROM blocks UNION SELECT {column} FROM rollups)"
            )


def _mean(
    count: NDArray[np.int64], total: NDArray[np.float64], *, counter: bool = False
) -> NDArray[np.float64]:
    """NaN without values; of a counter the sum itself."""
    return total / np.where(count > 0, 1 if counter else count, np.nan)


def _rollups(parts: list[tuple[int, Rolled]], tier: Tier) -> RollUps:
    subjects = united([part.subjects for _, part in parts])
    return RollUps(
        times=np.array([at for at, _ in parts], np.float64) / 1000,
        seconds=tier.resolution_seconds,
        subjects=subjects,
        digests=tuple(spread_out(part, subjects) for _, part in parts),
    )


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
