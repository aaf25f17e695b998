"""The file of autoscaling: who may read it, what survives a kill, what is forgotten."""

from __future__ import annotations

import asyncio
import signal
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from phoenixctl.cli.compose import SystemClock
from phoenixctl.model.errors import Locked, StateDamaged
from phoenixctl.ports.scaling import Arrival, Evaluated, Outcome, Received, Remembered
from phoenixctl.store.scaling import (
    FILE_NAME,
    KEPT_ARRIVALS,
    KEPT_EVENTS,
    KEPT_OTHERS,
    SqliteScaling,
)

EXPLAIN = {"votes": [{"policy": "cpu", "values": {"cpu": 0.93, "memory": None}}]}
BUSY = Evaluated("web-1", "web", 10.0, "ada@here", "out", 3, 5, Outcome.DONE, "", "7", EXPLAIN)
CALM = Evaluated("web-2", "web", 40.0, "ada@here", "none", 5, 5, Outcome.NOTHING)
MEMORY = {"cooldown_out_until": 310.0, "maxima": [[10.0, 5]]}

# Begins decisions and ends them, each with a memory that says the same number, until it is killed.
WRITER = """
import itertools, sys
from pathlib import Path
from tests.unit.store.test_scaling import numbered, opened
store = opened(Path(sys.argv[1]))
for number in itertools.count(int(sys.argv[2])):
    numbered(store, number)
    print(number, flush=True)
"""


def opened(folder: Path) -> SqliteScaling:
    return SqliteScaling(folder, SystemClock())


def numbered(store: SqliteScaling, number: int) -> None:
    begun = replace(BUSY, id=f"web-{number}", outcome=Outcome.BEGUN)
    store.keep([(begun, {"number": number})])
    store.end(replace(begun, outcome=Outcome.DONE), {"number": number})


def test_all_of_it_is_found_again(tmp_path: Path) -> None:
    store = opened(tmp_path)
    coming = Arrival("web", "web-4", 9.0)
    store.keep([(BUSY, MEMORY)], [coming])
    store.keep([(CALM, {**MEMORY, "maxima": []})], [replace(coming, ready=33.0)])
    store.receive(Received("sale", 20.0, "ada@here", '{"nodes": 3}'))
    store.close()
    again = opened(tmp_path)
    assert again.recall(since=15.0) == Remembered(
        {"web": {**MEMORY, "maxima": []}},
        (Arrival("web", "web-4", 9.0, 33.0),),
        (Received("sale", 20.0, "ada@here", '{"nodes": 3}'),),
    )
    assert again.recall(since=21.0).events == ()
    assert again.history(limit=9) == (CALM, BUSY)
    assert again.history(limit=9, events=True) == (BUSY,)
    assert again.history(limit=9, pool="db") == ()
    assert again.find("web-1") == BUSY
    assert again.find("web-9") is None
    again.close()


def test_to_look_leaves_no_trace(tmp_path: Path) -> None:
    store = opened(tmp_path / "fleet")
    assert store.recall(since=0.0) == Remembered()
    assert store.history(limit=5) == ()
    assert store.find("web-1") is None
    store.close()
    assert not (tmp_path / "fleet").exists()


def test_the_file_and_its_log_are_for_the_operator_alone(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.keep([(BUSY, MEMORY)])
    files = [path for path in tmp_path.iterdir() if path.name.startswith(FILE_NAME)]
    assert len(files) >= 2  # it and its log
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    store.close()


def test_a_decision_that_has_only_begun_changes_no_memory_until_it_has_ended(
    tmp_path: Path,
) -> None:
    store = opened(tmp_path)
    store.keep([(CALM, {"cooldown": 0})])
    begun = replace(BUSY, outcome=Outcome.BEGUN)
    store.keep([(begun, {"cooldown": 310})])
    assert store.recall(since=0.0).memory == {"web": {"cooldown": 0}}
    assert store.recall(since=0.0).begun == ((begun, {"cooldown": 310}),)
    store.end(replace(begun, outcome=Outcome.CUT_OFF), None)
    found = store.recall(since=0.0)
    assert (found.memory, found.begun) == ({"web": {"cooldown": 0}}, ())
    assert store.history(limit=1)[0].outcome is Outcome.CUT_OFF
    store.close()


def test_quiet_evaluations_push_no_event_out(tmp_path: Path) -> None:
    store = opened(tmp_path)
    first = replace(BUSY, id="first")
    store.keep([(first, {})])
    many = [(replace(CALM, id=f"calm-{n}"), {}) for n in range(KEPT_OTHERS + 20)]
    store.keep(many)
    assert store.find("first") == first
    assert len(store.history(limit=10_000)) == KEPT_OTHERS + 1
    store.keep([(replace(BUSY, id=f"busy-{n}"), {}) for n in range(KEPT_EVENTS)])
    assert store.find("first") is None
    assert len(store.history(limit=10_000, events=True)) == KEPT_EVENTS
    store.keep([], [Arrival("web", f"web-{n}", n) for n in range(KEPT_ARRIVALS + 5)])
    kept = store.recall(since=0.0).arrivals
    assert [kept[0].node, len(kept)] == ["web-5", KEPT_ARRIVALS]
    store.close()


def test_a_run_that_is_killed_leaves_its_last_decision_whole(tmp_path: Path) -> None:
    number = 0
    for said in (1, 3, 7):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path), str(number)], stdout=subprocess.PIPE
        )
        assert process.stdout is not None
        for _ in range(said):
            number = int(process.stdout.readline()) + 1
        process.send_signal(signal.SIGKILL)
        process.wait()
        rest = process.stdout.read().split()
        process.stdout.close()
        number = int(rest[-1]) + 1 if rest else number
        store = opened(tmp_path)
        found = store.recall(since=0.0)
        ended = found.memory["web"]["number"]
        assert ended in (number - 1, number)  # the last may have been kept and not said
        assert all(after["number"] in (number, number + 1) for _, after in found.begun)
        for begun, after in found.begun:
            store.end(replace(begun, outcome=Outcome.DONE), after)
            ended = after["number"]
        number = ended + 1
        store.close()


def test_only_one_evaluates_at_a_time(tmp_path: Path) -> None:
    async def both() -> None:
        async with opened(tmp_path).held("autoscale", wait_seconds=0.0):
            with pytest.raises(Locked, match="autoscale"):
                async with opened(tmp_path).held("autoscale", wait_seconds=0.0):
                    pass

    asyncio.run(both())


def test_what_is_not_ours_is_said_to_be_damaged_and_not_taken_for_empty(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"not a database at all, but long enough to be looked at")
    with pytest.raises(StateDamaged, match=FILE_NAME):
        opened(tmp_path).recall(since=0.0)
