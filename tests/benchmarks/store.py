"""What the records of a large fleet cost: CPU time and, for comparison, bare synced lines.

    python -m tests.benchmarks.store [--rounds N]

A fleet of 10,000 agents on 1,000 nodes is recorded in a folder. Of several runs the least counts.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from phoenixctl.cli.compose import SystemClock
from phoenixctl.model.fleet import Node
from phoenixctl.model.names import AgentId, NodeName
from phoenixctl.model.plan import Action, Change, Inverse, Plan, Step
from phoenixctl.model.state import AgentRecord, NodeRecord, Patch, State
from phoenixctl.store.local import LocalRecords
from tests.benchmarks.gates import Gate, report
from tests.builders import spec

NODES, AGENTS, STEPS = 1_000, 10_000, 200
STEP_LIMIT_MS = 5.0
READ_LIMIT_MS = 500.0
CLOSE_LIMIT_MS = 1_500.0
DIGEST = "0123456789ab"


def run(rounds: int, say: Callable[[str], None]) -> list[Gate]:
    """Measure, print a row each, and judge against the budgets."""
    costs: dict[str, list[float]] = {}
    for _ in range(rounds):
        with tempfile.TemporaryDirectory(prefix="store-") as name:
            for what, cost in asyncio.run(_measure(Path(name))).items():
                costs.setdefault(what, []).append(cost)
    least = {what: min(found) for what, found in costs.items()}
    say(f"{NODES} nodes, {AGENTS} agents, CPU in ms, the least of {rounds} runs")
    for what, cost in least.items():
        say(f"  {what:34} {cost:8.2f}")
    say(f"  a step / two bare synced lines     {least['step'] / least['two bare lines']:8.1f} x")
    gates = [
        Gate("journal of a step in a large fleet, ms", least["step"], STEP_LIMIT_MS),
        Gate("reading the record, ms", least["read"], READ_LIMIT_MS),
        Gate("opening and closing an operation, ms", least["open and close"], CLOSE_LIMIT_MS),
    ]
    report(gates, say)
    return gates


async def _measure(folder: Path) -> dict[str, float]:
    records = LocalRecords(folder / "records", SystemClock(), "large")
    await records.replace_state(_large(), title="recorded")
    steps = tuple(_step(number) for number in range(STEPS))
    found: dict[str, float] = {}

    async def change() -> None:
        async with records.changing("apply") as operation:
            await operation.open(Plan("apply", steps))
            start = time.process_time()
            for step in steps:
                await operation.begin(step)
                assert operation.state.agents  # as a step looks at it
                await operation.end(step, outcome="ok", detail="ready in 0.5s", patch=_patch(step))
            found["step"] = (time.process_time() - start) * 1000 / STEPS

    whole = await _cpu_ms(change())
    found["open and close"] = whole - found["step"] * STEPS
    found["read"] = await _cpu_ms(records.read())
    found["two bare lines"] = _bare_lines(folder)
    return found


async def _cpu_ms(work: Coroutine[Any, Any, object]) -> float:
    start = time.process_time()
    await work
    return (time.process_time() - start) * 1000


def _bare_lines(folder: Path) -> float:
    line = b"x" * 400 + b"\n"
    descriptor = os.open(folder / "lines", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    start = time.process_time()
    for _ in range(STEPS * 2):
        os.write(descriptor, line)
        os.fsync(descriptor)
    cost = (time.process_time() - start) * 1000 / STEPS
    os.close(descriptor)
    return cost


def _large() -> State:
    nodes = {}
    for number in range(NODES):
        node = Node(NodeName(f"n{number}"), "main", f"10.0.{number // 250}.{number % 250}")
        nodes[node.name] = NodeRecord(node, "static", str(node.name), joined=DIGEST)
    agents = {}
    for number in range(AGENTS):
        record = _record(number, epoch=1)
        agents[record.id] = record
    return State("large", "", 0, nodes, agents, {}, {DIGEST: spec("web", cpu=0.1)})


def _record(number: int, *, epoch: int) -> AgentRecord:
    return AgentRecord(AgentId(f"web-{number}"), NodeName(f"n{number % NODES}"), DIGEST, epoch)


def _step(number: int) -> Step:
    record = _record(number, epoch=2)
    return Step(
        Action.UPDATE,
        record.node,
        record.id,
        "its specification has changed",
        spec_digest=DIGEST,
        changes=(Change("command", "sleep 1", "sleep 2"), Change("cpu", "0.1", "0.2")),
        relies_on={f"node.{record.node}": DIGEST, f"agent.{record.id}@{record.node}": DIGEST},
        inverse=Inverse(Action.UPDATE, DIGEST),
    )


def _patch(step: Step) -> Patch:
    assert step.agent is not None
    record = AgentRecord(step.agent, step.node, DIGEST, 2)
    return Patch(agents={record.id: record})


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    gates = run(parser.parse_args().rounds, print)
    return 0 if all(gate.held for gate in gates) else 1


if __name__ == "__main__":
    sys.exit(main())
