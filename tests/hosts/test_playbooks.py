"""Shipped playbooks on real hosts: they are patched and rebooted, and get new host keys."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from phoenixctl.remote.host_key import KEY_FILE as KEY
from tests.hosts.fleet import Hosts
from tests.hosts.host import Host
from tests.hosts.process import wait_for
from tests.hosts.test_reboot import mains, running
from tests.hosts.test_status import AGENTS, phoenixctl

pytestmark = pytest.mark.hosts


@pytest.fixture
def config(hosts: Hosts, tmp_path: Path) -> Path:
    agents = AGENTS.format(python=hosts.python)
    return hosts.write_config(tmp_path / "phoenixctl.yaml", agents=agents)


@pytest.fixture
def known_hosts(hosts: Hosts, config: Path) -> Iterator[Path]:
    """The test's own file of host keys; host3 has its first key again at the end."""
    own = config.with_name("known_hosts")
    own.write_bytes(hosts.known_hosts.read_bytes())
    config.write_text(config.read_text().replace(str(hosts.known_hosts), str(own)))
    yield own
    hosts["host3"].renew()


def shown(host: Host) -> str:
    """The key that its sshd reads."""
    return " ".join(host.run("ssh-keygen", "-y", "-f", KEY).split()[:2])


def known(file: Path, host: Host) -> list[str]:
    """The keys that are known for the host here."""
    lines = [text.split() for text in file.read_text().splitlines()]
    return [" ".join(words[1:3]) for words in lines if words[0] == host.address]


def test_a_host_is_patched_and_rebooted_while_its_agents_run_elsewhere(
    hosts: Hosts, config: Path
) -> None:
    phoenixctl(config, "agents", "start")
    host, before = hosts["host1"], hosts["host1"].boot_id
    # apt knows of no updates then, wherever this runs, and asks nobody for them.
    host.run("find", "/var/lib/apt/lists", "-type", "f", "-delete")
    words = ("playbook", "run", "patch-and-reboot", "-p", f"nodes={host.name}", "--yes")
    with mains(host):
        told = json.loads(phoenixctl(config, *words, "-o", "json"))
    [report] = told["reports"]
    assert {step["outcome"] for step in report["steps"]} == {"ok"}
    assert [step["action"] for step in report["steps"] if step["agent"] is None] == [
        "cordon node", "run command", "reboot node", "uncordon node",
    ]  # fmt: skip
    assert host.boot_id != before
    found = running(config)
    assert [agent for agent, _ in found] == [f"counter-{n}" for n in range(4)]
    assert host.name not in {node for _, node in found}


def test_a_host_key_is_rotated_and_a_kill_in_between_locks_nobody_out(
    hosts: Hosts, config: Path, known_hosts: Path
) -> None:
    host = hosts["host3"]
    former = shown(host)
    assert known(known_hosts, host) == [former]
    words = ("playbook", "run", "rotate-host-keys", "-p", f"nodes={host.name}", "--yes")
    home = config.parent
    run = subprocess.Popen(
        [sys.executable, "-m", "phoenixctl", *words, "--config", str(config)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={"PATH": os.environ["PATH"], "HOME": str(home), "XDG_STATE_HOME": str(home / "state")},
    )  # fmt: skip
    wait_for(
        lambda: len(known(known_hosts, host)) > 1 or run.poll() is not None,
        60,
        "the new key to be known here",
    )
    run.kill()
    run.wait(timeout=10)
    assert shown(host) in known(known_hosts, host)
    phoenixctl(config, "nodes", "describe", host.name)

    phoenixctl(config, *words)
    after = shown(host)
    assert after != former
    assert known(known_hosts, host) == [after]
    assert "phoenixctl" not in host.run("ls", "/etc/ssh")
    phoenixctl(config, "nodes", "describe", host.name)
