"""The numbers that metrics and lists of subjects have in the tables."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping

from phoenixctl.metrics.kinds import Kind
from phoenixctl.metrics.series import Batch


class Names:
    """Looked up each time: another process may have changed them since."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def roster(self, subjects: tuple[str, ...]) -> int:
        """Its number; a new one in the transaction that is open."""
        names = json.dumps(subjects, ensure_ascii=False, separators=(",", ":"))
        self._connection.execute("INSERT OR IGNORE INTO rosters (subjects) VALUES (?)", (names,))
        found = self._connection.execute("SELECT id FROM rosters WHERE subjects = ?", (names,))
        return int(found.fetchone()[0])

    def rosters(self, numbers: Iterable[int]) -> dict[int, tuple[str, ...]]:
        found: dict[int, tuple[str, ...]] = {}
        for number in numbers:
            rows = self._connection.execute("SELECT subjects FROM rosters WHERE id = ?", (number,))
            found[number] = tuple(json.loads(rows.fetchone()[0]))
        return found

    def metric(self, name: str) -> tuple[int, Kind] | None:
        """Its number and kind; None when it was never written."""
        row = self._connection.execute(
            "SELECT id, kind FROM metrics WHERE name = ?", (name,)
        ).fetchone()
        return None if row is None else (int(row[0]), Kind(row[1]))

    def kind(self, number: int) -> Kind:
        row = self._connection.execute("SELECT kind FROM metrics WHERE id = ?", (number,))
        return Kind(row.fetchone()[0])

    def kinds(self) -> dict[str, Kind]:
        rows = self._connection.execute("SELECT name, kind FROM metrics ORDER BY name")
        return {name: Kind(kind) for name, kind in rows}

    def of_batch(self, batch: Batch) -> Mapping[str, tuple[int, Kind]]:
        """Number and kind of all its metrics; new ones in the transaction that is open."""
        known = {
            name: (number, Kind(kind))
            for name, number, kind in self._connection.execute("SELECT name, id, kind FROM metrics")
        }
        found: dict[str, tuple[int, Kind]] = {}
        for name in (*batch.columns, *batch.observed):
            before = known.get(name)
            kind = batch.kinds.get(name) or (before[1] if before else _default(name, batch))
            if before is None or before[1] is not kind:
                number = self._connection.execute(
                    "INSERT INTO metrics (name, kind) VALUES (?, ?) ON CONFLICT (name)"
                    " DO UPDATE SET kind = excluded.kind RETURNING id",
                    (name, kind.value),
                ).fetchone()[0]
                before = (int(number), kind)
            found[name] = before
        return found


def _default(name: str, batch: Batch) -> Kind:
    return Kind.HISTOGRAM if name in batch.observed else Kind.GAUGE
