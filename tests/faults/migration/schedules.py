"""Schedules drawn by a seed: which way, which fault, when. And what must hold after each."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import signal
import socket
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from phoenixctl.model.fleet import Pool
from phoenixctl.model.names import NodeName
from phoenixctl.ports.provider import NodeRequest
from phoenixctl.providers.local import LocalProvider
from tests.cli.demo_fleet import DemoFleet, finish, processes, until
from tests.hosts.process import call

AGENT = "mover-0"
NODES = ("demo-1", "demo-2")
WAYS = ("live", "live", "live", "checkpoint", "cold")
FAULTS = (
    "operator", "source agent", "target agent", "source link", "target link",
    "operator and source agent", "operator and target agent", "operator and target link",
    "source power", "target power", "operator and source power", "target disk",
)  # fmt: skip
LONGEST_SECONDS = 1.5  # from the begin of the step until the fault strikes
CUT_SECONDS = 4.0
SETTLED_AFTER = 6  # runs of apply at most
_CONFIG = """\
fleet: {{name: phoenix-demo}}
pools:
  demo: {{provider: local, size: 2}}
ssh: {{connect_timeout: 3s, keepalive: 1s}}
agents:
  mover:
    command: ["{python}", -m, phoenixctl.demo.agent]
    port: {port}
    singleton: true
    ready: {{http: {{path: /ready}}, within: 10s}}
    drain: {{http: {{path: /drain}}, until: {{http: {{path: /drained}}}}}}
    checkpoint: {{http: {{path: /checkpoint}}}}
    activate: {{http: {{path: /activate}}}}
    migrate: {{standby: {{http: {{path: /prepared}}}}}}
