"""What only a store in a bucket can suffer: lost replies, conflicts, frozen holders, clocks."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import signal
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from phoenixctl.cli.compose import SystemClock
from phoenixctl.model.errors import (
    AuthenticationFailed,
    ConfigError,
    Locked,
    PhoenixError,
    Unreachable,
)
from phoenixctl.model.plan import Plan
from phoenixctl.ports.records import Holder, Operation
from phoenixctl.store import s3_backing, s3_lease, s3_objects
from phoenixctl.store.holding import Waiting
from phoenixctl.store.s3 import S3Records
from phoenixctl.store.s3_objects import _client
from tests.cloud.s3_server import CREDENTIALS, S3Server
from tests.conformance.record_places import FLEET, S3Place, Say, forked, share_clients
from tests.conformance.record_story import (
    EXPECTED,
    ONE,
    SPECS,
    TWO,
    Recorded,
    leave_unknown,
    look,
    play,
    runs,
)

LEASE = 2.0  # seconds; a machine that is busy may not run a holder for the half of it
_PREFIXES = itertools.count()


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    with S3Server.started() as server:
        yield server


@pytest.fixture
def store(server: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> S3Place:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    share_clients(monkeypatch)
    server.fail()
    settings = server.store("records", prefix=f"p{next(_PREFIXES)}", lease_seconds=LEASE)
    return S3Place(server, settings, tmp_path)


def lock_of(store: S3Place) -> dict[str, Any]:
    content = store.get("lock.json")
    assert content is not None
    found: dict[str, Any] = json.loads(content)
    return found


# What the store does.


async def test_a_store_that_ignores_conditions_is_refused_before_anything_is_written(
    store: S3Place, server: S3Server
) -> None:
    server.fail(ignore_conditions=True)
    with pytest.raises(PhoenixError, match="ignores If-None-Match") as refused:
        async with store.records().changing("start"):
            pytest.fail("a store without conditions was used")
    assert "conditional writes" in refused.value.hint
    assert store.names() == ["probe.json"]


@pytest.mark.parametrize(
    "faults",
    [{"lose_every": 1}, {"lose_every": 2}, {"conflict_every": 2},
     {"lose_every": 3, "conflict_every": 4}],
)  # fmt: skip
async def test_lost_replies_and_conflicts_change_nothing(
    store: S3Place, server: S3Server, faults: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "sleep", lambda _seconds: None)  # botocore's back-off
    server.fail(**faults)
    patient = replace(store, settings=replace(store.settings, lease_seconds=30.0))
    records = patient.records()
    await leave_unknown(records)
    await play(records, lambda _: None)
    server.fail()
    assert await look(records) == EXPECTED[-1]
    assert [entry.id for entry in await records.history()] == ["2", "1"]
    past = await records.past("2")
    assert [end.outcome for end in past.ends] == ["ok", "unknown", "failed"]
    assert lock_of(store)["free"] is True
    async with records.changing("next") as operation:
        assert operation.id == "3"


async def test_no_two_writings_of_a_lock_or_a_state_are_alike(store: S3Place) -> None:
    """Equal bodies would have equal ETags, and a stale condition would hold again (ABA)."""
    records = store.records()
    objects = store._objects()
    seen = set()
    for number in range(4):
        async with records.changing("start") as operation:
            seen.add(("lock", objects.etag("lock.json")))
            await operation.open(Plan("start", ()))
        seen |= {("lock", objects.etag("lock.json")), ("state", objects.etag("state.json"))}
        assert len(seen) == 3 * (number + 1)


async def test_a_closed_operation_leaves_one_object_of_its_journal(
    store: S3Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3_backing, "KEPT_OPERATIONS", 3)
    records = store.records()
    for _ in range(5):
        async with records.changing("start") as operation:
            await operation.open(Plan("start", (ONE,)), SPECS)
            await operation.begin(ONE)
            await operation.end(ONE, outcome="ok", detail="", patch=runs("web-1"))
    left = [name.split("/")[1] for name in store.names() if name.startswith("journal/")]
    assert left == ["3", "4", "5"]
    kept = [name for name in store.names() if name.startswith("operations/")]
    assert kept == [f"operations/{number}.json" for number in (3, 4, 5)]
    assert len([name for name in store.names() if name.startswith("audit/")]) == 5
    assert (await records.past("3")).entry.outcome == "ok"


async def test_rubbish_in_the_place_of_the_lock_is_taken_over_after_a_lease(
    store: S3Place,
) -> None:
    store.put("lock.json", b"\xff{")
    records = store.records()
    holder = await records.holder()
    assert holder is not None
    assert holder.by == "somebody"
    with pytest.raises(Locked, match="another phoenixctl"):
        async with records.changing("start"):
            pytest.fail("it may have been a lock")
    async with records.changing("start", wait_seconds=LEASE * 3):
        assert lock_of(store)["operation"] == "start"


async def test_errors_of_the_way_to_the_store_are_told_apart(
    store: S3Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "sleep", lambda _seconds: None)
    nowhere = replace(store, settings=replace(store.settings, bucket="not-there"))
    with pytest.raises(PhoenixError, match="no such bucket"):
        await nowhere.records().history()
    with socket.create_server(("127.0.0.1", 0)) as closed:
        endpoint = f"http://127.0.0.1:{closed.getsockname()[1]}"
    silent = replace(store, settings=replace(store.settings, endpoint=endpoint))
    with pytest.raises(Unreachable, match="no answer from the store"):
        await silent.records().read()
    for settings in (
        replace(store.settings, bucket="no bucket/at all"),
        replace(store.settings, endpoint="not a url"),
    ):
        with pytest.raises(ConfigError, match="the store cannot be asked"):
            await replace(store, settings=settings).records().read()
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setattr(s3_objects, "_client", _client)
    with pytest.raises(AuthenticationFailed, match="no usable AWS credentials"):
        await store.records().read()


# Who holds the lock.


class StillClock(SystemClock):
    """The clock of a machine that was suspended: no time has passed for it."""

    def monotonic(self) -> float:
        return 0.0


async def _never(_lease: s3_lease.Lease) -> None:
    """In the place of renewing."""


def _stop_renewing() -> None:
    pytest.MonkeyPatch().setattr(s3_lease.Lease, "_renew", _never)


@asynccontextmanager
async def elsewhere(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """As if this process ran on a machine of its own: nobody can tell whether it lives."""
    with monkeypatch.context() as patched:
        patched.setattr(s3_lease, "this_machine", lambda: "another")
        yield


Stage = Callable[[Operation], Any]


async def _nothing(_operation: Operation) -> None: ...


async def _opens(operation: Operation) -> None:
    await operation.open(Plan("old", (ONE, TWO)), SPECS)


async def _begins(operation: Operation) -> None:
    await _opens(operation)
    await operation.begin(ONE)


def _frozen(store: S3Place, before: Stage, after: Stage, say: Say, *, still: bool) -> None:
    """A holder that stops at a point of its operation, and goes on when it is woken up."""

    async def holding() -> None:
        records = store.records(StillClock() if still else None)
        async with records.changing("old") as operation:
            await before(operation)
            say("frozen")
            os.kill(os.getpid(), signal.SIGSTOP)
            try:
                await after(operation)
            except Locked as locked:
                say(f"refused: {locked.what}")
                raise
            say("went on")

    if still:
        _stop_renewing()
    asyncio.run(holding())


async def _begin_one(operation: Operation) -> None:
    await operation.begin(ONE)


async def _begin_two(operation: Operation) -> None:
    await operation.begin(TWO)


async def _end_one(operation: Operation) -> None:
    await operation.end(ONE, outcome="ok", detail="", patch=runs("old-1"))


@pytest.mark.parametrize("still", [False, True], ids=["stopped", "suspended"])
@pytest.mark.parametrize(
    ("before", "after", "unfinished"),
    [
        (_nothing, _opens, 0),
        (_opens, _begin_one, 0),
        (_begins, _begin_two, 1),
        (_begins, _end_one, 1),
        (_begins, _nothing, 1),  # it only closes
    ],
    ids=["open", "begin", "begin-another", "end", "close"],
)
def test_a_frozen_holder_is_taken_over_and_writes_nothing_more(
    store: S3Place, before: Stage, after: Stage, unfinished: int, still: bool
) -> None:
    with forked(lambda say: _frozen(store, before, after, say, still=still)) as child:
        assert child.line() == "frozen"
        told: list[Holder] = []

        async def take_over() -> None:
            records = store.records()
            start = time.monotonic()
            async with records.changing("new", wait_seconds=30.0, on_wait=told.append) as operation:
                assert time.monotonic() - start >= LEASE
                assert len(operation.unfinished) == unfinished
                await operation.open(Plan("new", (ONE,)), SPECS)
                await operation.begin(ONE)
                child.signal(signal.SIGCONT)
                said = await asyncio.to_thread(child.lines)
                await operation.end(ONE, outcome="ok", detail="", patch=runs("new-1"))
            expected = "went on" if after is _nothing else "refused: "
            assert said[0].startswith(expected), said
            assert said[-1].startswith("Locked: the fleet's lock was lost"), said

        asyncio.run(take_over())
        assert [holder.pid for holder in told] == [child.pid]
    names = store.names()
    records = store.records()
    assert asyncio.run(look(records)).agents == {"new-1"}
    assert {entry.title: entry.outcome for entry in asyncio.run(records.history())} == (
        {"new": "ok"} if before is _nothing else {"new": "ok", "old": "interrupted"}
    )
    assert not [name for name in names if name.startswith("journal/3")]


def test_a_holder_that_lives_is_never_taken_over(store: S3Place) -> None:
    def hold(say: Say) -> None:
        async def holding() -> None:
            async with store.records().changing("long") as operation:
                await operation.open(Plan("long", (ONE,)), SPECS)
                say("held")
                await asyncio.sleep(LEASE * 3)
                await operation.begin(ONE)
            say("done")

        asyncio.run(holding())

    with forked(hold) as child:
        assert child.line() == "held"

        async def wait() -> None:
            with pytest.raises(Locked, match="runs `long`"):
                async with store.records().changing("new", wait_seconds=LEASE * 2):
                    pytest.fail("the lock of a living holder was taken")

        asyncio.run(wait())
        assert child.lines() == ["done"]


async def test_a_lease_that_is_not_renewed_in_time_stops_its_holder_before_the_next_step(
    store: S3Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3_lease.Lease, "_renew", _never)
    records = store.records()
    with pytest.raises(Locked, match="could not be renewed in time"):
        await _begin_late(records)
    assert not any(u.step == TWO for u in await records.unfinished())
    assert [u.step for u in await records.unfinished()] == [ONE]


async def _begin_late(records: S3Records) -> None:
    async with records.changing("slow") as operation:
        await _begins(operation)
        await asyncio.sleep(LEASE)
        await operation.begin(TWO)


async def test_a_holder_of_another_machine_is_watched_by_our_own_clock(
    store: S3Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was killed there. At first nobody can know; later the store says that it is long ago,
    and even without waiting being asked for it is watched for a lease."""
    async with elsewhere(monkeypatch):
        lease = s3_lease.Lease(store._objects(), SystemClock(), title="gone", seconds=LEASE)
        monkeypatch.setattr(lease, "_renew", lambda: _never(lease))
        await lease.acquire(wait_seconds=0.0, waiting=Waiting(None))
    records = store.records()
    with pytest.raises(Locked, match="runs `gone`") as locked:
        async with records.changing("new"):
            pytest.fail("it may live")
    assert f"free {LEASE:g} s after its last sign of life" in locked.value.hint
    holder = await records.holder()
    assert holder is not None
    assert holder.live is True
    await asyncio.sleep(LEASE + 2.1)  # the store tells times in whole seconds
    start = time.monotonic()
    async with records.changing("new"):
        assert time.monotonic() - start >= LEASE


