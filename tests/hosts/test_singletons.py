"""A singleton of a host that is cut off, and what becomes of it when the host comes back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.hosts.fleet import Hosts
from tests.hosts.test_status import phoenixctl

pytestmark = pytest.mark.hosts

ONE = """\
agents:
  one:
    command: [sh, -c, "echo $PHOENIX_EPOCH >>starts; while :; do sleep 0.2; done"]
    singleton: true
    nodes: [host1, host2]
    grace: 1s
"""
QUICK = ("--set", "ssh.connect_timeout=1s")
STATE = "/var/lib/phoenixctl/hosts/agents/one-0"


def test_a_host_that_comes_back_with_an_old_epoch_does_not_start_it(
    hosts: Hosts, tmp_path: Path
) -> None:
    config = hosts.write_config(tmp_path / "phoenixctl.yaml", agents=ONE)
    phoenixctl(config, "agents", "start", "--on", "host1")
    lost, other = hosts["host1"], hosts["host2"]
    epoch = lost.run("cat", f"{STATE}/state/starts").strip()
    lost.partition()

    held = json.loads(
        phoenixctl(
            config, "plan", *QUICK, "--target", "agent.one", "--assume-dead", "host1", "-o", "json"
        )
    )
    assert held["steps"] == []
    assert "--fenced host1" in " ".join(held["warnings"])
    phoenixctl(config, "apply", *QUICK, "--target", "agent.one", "--fenced", "host1", "--yes")
    later = other.run("cat", f"{STATE}/state/starts").strip()
    assert int(later) > int(epoch)

    lost.power_off()
    lost.boot()
    lost.heal()
    assert lost.run("cat", f"{STATE}/state/starts").strip() == epoch
    states = [line.split() for line in _copies(config)]
    assert sorted(states) == [["host1", "stopped"], ["host2", "running"]]
    renewed = json.loads(phoenixctl(config, "agents", "renew", "--once", "-o", "json"))
    assert [(a["node"], a["outcome"]) for a in renewed["agents"]] == [("host2", "renewed")]
    assert lost.run("cat", f"{STATE}/state/starts").strip() == epoch

    plan = json.loads(phoenixctl(config, "plan", "--target", "agent.one", "-o", "json"))
    assert [(s["key"], s["reason"]) for s in plan["steps"]] == [
        (
            "stop agent one-0@host1",
            "it is held back there (waits for permission) and runs on host2",
        )
    ]
    phoenixctl(config, "apply", "--target", "agent.one", "--yes")
    assert lost.run("cat", f"{STATE}/fence").strip() == later


def _copies(config: Path) -> list[str]:
    agents = json.loads(phoenixctl(config, "agents", "ls", "one", "-o", "json"))["agents"]
    return [f"{agent['node']} {agent['state']}" for agent in agents]
