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

from typing import Final

from phoenixctl.store.sqlite import Schema

VERSION: Final = 1
_LOG_LIMIT: Final = 64 * 1024**2  # bytes; a long read may let the log grow beyond it for a while

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

SCHEMA: Final = Schema(
    "metrics",
    VERSION,
    _TABLES,
    # The log is not synced at each commit: a cut of power may lose the last ticks, a kill does not.
    ("synchronous = NORMAL", f"journal_size_limit = {_LOG_LIMIT}"),
)
