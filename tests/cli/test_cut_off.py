"""A run that is killed at any moment: the next one needs no manual unlock and converges."""

from __future__ import annotations

import signal
import time

import pytest

from tests.cli.demo_fleet import DemoFleet


@pytest.mark.parametrize("after_seconds", [0.3, 0.6, 0.9, 1.2])
def test_a_killed_restart_is_mended_by_the_next_start(
    fleet: DemoFleet, after_seconds: float
) -> None:
    restart = fleet.start("agents", "restart", "--yes", "--at-once", "3")
    time.sleep(after_seconds)
    restart.send_signal(signal.SIGKILL)
    restart.wait(timeout=10)

    fleet.ok("agents", "start")
    found = fleet.ok("agents", "ls", "-o", "json").json["agents"]
    assert sorted(a["id"] for a in found if a["state"] == "running") == [
        "counter-0", "counter-1", "counter-2",
    ]  # fmt: skip
    assert all(a["ready"] for a in found)
