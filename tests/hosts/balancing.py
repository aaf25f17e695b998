"""Weights on real systemd hosts behind a real HAProxy, with one host's agent slowed to half.

`python -m tests.hosts.balancing` prints how fast weights settle, and what requests wait for with
them, with least connections alone and with round robin.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from phoenixctl.demo.load import run_load
from phoenixctl.demo.load_report import LoadReport
from tests.haproxy import BACKEND, RunningHAProxy
from tests.hosts.fleet import Hosts
from tests.hosts.test_status import phoenixctl

WORK_MS, WORKERS = 40, 4
RATE = 200.0  # of the 400 a second that four agents can take
ROUND_SECONDS = 3.0  # instead of 30: what an agent says of its use is of the last 5
SLOW = "counter-2"
AGENTS = """\
agents:
  counter:
    command: [{python}, -m, phoenixctl.demo.agent, --host, 0.0.0.0, --work-ms, "{work}",
              --parallel, "{workers}"]
    replicas: 4
    port: 9100
    ready: {{http: {{path: /ready}}}}
    metrics: {{}}
    placement: {{spread: [{{across: node, max_skew: 1}}]}}
    rollout: {{max_unavailable: 4}}
routers:
  lb: {{kind: haproxy, socket: {least}, backends: {{counter: {backend}}}, check: 200ms}}
  rr: {{kind: haproxy, socket: {turns}, backends: {{counter: {backend}}}, check: 200ms}}
"""


@dataclass(frozen=True)
class Balanced:
    """Four agents on four hosts, behind one HAProxy with least connections and one with turns."""

    hosts: Hosts
    config: Path
    least: RunningHAProxy
    turns: RunningHAProxy
    slow_at: str  # address and port of the agent that can be slowed

    def load(self, proxy: RunningHAProxy, seconds: float) -> LoadReport:
        return asyncio.run(run_load([f"http://127.0.0.1:{proxy.port}"], RATE, seconds=seconds))

    def round(self) -> dict[str, float]:
        """One round of weights under load; the weights behind least connections, by agent."""
        began = time.monotonic()
        phoenixctl(self.config, "balance", "auto", "--once")
        found = self.weights()
        time.sleep(max(0.0, ROUND_SECONDS - (time.monotonic() - began)))
        return found

    def weights(self) -> dict[str, float]:
        told = json.loads(phoenixctl(self.config, "balance", "history", "-n", "1", "-o", "json"))
        (last,) = (one for one in told["rounds"] if one["backend"] == f"lb/{BACKEND}")
        return {subject.partition("/")[2]: weight for subject, weight in last["weights"].items()}

    def slow(self, *, on: bool) -> None:
        """The agent takes twice as long for each request, or as long as the others."""
        body = json.dumps({"delay_ms": WORK_MS if on else 0, "for_seconds": 600 if on else 0})
        request = urllib.request.Request(f"http://{self.slow_at}/fault", body.encode())
        with urllib.request.urlopen(request, timeout=10) as answer:
            assert answer.status == 200


@contextmanager
def balanced(hosts: Hosts, folder: Path) -> Iterator[Balanced]:
    proxies = {}
    try:
        for name, balance in (("least", "leastconn"), ("turns", "roundrobin")):
            below = folder / name
            below.mkdir()
            proxies[name] = RunningHAProxy(below, balance=balance)
            proxies[name].start()
        agents = AGENTS.format(
            python=hosts.python, work=WORK_MS, workers=WORKERS, backend=BACKEND,
            least=proxies["least"].socket, turns=proxies["turns"].socket,
        )  # fmt: skip
        config = hosts.write_config(folder / "phoenixctl.yaml", agents=agents)
        phoenixctl(config, "agents", "start", "--yes")
        told = json.loads(phoenixctl(config, "routers", "status", "-o", "json"))
        (slow,) = (
            one
            for one in told["routers"][0]["members"]
            if one["agent"] == SLOW and one["state"] != "missing"
        )
        at = f"{slow['address']}:{slow['port']}"
        yield Balanced(hosts, config, proxies["least"], proxies["turns"], at)
        phoenixctl(config, "agents", "stop", "counter", "--purge", "--yes")
    finally:
        for proxy in proxies.values():
            proxy.stop()


@contextmanager
def under_load(on: Balanced) -> Iterator[list[LoadReport]]:
    """Requests through least connections until this is left; then their report is in the list."""
    import threading

    reports: list[LoadReport] = []
    started = threading.Event()
    over: list[Any] = []

    async def run() -> None:
        stop = asyncio.Event()
        over.extend((asyncio.get_running_loop(), stop))
        started.set()
        reports.append(await run_load([f"http://127.0.0.1:{on.least.port}"], RATE, stop=stop))

    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    started.wait(10)
    try:
        yield reports
    finally:
        loop, stop = over
        loop.call_soon_threadsafe(stop.set)
        thread.join(60)


def share(weights: Mapping[str, float]) -> float:
    """The slow agent's weight beside what the others have on average."""
    others = [weight for agent, weight in weights.items() if agent != SLOW]
    return weights[SLOW] / (sum(others) / len(others))


def largest_changes(rounds: list[dict[str, float]]) -> list[float]:
    """Of each round, by how much a weight changed at most."""
    return [
        max(abs(after[agent] / before[agent] - 1) for agent in after)
        for before, after in pairwise(rounds)
    ]


def main() -> int:
    with (
        Hosts(4) as hosts,
        tempfile.TemporaryDirectory() as folder,
        balanced(hosts, Path(folder)) as on,
    ):
        plain = _told("four alike, least connections", on.load(on.least, 15))
        with under_load(on):
            rounds = [on.round() for _ in range(8)]
        weighted = _told("four alike, with weights", on.load(on.least, 15))
        print(f"    p99 beside least connections alone: {weighted / plain:.2f}x (limit 1.05)")
        on.slow(on=True)
        turns = _told("one at half, round robin", on.load(on.turns, 15))
        _told("one at half, least connections, weights of before", on.load(on.least, 15))
        with under_load(on) as reports:
            rounds = [on.weights(), *(on.round() for _ in range(16))]
        print("  its weight beside the others':", *(f"{share(one):.2f}" for one in rounds))
        changes = largest_changes(rounds)
        print("  largest change of a round, %:", *(f"{100 * one:.1f}" for one in changes))
        settled = max(changes[6:])
        print(f"    after six rounds at most {settled:.1%} (limit 2 %)")
        slow = _told("one at half, with its weights", on.load(on.least, 15))
        print(f"    p99 of round robin beside it: {turns / slow:.1f}x")
        on.slow(on=False)
        with under_load(on) as more:
            rounds = [on.round() for _ in range(10)]
        print("  well again, its weight:", *(f"{share(one):.2f}" for one in rounds))
        failed = sum(report.failed for report in (*reports, *more))
        print(f"  failed in all rounds: {failed}")
    held = weighted <= 1.05 * plain and settled <= 0.02 and slow < turns and not failed
    return 0 if held and share(rounds[-1]) > 0.9 else 1


def _told(what: str, report: LoadReport) -> float:
    p50, p99 = report.p50_seconds or 0.0, report.p99_seconds or 0.0
    print(
        f"  {what:52} p50 {1000 * p50:7.1f} ms, p99 {1000 * p99:7.1f} ms,"
        f" {report.failed} of {report.sent} failed",
        flush=True,
    )
    return p99


if __name__ == "__main__":
    sys.exit(main())
