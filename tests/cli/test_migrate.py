"""`phoenixctl migrate` as people type it, on an embedded fleet."""

from __future__ import annotations

import json
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.demo_fleet import DemoFleet, another_config

PORT = 19_870
MOVER = f"""\
    command: ["{sys.executable}", -m, phoenixctl.demo.agent]
    nodes: [demo-1, demo-2]
    port: {PORT}
    singleton: true
    ready: {{http: {{path: /ready}}}}
    drain: {{http: {{path: /drain}}, until: {{http: {{path: /drained}}}}}}
    checkpoint: {{http: {{path: /checkpoint}}}}
    activate: {{http: {{path: /activate}}}}
    migrate: {{standby: {{http: {{path: /prepared}}}}}}
"""
PLAIN = """\
    command: [sh, -c, 'cat kept; echo again >> kept; exec sleep 1000']
    nodes: [demo-1, demo-2]
"""


@pytest.fixture
def mover(fleet: DemoFleet) -> Iterator[tuple[str, str]]:
    """A configuration with one agent, which runs on demo-1."""
    with another_config(fleet, "mover", MOVER) as config:
        own = ("--config", str(config))
        fleet.ok(*own, "agents", "start", "mover", "--on", "demo-1", "--yes")
        yield own


def addresses(fleet: DemoFleet) -> dict[str, str]:
    nodes = fleet.ok("nodes", "ls", "-o", "json").json["nodes"]
    return {node["name"]: node["agent_address"] or node["address"] for node in nodes}


def places(fleet: DemoFleet, own: tuple[str, str]) -> list[str]:
    agents = fleet.ok(*own, "agents", "ls", "-o", "json").json["agents"]
    mine = f"{Path(own[1]).stem}-0"
    return [a["node"] for a in agents if a["state"] == "running" and a["id"] == mine]


def ask(fleet: DemoFleet, node: str, path: str, *, method: str = "GET") -> dict[str, object]:
    url = f"http://{addresses(fleet)[node]}:{PORT}{path}"
    request = urllib.request.Request(url, method=method, data=b"{}" if method == "POST" else None)
    with urllib.request.urlopen(request, timeout=10) as answer:
        found: dict[str, object] = json.load(answer)
    return found


def test_an_agent_keeps_its_count_whichever_way_it_migrates(
    fleet: DemoFleet, mover: tuple[str, str]
) -> None:
    here, there, sent = "demo-1", "demo-2", 0
    for strategy in ("live", "checkpoint", "cold"):
        for _ in range(5):
            ask(fleet, here, "/messages", method="POST")
            sent += 1
        done = fleet.ok(
            *mover, "migrate", "mover-0", "--to", there, "--strategy", strategy, "--yes"
        )
        assert f"{strategy}, down for " in done.err
        assert places(fleet, mover) == [there]
        assert ask(fleet, there, "/count")["count"] == sent
        here, there = there, here
    told = fleet.ok(*mover, "agents", "migrations", "mover", "-o", "json").json["migrations"]
    assert [(one["strategy"], one["from"], one["outcome"]) for one in reversed(told)] == [
        ("live", "demo-1", "done"),
        ("checkpoint", "demo-2", "done"),
        ("cold", "demo-1", "done"),
    ]
    assert all(one["downtime_seconds"] > 0 for one in told)


def test_without_a_target_the_best_other_node_takes_it_and_a_rollback_brings_it_back(
    fleet: DemoFleet, mover: tuple[str, str]
) -> None:
    shown = fleet.ok(*mover, "migrate", "mover-0", "--dry-run")
    assert "migrate agent mover-0 on demo-2: asked for" in shown.out
    assert places(fleet, mover) == ["demo-1"]
    fleet.ok(*mover, "migrate", "mover-0", "--yes")
    assert places(fleet, mover) == ["demo-2"]
    last = fleet.ok(*mover, "history", "ls", "-o", "json").json["operations"][0]["id"]
    fleet.ok(*mover, "rollback", str(last), "--yes")
    assert places(fleet, mover) == ["demo-1"]


def test_what_cannot_migrate_is_said_before_anything_is_done(
    fleet: DemoFleet, mover: tuple[str, str]
) -> None:
    stays = fleet.ok(*mover, "migrate", "mover-0", "--to", "demo-1", "--yes")
    assert "mover-0 runs on demo-1 already" in stays.out
    refused = fleet.run(*mover, "migrate", "mover-0", "--to", "demo-3", "--yes")
    assert (refused.code, "mover-0 does not fit on demo-3" in refused.err) == (8, True)
    unknown = fleet.run(*mover, "migrate", "mover-0", "--to", "demo-9", "--yes")
    assert (unknown.code, "did you mean demo-" in unknown.err) == (2, True)
    assert places(fleet, mover) == ["demo-1"]


def test_a_plain_agent_takes_its_folder_along_and_lacks_hooks_for_more(fleet: DemoFleet) -> None:
    with another_config(fleet, "plain", PLAIN) as config:
        own = ("--config", str(config))
        fleet.ok(*own, "agents", "start", "plain", "--on", "demo-1", "--yes")
        refused = fleet.run(*own, "migrate", "plain", "--strategy", "live", "--yes")
        assert refused.code == 8
        assert "no `drain` and `activate` hook" in refused.err
        fleet.ok(*own, "migrate", "plain", "--yes")
        assert places(fleet, own) == ["demo-2"]
        assert "again" in fleet.ok(*own, "agents", "logs", "plain-0").out


def test_a_target_that_cannot_start_it_is_taken_back(fleet: DemoFleet, tmp_path: Path) -> None:
    only_once = tmp_path / "started"
    command = f"if test -e {only_once}; then exit 3; fi; touch {only_once}; exec sleep 1000"
    with another_config(
        fleet, "once", f"    command: [sh, -c, '{command}']\n    nodes: [demo-1, demo-2]\n"
    ) as config:
        own = ("--config", str(config))
        fleet.ok(*own, "agents", "start", "once", "--on", "demo-1", "--yes")
        failed = fleet.run(*own, "migrate", "once", "--yes")
        assert failed.code in (1, 3)
        only_once.unlink(missing_ok=True)
        fleet.ok(*own, "agents", "start", "once", "--on", "demo-1", "--yes")
        agents = fleet.ok(*own, "agents", "ls", "-o", "json").json["agents"]
        assert [(a["node"], a["state"]) for a in agents if a["id"] == "once-0"] == [
            ("demo-1", "running")
        ]
