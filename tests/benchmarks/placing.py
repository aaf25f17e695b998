"""What placing costs under rules: CPU time and memory, and how they grow.

    python -m tests.benchmarks.placing [--rounds N]

10,000 agents of 40 specs on 1,000 nodes in three zones, each in a process of its own: no two agents
of a spec on one node, each spec spread over the zones. Then more of both, and one agent alone on
5,000 nodes with agents. Then what it gains, by the mean score of the agents, that seats are given
anew when all have one, on nodes of several sizes. The peer filters and scores every node anew for
every agent; it does so for a part of them.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from phoenixctl.model.fleet import Agent, Fleet
from phoenixctl.model.names import AgentId, NodeName
from phoenixctl.model.placement import Placement
from phoenixctl.model.rules import Affinity, AgentSelector, Rules, Spread, Strategy
from phoenixctl.model.snapshot import Snapshot
from phoenixctl.placement.board import Board
from phoenixctl.placement.place import place, place_in
from phoenixctl.placement.reseat import reseat
from phoenixctl.placement.scores.balance import balance
from phoenixctl.placement.scores.every import scores
from tests.benchmarks.gates import Gate, report
from tests.builders import GiB, MiB, agent, fleet, node, seen, snapshot, spec

AGENTS, NODES, SPECS = 10_000, 1_000, 40
GROWTH = ((20_000, 2_000), (50_000, 5_000))
OF_PEER = 100
ONE_ON = 5_000
MIXED, MIXED_AGENTS = 200, 1_600
PLACE_LIMIT_SECONDS = 2.0
MEMORY_LIMIT_MIB = 500.0
ONE_LIMIT_MS = 5.0


def run(rounds: int, say: Callable[[str], None]) -> list[Gate]:
    """Measure in new processes, the least CPU and the most memory count; judge."""
    measured = [_in_its_own_process("--agents", AGENTS, "--nodes", NODES) for _ in range(rounds)]
    cpu = min(m["cpu"] for m in measured)
    memory = max(m["memory"] for m in measured)
    peer = min(m["peer"] for m in measured) * AGENTS / OF_PEER
    say(f"agents on nodes, {SPECS} specs, anti-affinity and zone spread; the least of {rounds}")
    say(f"  {AGENTS:6} on {NODES:5}             {cpu:8.2f} s {memory:6.0f} MiB more")
    say(f"  filtering and scoring anew  {peer:8.2f} s   (from {OF_PEER} of them)")
    for agents, nodes in GROWTH:
        more = _in_its_own_process("--agents", agents, "--nodes", nodes)
        each = more["cpu"] / agents / (cpu / AGENTS)
        say(f"  {agents:6} on {nodes:5}             {more['cpu']:8.2f} s {more['memory']:6.0f}"
            f" MiB more, each agent {each:.1f} times")  # fmt: skip
    one = min(_in_its_own_process("--one", ONE_ON)["one"] for _ in range(rounds))
    say(f"  one on {ONE_ON} with agents    {one:8.2f} ms")
    for strategy in (Strategy.RESOURCE_AWARE, Strategy.PACK):
        m = _in_its_own_process("--mixed", strategy)
        say(f"  {MIXED_AGENTS} on {MIXED} mixed nodes, {strategy}: score {m['before']:.4f} ->"
            f" {m['after']:.4f}, balance {m['even_before']:.4f} -> {m['even_after']:.4f},"
            f" {m['cpu']:.2f} s more")  # fmt: skip
    gates = [
        Gate("placing, s", cpu, PLACE_LIMIT_SECONDS),
        Gate("memory, MiB more", memory, MEMORY_LIMIT_MIB),
        Gate(f"one agent on {ONE_ON} nodes, ms", one, ONE_LIMIT_MS),
    ]
    report(gates, say)
    return gates


def _in_its_own_process(*arguments: object) -> dict[str, float]:
    command = [sys.executable, "-m", "tests.benchmarks.placing", *map(str, arguments)]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, check=True, capture_output=True, cwd=root)
    measured: dict[str, float] = json.loads(done.stdout)
    return measured


def _fleet(agents: int, nodes: int) -> Fleet:
    specs = []
    for number in range(SPECS):
        own = AgentSelector(specs=(f"s{number}",))
        rules = Rules(anti_affinity=(Affinity(own),), spread=(Spread("zone"),))
        size = {"cpu": 0.1 + number % 7 / 100, "memory": MiB(64 + number)}
        specs.append(spec(f"s{number}", replicas=agents // SPECS, rules=rules, **size))
    return fleet(
        *(node(f"n-{n}", labels={"zone": "abc"[n % 3]}) for n in range(nodes)), agents=specs
    )


def _all(agents: int, nodes: int) -> dict[str, float]:
    f = _fleet(agents, nodes)
    empty = snapshot(*(seen(name, memory=GiB(8)) for name in f.nodes))
    wanted = f.instances()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begun = time.process_time()
    found = place(wanted, f, empty)
    cpu = time.process_time() - begun
    memory = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    _check(f, found, agents)
    return {"cpu": cpu, "memory": memory, "peer": _anew(wanted[:OF_PEER], f, empty)}


def _mixed(strategy: Strategy) -> dict[str, float]:
    """Before and after seats are given anew."""
    rng = np.random.default_rng(5)
    rules = Rules(strategy=strategy)
    specs = [
        spec(f"s{n}", replicas=MIXED_AGENTS // 20, cpu=float(rng.choice([0.1, 0.25, 0.5, 1])),
             memory=MiB(float(rng.choice([128, 256, 512, 1024]))), rules=rules)
        for n in range(20)
    ]  # fmt: skip
    f = fleet(*(node(f"n-{n}") for n in range(MIXED)), agents=specs)
    sizes = [
        (float(rng.choice([2, 4, 8, 16])), GiB(int(rng.choice([4, 8, 16, 32])))) for _ in f.nodes
    ]
    looks = [seen(n, cores=c, memory=m) for n, (c, m) in zip(f.nodes, sizes, strict=True)]
    board, agents = Board.of(f, snapshot(*looks)), f.instances()
    found = dict(place_in(board, agents, thorough=False).assigned)
    before, even_before = _means(board, agents, found)
    begun = time.process_time()
    reseat(agents, found, board, {})
    cpu = time.process_time() - begun
    after, even_after = _means(board, agents, found)
    return {
        "before": before, "after": after, "even_before": even_before, "even_after": even_after,
        "cpu": cpu,
    }  # fmt: skip


def _means(
    board: Board, agents: Sequence[Agent], at: Mapping[AgentId, NodeName]
) -> tuple[float, float]:
    """Of the agents' scores, each with all others where they are; of how idle their nodes are."""
    score, idle = 0.0, 0.0
    for one in agents:
        number = board.number[at[one.id]]
        resident = board.withdraw(one.id, at[one.id])
        score += float(scores(one, board).total[number])
        idle += float(balance(one, board, slice(number, number + 1))[0])
        board.put(one.id, resident, at[one.id])
    return score / len(agents), idle / len(agents)


