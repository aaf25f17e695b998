"""`apply` killed at any write to its journal and any call to its provider: the next converges."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.cli.demo_fleet import DemoFleet, processes

# Runs phoenixctl and ends it by SIGKILL at the n-th of these moments: after each line of the
# journal, and before and after each call to the provider.
_DYING = """
import os, signal, sys
from phoenixctl.cli.app import run
from phoenixctl.providers.local import LocalProvider
from phoenixctl.store.folder import FolderHeld

left = int(sys.argv[1])

def moment():
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)

def dying(function, *, before):
    async def call(*given, **named):
        if before:
            moment()
        result = await function(*given, **named)
        moment()
        return result
    return call

FolderHeld.append = dying(FolderHeld.append, before=False)
LocalProvider.create = dying(LocalProvider.create, before=True)
LocalProvider.destroy = dying(LocalProvider.destroy, before=True)
sys.exit(run(sys.argv[2:]))
"""
_SMALL = ("size: 1", "replicas: 1", "")
_LARGE = ("size: 2", "replicas: 2", "    env: {LEVEL: loud}\n")
_LIFTED = ("--yes", "--max-destroy", "100%", "--max-disruption", "100%")


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoFleet]:
    fleet = DemoFleet(tmp_path_factory.mktemp("killed"))
    (fleet.root / "operator").mkdir()
    try:
        fleet.ok("demo", "up", "--nodes", "1", "--agents", "1", "--dir", str(fleet.config.parent))
        yield fleet
    finally:
        fleet.down()
    assert processes(str(fleet.root)) == set()


def want(fleet: DemoFleet, wanted: tuple[str, str, str], instead: tuple[str, str, str]) -> None:
    text = fleet.config.read_text()
    for old, new in zip(instead[:2], wanted[:2], strict=True):
        text = text.replace(old, new)
    text = text.replace(instead[2], "") if instead[2] else text
    fleet.config.write_text(text.replace("    metrics: {}\n", f"{wanted[2]}    metrics: {{}}\n"))


def dies(fleet: DemoFleet, moment: int) -> bool:
    """Whether the run was killed; False when it had ended before that moment came."""
    done = subprocess.run(
        [sys.executable, "-c", _DYING, str(moment), "apply", *_LIFTED],
        env=fleet.environment(), stdin=subprocess.DEVNULL, capture_output=True, timeout=60,
        check=False,
    )  # fmt: skip
    assert done.returncode in (0, -signal.SIGKILL), done.stderr.decode()
    return done.returncode != 0


@pytest.mark.timeout(300)  # some forty runs
def test_a_run_that_is_killed_at_any_moment_is_made_good_by_the_next_one(fleet: DemoFleet) -> None:
    """Back and forth between two configurations, killed a moment later each time."""
    wanted, instead = _SMALL, _LARGE
    moment, killed = 1, 0
    for moment in range(1, 40):
        wanted, instead = instead, wanted
        want(fleet, wanted, instead)
        was_killed = dies(fleet, moment)
        killed += was_killed
        fleet.ok("apply", *_LIFTED)
        count = 1 if wanted is _SMALL else 2
        assert_as_configured(fleet, count)
        if not was_killed and moment % 2 == 0:  # both directions are over
            break
    assert killed >= 12
    assert fleet.ok("lock").out == "nobody holds it\n"


def assert_as_configured(fleet: DemoFleet, count: int) -> None:
    due = fleet.run("plan", "--detailed-exitcode")
    assert due.code == 0, due
    nodes = {n["name"] for n in fleet.ok("state", "show", "-o", "json").json["nodes"]}
    assert nodes == {f"demo-{n}" for n in range(1, count + 1)}
    there = {path.parent.name for path in fleet.state.glob("local/*/node.json")}
    assert there == nodes
    assert [len(agent_processes(fleet, n)) for n in range(2)] == [1, count - 1]


def agent_processes(fleet: DemoFleet, number: int) -> set[int]:
    """The agent's own processes on nodes of this fleet."""
    marked = processes(f"PHOENIX_AGENT=counter-{number}\0", where="environ")
    running = processes("phoenixctl.demo.agent")
    here = processes(str(fleet.root), where="environ")
    return marked & running & here
