"""What autoscaling remembers, in an SQLite file beside the metrics.

memory     by pool: cooldowns and what else the next decision depends on
decisions  with what they were made of; `event`: something was to be done
arrivals   nodes on their way, and how long others took
events     what scripts and hooks have told
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from phoenixctl.model.codec import decode, encode
from phoenixctl.model.errors import StateDamaged
from phoenixctl.ports.clock import Clock
from phoenixctl.ports.scaling import Arrival, Evaluated, Outcome, Received, Remembered
from phoenixctl.store.local_lock import LocalLock
from phoenixctl.store.sqlite import Schema, changing, explained, open_database

FILE_NAME: Final = "scaling.sqlite"
VERSION: Final = 1
KEPT_EVENTS: Final = 1_000  # decisions in which something was to be done
KEPT_OTHERS: Final = 1_000
KEPT_ARRIVALS: Final = 50  # of each pool
KEPT_RECEIVED: Final = 1_000
_RENEW_SECONDS: Final = 5.0
_TABLES: Final = (
    "CREATE TABLE memory (pool TEXT PRIMARY KEY, content TEXT NOT NULL)",
    """CREATE TABLE decisions (number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE,
        pool TEXT NOT NULL, at REAL NOT NULL, event INTEGER NOT NULL, outcome TEXT NOT NULL,
        content TEXT NOT NULL, memory TEXT)""",
    "CREATE INDEX decisions_by_kind ON decisions (event, number)",
    """CREATE TABLE arrivals (number INTEGER PRIMARY KEY, pool TEXT NOT NULL, node TEXT NOT NULL,
        begun REAL NOT NULL, ready REAL, UNIQUE (pool, node, begun))""",
    """CREATE TABLE events (number INTEGER PRIMARY KEY, name TEXT NOT NULL, at REAL NOT NULL,
        by TEXT NOT NULL, data TEXT NOT NULL)""",
)
# A cut of power must not start a cooldown anew, nor forget one.
_SCHEMA: Final = Schema("autoscaling", VERSION, _TABLES, ("synchronous = FULL",))


class SqliteScaling:
    """Implements ports.scaling.ScalingStore in a fleet's state folder, for one thread.

    Nothing is made before something is kept: to look leaves no trace.
    """

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._path = folder / FILE_NAME
        self._lock = LocalLock(folder / "autoscale.lock", clock, renew_seconds=_RENEW_SECONDS)

    def held(self, title: str, *, wait_seconds: float) -> AbstractAsyncContextManager[None]:
        return self._lock.held(title, wait_seconds=wait_seconds, on_wait=None)

    def recall(self, *, since: float) -> Remembered:
        if not self._path.exists():
            return Remembered()
        with _readable(self._path):
            self._connection.execute("BEGIN")  # all of the same moment
            try:
                memory = self._connection.execute("SELECT pool, content FROM memory").fetchall()
                arrivals = self._connection.execute(
                    "SELECT pool, node, begun, ready FROM arrivals ORDER BY begun, number"
                ).fetchall()
                events = self._connection.execute(
                    "SELECT name, at, by, data FROM events WHERE at >= ? ORDER BY number", (since,)
                ).fetchall()
                begun = self._connection.execute(
                    "SELECT content, memory FROM decisions WHERE outcome = ? ORDER BY number",
                    (Outcome.BEGUN.value,),
                ).fetchall()
            finally:
                self._connection.execute("COMMIT")
            return Remembered(
                memory={pool: json.loads(content) for pool, content in memory},
                arrivals=tuple(Arrival(*row) for row in arrivals),
                events=tuple(Received(*row) for row in events),
                begun=tuple((_decision(content), json.loads(after)) for content, after in begun),
            )

    def keep(
        self,
        decisions: Iterable[tuple[Evaluated, Mapping[str, Any]]],
        arrivals: Iterable[Arrival] = (),
    ) -> None:
        with explained(self._path), changing(self._connection):
            for decision, after in decisions:
                begun = decision.outcome is Outcome.BEGUN
                if not begun:
                    self._remember(decision.pool, after)
                self._connection.execute(
                    "INSERT INTO decisions (id, pool, at, event, outcome, content, memory)"
                    " VALUES (?, ?, ?, ?, ?, ?, ?)",
                    (
                        decision.id, decision.pool, decision.at, decision.event,
                        decision.outcome.value, _json(decision), _plain(after) if begun else None,
                    ),
                )  # fmt: skip
            self._arrive(arrivals)
            self._forget()

    def end(self, decision: Evaluated, memory: Mapping[str, Any] | None) -> None:
        with explained(self._path), changing(self._connection):
            if memory is not None:
                self._remember(decision.pool, memory)
            self._connection.execute(
                "UPDATE decisions SET outcome = ?, content = ?, event = ?, memory = NULL"
                " WHERE id = ?",
                (decision.outcome.value, _json(decision), decision.event, decision.id),
            )

    def history(
        self, *, limit: int, pool: str | None = None, events: bool = False
    ) -> Sequence[Evaluated]:
        if not self._path.exists():
            return ()
        with _readable(self._path):
            found = self._connection.execute(
                "SELECT content FROM decisions WHERE (?1 IS NULL OR pool = ?1) AND event >= ?2"
                " ORDER BY number DESC LIMIT ?3",
                (pool, int(events), limit),
            )
            return tuple(_decision(row[0]) for row in found)

    def find(self, decision: str) -> Evaluated | None:
        if not self._path.exists():
            return None
        with _readable(self._path):
            found = self._connection.execute(
                "SELECT content FROM decisions WHERE id = ?", (decision,)
            ).fetchone()
            return None if found is None else _decision(found[0])

    def receive(self, event: Received) -> None:
        with explained(self._path), changing(self._connection):
            self._connection.execute(
                "INSERT INTO events (name, at, by, data) VALUES (?, ?, ?, ?)",
                (event.name, event.at, event.by, event.data),
            )
            self._connection.execute(
                "DELETE FROM events WHERE number <= (SELECT MAX(number) FROM events) - ?",
                (KEPT_RECEIVED,),
            )

    def close(self) -> None:
        if "_connection" in self.__dict__:
            self._connection.close()

    @cached_property
    def _connection(self) -> sqlite3.Connection:
        return open_database(self._path, _SCHEMA)

    def _remember(self, pool: str, memory: Mapping[str, Any]) -> None:
        self._connection.execute(
            "INSERT OR REPLACE INTO memory VALUES (?, ?)", (pool, _plain(memory))
        )

    def _arrive(self, arrivals: Iterable[Arrival]) -> None:
        for one in arrivals:
            self._connection.execute(
                "INSERT INTO arrivals (pool, node, begun, ready) VALUES (?, ?, ?, ?)"
                " ON CONFLICT (pool, node, begun) DO UPDATE SET ready = excluded.ready",
                (one.pool, one.node, one.begun, one.ready),
            )
            self._connection.execute(
                "DELETE FROM arrivals WHERE pool = ?1 AND number NOT IN"
                " (SELECT number FROM arrivals WHERE pool = ?1 ORDER BY number DESC LIMIT ?2)",
                (one.pool, KEPT_ARRIVALS),
            )

    def _forget(self) -> None:
        for event, kept in ((1, KEPT_EVENTS), (0, KEPT_OTHERS)):
            self._connection.execute(
                "DELETE FROM decisions WHERE event = ?1 AND number <= (SELECT number FROM"
                " decisions WHERE event = ?1 ORDER BY number DESC LIMIT 1 OFFSET ?2)",
                (event, kept),
            )


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        with explained(path):
            yield
    except (ValueError, TypeError, KeyError, IndexError) as error:
        raise StateDamaged(
            f"{path} cannot be used: {error}",
            hint=f"move it away to forget cooldowns and decisions: mv {path} {path}.damaged",
        ) from error


def _decision(content: str) -> Evaluated:
    return decode(Evaluated, json.loads(content))


def _json(value: object) -> str:
    return _plain(encode(value))


def _plain(document: Any) -> str:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))