"""


_POOL = Pool("demo", provider="local", size=2)


@dataclass(frozen=True, slots=True)
class Schedule:
    """`after_seconds`: from the begin of the migration until the fault strikes."""

    seed: int
    way: str
    fault: str
    after_seconds: float

    @classmethod
    def of(cls, seed: int) -> Schedule:
        rng = random.Random(seed)
        return cls(seed, rng.choice(WAYS), rng.choice(FAULTS), rng.uniform(0.0, LONGEST_SECONDS))


@dataclass
class Client:
    """Asks both nodes again and again; `acknowledged` has every number it was answered."""

    addresses: tuple[str, ...]
    port: int
    acknowledged: list[int] = field(default_factory=list)
    _over: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> Client:
        for address in self.addresses:
            thread = threading.Thread(target=self._ask, args=(address,))
            thread.start()
            self._threads.append(thread)
        return self

    def __exit__(self, *raised: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _ask(self, address: str) -> None:
        url = f"http://{address}:{self.port}/messages"
        while not self._over.wait(0.01):
            request = urllib.request.Request(url, method="POST", data=b"{}")
            try:
                with urllib.request.urlopen(request, timeout=5) as answer:
                    self.acknowledged.append(int(json.load(answer)["sequence"]))
            except (OSError, ValueError):
                continue  # it refused, drains, or is gone


@dataclass(frozen=True)
class Place:
    """An embedded fleet of two nodes and the one agent."""

    fleet: DemoFleet
    port: int

    def where(self) -> list[str]:
        """The nodes on which the agent runs and is the active copy."""
        agents = self.fleet.ok("agents", "ls", "-o", "json").json["agents"]
        return [
            a["node"]
            for a in agents
            if a["id"] == AGENT and a["state"] == "running" and a["role"] == "active"
        ]

    def addresses(self) -> dict[str, str]:
        nodes = self.fleet.ok("nodes", "ls", "-o", "json").json["nodes"]
        return {node["name"]: node["agent_address"] or node["address"] for node in nodes}

    def count(self, node: str) -> int:
        url = f"http://{self.addresses()[node]}:{self.port}/count"
        with urllib.request.urlopen(url, timeout=10) as answer:
            return int(json.load(answer)["count"])

    def power_fails(self, node: str) -> None:
        """All that runs on the node ends at once; then it comes up with nothing but its disk."""
        provider, pool = LocalProvider(self.fleet.state / "local", "phoenix-demo"), _POOL
        for pid in (*self.fleet.processes_on(node), self.fleet.node_pid(node)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

        async def come_up() -> None:
            found = {one.node.name: one for one in await provider.list(pool)}
            was = found[NodeName(node)]
            request = NodeRequest(pool, NodeName(node), was.lineage, was.operation)
            await provider.create(request, note=_unnoted)

        asyncio.run(come_up())

    @contextmanager
    def full_disk(self, node: str) -> Iterator[None]:
        """Where agents live on the node there is room for a part of what a start writes."""
        folder = self.fleet.home(node) / ".phoenixctl" / "phoenix-demo" / "agents"
        folder.mkdir(parents=True, exist_ok=True)
        call("mount", "-t", "tmpfs", "-o", "size=8k", "tmpfs", folder)
        try:
            yield
        finally:
            call("umount", "-l", folder)

    def agents_on(self, node: str) -> set[int]:
        mark = f"PHOENIX_HOME={self.fleet.home(node)}"
        mine = processes(mark, where="environ")
        return mine & processes("phoenixctl.demo.agent")


@contextmanager
def place(root: Path) -> Iterator[Place]:
    fleet = DemoFleet(root)
    (root / "operator").mkdir()
    fleet.config.parent.mkdir()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    fleet.config.write_text(_CONFIG.format(python=sys.executable, port=port))
    try:
        fleet.ok("apply", "--yes")
        yield Place(fleet, port)
    finally:
        fleet.end_what_was_started()
        fleet.run("apply", "--destroy", "--yes", "--max-destroy", "2", "--max-disruption", "1")


def play(on: Place, schedule: Schedule) -> str:
    """One migration with its fault, and the runs after it; how it ended. AssertionError when
    anything was active twice or lost, or does not come to an end."""
    (source,) = on.where()
    target = next(node for node in NODES if node != source)
    addresses = on.addresses()
    with Client(tuple(addresses.values()), on.port) as client:
        until(lambda: client.acknowledged, seconds=30)
        disk = on.full_disk(target) if schedule.fault == "target disk" else contextlib.nullcontext()
        with disk:
            _migrate(on, schedule, source, target)
        _settle(on)
        (node,) = on.where()
        before = len(client.acknowledged)
        until(lambda: len(client.acknowledged) > before + 5, seconds=30)
    numbers = client.acknowledged
    assert len(numbers) == len(set(numbers)), "a number was acknowledged twice"
    assert on.count(node) >= max(numbers), "an acknowledged message was lost"
    assert on.where() == [node]
    return "finished" if node == target else "taken back"


def _migrate(on: Place, schedule: Schedule, source: str, target: str) -> None:
    journal = on.fleet.state / "journal.jsonl"
    begun = journal.read_text().count("migrate agent")
    run = on.fleet.start("migrate", AGENT, "--to", target, "--strategy", schedule.way, "--yes")
    until(
        lambda: run.poll() is not None or journal.read_text().count("migrate agent") > begun + 1,
        seconds=60,
    )
    time.sleep(schedule.after_seconds)
    stopped: list[int] = []
    for what in schedule.fault.split(" and "):
        if what == "operator":
            run.kill()
        elif what.endswith(" power"):
            on.power_fails(source if what == "source power" else target)
        elif what.endswith(" link"):
            pid = on.fleet.node_pid(source if what == "source link" else target)
            os.kill(pid, signal.SIGSTOP)
            stopped.append(pid)
        elif what.endswith(" agent"):
            for pid in on.agents_on(source if what == "source agent" else target):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
    if stopped:
        time.sleep(CUT_SECONDS)
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)
    finish(run)


def _settle(on: Place) -> None:
    """Apply until there is nothing to do; nobody unlocks or mends anything by hand."""
    said = []
    for _ in range(SETTLED_AFTER):
        done = on.fleet.run("apply", "--yes")
        said.append(f"{done.code}: {done.err}")
        if done.code == 0 and on.fleet.run("plan", "--detailed-exitcode").code == 0:
            return
    raise AssertionError("it does not come to an end: " + "\n".join(said))


async def _unnoted(facts: Mapping[str, str]) -> None:
    """Nothing of this is in a journal."""
