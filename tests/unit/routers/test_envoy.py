"""Envoy's files: replaced whole, drained before removed, never without anybody to serve."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from phoenixctl.model.errors import CommandFailed, Refused
from phoenixctl.model.routing import Member, MemberState, Reconciled, RouterKind, RouterSettings
from phoenixctl.routers.envoy import Envoy
from phoenixctl.routers.places import LocalPlace

A, B = Member("a", "10.0.0.1", 80), Member("b", "10.0.0.2", 80)


@pytest.fixture
def envoy(tmp_path: Path) -> Envoy:
    settings = RouterSettings("edge", RouterKind.ENVOY, str(tmp_path))
    return Envoy(settings, LocalPlace(str(tmp_path)))


async def members(envoy: Envoy) -> list[Member]:
    return [one.member for one in await envoy.members("be")]


async def test_without_a_file_there_are_no_members_and_then_there_are(
    envoy: Envoy, tmp_path: Path
) -> None:
    assert await members(envoy) == []
    assert await envoy.reconcile("be", [B, A]) == Reconciled(("replace be.json",))
    assert await members(envoy) == [A, B]
    assert [path.name for path in tmp_path.iterdir()] == ["be.json"]


async def test_what_is_as_wanted_is_not_written_again(envoy: Envoy, tmp_path: Path) -> None:
    await envoy.reconcile("be", [A, B])
    before = (tmp_path / "be.json").stat().st_ino
    assert await envoy.reconcile("be", [B, A]) == Reconciled()
    assert await envoy.set_weights("be", {"a": 100}) == ()
    assert (tmp_path / "be.json").stat().st_ino == before


async def test_who_leaves_is_drained_and_gone_the_next_time(envoy: Envoy) -> None:
    await envoy.reconcile("be", [A])
    assert (await envoy.reconcile("be", [B])).busy == ("a",)
    assert [one.state for one in await members(envoy)] == [MemberState.DRAIN, MemberState.READY]
    assert (await envoy.reconcile("be", [B])).busy == ()
    assert await members(envoy) == [B]


async def test_who_may_be_cut_off_is_gone_at_once(envoy: Envoy) -> None:
    await envoy.reconcile("be", [A, B])
    assert (await envoy.reconcile("be", [B], cut_off=True)).busy == ()
    assert await members(envoy) == [B]


async def test_weights_and_states_are_set_for_one_and_kept_for_others(envoy: Envoy) -> None:
    await envoy.reconcile("be", [A, B])
    await envoy.set_weights("be", {"a": 7})
    await envoy.set_state("be", "b", MemberState.DRAIN)
    found = await members(envoy)
    assert [(one.weight, one.state) for one in found] == [
        (7, MemberState.READY),
        (100, MemberState.DRAIN),
    ]


async def test_the_last_one_is_kept(envoy: Envoy) -> None:
    await envoy.reconcile("be", [A])
    for forbidden in (
        envoy.set_state("be", "a", MemberState.DRAIN),
        envoy.set_weights("be", {"a": 0}),
        envoy.reconcile("be", []),
    ):
        with pytest.raises(Refused):
            await forbidden
    assert await members(envoy) == [A]


async def test_it_does_not_pretend_to_know_who_is_idle_or_up(envoy: Envoy) -> None:
    await envoy.reconcile("be", [A])
    assert await envoy.wait_idle("be", "a", within_seconds=1) is None
    assert await envoy.wait_up("be", "a", within_seconds=1) is None
    assert not await envoy.hold("be", "a")


async def test_a_reader_never_sees_half_a_file(envoy: Envoy, tmp_path: Path) -> None:
    many = [Member(f"m-{n}", "10.0.0.1", n) for n in range(100)]
    await envoy.reconcile("be", many)
    over = False

    def read() -> int:
        times = 0
        while not over:
            json.loads((tmp_path / "be.json").read_bytes())
            times += 1
        return times

    reader = asyncio.create_task(asyncio.to_thread(read))
    for n in range(10):
        await envoy.set_weights("be", {"m-1": 100 + n})
        await asyncio.sleep(0.001)
    over = True
    assert await reader > 3


async def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "none"
    envoy = Envoy(RouterSettings("edge", RouterKind.ENVOY, str(folder)), LocalPlace(str(folder)))
    with pytest.raises(CommandFailed, match="cannot be written") as caught:
        await envoy.reconcile("be", [A])
    assert "folder" in caught.value.hint
