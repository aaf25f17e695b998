"""The load generator counts truly, also against a server that stalls, refuses or dies."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from phoenixctl.demo.http_server import HttpServer, Request, Response
from phoenixctl.demo.load import run_load


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
    assert 0.45 < report.seconds < 2


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
    assert (report.acknowledged, report.moved) == (10, 0)
    assert report.failures == {"connection lost": 10}


async def test_failures_are_counted_by_their_reason():
    async with serving(failing) as url:
        report = await run_load([url], 100, seconds=0.1)
    assert (report.acknowledged, report.failures) == (0, {"status 500": 10})
    assert report.p50_seconds is None
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
