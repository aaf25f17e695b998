"""`nodes reboot` and `nodes drain` against real systemd hosts, which really go down and come up."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.hosts.fleet import Hosts
from tests.hosts.host import Host
from tests.hosts.process import wait_for
from tests.hosts.test_status import AGENTS, phoenixctl

pytestmark = pytest.mark.hosts


@contextmanager
def mains(host: Host) -> Iterator[None]:
    """Where there is power, a host that was told to reboot comes up again by itself."""
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.1):
            if host.rebooting:
                host.boot()

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()


@pytest.fixture
def config(hosts: Hosts, tmp_path: Path) -> Path:
    agents = AGENTS.format(python=hosts.python)
    return hosts.write_config(tmp_path / "phoenixctl.yaml", agents=agents)


def running(config: Path) -> list[tuple[str, str]]:
    """Every running agent with its node."""
    agents = json.loads(phoenixctl(config, "agents", "ls", "-o", "json"))["agents"]
    return sorted((a["id"], a["node"]) for a in agents if a["state"] == "running")


def test_a_node_is_rebooted_while_its_agents_run_elsewhere(hosts: Hosts, config: Path) -> None:
    phoenixctl(config, "agents", "start")
    host, before = hosts["host1"], hosts["host1"].boot_id
    with mains(host):
        told = phoenixctl(config, "nodes", "reboot", host.name, "--yes", "-o", "json")
    steps = {step["action"]: step for step in json.loads(told)["steps"]}
    assert {step["outcome"] for step in steps.values()} == {"ok"}
    assert steps["reboot node"]["detail"].startswith("rebooted in ")
    assert host.boot_id != before
    found = running(config)
    assert [agent for agent, _ in found] == [f"counter-{n}" for n in range(4)]
    assert host.name not in {node for _, node in found}
    units = host.run("systemctl", "list-units", "--state=active", "--plain", "phoenix-*")
    assert "counter" not in units
    [node] = json.loads(phoenixctl(config, "nodes", "describe", host.name, "-o", "json"))["nodes"]
    assert node["cordon"] is None


def test_what_is_stopped_for_a_reboot_runs_there_again(hosts: Hosts, config: Path) -> None:
    phoenixctl(config, "agents", "start")
    agent, name = running(config)[0]
    before = hosts[name].boot_id
    with mains(hosts[name]):
        phoenixctl(config, "nodes", "reboot", name, "--stop", "all", "--yes")
    assert hosts[name].boot_id != before
    assert (agent, name) in running(config)


def test_a_run_that_is_killed_while_the_node_is_down_reboots_it_only_once(
    hosts: Hosts, config: Path
) -> None:
    phoenixctl(config, "agents", "start")
    host, before = hosts["host2"], hosts["host2"].boot_id
    home = config.parent
    run = subprocess.Popen(
        [sys.executable, "-m", "phoenixctl", "nodes", "reboot", host.name, "--yes",
         "--config", str(config)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={"PATH": os.environ["PATH"], "HOME": str(home), "XDG_STATE_HOME": str(home / "state")},
    )  # fmt: skip
    wait_for(lambda: host.rebooting, 60, f"{host.name} to go down")
    run.kill()
    run.wait(timeout=10)
    host.boot()
    after = host.boot_id
    assert after != before

    told = phoenixctl(config, "nodes", "reboot", host.name, "--yes", "-o", "json")
    report = json.loads(told)
    assert [step["action"] for step in report["steps"]] == ["uncordon node"]
    assert host.boot_id == after
    assert [agent for agent, _ in running(config)] == [f"counter-{n}" for n in range(4)]
