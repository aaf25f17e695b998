"""kill -9 while metrics are written and rolled up, fifty times, each at another moment."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from phoenixctl.metrics.kinds import Kind
from phoenixctl.metrics.series import Batch, Tier
from phoenixctl.store.metrics import FILE_NAME, SqliteMetrics

NODES = tuple(f"node-{number}" for number in range(20))
METRICS = tuple(f"metric-{number}" for number in range(10))
COUNTER = METRICS[0]
EVERY_SECONDS = 20
KILLS = 50

# Forks a writer for each line that it reads: a new interpreter each time would take 0.2 s of CPU.
NURSERY = """
import os, sys
from pathlib import Path
from tests.unit.store.test_metrics_killed import say, write_on
for line in sys.stdin:
    writer = os.fork()
    if not writer:
        write_on(Path(sys.argv[1]), int(line))
    say("writer", writer)
    os.waitpid(writer, 0)
    say("ended", 0)
"""


def tick(number: int) -> Batch:
    values = np.full(len(NODES), number, np.float32)
    columns = dict.fromkeys(METRICS, values)
    return Batch(number * EVERY_SECONDS, NODES, columns, {COUNTER: Kind.COUNTER})


def write_on(folder: Path, number: int) -> None:
    """Say each tick's number once its write has returned, until the end by a signal."""
    with SqliteMetrics(folder) as store:
        while True:
            store.write(tick(number))
            say("wrote", number)
            if number % 8 == 0:  # seldom, or nearly all kills would be in it
                store.rollup(now=number * EVERY_SECONDS)
            number += 1


def say(word: str, number: int) -> None:
    """A line at once: print may be cut in two, and two processes write to one pipe."""
    os.write(1, f"{word} {number}\n".encode())


class Nursery:
    """Starts one writer after the other."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def killed_after(self, ticks: int, seconds: float, *, start: int) -> int:
        """The number of the last tick that a writer from `start` on said before its end, which was
        so long after it had said so many.
        """
        self._say(str(start))
        writer, last = 0, start - 1
        while not writer or last < start + ticks - 1:
            word, number = self._line()
            assert word != "ended", "the writer ended by itself"
            writer, last = (number, last) if word == "writer" else (writer, number)
        time.sleep(seconds)
        os.kill(writer, signal.SIGKILL)
        while True:
            word, number = self._line()
            if word == "ended":
                return last
            last = number

    def _say(self, text: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{text}\n")
        self._process.stdin.flush()

    def _line(self) -> tuple[str, int]:
        assert self._process.stdout is not None
        word, _, number = self._process.stdout.readline().partition(" ")
        assert word, "the nursery ended by itself"
        return word, int(number)


@pytest.fixture
def nursery(tmp_path: Path) -> Iterator[Nursery]:
    command = [sys.executable, "-c", NURSERY, str(tmp_path)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        yield Nursery(process)
        os.killpg(process.pid, signal.SIGKILL)  # also a writer that a failed test has left


def test_a_killed_writer_leaves_whole_ticks_and_loses_none_that_it_had_written(
    tmp_path: Path, nursery: Nursery
) -> None:
    said: set[int] = set()
    start, rng = 1, random.Random(50)
    for _ in range(KILLS):
        last = nursery.killed_after(rng.randint(0, 3), rng.uniform(0, 0.005), start=start)
        said.update(range(start, last + 1))
        with SqliteMetrics(tmp_path) as store:
            there = ticks_of(store, COUNTER, since=start)
            assert there >= set(range(start, last + 1))
            for metric in METRICS[1:]:
                assert ticks_of(store, metric, since=start) == there
        start = max(there, default=start - 1) + 1
    with SqliteMetrics(tmp_path) as store:
        assert ticks_of(store, COUNTER, since=0) >= said
        all_rolled_up(store, ticks=start - 1)
    with contextlib.closing(sqlite3.connect(tmp_path / FILE_NAME)) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def ticks_of(store: SqliteMetrics, metric: str, *, since: int) -> set[int]:
    found = store.read(metric, start=since * EVERY_SECONDS, until=1e9)
    assert (found.values * EVERY_SECONDS == found.times[:, None]).all()
    return {round(at / EVERY_SECONDS) for at in found.times}


def all_rolled_up(store: SqliteMetrics, *, ticks: int) -> None:
    """What the killed ones left undone is done by the next one, and nothing twice."""
    store.rollup(now=ticks * EVERY_SECONDS + 3600)
    for tier in (Tier.MINUTE, Tier.HOUR):
        values = store.digests(METRICS[1], start=0, until=1e9, tier=tier).whole()
        assert (values.count == ticks).all()
        assert (values.total == ticks * (ticks + 1) / 2).all()
        grown = store.digests(COUNTER, start=0, until=1e9, tier=tier).whole()
        assert (grown.total == ticks - 1).all()
    assert store.rollup(now=ticks * EVERY_SECONDS + 3600) == 0
