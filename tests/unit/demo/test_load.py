"""The load generator counts truly, also against a server that stalls, refuses or dies."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from phoenixctl.demo.http_server import HttpServer, Request, Response
from phoenixctl.demo.load import run_load
from phoenixctl.demo.load_report import Interval
from phoenixctl.demo.load_targets import Endpoints, Targets
from phoenixctl.model.routing import Member, MemberState
from phoenixctl.remote.envoy import render_endpoints


@asynccontextmanager
async def serving(handler: Callable[[Request], Awaitable[Response]]) -> AsyncIterator[str]:
    server = HttpServer(handler)
    port = await server.start("127.0.0.1", 0)
    yield f"http://127.0.0.1:{port}"
    await server.close()


async def fine(_: Request) -> Response:
    return Response(200)


async def refusing(_: Request) -> Response:
    return Response(503, close=True)


async def failing(_: Request) -> Response:
    return Response(500)


async def test_all_messages_are_sent_in_time_and_shared_out():
    async with serving(fine) as one, serving(fine) as two:
        report = await run_load([one, two], 200, seconds=0.5)
    assert (report.sent, report.acknowledged, report.failed) == (100, 100, 0)
    assert report.acknowledged_by == dict(sorted({one: 50, two: 50}.items()))
    assert report.seconds > 0.45


async def test_latency_counts_from_when_a_message_was_due():
    async def stalling(_: Request) -> Response:
        # One stall of the whole process: messages that were due meanwhile have waited too.
        if not stalled:
            stalled.append(True)
            time.sleep(0.5)
        return Response(200)

    stalled: list[bool] = []
    async with serving(stalling) as url:
        report = await run_load([url], 100, seconds=1)
    assert report.acknowledged == 100
    assert report.p50_seconds is not None
    assert report.p99_seconds is not None
    assert report.p99_seconds > 0.4
    late = [share for share in (report.p95_seconds, report.p99_seconds) if share > 0.3]
    assert len(late) == 2  # half of the messages were due in the stall, not one


async def test_what_one_target_refuses_another_one_takes():
    async with serving(refusing) as draining, serving(fine) as other:
        report = await run_load([draining, other, "http://127.0.0.1:1"], 100, seconds=0.3)
    assert (report.acknowledged, report.failed) == (30, 0)
    assert report.moved == 20
    assert report.acknowledged_by == {other: 30}


async def test_a_message_that_may_have_been_counted_is_not_sent_again():
    seen: list[str] = []

    async def hanging_up(request: Request) -> Response:
        seen.append(request.path)
        raise ConnectionResetError

    async with serving(hanging_up) as broken, serving(fine) as other:
        report = await run_load([broken, other], 100, seconds=0.2)
    assert len(seen) == 10
    assert (report.acknowledged, report.moved, report.unknown) == (10, 0, 10)
    assert report.failures == {"connection lost": 10}


async def test_failures_are_counted_by_their_reason():
    async with serving(failing) as url:
        report = await run_load([url], 100, seconds=0.1)
    assert (report.acknowledged, report.failures) == (0, {"status 500": 10})
    assert (report.p50_seconds, report.gap_seconds, report.unknown) == (None, None, 0)
    report = await run_load(["http://127.0.0.1:1"], 100, seconds=0.1)
    assert report.failures == {"no connection": 10}


async def test_targets_may_change_while_load_runs():
    async with serving(fine) as one, serving(fine) as two:
        targets = [one]
        stop = asyncio.Event()
        running = asyncio.create_task(run_load(targets, 200, stop=stop))
        await asyncio.sleep(0.2)
        targets[:] = [two]
        await asyncio.sleep(0.2)
        stop.set()
        report = await running
    assert report.failed == 0
    assert all(report.acknowledged_by[url] > 10 for url in (one, two))


async def test_a_target_that_is_none_is_refused():
    with pytest.raises(ValueError, match="not a target"):
        await run_load(["nonsense"], 10, seconds=0.1)


async def test_the_command_line_reports_as_json_and_by_its_exit_status():
    async with serving(fine) as good, serving(failing) as bad:
        statuses = []
        for url in (good, bad):
            command = ("-m", "phoenixctl.demo.load", url, "--rate", "50", "--seconds", "0.2")
            process = await asyncio.create_subprocess_exec(
                sys.executable, *command, "-o", "json", stdout=subprocess.PIPE
            )
            stdout, _ = await process.communicate()
            statuses.append((process.returncode, json.loads(stdout)["acknowledged"]))
    assert statuses == [(0, 10), (1, 0)]


async def test_messages_that_nobody_takes_wait_until_one_does():
    taking = False
    answered: Counter[int] = Counter()

    async def paused(_: Request) -> Response:
        status = 200 if taking else 503
        answered[status] += 1
        return Response(status, close=not taking)

    async with serving(paused) as url:
        stop = asyncio.Event()
        running = asyncio.create_task(run_load([url], 200, patience_seconds=30, stop=stop))
        await eventually(lambda: answered[503] >= 40)  # they come at 300 per second at most
        taking = True
        await eventually(lambda: answered[200] >= 80)
        stop.set()
        report = await running
    assert (report.acknowledged, report.failed) == (report.sent, 0)
    assert 0 < report.waited < report.sent
    assert report.p99_seconds is not None
    assert report.p99_seconds > 0.05  # it counts from when they were due


async def test_of_messages_in_line_only_the_first_asks_again():
    asked = 0

    async def refuse(_: Request) -> Response:
        nonlocal asked
        asked += 1
        return Response(503, close=True)

    async with serving(refuse) as url:
        report = await run_load([url], 400, seconds=0.5, patience_seconds=0.5)
    assert (report.sent, report.failures) == (200, {"status 503": 200})
    assert asked <= 200 + 1.0 / 0.01 + 10  # each once, and one every 10 ms


async def test_a_load_that_is_told_to_end_waits_no_longer():
    stop = asyncio.Event()
    running = asyncio.create_task(
        run_load(["http://127.0.0.1:1"], 100, patience_seconds=600, stop=stop)
    )
    await asyncio.sleep(0.2)
    stop.set()
    report = await asyncio.wait_for(running, 10)
    assert report.failures == {"no connection": report.sent}


async def test_the_targets_are_those_of_a_file_of_endpoints_when_it_is_replaced(tmp_path: Path):
    path = tmp_path / "counter.json"
    targets = Watched(Endpoints(path))
    async with serving(fine) as one, serving(fine) as two:
        stop = asyncio.Event()
        running = asyncio.create_task(run_load(targets, 200, patience_seconds=30, stop=stop))
        await eventually(lambda: targets.turns[()] > 5)
        replace(path, member("a", one), member("b", "http://127.0.0.1:1", weight=0))
        await eventually(lambda: targets.turns[(one,)] > 20)
        replace(path, member("a", two), member("b", one, state=MemberState.DRAIN))
        await eventually(lambda: targets.turns[(two,)] > 20)
        path.write_bytes(b"{")
        before = targets.turns[(two,)]
        await eventually(lambda: targets.turns[(two,)] > before + 5)
        stop.set()
        report = await running
    assert (report.acknowledged, report.failed) == (report.sent, 0)
    assert report.waited > 0
    assert set(report.acknowledged_by) == {one, two}
    assert set(targets.turns) == {(), (one,), (two,)}


def test_members_of_a_file_get_their_share_by_weight(tmp_path: Path):
    path = tmp_path / "counter.json"
    replace(path, member("a", "http://10.0.0.1:80", weight=30), member("b", "http://10.0.0.2:80"))
    targets = Endpoints(path)
    firsts = [targets.turn()[0] for _ in range(130)]
    assert firsts.count("http://10.0.0.1:80") == 30
    assert firsts.count("http://10.0.0.2:80") == 100
    assert set(targets.turn()) == set(firsts)
    assert Endpoints(path, "a").turn() == ["http://10.0.0.1:80"]
    assert Endpoints(path, "c").turn() == ()
    replace(path, member("a-1.7", "http://10.0.0.1:80"), member("a-17", "http://10.0.0.2:80"))
    assert Endpoints(path, "a-1").turn() == ["http://10.0.0.1:80"]
    assert Endpoints(tmp_path / "none.json").turn() == ()


async def test_the_report_tells_of_each_interval_and_of_the_longest_gap():
    seen: list[Interval] = []
    quick = iter(range(50))

    async def sometimes(_: Request) -> Response:
        if next(quick, None) is None:
            await asyncio.sleep(0.4)
        return Response(200)

    async with serving(sometimes) as url:
        report = await run_load([url], 200, seconds=0.5, every_seconds=0.1, watch=seen.append)
    assert sum(one.acknowledged for one in report.intervals) == report.acknowledged == 100
    assert [round(one.until_seconds, 1) for one in report.intervals[:3]] == [0.1, 0.2, 0.3]
    assert report.gap_seconds is not None
    assert report.gap_seconds > 0.2
    assert min(one.acknowledged for one in report.intervals[:-1]) == 0
    assert seen
    assert tuple(seen) == report.intervals[: len(seen)]


async def test_the_command_line_follows_a_file_and_says_each_interval(tmp_path: Path):
    async with serving(fine) as url:
        replace(tmp_path / "counter.json", member("a", url))
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "phoenixctl.demo.load", "--endpoints", "counter.json",
            "--report-every", "0.1", "--seconds", "600", "--rate", "50",
            cwd=tmp_path, stdout=subprocess.PIPE,
        )  # fmt: skip
        try:
            assert process.stdout is not None
            first = await process.stdout.readline()
            process.send_signal(signal.SIGTERM)
            rest, _ = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
    assert first.startswith(b"0.1s: acknowledged ")
    assert b", failed 0, moved 0, waited 0 in " in rest
    assert process.returncode == 0


class Watched:
    """Targets that tell how often they gave what."""

    def __init__(self, inner: Targets) -> None:
        self._inner = inner
        self.turns: Counter[tuple[str, ...]] = Counter()

    def turn(self) -> Sequence[str]:
        urls = self._inner.turn()
        self.turns[tuple(urls)] += 1
        return urls


async def eventually(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.01)


def replace(path: Path, *members: Member) -> None:
    new = path.with_suffix(".new")
    new.write_bytes(render_endpoints(path.stem, members))
    new.replace(path)


def member(
    name: str, url: str, *, weight: int = 100, state: MemberState = MemberState.READY
) -> Member:
    host, port = url.removeprefix("http://").split(":")
    return Member(name, host, int(port), weight, state)
