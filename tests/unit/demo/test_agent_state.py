"""What the reference agent finds on disk after a crash."""

from __future__ import annotations

from pathlib import Path

import pytest

from phoenixctl.demo.agent_state import Counter, StateError, read_checkpoint, write_checkpoint


def counter_after(folder: Path, tail: bytes) -> int:
    counter = Counter(folder)
    for value in (1, 2, 3):
        counter.commit(value)
    counter.close()
    with (folder / "counter").open("ab") as file:
        file.write(tail)
    found = Counter(folder)
    found.close()
    return found.value


@pytest.mark.parametrize("tail", [b"", b"4", b"4 1234", b"4 00000000\n", b"\0\0\0", b"\n"])
def test_an_unfinished_last_line_does_not_count(tmp_path: Path, tail: bytes):
    assert counter_after(tmp_path, tail) == 3


def test_after_an_unfinished_line_new_commits_are_found_again(tmp_path: Path):
    counter_after(tmp_path, b"4 12")
    counter = Counter(tmp_path)
    counter.commit(4)
    counter.close()
    assert Counter(tmp_path).value == 4


def test_a_state_without_one_good_line_is_an_error_and_not_nought(tmp_path: Path):
    (tmp_path / "counter").write_bytes(b"\xff\xff")
    with pytest.raises(StateError, match="damaged"):
        Counter(tmp_path)


def test_the_file_of_the_counter_does_not_grow_without_end(tmp_path: Path, monkeypatch):
    monkeypatch.setattr("phoenixctl.demo.agent_state._COMPACT_BYTES", 200)
    counter = Counter(tmp_path)
    for value in range(1, 101):
        counter.commit(value)
    counter.close()
    assert (tmp_path / "counter").stat().st_size <= 220
    assert Counter(tmp_path).value == 100


def test_a_checkpoint_is_restored_once_and_an_older_one_sets_back(tmp_path: Path):
    older = read_checkpoint(write_checkpoint(tmp_path / "kept", "a", 3))
    newer = read_checkpoint(write_checkpoint(tmp_path / "kept", "a", 8))
    counter = Counter(tmp_path / "state")
    assert (counter.restore(newer), counter.value) == (True, 8)
    counter.commit(9)
    assert (counter.restore(newer), counter.value) == (False, 9)
    assert (counter.restore(older), counter.value) == (True, 3)
    counter.close()


def test_an_empty_folder_has_no_checkpoint(tmp_path: Path):
    with pytest.raises(StateError, match="no checkpoint"):
        read_checkpoint(tmp_path)
