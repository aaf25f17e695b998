"""What applying a plan costs this side: CPU time per step, next to the same work without records.

    python -m tests.benchmarks.applying [--rounds N]

Real embedded nodes get agents by `apply`, which locks, looks again, journals and records each step.
The bare side sends the very same start commands over the same connections, and nothing else.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from unittest import mock

from phoenixctl.cli.compose import Parts, compose
from phoenixctl.cli.planned import planned
from phoenixctl.model.fleet import Fleet
from phoenixctl.model.plan import Plan
from phoenixctl.planning.difference import Scope
from phoenixctl.ports.reach import Session
from phoenixctl.remote.agents import parse_start, start_command
from phoenixctl.workflows.apply import apply
from tests.benchmarks.gates import Gate, report

NODES, AGENTS = 4, 40
LIMIT_MS = 5.0
_CONFIG = """\
fleet: {{name: bench}}
pools: {{bench: {{provider: local, size: {nodes}}}}}
agents:
  idle: {{command: [sleep, "1000"], replicas: {agents}}}
"""


def run(rounds: int, say: Callable[[str], None]) -> list[Gate]:
    """Measure both sides, the least of several runs counts."""
    ours, bare = [], []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory(prefix="applying-") as name:
            with_records, without = _round(Path(name))
            ours.append(with_records)
            bare.append(without)
    step, alone = min(ours), min(bare)
    say(f"{AGENTS} agents started on {NODES} embedded nodes, CPU in ms of this side per step")
    say(f"  apply                              {step:8.2f}")
    say(f"  the bare start commands            {alone:8.2f}")
    say(f"  apply / bare                       {step / alone:8.1f} x")
    gates = [Gate("what apply adds to a step, ms", step - alone, LIMIT_MS)]
    report(gates, say)
    return gates


def _round(folder: Path) -> tuple[float, float]:
    config = folder / "phoenixctl.yaml"
    places = {"XDG_STATE_HOME": str(folder / "state"), "XDG_CACHE_HOME": str(folder / "cache")}
    with ExitStack() as stack:
        stack.enter_context(mock.patch.dict(os.environ, places))
        config.write_text(_CONFIG.format(nodes=NODES, agents=0))
        asyncio.run(_applied(compose(config, {})))
        try:
            bare = asyncio.run(_bare(compose(config, {})))
            config.write_text(_CONFIG.format(nodes=NODES, agents=AGENTS))
            return asyncio.run(_applied(compose(config, {}))), bare
        finally:
            asyncio.run(_destroyed(compose(config, {})))


async def _applied(parts: Parts) -> float:
    """CPU in ms per step of carrying out what is due, connections included."""
    try:
        plan = await planned(parts, lambda _fleet: Scope())
        return await _carried_out(parts, plan)
    finally:
        await parts.aclose()


async def _carried_out(parts: Parts, plan: Plan) -> float:
    before = time.process_time()
    done = await apply(plan, parts.means())
    spent = time.process_time() - before
    assert done.exit_code == 0, [r.detail for r in done.results]
    return spent * 1000 / max(1, len(plan.steps))


async def _bare(parts: Parts) -> float:
    """CPU in ms per start command, of agents that nobody records; their nodes go at the end."""
    from dataclasses import replace

    from tests.builders import spec

    fleet: Fleet = replace(
        parts.fleet, agents={"bare": spec("bare", replicas=AGENTS, command=("sleep", "1000"))}
    )
    agents, nodes = fleet.instances(), list(fleet.nodes)

    async def job(session: Session) -> None:
        for agent in agents[nodes.index(session.node) :: len(nodes)]:
            node = fleet.nodes[session.node]
            command = start_command(agent, node, "bare", env={}, secrets={}, epoch=1)
            parse_start(await session.run(command, timeout_seconds=60))

    try:
        before = time.process_time()
        outcomes = await parts.reach.each(nodes, job)
        spent = time.process_time() - before
        assert all(type(o).__name__ == "Succeeded" for o in outcomes.values())
        return spent * 1000 / AGENTS
    finally:
        await parts.aclose()


async def _destroyed(parts: Parts) -> None:
    for pool in parts.configured.pools.values():
        provider = parts.providers[pool.name]
        for instance in await provider.list(pool):
            await provider.destroy(pool, instance)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    return 0 if all(gate.held for gate in run(parser.parse_args().rounds, print)) else 1


if __name__ == "__main__":
    sys.exit(main())
