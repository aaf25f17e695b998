"""`phoenixctl status` against four real systemd hosts, whole and with one of them cut off."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.hosts.fleet import Hosts

pytestmark = pytest.mark.hosts

AGENTS = """\
agents:
  counter:
    command: [{python}, -m, phoenixctl.demo.agent]
    replicas: 4
    port: 9100
    resources: {{cpu: 250m, memory: 128MiB}}
    ready: {{http: {{path: /ready}}}}
    metrics: {{}}
    drain: {{http: {{path: /drain}}, until: {{http: {{path: /drained}}}}}}
"""


def phoenixctl(config: Path, *words: str, expect: int = 0, within_seconds: float = 60.0) -> str:
    """The command's standard output; its exit code has to be `expect`."""
    home = config.parent
    done = subprocess.run(
        [sys.executable, "-m", "phoenixctl", *words, "--config", str(config)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=within_seconds,
        check=False,
        env={"PATH": os.environ["PATH"], "HOME": str(home), "XDG_STATE_HOME": str(home / "state")},
    )
    assert done.returncode == expect, done.stderr + done.stdout
    return done.stdout


@pytest.fixture
def config(hosts: Hosts, tmp_path: Path) -> Path:
    agents = AGENTS.format(python=hosts.python)
    return hosts.write_config(tmp_path / "phoenixctl.yaml", agents=agents)


def test_four_hosts_are_four_rows_and_three_when_one_is_cut_off(hosts: Hosts, config: Path) -> None:
    phoenixctl(config, "agents", "start")
    whole = json.loads(phoenixctl(config, "status", "-o", "json"))
    assert {n["name"]: n["boot_id"] for n in whole["nodes"]} == {h.name: h.boot_id for h in hosts}
    assert all(_is_right(node) for node in whole["nodes"])

    lost, *others = hosts
    lost.partition()
    begun = time.monotonic()
    text = phoenixctl(config, "status", expect=4)
    assert time.monotonic() - begun <= 10
    assert "degraded: 3 of 4 nodes answer, 3 of 4 agents run" in text.splitlines()[0]

    part = json.loads(phoenixctl(config, "status", "-o", "json", expect=4))
    first, *rest = part["nodes"]
    assert (first["name"], first["reachable"]) == (lost.name, False)
    assert first["error"]["kind"] == "unreachable"
    assert {n["name"] for n in rest} == {h.name for h in others}
    assert all(_is_right(node) for node in rest)


def test_limits_are_read_back_and_a_drain_leaves_nothing_running(
    hosts: Hosts, config: Path
) -> None:
    phoenixctl(config, "agents", "start")
    [agent] = json.loads(phoenixctl(config, "agents", "describe", "counter-0", "-o", "json"))[
        "agents"
    ]
    assert agent["limits"] == {"cpu": 0.25, "memory": 128 * 1024**2}
    host = hosts[agent["node"]]
    phoenixctl(config, "nodes", "drain", host.name, "--yes")
    units = host.run("systemctl", "list-units", "--state=active", "--plain", "phoenix-*")
    assert "counter" not in units
    assert "cordoned" in phoenixctl(config, "status")


def _is_right(node: dict[str, Any]) -> bool:
    """What the host said of itself, with one agent that is ready."""
    metrics = node["metrics"]
    known = ("cpu_utilization", "memory_utilization", "disk_utilization", "process_count",
             "run_queue", "memory_total", "availability", "throughput")  # fmt: skip
    [agent] = node["agents"]
    return (
        node["reachable"]
        and node["supervisor"] == "systemd"
        and all(metrics[name]["value"] is not None for name in known)
        and agent["ready"] is True
    )
