"""The tables of the metric store. Times are milliseconds since 1970, tiers their seconds.

blocks   one metric at one time: its values for a list of subjects, as floats of little end
rollups  one metric in one bucket of time: a digest for each of a list of subjects; in the first
         tier those that were written as digests
pending  buckets in which something is new since they were rolled up
horizons what is older than this is not complete any more, and its roll-ups stay as they are
metrics  the names of metrics, and of which kind each is
rosters  lists of subjects, each kept once: most batches have the same one
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from phoenixctl.model.errors import Locked, PhoenixError, StateDamaged
from phoenixctl.store.disk import make_private

VERSION: Final = 1
_BUSY_SECONDS: Final = 5.0
_LOG_LIMIT: Final = 64 * 1024**2  # bytes; a long read may let the log grow beyond it for a while
_DAMAGED: Final = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)

_TABLES: Final = (
    "CREATE TABLE metrics (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, kind TEXT NOT NULL)",
    "CREATE TABLE rosters (id INTEGER PRIMARY KEY, subjects TEXT NOT NULL UNIQUE)",
    # With a row id: in a table without one, each step of a search would pass over whole blobs.
    """CREATE TABLE blocks (
        metric INTEGER NOT NULL,
        at INTEGER NOT NULL,
        roster INTEGER NOT NULL,
        content BLOB NOT NULL
    )""",
    "CREATE UNIQUE INDEX blocks_by_time ON blocks (metric, at, roster)",
    """CREATE TABLE rollups (
        tier INTEGER NOT NULL,
        metric INTEGER NOT NULL,
        at INTEGER NOT NULL,
        roster INTEGER NOT NULL,
        moments BLOB NOT NULL,
        histograms BLOB NOT NULL
    )""",
    "CREATE UNIQUE INDEX rollups_by_time ON rollups (tier, metric, at, roster)",
    """CREATE TABLE pending (
        tier INTEGER NOT NULL,
        metric INTEGER NOT NULL,
        at INTEGER NOT NULL,
        PRIMARY KEY (tier, metric, at)
    ) WITHOUT ROWID""",
    "CREATE TABLE horizons (tier INTEGER PRIMARY KEY, at INTEGER NOT NULL)",
)


def open_database(path: Path) -> sqlite3.Connection:
    """Open or make the store. StateDamaged when it is no store, or one of a later version."""
    make_private(path.parent)
    # SQLite gives its log the mode of the file, so this covers both from the first byte on.
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise PhoenixError(f"cannot keep metrics in {path}: {error.strerror}") from None
    connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None)
    try:
        with explained(path):
            _prepare(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Errors of SQLite become ours."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # what is above tells it more closely
        if code == sqlite3.SQLITE_BUSY:
            raise Locked(
                f"{path} is being written by another process", hint="try again later"
            ) from error
        if code in _DAMAGED:
            raise StateDamaged(
                f"{path} cannot be read: {error}",
                hint=f"move it away to begin a new history: mv {path} {path}.damaged",
            ) from error
        raise PhoenixError(f"{path} cannot be used: {error}") from error


@contextmanager
def changing(connection: sqlite3.Connection) -> Iterator[None]:
    """All changes of the block or none, also when this process is killed in it."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # a full disk has ended it already
            connection.execute("ROLLBACK")
        raise


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    _refuse_newer(connection, path)  # before anything is written to it
    connection.execute("PRAGMA journal_mode = WAL")
    # The log is not synced at each commit: a cut of power may lose the last ticks, a kill does not.
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute(f"PRAGMA journal_size_limit = {_LOG_LIMIT}")
    if _version(connection) == VERSION:
        return
    with changing(connection):
        _refuse_newer(connection, path)
        if _version(connection) == 0:  # nobody else was quicker
            for table in _TABLES:
                connection.execute(table)
            connection.execute(f"PRAGMA user_version = {VERSION}")


def _refuse_newer(connection: sqlite3.Connection, path: Path) -> None:
    found = _version(connection)
    if found > VERSION:
        raise StateDamaged(
            f"{path} has version {found}, newer than this phoenixctl knows ({VERSION})",
            hint="use the version of phoenixctl that wrote it",
        )


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])