async def test_breaking_a_lock_watches_its_holder_and_keeps_it_out(
    store: S3Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with elsewhere(monkeypatch):
        lease = s3_lease.Lease(store._objects(), SystemClock(), title="far", seconds=LEASE)
        await lease.acquire(wait_seconds=0.0, waiting=Waiting(None))
    records = store.records()
    with pytest.raises(Locked, match="runs `far`"):
        await records.break_lock()
    assert lease._renewing is not None
    lease._renewing.cancel()
    broken = await records.break_lock()
    assert broken is not None
    assert (broken.operation, broken.live) == ("far", False)
    assert await records.holder() is None
    found = lock_of(store)
    assert (found["free"], found["fence"]) == (True, True)
    async with records.changing("new"):
        assert lock_of(store)["fence"] is True
    assert lock_of(store)["fence"] is False


def test_the_story_has_a_place_of_its_own_for_each_fleet(store: S3Place) -> None:
    asyncio.run(leave_unknown(store.records()))
    other = S3Records(store.settings, store.folder, SystemClock(), "other")
    assert asyncio.run(look(other)) == Recorded()
    listed = store.server.client().list_objects_v2(
        Bucket="records", Prefix=f"{store.settings.prefix}/"
    )
    assert {entry["Key"].split("/")[1] for entry in listed["Contents"]} == {FLEET}
