"""What is remembered of alerts, in an SQLite file beside the metrics.

remembered  `standings`: how each subject stands with each rule; `evaluated_at`
deliveries  what each receiver was told of each group, and what it still has to be told
silences    also those that are over, for a while
history     what began, changed and ended
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from phoenixctl.metrics.alert_notices import Delivery
from phoenixctl.metrics.alert_state import Hold, Phase, Standing, Standings
from phoenixctl.metrics.alerting import Transition
from phoenixctl.model.alerting import Silence
from phoenixctl.model.codec import decode, encode
from phoenixctl.model.errors import StateDamaged
from phoenixctl.ports.alerts import Memory
from phoenixctl.ports.clock import Clock
from phoenixctl.store.local_lock import LocalLock
from phoenixctl.store.sqlite import Schema, changing, explained, open_database

FILE_NAME: Final = "alerts.sqlite"
VERSION: Final = 1
KEPT_CHANGES: Final = 10_000
KEPT_SILENCES_SECONDS: Final = 30 * 86_400.0  # after their end
_RENEW_SECONDS: Final = 5.0
_TABLES: Final = (
    "CREATE TABLE remembered (name TEXT PRIMARY KEY, content TEXT NOT NULL)",
    """CREATE TABLE deliveries (receiver TEXT NOT NULL, grouping TEXT NOT NULL,
        content TEXT NOT NULL, PRIMARY KEY (receiver, grouping))""",
    "CREATE TABLE silences (id TEXT PRIMARY KEY, until REAL NOT NULL, content TEXT NOT NULL)",
    "CREATE TABLE history (id INTEGER PRIMARY KEY, at REAL NOT NULL, content TEXT NOT NULL)",
    "CREATE INDEX history_by_time ON history (at)",
)
# A cut of power must lose no notice.
_SCHEMA: Final = Schema("alerts", VERSION, _TABLES, ("synchronous = FULL",))


class SqliteAlerts:
    """Implements ports.alerts.AlertStore in a fleet's state folder, for one thread.

    Nothing is made before something is kept: to look at alerts leaves no trace.
    """

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._path = folder / FILE_NAME
        self._lock = LocalLock(folder / "alerts.lock", clock, renew_seconds=_RENEW_SECONDS)

    def held(self, title: str, *, wait_seconds: float) -> AbstractAsyncContextManager[None]:
        return self._lock.held(title, wait_seconds=wait_seconds, on_wait=None)

    def recall(self) -> Memory:
        if not self._path.exists():
            return Memory()
        with _readable(self._path):
            self._connection.execute("BEGIN")  # all of the same moment
            try:
                remembered = dict(self._connection.execute("SELECT * FROM remembered"))
                deliveries = self._connection.execute("SELECT * FROM deliveries").fetchall()
                silences = self._connection.execute(
                    "SELECT content FROM silences ORDER BY until, id"
                ).fetchall()
            finally:
                self._connection.execute("COMMIT")
            at = remembered.get("evaluated_at")
            return Memory(
                standings=_read_standings(json.loads(remembered.get("standings", "[]"))),
                deliveries={
                    (receiver, group): decode(Delivery, json.loads(content))
                    for receiver, group, content in deliveries
                },
                silences=tuple(decode(Silence, json.loads(row[0])) for row in silences),
                evaluated_at=None if at is None else float(at),
            )

    def keep(
        self,
        standings: Standings,
        owing: Mapping[tuple[str, str], Delivery | None],
        transitions: Sequence[Transition],
        *,
        now: float,
    ) -> None:
        remembered = {
            "standings": json.dumps(_written_standings(standings), separators=(",", ":")),
            "evaluated_at": repr(now),
        }
        with explained(self._path), changing(self._connection):
            self._connection.executemany(
                "INSERT OR REPLACE INTO remembered VALUES (?, ?)", remembered.items()
            )
            for (receiver, group), delivery in owing.items():
                self._note(receiver, group, delivery)
            self._connection.executemany(
                "INSERT INTO history (at, content) VALUES (?, ?)",
                [(change.at, _json(change)) for change in transitions],
            )
            self._connection.execute(
                "DELETE FROM history WHERE id <= (SELECT MAX(id) FROM history) - ?",
                (KEPT_CHANGES,),
            )
            self._connection.execute(
                "DELETE FROM silences WHERE until < ?", (now - KEPT_SILENCES_SECONDS,)
            )

    def note(self, receiver: str, group: str, delivery: Delivery | None) -> None:
        with explained(self._path), changing(self._connection):
            self._note(receiver, group, delivery)

    def history(self, *, limit: int, since: float = 0.0) -> Sequence[Transition]:
        if not self._path.exists():
            return ()
        with _readable(self._path):
            found = self._connection.execute(
                "SELECT content FROM history WHERE at >= ? ORDER BY at DESC, id DESC LIMIT ?",
                (since, limit),
            )
            return tuple(decode(Transition, json.loads(row[0])) for row in found)

    def silence(self, silence: Silence) -> None:
        with explained(self._path), changing(self._connection):
            self._connection.execute(
                "INSERT OR REPLACE INTO silences VALUES (?, ?, ?)",
                (silence.id, silence.until, _json(silence)),
            )

    def close(self) -> None:
        if "_connection" in self.__dict__:
            self._connection.close()

    @cached_property
    def _connection(self) -> sqlite3.Connection:
        return open_database(self._path, _SCHEMA)

    def _note(self, receiver: str, group: str, delivery: Delivery | None) -> None:
        if delivery is None:
            self._connection.execute(
                "DELETE FROM deliveries WHERE receiver = ? AND grouping = ?", (receiver, group)
            )
            return
        self._connection.execute(
            "INSERT OR REPLACE INTO deliveries VALUES (?, ?, ?)", (receiver, group, _json(delivery))
        )


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        with explained(path):
            yield
    except (ValueError, TypeError, KeyError, IndexError) as error:
        raise StateDamaged(
            f"{path} cannot be used: {error}",
            hint=f"move it away to forget what was told: mv {path} {path}.damaged",
        ) from error


def _json(value: object) -> str:
    return json.dumps(encode(value), ensure_ascii=False, separators=(",", ":"))


# Standings are many, and written at every evaluation: rows instead of mappings.


def _written_standings(standings: Standings) -> list[Any]:
    return [
        [
            rule,
            subject,
            standing.at,
            standing.value,
            standing.silent_since,
            [[key, h.phase.value, h.since, h.clear_since] for key, h in standing.holds.items()],
        ]
        for (rule, subject), standing in standings.items()
    ]


def _read_standings(rows: list[Any]) -> dict[tuple[str, str], Standing]:
    return {
        (rule, subject): Standing(
            at=at,
            value=value,
            holds={key: Hold(Phase(phase), since, clear) for key, phase, since, clear in holds},
            silent_since=silent,
        )
        for rule, subject, at, value, silent, holds in rows
    }
