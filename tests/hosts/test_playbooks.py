"""Every shipped playbook on real hosts, which tell themselves what became of their agents."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from pathlib import Path

import pytest

from phoenixctl.remote.host_key import KEY_FILE as KEY
from tests.hosts.fleet import Hosts
from tests.hosts.host import Host
from tests.hosts.playing import BROKEN, MOVING, NAMES, READY_AFTER, Scene, Unit
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


def test_agents_are_restarted_one_by_one_until_one_does_not_come_back(
    hosts: Hosts, tmp_path: Path
) -> None:
    scene = Scene.of(hosts, tmp_path)
    scene.run("agents", "start")
    first = scene.units()
    broken = hosts[first["counter-2"].host]
    broken.run("touch", BROKEN)
    told = scene.play("rolling-restart", "-p", "at_a_time=1", expect=3)
    assert told["batches"] == [[name] for name in NAMES]
    assert [report["exit_code"] for report in told["reports"]] == [0, 0, 3]
    second = scene.units()
    assert _newer(second, first) == {"counter-0", "counter-1", "counter-2"}
    assert second["counter-3"] == first["counter-3"]
    assert _one_by_one([second["counter-0"], second["counter-1"]])
    assert scene.ready() == {"counter-0", "counter-1", "counter-3"}

    broken.run("rm", BROKEN)
    told = scene.play("rolling-restart", "-p", "at_a_time=1")
    assert [report["batch"] for report in told["reports"]] == [3, 4]
    third = scene.units()
    assert _newer(third, second) == {"counter-2", "counter-3"}
    assert _one_by_one([third[name] for name in NAMES])
    assert {name: unit.host for name, unit in first.items()} == scene.places()
    assert scene.ready() == set(NAMES)


def _newer(now: Mapping[str, Unit], before: Mapping[str, Unit]) -> set[str]:
    """Those whose process began anew."""
    return {name for name in now if now[name].begun > before[name].begun}


def _one_by_one(units: Iterable[Unit]) -> bool:
    """Each was stopped when the one before was ready again, and no moment before."""
    order = sorted(units, key=lambda unit: unit.begun)
    return all(
        following.ended_before >= one.begun + READY_AFTER for one, following in pairwise(order)
    )


def test_an_upgrade_takes_a_canary_back_that_fails_and_waits_for_a_yes_after_one_that_lasts(
    hosts: Hosts, tmp_path: Path
) -> None:
    scene = Scene.of(hosts, tmp_path)
    scene.run("agents", "start")
    zeroth, old = scene.units(), scene.digests()
    text = scene.config.read_text()
    words = ("-p", "agents=counter", "-p", "soak=200ms", "-p", "at_a_time=2")
    scene.config.write_text(text.replace("test ! -e", "test -e"))
    told = scene.play("rolling-agent-upgrade", *words, expect=3)
    assert [(r["batch"], r["undoing"], r["exit_code"]) for r in told["reports"]] == [
        (1, False, 3), (1, True, 0),
    ]  # fmt: skip
    first = scene.units()
    assert _newer(first, zeroth) == {"counter-0"}
    assert scene.digests() == old
    assert scene.ready() == set(NAMES)

    scene.config.write_text(text.replace("memory: 128MiB", "memory: 160MiB"))
    scene.play("rolling-agent-upgrade", *words, expect=8)
    second, between = scene.units(), scene.digests()
    assert {name for name in NAMES if between[name] != old[name]} == {"counter-0"}
    assert second["counter-0"].memory == 160 * 1024**2
    assert {name: second[name] for name in NAMES[1:]} == {name: first[name] for name in NAMES[1:]}

    scene.play("rolling-agent-upgrade", *words, "--approve", "canary")
    third = scene.units()
    assert _newer(third, second) == set(NAMES[1:])
    for name in ("counter-1", "counter-2"):  # at a time, and then the last one
        assert _one_by_one([third[name], third["counter-3"]])
    assert scene.digests() == dict.fromkeys(NAMES, between["counter-0"])
    assert scene.ready() == set(NAMES)


def test_a_zone_is_left_and_filled_again_and_the_agents_know_what_they_have_counted(
    hosts: Hosts, tmp_path: Path
) -> None:
    scene = Scene.of(hosts, tmp_path, more=MOVING)
    scene.run("agents", "start")
    before = scene.places()
    assert set(before.values()) == {host.name for host in hosts}
    for number, name in enumerate(NAMES):
        scene.send(name, number + 1)
    counted = scene.counts()
    assert counted == {name: number + 1 for number, name in enumerate(NAMES)}

    told = scene.play("evacuate-zone", "-p", "zone=a")
    assert told["batches"] == [["host1"], ["host2"]]
    moved = [step["agent"] for report in told["reports"] for step in report["steps"]
             if step["action"] == "migrate agent"]  # fmt: skip
    assert sorted(moved) == sorted(n for n, host in before.items() if host in ("host1", "host2"))
    after = scene.places()
    assert after.keys() == set(NAMES)
    assert set(after.values()) <= {"host3", "host4"}
    assert scene.cordoned() == {"host1", "host2"}
    assert not [line for name in ("host1", "host2") for line in hosts[name].leftovers()
                if line.startswith("process")]  # fmt: skip
    assert scene.ready() == set(NAMES)
    assert scene.counts() == counted

    scene.run("nodes", "uncordon", "host1", "host2")
    scene.play("nightly-rebalance")
    assert sorted(scene.places().values()) == [host.name for host in hosts]
    assert scene.ready() == set(NAMES)
    assert scene.counts() == counted
