"""Answered and missed observations of the last day."""

from __future__ import annotations

from pathlib import Path

import pytest

from phoenixctl.cli.compose import SystemClock
from phoenixctl.model.names import NodeName
from phoenixctl.store.local import LocalRecords

HOUR = 3600.0
A, B = NodeName("a"), NodeName("b")


@pytest.fixture
def records(tmp_path: Path) -> LocalRecords:
    return LocalRecords(tmp_path, SystemClock(), "f")


def test_availability_is_answered_of_asked_per_node(records: LocalRecords) -> None:
    for answered in (True, True, True, False):
        records.sighted({A: answered, B: True}, epoch=0.0)
    assert records.availability() == {"a": 0.75, "b": 1.0}


def test_a_node_that_was_never_asked_has_no_availability(records: LocalRecords) -> None:
    assert records.availability() == {}


def test_what_is_older_than_a_day_is_forgotten(records: LocalRecords) -> None:
    records.sighted({A: False}, epoch=0.0)
    records.sighted({A: True}, epoch=23 * HOUR)
    assert records.availability() == {"a": 0.5}
    records.sighted({A: True}, epoch=24 * HOUR)
    assert records.availability() == {"a": 1.0}


def test_what_is_older_than_a_day_does_not_count_though_nobody_looked_since(
    records: LocalRecords,
) -> None:
    records.sighted({A: False, B: True}, epoch=0.0)
    records.sighted({B: True}, epoch=30 * HOUR)
    assert records.availability() == {"b": 1.0}


@pytest.mark.parametrize(
    "content",
    [
        b"", b"{", b"[]", b"null", b'{"nodes": 1}', b'{"nodes": {"a": []}}', b"\xff",
        b'{"nodes": {"a": {"x": [1, 1]}}}', b'{"nodes": {"a": {"1": [1]}}}',
        b'{"nodes": {"a": {"1": null}}}',
    ],
)  # fmt: skip
def test_a_corrupt_file_counts_as_no_sightings_and_is_written_anew(
    records: LocalRecords, tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "sightings.json").write_bytes(content)
    assert records.availability() == {}
    records.sighted({A: True}, epoch=0.0)
    assert records.availability() == {"a": 1.0}


def test_the_first_look_at_a_fleet_counts_and_its_folder_is_private(tmp_path: Path) -> None:
    records = LocalRecords(tmp_path / "phoenixctl" / "f", SystemClock(), "f")
    records.sighted({A: True, B: False}, epoch=0.0)
    assert records.availability() == {"a": 1.0, "b": 0.0}
    assert (tmp_path / "phoenixctl" / "f").stat().st_mode & 0o777 == 0o700


def test_looking_goes_on_where_no_folder_can_be_made(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"")
    records = LocalRecords(tmp_path / "f", SystemClock(), "f")
    records.sighted({A: True}, epoch=0.0)
    assert records.availability() == {}


def test_looking_goes_on_when_sightings_cannot_be_kept(
    records: LocalRecords, tmp_path: Path
) -> None:
    (tmp_path / "sightings.json").mkdir()  # root may write everywhere, but not over a folder
    records.sighted({A: True}, epoch=0.0)
    assert records.availability() == {}
    assert [path.name for path in tmp_path.iterdir()] == ["sightings.json"]
