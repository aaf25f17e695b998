"""The file of alerts: who may read it, what survives, two at once."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from phoenixctl.cli.compose import SystemClock
from phoenixctl.metrics.alert_notices import Delivery
from phoenixctl.metrics.alert_state import Hold, Phase, Standing
from phoenixctl.metrics.alerting import Transition
from phoenixctl.model.alerting import Alert, Matcher, Silence, Status
from phoenixctl.model.errors import Locked, PhoenixError, StateDamaged
from phoenixctl.ports.alerts import Memory
from phoenixctl.store.alerts import FILE_NAME, KEPT_SILENCES_SECONDS, SqliteAlerts

ALERT = Alert("cpu", "web-1", Status.CRITICAL, 10.5, "cpu is high", 0.97, 11.5, {"pool": "web"})
STANDINGS = {
    ("cpu", "web-1"): Standing(11.5, 0.97, {"critical": Hold(Phase.FIRING, 10.5, 11.0)}),
    ("cpu", "web-2"): Standing(4.0, None, {}, 64.0),
}
DELIVERY = Delivery(12.0, (ALERT,), (ALERT,))
SILENCE = Silence("ab12", (Matcher("pool", "=", "web"),), 1.0, 99.0, "ada", "a new disk")

# Keeps evaluations, each with a delivery that says the same number, until it is killed.
WRITER = """
import itertools, sys
from pathlib import Path
from tests.unit.store.test_alerts import kept, opened
store = opened(Path(sys.argv[1]))
for number in itertools.count(int(sys.argv[2])):
    kept(store, number)
    print(number, flush=True)
"""


def opened(folder: Path) -> SqliteAlerts:
    return SqliteAlerts(folder, SystemClock())


def change(at: float) -> Transition:
    return Transition(at, "cpu", "web-1", Status.OK, Status.CRITICAL, 0.97, "cpu is high")


def kept(store: SqliteAlerts, number: int) -> None:
    standings = {("cpu", f"web-{n}"): Standing(number) for n in range(500)}
    store.keep(standings, {("ops", "{}"): Delivery(number)}, [change(number)], now=number)


def test_all_of_it_is_found_again(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.keep(STANDINGS, {("ops", "{}"): DELIVERY}, [change(1.0), change(2.0)], now=12.5)
    store.silence(SILENCE)
    store.close()
    again = opened(tmp_path)
    assert again.recall() == Memory(STANDINGS, {("ops", "{}"): DELIVERY}, (SILENCE,), 12.5)
    assert again.history(limit=9) == (change(2.0), change(1.0))
    assert again.history(limit=1) == (change(2.0),)
    assert again.history(limit=9, since=1.5) == (change(2.0),)
    again.note("ops", "{}", None)
    assert again.recall().deliveries == {}
    again.close()


def test_to_look_at_alerts_leaves_no_trace(tmp_path: Path) -> None:
    store = opened(tmp_path / "fleet")
    assert store.recall() == Memory()
    assert store.history(limit=5) == ()
    store.close()
    assert not (tmp_path / "fleet").exists()


def test_the_file_and_its_log_are_for_the_operator_alone(tmp_path: Path) -> None:
    store = opened(tmp_path / "fleet")
    store.silence(SILENCE)
    modes = {
        path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "fleet").iterdir()
    }
    assert modes == {FILE_NAME + end: 0o600 for end in ("", "-wal", "-shm")}
    store.close()


def test_the_past_has_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("phoenixctl.store.alerts.KEPT_CHANGES", 50)
    store = opened(tmp_path)
    store.silence(SILENCE)
    changes = [change(float(number)) for number in range(55)]
    store.keep({}, {}, changes, now=SILENCE.until + KEPT_SILENCES_SECONDS + 1)
    found = store.history(limit=99)
    assert (len(found), found[-1].at) == (50, 5.0)
    assert store.recall().silences == ()
    store.close()


def test_what_cannot_be_read_is_not_taken_for_nothing(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"not a database, and long enough to be seen as none" * 99)
    with pytest.raises(StateDamaged, match=FILE_NAME):
        opened(tmp_path).recall()
    (tmp_path / FILE_NAME).unlink()
    store = opened(tmp_path)
    store.silence(SILENCE)
    store.close()
    with sqlite3.connect(tmp_path / FILE_NAME) as raw:
        raw.execute("UPDATE silences SET content = '{\"id\": 7}'")
    raw.close()
    store = opened(tmp_path)
    with pytest.raises(StateDamaged) as damaged:
        store.recall()
    store.close()
    assert "mv " in damaged.value.hint


def test_a_later_version_is_left_alone(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / FILE_NAME) as raw:
        raw.execute("PRAGMA user_version = 7")
    raw.close()
    with pytest.raises(StateDamaged, match="version 7"):
        opened(tmp_path).silence(SILENCE)


def test_a_link_in_place_of_the_file_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(PhoenixError, match="cannot keep alerts"):
        opened(tmp_path).silence(SILENCE)


def test_one_evaluates_at_a_time(tmp_path: Path) -> None:
    async def two() -> None:
        async with opened(tmp_path).held("alerts evaluate", wait_seconds=0.0):
            with pytest.raises(Locked, match="alerts evaluate"):
                async with opened(tmp_path).held("alerts evaluate", wait_seconds=0.0):
                    pytest.fail("two had the lock at once")

    asyncio.run(two())


def test_killed_at_any_moment_an_evaluation_is_kept_whole_or_not_at_all(tmp_path: Path) -> None:
    said = -1
    for _ in range(2):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path), str(said + 1)],
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parents[3],
        )
        assert writer.stdout is not None
        begun = [int(writer.stdout.readline()) for _ in range(4)]
        writer.send_signal(signal.SIGKILL)
        rest = writer.stdout.read().split()
        writer.stdout.close()
        assert writer.wait() == -signal.SIGKILL
        said = int(rest[-1]) if rest else begun[-1]
        store = opened(tmp_path)
        found = store.recall()
        last = found.deliveries["ops", "{}"].at
        assert last in (said, said + 1)
        assert {standing.at for standing in found.standings.values()} == {last}
        assert (found.evaluated_at, store.history(limit=1)[0].at) == (last, last)
        store.close()
        said = int(last)
