"""What the live view costs on the operator's machine: CPU time as a share of one core.

    python -m tests.benchmarks.top [--rounds N]

A fleet of 200 nodes with 1,000 agents whose values change at each round, on a screen of 200x60:
judging, sorting and drawing are gated. Beside it, and not part of it, what it costs to ask that
many nodes over warm connections: they are addresses of one sshd on loopback.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from phoenixctl.cli.compose import compose
from phoenixctl.cli.top.app import Top
from phoenixctl.cli.top.courses import Courses
from phoenixctl.cli.top.looking import Beside, view_of
from phoenixctl.cli.top.screens import Hands
from phoenixctl.model.fleet import Fleet
from phoenixctl.model.reading import AgentMetric, Metric
from phoenixctl.model.snapshot import NodeObservation, Snapshot
from phoenixctl.render.top.columns import Sorting
from phoenixctl.render.top.view import TopView
from phoenixctl.workflows.observe import observe
from tests.benchmarks.gates import Gate, report
from tests.benchmarks.startup import write_config
from tests.builders import agent, fleet, histogram, node, seen, snapshot, spec
from tests.sshd import Sshd

NODES, AGENTS_EACH = 200, 5
INTERVAL_SECONDS = 2.0
CORE_LIMIT = 0.10
SCREENS = ((80, 24), (200, 60))
BOUNDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, float("inf"))
WARM_ROUNDS = 5


def run(rounds: int, say: Callable[[str], None]) -> list[Gate]:
    """Measure, print a row each, and judge against the budget."""
    say(f"{NODES} nodes, {NODES * AGENTS_EACH} agents; a round every {INTERVAL_SECONDS:g} s")
    gates = []
    for width, height in SCREENS:
        cost = min(asyncio.run(_drawn(width, height, 5 * rounds)) for _ in range(2))
        share = cost / INTERVAL_SECONDS
        what = f"judged and drawn at {width}x{height}"
        say(f"  {what:28} {cost * 1000:7.1f} ms {share:7.1%} of a core")
        gates.append(Gate(f"top at {width}x{height}, share of a core", share, CORE_LIMIT))
    asked = _asked(say)
    share = asked / INTERVAL_SECONDS
    say(f"  {'asked, besides':28} {asked * 1000:7.1f} ms {share:7.1%} of a core")
    report(gates, say)
    return gates


async def _drawn(width: int, height: int, rounds: int) -> float:
    """CPU seconds of a round, the mean of several."""
    of, chance, courses = large_fleet(), random.Random(7), Courses()
    current = large_snapshot(of, chance)

    def look() -> TopView:
        last = {one.name: one for one in current.observed()}
        courses.add(last, set(last))
        return view_of(_parts(of), tuple(of.nodes), current, last, Beside(_parts(of)),
                       courses=courses.by_subject)  # fmt: skip

    app = Top(look, no_hands(), sorting=Sorting())
    spent = 0.0
    async with app.run_test(size=(width, height)) as pilot:
        await pilot.pause()
        for _ in range(rounds):
            current = large_snapshot(of, chance)
            start = time.process_time()
            app.refresh_soon()
            await pilot.pause()
            spent += time.process_time() - start
    return spent / rounds


def large_fleet(nodes: int = NODES, each: int = AGENTS_EACH) -> Fleet:
    names = [f"node-{number:03}" for number in range(nodes)]
    return fleet(*map(node, names), agents=[spec("ingest", replicas=nodes * each)])


def large_snapshot(of: Fleet, chance: random.Random) -> Snapshot:
    """Every node answers, with other values each time; some are in trouble."""
    return snapshot(*(_seen(number, name, chance) for number, name in enumerate(of.nodes)))


def _seen(number: int, name: str, chance: random.Random) -> NodeObservation:
    agents = [
        replace(
            agent(
                f"ingest-{number * AGENTS_EACH + index}",
                metrics={
                    AgentMetric.CPU: chance.random(),
                    AgentMetric.RSS: chance.uniform(2e7, 3e8),
                    AgentMetric.UPTIME: 4000.0 + chance.random(),
                    AgentMetric.RESTARTS: 0.0,
                    AgentMetric.QUEUE: float(chance.randrange(50)),
                    AgentMetric.THROUGHPUT: chance.uniform(10, 90),
                    AgentMetric.ERROR_RATE: chance.random() / 50,
                    AgentMetric.RESPONSE_P95: chance.uniform(0.001, 0.06),
                },
            ),
            ready=chance.random() > 0.02,
            responses=_responses(chance),
        )
        for index in range(AGENTS_EACH)
    ]
    metrics = {
        Metric.CPU: chance.random() ** 2,
        Metric.MEMORY: chance.uniform(0.2, 0.9),
        Metric.PRESSURE_CPU: chance.random() / 3,
        Metric.PRESSURE_MEMORY: chance.random() / 20,
        Metric.PRESSURE_IO: chance.random() / 20,
        Metric.RUN_QUEUE: float(chance.randrange(12)),
        Metric.RESPONSE_P95: chance.uniform(0.001, 0.08),
        Metric.THROUGHPUT: chance.uniform(50, 450),
        Metric.ERROR_RATE: chance.random() / 15,
        Metric.AVAILABILITY: 1.0,
    }
    return seen(name, *agents, metrics=metrics)


def _responses(chance: random.Random) -> Any:
    counts, total = [], 0.0
    for _ in BOUNDS:
        total += chance.randrange(100)
        counts.append(total)
    return histogram(*counts, bounds=BOUNDS, total=total / 100)


def no_hands() -> Hands:
    async def log(_node: str, _agent: str) -> bytes:
        return b""

    async def kept(_node: str) -> Mapping[Metric, Sequence[float]]:
        return {}

    return Hands(lambda: None, lambda: None, lambda: ("every 2 s", False), log, kept)


def _parts(of: Fleet) -> Any:
    """As much of what a command is composed of as judging needs."""
    return SimpleNamespace(
        fleet=of,
        records=SimpleNamespace(availability=lambda: dict.fromkeys(of.nodes, 1.0)),
        clock=SimpleNamespace(epoch=lambda: 1_800_000_000.0),
    )


def _asked(say: Callable[[str], None]) -> float:
    """CPU seconds of the client in one round over all nodes, the least of several."""
    with tempfile.TemporaryDirectory(prefix="top-") as name:
        os.environ["XDG_STATE_HOME"] = f"{name}/state"
        server = Sshd.start(Path(name), listen="0.0.0.0", options=("LogLevel INFO",))
        try:
            parts = compose(write_config(server, NODES), {})

            async def rounds() -> list[float]:
                costs = []
                try:
                    for _ in range(WARM_ROUNDS + 1):
                        start = time.process_time()
                        found = await observe(parts.fleet, parts.reach, parts.clock, parts.records)
                        costs.append(time.process_time() - start)
                        silent = len(found.unobserved())
                        if silent:
                            say(f"  {silent} nodes did not answer")
                finally:
                    await parts.aclose()
                return costs

            return min(asyncio.run(rounds())[1:])
        finally:
            server.stop()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    gates = run(parser.parse_args().rounds, print)
    return 0 if all(gate.held for gate in gates) else 1


if __name__ == "__main__":
    sys.exit(main())
