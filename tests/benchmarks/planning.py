"""What a plan of a large fleet costs: CPU time, with placing, and memory.

    python -m tests.benchmarks.planning [--rounds N]

1,000 nodes and 10,000 agents of 200 specs, in a process of its own. The peer of placing
filters and scores every node anew for every agent; it does so for a part of them.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from phoenixctl.model.fleet import Fleet, Guards, Order, Rollout, Share
from phoenixctl.model.names import NodeName
from phoenixctl.model.plan import Plan
from phoenixctl.model.snapshot import AgentObservation, Snapshot
from phoenixctl.model.state import AgentRecord, NodeRecord, State
from phoenixctl.placement.board import Board
from phoenixctl.placement.place import place
from phoenixctl.placement.scores.every import scores
from phoenixctl.planning.config_digest import config_digest
from phoenixctl.planning.difference import plan_changes
from phoenixctl.planning.fingerprint import with_fingerprints
from tests.benchmarks.gates import Gate, report
from tests.builders import GiB, MiB, agent, fleet, node, seen, snapshot, spec

NODES, AGENTS, SPECS = 1000, 10_000, 200
OF_PEER = 200
PLACE_LIMIT_SECONDS = 2.0
PLAN_LIMIT_SECONDS = 3.0
NO_CHANGE_LIMIT_SECONDS = 2.0
MEMORY_LIMIT_MIB = 500.0

_LIFTED = Guards(max_destroy=Share(ratio=1.0), max_disruption=Share(ratio=1.0))


def run(rounds: int, say: Callable[[str], None]) -> list[Gate]:
    """Measure in new processes, the least CPU and the most memory count; judge."""
    measured = [_in_its_own_process() for _ in range(rounds)]
    least = {name: min(m[name] for m in measured) for name in measured[0]}
    memory = max(m["memory"] for m in measured)
    peer = least["peer"] * AGENTS / OF_PEER
    say(f"{AGENTS} agents of {SPECS} specs on {NODES} nodes, CPU in s, the least of {rounds}")
    say(f"  placing them                       {least['place']:8.2f}")
    say(f"  filtering and scoring anew for each{peer:8.2f}   (from {OF_PEER} of them)")
    say(f"  plan of everything                 {least['first']:8.2f}")
    say(f"  plan without a change              {least['no change']:8.2f}")
    say(f"  plan of updating all in place      {least['in place']:8.2f}")
    say(f"  plan of updating all by surge      {least['surge']:8.2f}")
    say(f"  peak RSS, MiB                      {memory:8.0f}")
    gates = [
        Gate("placing, s", least["place"], PLACE_LIMIT_SECONDS),
        Gate("plan of everything, s", least["first"], PLAN_LIMIT_SECONDS),
        Gate("plan without a change, s", least["no change"], NO_CHANGE_LIMIT_SECONDS),
        Gate("plan of updating all in place, s", least["in place"], PLAN_LIMIT_SECONDS),
        Gate("plan of updating all by surge, s", least["surge"], PLAN_LIMIT_SECONDS),
        Gate("peak RSS, MiB", memory, MEMORY_LIMIT_MIB),
    ]
    report(gates, say)
    return gates


def _in_its_own_process() -> dict[str, float]:
    command = [sys.executable, "-m", "tests.benchmarks.planning", "--measure"]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, check=True, capture_output=True, cwd=root)
    measured: dict[str, float] = json.loads(done.stdout)
    return measured


def _measure() -> dict[str, float]:
    """CPU seconds of each plan, each checked to be what it is meant to be."""
    f = _fleet()
    empty = snapshot(*(seen(name, memory=GiB(8)) for name in f.nodes))
    costs = {"place": _cpu(lambda: place(f.instances(), f, empty))[0]}
    costs["peer"] = _cpu(lambda: _by_looking_at_all(f, empty))[0]
    costs["first"], first = _cpu(lambda: _plan(f, State("test", "l", 1), empty))
    _expect(len(first.steps) == NODES + AGENTS, first)
    there, state = _carried_out(f, first)
    costs["no change"], none = _cpu(lambda: _plan(f, state, there))
    _expect(not none.steps, none)
    for name, order in (("in place", Order.IN_PLACE), ("surge", Order.SURGE)):
        rollout = Rollout(order, Share(ratio=0.25))
        changed = {n: replace(s, env={"LEVEL": "debug"}, rollout=rollout)
                   for n, s in f.agents.items()}  # fmt: skip
        costs[name], plan = _cpu(lambda c=changed: _plan(replace(f, agents=c), state, there))
        _expect(len(plan.steps) == AGENTS * (1 if order is Order.IN_PLACE else 2), plan)
    costs["memory"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return costs


def _fleet() -> Fleet:
    specs = [
        spec(f"s{n}", replicas=AGENTS // SPECS, cpu=0.1 + n % 7 / 100, memory=MiB(64 + n % 100))
        for n in range(SPECS)
    ]
    return fleet(*(node(f"n-{n}") for n in range(NODES)), agents=specs)


def _plan(f: Fleet, state: State, there: Snapshot) -> Plan:
    plan = plan_changes(
        f, state, there, {}, config_digest=config_digest(f), bootstrap_digests={}, guards=_LIFTED
    )
    return with_fingerprints(plan, there, state)


def _carried_out(f: Fleet, plan: Plan) -> tuple[Snapshot, State]:
    on_it: dict[NodeName, list[AgentObservation]] = {name: [] for name in f.nodes}
    for step in plan.steps:
        if step.agent is not None:
            started = f.agents[step.agent.rpartition("-")[0]]
            on_it[step.node].append(agent(step.agent, of=started))
    there = snapshot(*(seen(name, *found, memory=GiB(8), joined="none")
                       for name, found in on_it.items()))  # fmt: skip
    state = State(
        "test", "l", 2,
        nodes={n: NodeRecord(f.nodes[n], "static", n, joined="none") for n in f.nodes},
        agents={a.id: AgentRecord(a.id, a.node, a.spec_digest, a.epoch) for a in there.agents()},
    )  # fmt: skip
    return there, state


def _by_looking_at_all(f: Fleet, there: Snapshot) -> None:
    board = Board.of(f, there)
    for waiting in f.instances()[:OF_PEER]:
        total = np.where(board.open_to(waiting), scores(waiting, board).total, -1.0)
        board.promise(waiting, board.names[int(total.argmax())])


def _cpu(work: Callable[[], object]) -> tuple[float, object]:
    begun = time.process_time()
    made = work()
    return time.process_time() - begun, made


def _expect(so: bool, plan: Plan) -> None:
    if not so:
        raise RuntimeError(f"not the plan that was to be measured: {len(plan.steps)} steps")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--measure", action="store_true", help="once, as JSON")
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(_measure()))
        return 0
    gates = run(options.rounds, print)
    return 0 if all(gate.held for gate in gates) else 1


if __name__ == "__main__":
    sys.exit(main())
