"""PostgreSQL's own figures, by `psql` on its node. Tried with PostgreSQL 15.

The login user (or the one that the collector's command leads to, as `sudo -n -u postgres psql`)
needs a role that may connect to the database `postgres`; with `pg_monitor` it sees all sessions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from phoenixctl.model.command import Command
from phoenixctl.model.errors import CommandFailed
from phoenixctl.model.measuring import Sample

PROGRAM: Final = ("psql",)
_NUMBER: Final = re.compile(r"-?\d+(?:\.\d+)?(?:e[+-]?\d+)?", re.ASCII)

# Each row: name, kind, label, value.
_QUERY: Final = """
SELECT 'up_seconds', 'gauge', '', extract(epoch FROM now() - pg_postmaster_start_time())
UNION ALL SELECT 'connections_limit', 'gauge', '', setting::float FROM pg_settings
  WHERE name = 'max_connections'
UNION ALL SELECT 'connections', 'gauge', 'state=' || coalesce(state, 'none'), count(*)
  FROM pg_stat_activity WHERE backend_type = 'client backend' GROUP BY state
UNION ALL SELECT 'oldest_transaction_seconds', 'gauge', '',
  coalesce(max(extract(epoch FROM now() - xact_start)), 0) FROM pg_stat_activity
  WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
UNION ALL SELECT 'locks_waiting', 'gauge', '', count(*) FROM pg_locks WHERE NOT granted
UNION ALL SELECT 'in_recovery', 'gauge', '', pg_is_in_recovery()::int
UNION ALL SELECT 'replication_lag_seconds', 'gauge', 'replica=' || application_name,
  coalesce(extract(epoch FROM replay_lag), 0) FROM pg_stat_replication
UNION ALL SELECT 'database_bytes', 'gauge', 'database=' || datname, pg_database_size(oid)
  FROM pg_database WHERE datallowconn AND has_database_privilege(oid, 'CONNECT')
UNION ALL SELECT v.name, 'counter', 'database=' || d.datname, v.value
  FROM pg_stat_database d, LATERAL (VALUES
    ('commits_total', d.xact_commit::float), ('rollbacks_total', d.xact_rollback),
    ('blocks_read_total', d.blks_read), ('blocks_hit_total', d.blks_hit),
    ('rows_returned_total', d.tup_returned), ('rows_fetched_total', d.tup_fetched),
    ('rows_inserted_total', d.tup_inserted), ('rows_updated_total', d.tup_updated),
    ('rows_deleted_total', d.tup_deleted), ('deadlocks_total', d.deadlocks),
    ('temporary_bytes_total', d.temp_bytes)) AS v (name, value)
  WHERE d.datname IS NOT NULL
"""


def asking(program: tuple[str, ...], port: int | None) -> Command:
    """One query, which reads nothing but statistics; the answer is rows with tabs."""
    where = () if port is None else ("-p", str(port))
    options = ("-X", "-A", "-t", "-q", "-w", "-F", "\t", "-v", "ON_ERROR_STOP=1")
    query = " ".join(_QUERY.split())
    return Command(*(program or PROGRAM), *options, *where, "-d", "postgres", "-c", query)


def parse_rows(answer: bytes) -> tuple[Sample, ...]:
    """The figures; CommandFailed when there are none."""
    found = tuple(_samples(answer.decode("utf-8", "replace")))
    if not found:
        raise CommandFailed("psql printed no figures")
    return found


def _samples(text: str) -> Iterator[Sample]:
    for line in text.splitlines():
        name, _, rest = line.partition("\t")
        kind, _, rest = rest.partition("\t")
        label, _, value = rest.rpartition("\t")  # a database's name may have a tab in it
        if kind not in ("gauge", "counter") or not _NUMBER.fullmatch(value):
            continue
        key, sign, of = label.partition("=")
        yield Sample(f"postgresql_{name}", float(value), ((key, of),) if sign else (), kind)
