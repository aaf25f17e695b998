"""SQLite files of the state folder: for the operator alone, whole after a kill, errors of ours."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from phoenixctl.model.errors import Locked, PhoenixError, StateDamaged
from phoenixctl.store.disk import make_private

_BUSY_SECONDS: Final = 5.0
_DAMAGED: Final = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


@dataclass(frozen=True, slots=True)
class Schema:
    """What is kept, in which version of its tables, and settings of each connection."""

    what: str
    version: int
    tables: Sequence[str]
    pragmas: Sequence[str]


def open_database(path: Path, schema: Schema) -> sqlite3.Connection:
    """Open the file or make it. StateDamaged when it is something else, or of a later version."""
    make_private(path.parent)
    # SQLite gives its log the mode of the file, so this covers both from the first byte on.
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise PhoenixError(f"cannot keep {schema.what} in {path}: {error.strerror}") from None
    connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None)
    try:
        with explained(path):
            _prepare(connection, path, schema)
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


def _prepare(connection: sqlite3.Connection, path: Path, schema: Schema) -> None:
    _refuse_newer(connection, path, schema)  # before anything is written to it
    for pragma in ("journal_mode = WAL", *schema.pragmas):
        connection.execute(f"PRAGMA {pragma}")
    if _version(connection) == schema.version:
        return
    with changing(connection):
        _refuse_newer(connection, path, schema)
        if _version(connection) == 0:  # nobody else was quicker
            for table in schema.tables:
                connection.execute(table)
            connection.execute(f"PRAGMA user_version = {schema.version}")


def _refuse_newer(connection: sqlite3.Connection, path: Path, schema: Schema) -> None:
    found = _version(connection)
    if found > schema.version:
        raise StateDamaged(
            f"{path} has version {found}, newer than this phoenixctl knows ({schema.version})",
            hint="use the version of phoenixctl that wrote it",
        )


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])