def _anew(agents: tuple[Agent, ...], f: Fleet, there: Snapshot) -> float:
    board = Board.of(f, there)
    begun = time.process_time()
    for one in agents:
        total = np.where(board.open_to(one), scores(one, board).total, -1.0)
        board.promise(one, board.names[int(total.argmax())])
    return time.process_time() - begun


def _check(f: Fleet, found: Placement, agents: int) -> None:
    """What was measured has to be a placement that keeps the rules."""
    if len(found.assigned) != agents:
        raise RuntimeError(f"{agents - len(found.assigned)} agents found no node")
    pairs = Counter((one.rpartition("-")[0], name) for one, name in found.assigned.items())
    zones = Counter(
        (one.rpartition("-")[0], f.nodes[name].labels["zone"])
        for one, name in found.assigned.items()
    )
    skews = [
        max(counts) - min(counts)
        for kind in f.agents
        for counts in [[zones[kind, zone] for zone in "abc"]]
    ]
    if max(pairs.values()) > 1 or max(skews) > 1:
        raise RuntimeError("the placement breaks a rule")


def _one(nodes: int) -> dict[str, float]:
    """One more agent where ten run on every node; the mean of many, each of another spec."""
    f = _fleet(nodes * 10, nodes)
    names = list(f.nodes)
    on_it = [[] for _ in names]
    for number, running in enumerate(f.instances()):
        on_it[number % nodes].append(agent(running.id))
    there = snapshot(*(seen(n, *a, memory=GiB(8)) for n, a in zip(names, on_it, strict=True)))
    board = Board.of(f, there)
    more = [Agent(kind, kind.replicas) for kind in f.agents.values()]
    place_in(board, more[:1])
    begun = time.process_time()
    for one in more[1:]:
        place_in(board, [one])
    return {"one": (time.process_time() - begun) / len(more[1:]) * 1000}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--agents", type=int)
    parser.add_argument("--nodes", type=int)
    parser.add_argument("--one", type=int, metavar="NODES")
    parser.add_argument("--mixed", type=Strategy, metavar="STRATEGY")
    options = parser.parse_args()
    if options.mixed:
        print(json.dumps(_mixed(options.mixed)))
        return 0
    if options.one:
        print(json.dumps(_one(options.one)))
        return 0
    if options.agents:
        print(json.dumps(_all(options.agents, options.nodes)))
        return 0
    gates = run(options.rounds, print)
    return 0 if all(gate.held for gate in gates) else 1


if __name__ == "__main__":
    sys.exit(main())
