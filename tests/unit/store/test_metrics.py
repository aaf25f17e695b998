"""The SQLite file of metrics: who may read it, other versions, readers."""

from __future__ import annotations

import contextlib
import sqlite3
import stat
from pathlib import Path

import numpy as np
import pytest

from phoenixctl.metrics.series import Batch, Tier
from phoenixctl.model.errors import PhoenixError, StateDamaged
from phoenixctl.store.metrics import FILE_NAME, SqliteMetrics

NODES = tuple(f"node-{number}" for number in range(200))
METRICS = tuple(f"metric-{number}" for number in range(20))


def tick(number: int) -> Batch:
    values = np.full(len(NODES), number, np.float32)
    return Batch(number, NODES, dict.fromkeys(METRICS, values))


def test_the_file_and_its_log_are_for_the_operator_alone(tmp_path: Path) -> None:
    folder = tmp_path / "state" / "fleet"
    with SqliteMetrics(folder) as store:
        store.write(tick(1))
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    assert modes == {FILE_NAME + end: 0o600 for end in ("", "-wal", "-shm")}


def test_a_link_in_place_of_the_file_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(PhoenixError, match="cannot keep metrics"):
        SqliteMetrics(tmp_path)
    assert not (tmp_path / "elsewhere").exists()


def test_a_store_of_a_later_version_is_left_as_it_is(tmp_path: Path) -> None:
    SqliteMetrics(tmp_path).close()
    with contextlib.closing(sqlite3.connect(tmp_path / FILE_NAME)) as database:
        database.execute("PRAGMA user_version = 2")
    before = (tmp_path / FILE_NAME).read_bytes()
    with pytest.raises(StateDamaged, match="version 2, newer than this phoenixctl knows"):
        SqliteMetrics(tmp_path)
    assert (tmp_path / FILE_NAME).read_bytes() == before


def test_a_file_that_is_no_store_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"something else" * 1000)
    with pytest.raises(StateDamaged, match="cannot be read") as raised:
        SqliteMetrics(tmp_path)
    assert "mv " in raised.value.hint
    assert (tmp_path / FILE_NAME).read_bytes() == b"something else" * 1000


def test_a_block_that_was_cut_off_is_told(tmp_path: Path) -> None:
    with SqliteMetrics(tmp_path) as store:
        store.write(tick(1))
        with contextlib.closing(sqlite3.connect(tmp_path / FILE_NAME)) as database, database:
            database.execute("UPDATE blocks SET content = substr(content, 1, 10)")
        with pytest.raises(StateDamaged, match="not as long"):
            store.read(METRICS[0], start=0, until=10)


@pytest.mark.parametrize("column", ["moments", "histograms"])
def test_a_roll_up_that_was_cut_off_is_told(tmp_path: Path, column: str) -> None:
    with SqliteMetrics(tmp_path) as store:
        store.write(tick(1))
        store.rollup(now=3600)
        with contextlib.closing(sqlite3.connect(tmp_path / FILE_NAME)) as database, database:
            database.execute(f"UPDATE rollups SET {column} = substr({column}, 1, 10)")
        with pytest.raises(StateDamaged, match="is not whole"):
            store.digests(METRICS[0], start=0, until=10, tier=Tier.HOUR)
        store.write(tick(61))  # with the minute before it five minutes are made
        with pytest.raises(StateDamaged, match="is not whole"):
            store.rollup(now=7200)


def test_a_long_read_does_not_keep_the_writer_waiting(tmp_path: Path) -> None:
    with SqliteMetrics(tmp_path) as store:
        store.write(tick(1))
        with contextlib.closing(sqlite3.connect(tmp_path / FILE_NAME)) as reader:
            rows = reader.execute("SELECT at FROM blocks")
            rows.fetchone()  # from now on it sees the file as it is now
            for number in range(2, 40):
                store.write(tick(number))
            store.forget(now=7200 + 30)
            assert len(rows.fetchall()) == len(METRICS) - 1
        assert store.read(METRICS[0], start=0, until=100).times.tolist() == list(range(30, 40))


def test_a_batch_that_fails_leaves_nothing_of_itself(tmp_path: Path) -> None:
    with SqliteMetrics(tmp_path) as store:
        store.write(tick(1))
        with contextlib.closing(sqlite3.connect(tmp_path / FILE_NAME)) as database, database:
            database.execute(
                "CREATE TRIGGER full BEFORE INSERT ON blocks WHEN new.metric = 9"
                " BEGIN SELECT RAISE(FAIL, 'full'); END"
            )
        with pytest.raises(PhoenixError, match="full"):
            store.write(tick(2))
        assert [store.read(name, start=2, until=3).times.size for name in METRICS] == [0] * 20
