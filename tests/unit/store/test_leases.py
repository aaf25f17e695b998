"""Until when singletons may run: known for certain, or not at all."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from phoenixctl.model.errors import PhoenixError
from phoenixctl.model.names import AgentId
from phoenixctl.store import leases
from phoenixctl.store.local import LocalRecords

A, B = AgentId("a-0"), AgentId("b-0")


class Clocks:
    """The clock on the wall, and the one that nobody can set."""

    def __init__(self) -> None:
        self.wall, self.up = 1_000_000.0, 50.0

    def epoch(self) -> float:
        return self.wall

    def monotonic(self) -> float:
        return self.up

    def utc(self) -> str:
        return ""

    def passes(self, seconds: float) -> None:
        self.wall += seconds
        self.up += seconds


@pytest.fixture
def clocks() -> Clocks:
    return Clocks()


@pytest.fixture
def records(tmp_path: Path, clocks: Clocks) -> LocalRecords:
    return LocalRecords(tmp_path / "fleet", clocks, "f")


def test_of_one_that_was_never_permitted_nothing_is_known(records: LocalRecords) -> None:
    records.renewing({A: 60.0})
    assert records.leases() == {}


def test_a_permission_is_known_once_it_has_been_given(
    records: LocalRecords, clocks: Clocks
) -> None:
    records.permitting([A, B])
    assert records.leases() == {}
    records.permitted({A: 60.0})
    assert records.leases() == {A: 60.0}
    clocks.passes(61.0)
    assert records.leases() == {A: -1.0}


def test_a_renewal_counts_before_it_is_given_and_never_shortens(
    records: LocalRecords, clocks: Clocks
) -> None:
    records.permitting([A])
    records.permitted({A: 60.0})
    clocks.passes(50.0)
    records.renewing({A: 60.0})
    assert records.leases() == {A: 60.0}
    records.renewing({A: 5.0})
    assert records.leases() == {A: 60.0}


def test_what_is_permitted_anew_leaves_the_earlier_end_when_that_is_later(
    records: LocalRecords,
) -> None:
    records.permitting([A])
    records.permitted({A: 600.0})
    records.permitting([A])
    records.renewing({A: 30.0})  # does not close what is open
    assert records.leases() == {}
    records.permitted({A: 60.0})
    assert records.leases() == {A: 600.0}


@pytest.mark.parametrize("jump", [7200.0, -7200.0])
def test_a_clock_that_is_set_ends_no_lease(
    records: LocalRecords, clocks: Clocks, jump: float
) -> None:
    records.permitting([A])
    records.permitted({A: 60.0})
    clocks.wall += jump
    assert records.leases()[A] >= 60.0


def test_after_a_boot_of_this_machine_the_clock_on_the_wall_counts(
    records: LocalRecords, clocks: Clocks, monkeypatch: pytest.MonkeyPatch
) -> None:
    records.permitting([A])
    records.permitted({A: 60.0})
    monkeypatch.setattr(leases, "this_machine", lambda: "another boot")
    clocks.wall += 70.0
    clocks.up = 3.0
    assert records.leases() == {A: -10.0}
    records.renewing({A: 60.0})
    assert records.leases() == {A: 60.0}


@pytest.mark.parametrize(
    "content",
    [
        b"", b"{", b"[]", b"null", b'{"agents": 1}', b'{"agents": {"a-0": {}}}',
        b'{"agents": {"a-0": {"until": "x", "then": 1.0, "machine": "", "open": false}}}',
        b'{"agents": {"a-0": {"until": 1, "then": 1.0, "machine": "", "open": false}}}', b"\xff",
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_read_knows_nothing_and_is_written_anew(
    records: LocalRecords, tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "fleet" / "leases.json"
    path.parent.mkdir()
    path.write_bytes(content)
    assert records.leases() == {}
    records.permitting([B])
    records.permitted({B: 5.0})
    assert records.leases() == {B: 5.0}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.with_suffix(".lock").stat().st_mode) == 0o600


def test_nothing_is_permitted_when_it_cannot_be_kept(records: LocalRecords, tmp_path: Path) -> None:
    (tmp_path / "fleet" / "leases.json").mkdir(parents=True)  # root may write everywhere
    with pytest.raises(PhoenixError):
        records.permitting([A])
