"""What balancing keeps on the operator's side: rounds, and which picks are open."""

from __future__ import annotations

import stat
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from phoenixctl.model.balancing import (
    BalanceMemory,
    KeptBackend,
    KeptMember,
    StrategyName,
)
from phoenixctl.model.errors import StateDamaged
from phoenixctl.model.names import AgentId, NodeName
from phoenixctl.store.balance import BalanceFile
from phoenixctl.store.picks import PicksFile

MEMBER = KeptMember(
    NodeName("n1"), AgentId("work-0"), "10.0.0.1", 80, 1.2, True, (100, 120), 7, 1, 30.0, 2.0
)
MEMORY = BalanceMemory(
    {"lb/web": KeptBackend(30.0, 7, {"work-0.1": MEMBER}, {"names": ["work-0.1"], "x": [None]})},
    StrategyName.PREDICTIVE,
    (AgentId("work-1"),),
)


def test_what_is_written_is_read_back_and_for_the_operator_alone(tmp_path: Path) -> None:
    file = BalanceFile(tmp_path / "f")
    assert file.read() == BalanceMemory()
    file.write(MEMORY)
    assert file.read() == MEMORY
    assert stat.S_IMODE((tmp_path / "f" / "balance.json").stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "content", ["", "{}", "[]", '{"format": 2}', '{"format": 1, "backends": [], "out": []}']
)
def test_what_cannot_be_understood_is_damage_with_the_way_out(tmp_path: Path, content: str) -> None:
    (tmp_path / "balance.json").write_text(content)
    with pytest.raises(StateDamaged, match="cannot be understood") as error:
        BalanceFile(tmp_path).read()
    assert error.value.hint.startswith("rm ")


def test_changes_that_meet_are_all_kept(tmp_path: Path) -> None:
    file = BalanceFile(tmp_path)

    def leave(number: int) -> None:
        name = AgentId(f"work-{number}")
        file.change(lambda memory: replace(memory, out=(*memory.out, name)))

    threads = [threading.Thread(target=leave, args=(n,)) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(file.read().out) == sorted(f"work-{n}" for n in range(12))


def test_a_pick_is_open_until_it_is_over_or_its_time_has_come(tmp_path: Path) -> None:
    file = PicksFile(tmp_path)
    for until in (10.0, 20.0):
        with file.changing() as picks:
            picks.add("lb/web", "a", until=until, now=0.0)
    with file.changing() as picks:
        assert [picks.open("lb/web", "a", now=now) for now in (5.0, 15.0, 25.0)] == [2, 1, 0]
        assert picks.end("lb/web", "a", now=5.0)
    with file.changing() as picks:
        assert picks.open("lb/web", "a", now=5.0) == 1
        assert not picks.end("lb/web", "a", now=25.0)
        assert not picks.end("lb/web", "b", now=5.0)


def test_picks_that_are_not_to_be_kept_or_fail_change_nothing(tmp_path: Path) -> None:
    file = PicksFile(tmp_path)
    with file.changing(keep=False) as picks:
        picks.add("lb/web", "a", until=10.0, now=0.0)
    with pytest.raises(ZeroDivisionError), file.changing() as picks:
        picks.add("lb/web", "a", until=1 / 0, now=0.0)
    with file.changing() as picks:
        assert picks.open("lb/web", "a", now=1.0) == 0


def test_parallel_picks_are_all_counted(tmp_path: Path) -> None:
    file = PicksFile(tmp_path)

    def pick() -> None:
        with file.changing() as picks:
            picks.add("lb/web", "a", until=10.0, now=0.0)

    threads = [threading.Thread(target=pick) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with file.changing() as picks:
        assert picks.open("lb/web", "a", now=1.0) == 12


@pytest.mark.parametrize(
    "content", ["", "[]", "{", '{"ends": [], "uses": {}, "turns": {}}', '{"ends": {"b": 3}}']
)
def test_counts_that_cannot_be_read_begin_anew(tmp_path: Path, content: str) -> None:
    (tmp_path / "picks.json").write_text(content)
    with PicksFile(tmp_path).changing() as picks:
        assert picks.open("lb/web", "a", now=0.0) == 0


def test_members_that_are_gone_are_forgotten_after_a_day(tmp_path: Path) -> None:
    with PicksFile(tmp_path).changing() as picks:
        picks.add("lb/web", "old.1", until=10.0, now=0.0)
        picks.add("lb/web", "new.2", until=90_010.0, now=90_000.0)
        assert picks.last_use("lb/web", "old.1") is None
        assert picks.last_use("lb/web", "new.2") == 90_000.0
