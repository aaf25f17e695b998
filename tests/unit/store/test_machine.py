"""Whether a process is gone: told beyond doubt, or not at all."""

from __future__ import annotations

import os
import signal
import time

import pytest

from phoenixctl.store.machine import is_gone, started, this_machine
from tests.conformance.record_places import forked


def test_a_living_process_is_not_gone() -> None:
    assert started(os.getpid()) != ""
    assert not is_gone(this_machine(), os.getpid(), started(os.getpid()))


def test_a_number_that_was_given_to_another_process_tells_that_the_first_is_gone() -> None:
    assert is_gone(this_machine(), os.getpid(), "1")


def test_a_number_that_no_process_has_is_gone() -> None:
    assert is_gone(this_machine(), 2**22 + 1, "1")


def test_of_another_machine_nothing_is_told() -> None:
    assert not is_gone("another", 2**22, "1")
    assert not is_gone("", 2**22, "1")


def test_a_process_that_is_hidden_from_us_may_live(monkeypatch: pytest.MonkeyPatch) -> None:
    """As another user's, where /proc shows only one's own."""

    def not_ours(_pid: int, _signal: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "kill", not_ours)
    assert not is_gone(this_machine(), 2**22 + 1, "1")


def test_a_dead_process_that_nobody_has_waited_for_is_gone() -> None:
    with forked(lambda _say: time.sleep(60)) as child:
        start = started(child.pid)
        assert not is_gone(this_machine(), child.pid, start)
        child.signal(signal.SIGKILL)
        while started(child.pid):
            time.sleep(0.01)
        assert is_gone(this_machine(), child.pid, start)
