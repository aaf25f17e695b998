"""Agents of a node that died go on elsewhere from their last checkpoint, on an embedded fleet."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from tests.cli.demo_fleet import DemoFleet, until
from tests.hosts.process import Identity

CHECKPOINTS = "    checkpoints: {every: 1h, copies: 1, keep: 2}\n"


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoFleet]:
    """Three nodes with an agent on each, whose checkpoints are kept on another one."""
    fleet = DemoFleet(tmp_path_factory.mktemp("failover"))
    (fleet.root / "operator").mkdir()
    try:
        fleet.up()
        text = fleet.config.read_text()
        fleet.config.write_text(text.replace("    drain:\n", f"{CHECKPOINTS}    drain:\n"))
        yield fleet
    finally:
        down = fleet.down()
    assert down.code == 0


@pytest.fixture
def fleet(three: DemoFleet) -> Iterator[DemoFleet]:
    yield three
    three.end_what_was_started()


def running(fleet: DemoFleet, agent: str) -> dict[str, Any]:
    """The agent as it runs, and as `url` where it is reached."""
    found = fleet.ok("agents", "ls", agent, "-o", "json").json["agents"]
    [there] = [a for a in found if a["state"] == "running"]
    facts = json.loads((fleet.state / "local" / there["node"] / "node.json").read_bytes())
    return {**there, "url": f"http://{facts['agent_address']}:{there['port']}"}


def ask(where: str, path: str, method: str = "GET") -> dict[str, Any]:
    with urlopen(Request(f"{where}{path}", method=method), timeout=30) as answer:
        return dict(json.loads(answer.read()))


def answers(where: str) -> bool:
    try:
        return ask(where, "/ready")["phase"] == "active"
    except OSError:
        return False


def send(where: str, messages: int) -> None:
    for _ in range(messages):
        ask(where, "/messages", "POST")


@contextmanager
def load(where: str, reports: list[dict[str, Any]]) -> Iterator[None]:
    """Messages all the while; what became of them is in `reports` at the end."""
    words = ("--rate", "100", "--seconds", "300", "-o", "json")
    argv = [sys.executable, "-m", "phoenixctl.demo.load", where, *words]
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:
        try:
            yield
            process.send_signal(signal.SIGTERM)
            out, _ = process.communicate(timeout=30)
            reports.append(json.loads(out))
        finally:
            process.kill()


def lose_power(fleet: DemoFleet, node: str) -> None:
    """The node and all that runs on it are gone at once."""
    identities = [Identity.of(fleet.node_pid(node))]
    identities += [Identity.of(pid) for pid in fleet.processes_on(node)]
    for identity in identities:
        identity.kill()
    until(lambda: not any(identity.alive() for identity in identities))


def copies(fleet: DemoFleet, agent: str) -> dict[str, list[Path]]:
    """The data of all checkpoints of an agent, the newest last, by the node that has it."""
    found = {}
    for node in ("demo-1", "demo-2", "demo-3"):
        shelf = fleet.home(node) / ".phoenixctl" / "phoenix-demo" / "checkpoints" / agent
        found[node] = sorted(path / "data" for path in shelf.glob("[0-9]*"))
    return {node: paths for node, paths in found.items() if paths}


def test_a_dead_nodes_agent_goes_on_from_its_checkpoint_and_never_beyond_what_was_acknowledged(
    fleet: DemoFleet,
) -> None:
    where, reports = running(fleet, "counter-0")["url"], []
    with load(where, reports):
        until(lambda: ask(where, "/count")["count"] > 20)
        made = fleet.ok("agents", "checkpoint", "-o", "json").json["agents"]
        assert {one["outcome"] for one in made} == {"copied"}
        assert all(one["kept_on"] and one["node"] not in one["kept_on"] for one in made)
        [[data]] = copies(fleet, "counter-0").values()
        kept = json.loads(data.read_bytes())["counter"]
        until(lambda: ask(where, "/count")["count"] > kept + 20)
        lose_power(fleet, "demo-1")

    read = fleet.run("plan", "--assume-dead", "demo-1")
    assert "old) starts from its last checkpoint; what it acknowledged since is lost" in read.out
    done = fleet.run("apply", "--assume-dead", "demo-1", "--yes", "-o", "json")
    assert done.code == 0, done
    [step] = [s for s in done.json["steps"] if s["agent"] == "counter-0"]
    assert (step["action"], step["outcome"]) == ("start agent", "ok")
    assert "from its checkpoint, " in step["detail"]
    where = running(fleet, "counter-0")["url"]
    count = ask(where, "/count")["count"]
    assert kept == count <= reports[0]["acknowledged"]

    # From now on its state is there: neither a restart nor a crash goes back to the checkpoint.
    send(where, 5)
    fleet.ok("agents", "restart", "counter-0")
    assert ask(where, "/count")["count"] == kept + 5
    process = Identity.of(running(fleet, "counter-0")["pid"])
    process.kill()
    until(lambda: not process.alive() and answers(where))
    assert ask(where, "/count")["count"] == kept + 5
