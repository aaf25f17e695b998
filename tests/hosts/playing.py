"""Playbooks on the hosts: agents to play with, and what the hosts themselves tell of them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.hosts.fleet import Hosts
from tests.hosts.host import Host
from tests.hosts.process import wait_for
from tests.hosts.test_status import phoenixctl

READY_AFTER = 0.4  # seconds from an agent's begin until it is ready, at least
CORDON = "/var/lib/phoenixctl/hosts/cordon"
BROKEN = "/var/tmp/broken"  # on a host that has it, no agent comes up
AGENTS = f"""\
agents:
  counter:
    command: [sh, -c, 'test ! -e {BROKEN} && sleep {READY_AFTER} &&
      exec "$0" -m phoenixctl.demo.agent --host 0.0.0.0', {{python}}]
    replicas: 4
    port: 9100
    resources: {{{{cpu: 250m, memory: 128MiB}}}}
    ready: {{{{http: {{{{path: /ready}}}}, within: 30s}}}}
    metrics: {{{{}}}}
    drain: {{{{http: {{{{path: /drain}}}}, until: {{{{http: {{{{path: /drained}}}}}}}}}}}}
"""
MOVING = """\
    checkpoint: {http: {path: /checkpoint}}
    activate: {http: {path: /activate}}
    migrate: {standby: {http: {path: /prepared}}}
"""
NAMES = [f"counter-{number}" for number in range(4)]
_SHOWN = ("Id", "ActiveState", "MainPID", "MemoryMax", "ExecMainStartTimestampMonotonic",
          "InactiveEnterTimestampMonotonic")  # fmt: skip


@dataclass(frozen=True)
class Unit:
    """An agent's unit as its host's systemd has it. Times are of the kernel that all hosts share,
    in seconds: when its process began, and when it ended before that (0: never)."""

    host: str
    active: bool
    pid: int
    memory: int
    begun: float
    ended_before: float


@dataclass
class Scene:
    """The hosts with a configuration of their own, and playbooks beside it."""

    hosts: Hosts
    config: Path
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @classmethod
    def of(cls, hosts: Hosts, folder: Path, *, more: str = "") -> Scene:
        """`more` is YAML of the agents. Half of the hosts are in zone a, the others in b."""
        agents = AGENTS.format(python=hosts.python) + more
        config = hosts.write_config(folder / "phoenixctl.yaml", agents=agents)
        text = config.read_text()
        for number, host in enumerate(hosts):
            zone = "ab"[number * 2 // len(hosts)]
            there = f"{{name: {host.name}, "
            text = text.replace(there, f"{there}labels: {{zone: {zone}}}, ")
        config.write_text(text)
        (folder / "playbooks").mkdir()
        return cls(hosts, config)

    def write(self, name: str, text: str) -> None:
        (self.config.parent / "playbooks" / f"{name}.yaml").write_text(text)

    def run(self, *words: str, expect: int = 0) -> Any:
        """A command line's document; its exit code has to be `expect`."""
        told = phoenixctl(self.config, *words, "-o", "json", expect=expect, within_seconds=240)
        return json.loads(told) if told else {}

    def play(self, name: str, *words: str, expect: int = 0) -> Any:
        return self.run("playbook", "run", name, *words, "--yes", expect=expect)

    def begin(self, name: str, *words: str) -> subprocess.Popen[bytes]:
        """A run that goes on."""
        home = self.config.parent
        process = subprocess.Popen(
            [sys.executable, "-m", "phoenixctl", "playbook", "run", name, *words, "--yes",
             "--config", str(self.config)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={"PATH": os.environ["PATH"], "HOME": str(home),
                 "XDG_STATE_HOME": str(home / "state")},
        )  # fmt: skip
        self.started.append(process)
        return process

    def close(self) -> None:
        """Nothing that was begun goes on."""
        for process in self.started:
            process.kill()
            process.communicate()

    def units(self) -> Mapping[str, Unit]:
        """The units of the agents that run, each on one host alone; of all others those that are
        left, if there are any."""
        found: dict[str, Unit] = {}
        for host in self.hosts:
            for name, unit in units_of(host).items():
                assert name not in found or not (unit.active and found[name].active)
                if name not in found or unit.active:
                    found[name] = unit
        return found

    def places(self) -> Mapping[str, str]:
        """Where each agent runs, as the hosts tell."""
        return {name: unit.host for name, unit in self.units().items() if unit.active}

    def ready(self) -> set[str]:
        """The agents that say so where others reach them."""
        return {name for name in self.places() if self._says_ready(name)}

    def digests(self) -> Mapping[str, str]:
        """With which specification each agent runs."""
        agents = self.run("agents", "ls")["agents"]
        return {a["id"]: a["spec_digest"] for a in agents if a["state"] == "running"}

    def cordoned(self) -> set[str]:
        return {host.name for host in self.hosts if exists(host, CORDON)}

    def send(self, agent: str, count: int) -> None:
        """So many messages, each acknowledged."""
        for _ in range(count):
            url = f"{self._at(agent)}/messages"
            with urllib.request.urlopen(url, data=b"", timeout=10) as answer:
                assert answer.status == 200

    def counts(self) -> Mapping[str, int]:
        """What each agent that runs has counted."""
        found = {}
        for agent in self.places():
            with urllib.request.urlopen(f"{self._at(agent)}/count", timeout=10) as answer:
                found[agent] = int(json.load(answer)["count"])
        return found

    def _says_ready(self, agent: str) -> bool:
        try:
            with urllib.request.urlopen(f"{self._at(agent)}/ready", timeout=10):
                return True
        except OSError:
            return False

    def _at(self, agent: str) -> str:
        host = self.hosts[self.places()[agent]]
        return f"http://{host.address}:{9100 + int(agent.rpartition('-')[2])}"


def units_of(host: Host) -> Mapping[str, Unit]:
    """By the agents' ids."""
    shown = host.run("systemctl", "show", "phoenix-*", f"--property={','.join(_SHOWN)}")
    found = {}
    for block in shown.split("\n\n"):
        of = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        name = of.get("Id", "").removesuffix(".service").partition("-hosts-")[2]
        if name in NAMES:
            found[name] = Unit(
                host.name,
                of["ActiveState"] == "active",
                int(of["MainPID"]),
                int(of["MemoryMax"]),
                int(of["ExecMainStartTimestampMonotonic"]) / 1e6,
                int(of["InactiveEnterTimestampMonotonic"]) / 1e6,
            )
    return found


def exists(host: Host, path: str) -> bool:
    return host.run_bytes("test", "-e", path).returncode == 0


def end(process: subprocess.Popen[bytes], number: signal.Signals | None = None) -> tuple[int, str]:
    """The exit code and what was said, after this signal."""
    if number is not None:
        process.send_signal(number)
    out, _ = process.communicate(timeout=120)
    return process.returncode, out.decode()


def until(condition: object, run: subprocess.Popen[bytes], what: str) -> None:
    """Wait for what a run does; fails at once when it has ended before."""
    assert callable(condition)

    def holds() -> bool:
        if condition():
            return True
        assert run.poll() is None, run.communicate()[0].decode()
        return False

    wait_for(holds, 120, what)
