"""The lock of a folder: what its file says, and that it is the kernel that counts."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from phoenixctl.cli.compose import SystemClock
from phoenixctl.model.errors import Locked
from phoenixctl.store.local import LocalRecords
from tests.conformance.record_places import Say, forked


def records(folder: Path, *, renew_seconds: float = 5.0) -> LocalRecords:
    return LocalRecords(folder, SystemClock(), "shop", renew_seconds=renew_seconds)


def said(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "lock").read_bytes())
    return content


def hold(folder: Path, say: Say) -> None:
    async def holding() -> None:
        async with records(folder, renew_seconds=0.02).changing("drain web-1"):
            say("held")
            await asyncio.sleep(60)

    asyncio.run(holding())


async def refused(folder: Path) -> Locked:
    with pytest.raises(Locked) as locked:
        async with records(folder).changing("cordon"):
            pytest.fail("two had the lock at once")
    return locked.value


async def test_a_lock_whose_holder_has_not_said_its_name_yet_is_held_all_the_same(
    tmp_path: Path,
) -> None:
    async with records(tmp_path).changing("one"):
        (tmp_path / "lock").write_bytes(b"{")
        assert (await refused(tmp_path)).what == (
            "the fleet is locked: another phoenixctl is changing it"
        )


async def test_a_started_process_does_not_keep_the_lock(tmp_path: Path) -> None:
    async with records(tmp_path).changing("one"):
        child = subprocess.Popen(["sleep", "60"], close_fds=False)
    try:
        async with records(tmp_path).changing("two"):
            pass
    finally:
        child.kill()
        child.wait()


async def test_a_lock_file_that_is_removed_lets_nobody_in_beside_its_holder_for_long(
    tmp_path: Path,
) -> None:
    """Whoever comes then makes a file of its own; two that come take the same one."""
    async with records(tmp_path).changing("one"):
        (tmp_path / "lock").unlink()
        async with records(tmp_path).changing("two"):
            assert "runs `two`" in (await refused(tmp_path)).what


async def test_the_file_names_nobody_who_has_let_go(tmp_path: Path) -> None:
    async with records(tmp_path).changing("one"):
        assert said(tmp_path)["operation"] == "one"
    assert (tmp_path / "lock").read_bytes() == b""


def test_a_holder_shows_signs_of_life_and_a_frozen_one_does_not(tmp_path: Path) -> None:
    with forked(lambda say: hold(tmp_path, say)) as child:
        assert child.line() == "held"
        first = said(tmp_path)
        while said(tmp_path)["renewed"] == first["renewed"]:
            pass
        assert said(tmp_path)["since"] == first["since"]
        child.signal(signal.SIGSTOP)
        os.waitpid(child.pid, os.WUNTRACED)
        last = said(tmp_path)["renewed"]
        error = asyncio.run(refused(tmp_path))
        assert error.what.endswith(f"last sign of life {last}")
        with pytest.raises(Locked) as locked:
            asyncio.run(records(tmp_path).break_lock())
        assert f"kill {child.pid}" in locked.value.hint


async def test_looking_at_a_lock_keeps_nobody_from_taking_it(tmp_path: Path) -> None:
    mine = records(tmp_path)
    async with mine.changing("one"):
        pass

    def look(say: Say) -> None:
        say("looking")
        while True:
            asyncio.run(records(tmp_path).holder())

    with forked(look) as child:
        assert child.line() == "looking"
        for number in range(20):
            async with mine.changing(str(number)):
                pass


async def test_a_refused_run_leaves_no_trace(tmp_path: Path) -> None:
    async with records(tmp_path).changing("one"):
        before = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
        await refused(tmp_path)
        assert before == {
            path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()
        }
