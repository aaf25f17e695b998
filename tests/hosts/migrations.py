"""Migrations under load, on real systemd hosts behind a real HAProxy: what is lost, how long each
takes.

`python -m tests.hosts.migrations --count 20` prints the report.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import threading
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from phoenixctl.demo.load import run_load
from phoenixctl.demo.load_report import LoadReport
from tests.haproxy import BACKEND, RunningHAProxy
from tests.hosts.fleet import Hosts
from tests.hosts.test_status import phoenixctl

RATE = 200.0
AGENTS = """\
agents:
  counter:
    command: [{python}, -m, phoenixctl.demo.agent, --host, 0.0.0.0]
    replicas: {replicas}
    port: 9100
    singleton: true
    resources: {{cpu: 250m, memory: 128MiB}}
    ready: {{http: {{path: /ready}}}}
    drain: {{http: {{path: /drain}}, until: {{http: {{path: /drained}}}}}}
    checkpoint: {{http: {{path: /checkpoint}}}}
    activate: {{http: {{path: /activate}}}}
    migrate: {{standby: {{http: {{path: /prepared}}}}}}
    rollout: {{max_unavailable: 4}}
routers:
  lb: {{kind: haproxy, socket: {socket}, backends: {{counter: {backend}}}, check: 200ms}}
"""


@dataclass
class Load:
    """Messages through the router, from its beginning until `end`; then `report` has them."""

    port: int
    report: LoadReport | None = None
    _stop: asyncio.Event = field(default_factory=asyncio.Event)
    _loop: asyncio.AbstractEventLoop | None = None
    _thread: threading.Thread | None = None

    def begin(self) -> None:
        started = threading.Event()

        async def run() -> LoadReport:
            self._loop = asyncio.get_running_loop()
            started.set()
            return await run_load(
                [f"http://127.0.0.1:{self.port}"], RATE, stop=self._stop, every_seconds=0.1
            )

        def work() -> None:
            self.report = asyncio.run(run())

        self._thread = threading.Thread(target=work)
        self._thread.start()
        started.wait(10)

    def end(self) -> LoadReport:
        assert self._loop is not None
        assert self._thread is not None
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(60)
        assert self.report is not None
        return self.report


@dataclass(frozen=True)
class Stage:
    """A fleet of hosts with its agents started, behind a HAProxy."""

    hosts: Hosts
    config: Path
    proxy: RunningHAProxy

    @contextmanager
    def load(self) -> Iterator[Load]:
        load = Load(self.proxy.port)
        load.begin()
        try:
            yield load
        finally:
            if load.report is None:
                load.end()

    def places(self) -> Mapping[str, str]:
        """Each agent that runs, and where."""
        agents = json.loads(phoenixctl(self.config, "agents", "ls", "-o", "json"))["agents"]
        return {a["id"]: a["node"] for a in agents if a["state"] == "running"}

    def counts(self) -> Mapping[str, int]:
        """How many messages each running agent has ever acknowledged."""
        found = {}
        for agent, node in self.places().items():
            port = 9100 + int(agent.rpartition("-")[2])
            url = f"http://{self.hosts[node].address}:{port}/count"
            with urllib.request.urlopen(url, timeout=10) as answer:
                found[agent] = int(json.load(answer)["count"])
        return found

    def migrate(self, agent: str, to: str, strategy: str) -> dict[str, Any]:
        """The migration as the record has it."""
        phoenixctl(self.config, "migrate", agent, "--to", to, "--strategy", strategy, "--yes")
        told = json.loads(phoenixctl(self.config, "agents", "migrations", agent, "-o", "json"))
        last: dict[str, Any] = told["migrations"][0]
        assert last["outcome"] == "done", last
        return last


@contextmanager
def stage(
    hosts: Hosts, folder: Path, *, replicas: int = 1, on: str | None = None
) -> Iterator[Stage]:
    """`on`: the host on which all agents start."""
    # The request that finds nobody listening looks for the address anew each time it tries again,
    # and does so soon: HAProxy waits for as long as a connection may take, a second at most.
    proxy = RunningHAProxy(folder, retries=100, redispatch=1, connect="200ms")
    proxy.start()
    try:
        agents = AGENTS.format(
            python=hosts.python, replicas=replicas, socket=proxy.socket, backend=BACKEND
        )
        config = hosts.write_config(folder / "phoenixctl.yaml", agents=agents)
        phoenixctl(config, "agents", "start", *(("--on", on) if on else ()), "--yes")
        yield Stage(hosts, config, proxy)
    finally:
        proxy.stop()


def migrations(stage: Stage, count: int, strategy: str) -> list[dict[str, Any]]:
    """So many migrations of one agent, round the hosts."""
    names = [host.name for host in stage.hosts]
    done = []
    for _ in range(count):
        here = stage.places()["counter-0"]
        to = names[(names.index(here) + 1) % len(names)]
        done.append(stage.migrate("counter-0", to, strategy))
    return done


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=20, help="live migrations; of others a fifth")
    options = parser.parse_args()
    lost = 0
    with Hosts(4) as hosts, tempfile.TemporaryDirectory() as folder:
        for strategy in ("live", "checkpoint", "cold"):
            count = options.count if strategy == "live" else max(1, options.count // 5)
            below = Path(folder) / strategy
            below.mkdir()
            with stage(hosts, below) as on, on.load() as load:
                done = migrations(on, count, strategy)
                report = load.end()
                counted = sum(on.counts().values())
                phoenixctl(on.config, "agents", "stop", "counter", "--purge", "--yes")
            downs = sorted(float(one["downtime_seconds"]) for one in done)
            print(
                f"{strategy:10} {count:3} migrations at {RATE:g}/s: down {median(downs) * 1000:.0f}"
                f" ms in the middle, {downs[-1] * 1000:.0f} ms at most; {report.acknowledged}"
                f" acknowledged, {report.failed} failed, counted {counted}; p50"
                f" {1000 * (report.p50_seconds or 0):.1f} ms, p99"
                f" {1000 * (report.p99_seconds or 0):.1f} ms, longest gap"
                f" {1000 * (report.gap_seconds or 0):.0f} ms",
                *(f"\n{'':10} {why}" for why in report.failures),
                flush=True,
            )
            lost += report.failed + abs(counted - report.acknowledged)
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
