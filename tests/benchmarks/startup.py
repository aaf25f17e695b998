"""What a command costs before it does anything, and `status` per node: CPU time.

    python -m tests.benchmarks.startup [--rounds N]

`status` is asked of nodes that one sshd on loopback serves under many addresses; the cost per node
is the slope between a small and a large fleet, so that start-up and nodes are told apart. Of
several runs the least counts: what else the machine does can only add to it.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from phoenixctl.model.balancing import BalanceMemory, KeptBackend, KeptMember
from phoenixctl.model.names import AgentId, NodeName
from phoenixctl.store.balance import BalanceFile
from tests.benchmarks.gates import Gate, report
from tests.sshd import Sshd, public_key, user

HELP_LIMIT_MS = 100.0
STATUS_LIMIT_MS = 400.0
NODE_LIMIT_MS = 4.0
SMALL, LARGE = 4, 100
PICK_LIMIT_MS = 150.0
PEERS = 100
FEWEST_ROUNDS = 5


def run(rounds: int, say: Callable[[str], None]) -> list[Gate]:
    """Measure, print a row each, and judge against the budgets."""
    rounds = max(rounds, FEWEST_ROUNDS)
    completion = {"_PHOENIXCTL_COMPLETE": "complete_bash", "COMP_WORDS": "phoenixctl no",
                  "COMP_CWORD": "1"}  # fmt: skip
    gates = []
    say(f"start-up, CPU in ms, the least of {rounds} runs")
    with tempfile.TemporaryDirectory(prefix="startup-") as name:
        folder = Path(name)
        for what, arguments, extra in (
            ("--help", ["--help"], {}),
            ("--version", ["--version"], {}),
            ("completion", [], completion),
        ):
            cost = _least(rounds, arguments, folder, extra)
            say(f"  {what:24} {cost:7.0f}")
            gates.append(Gate(f"{what}, ms", cost, HELP_LIMIT_MS))
        gates += _status(rounds, folder, say)
        cost = _least(rounds, _pick_of_100(folder), folder, {})
        say(f"  pick of {PEERS} members      {cost:7.0f}")
        gates.append(Gate(f"balance pick of {PEERS} members, ms", cost, PICK_LIMIT_MS))
    report(gates, say)
    return gates


def _status(rounds: int, folder: Path, say: Callable[[str], None]) -> list[Gate]:
    server = Sshd.start(folder, listen="0.0.0.0", options=("LogLevel INFO",))
    try:
        costs = {}
        for count in (SMALL, LARGE):
            config = write_config(server, count)
            arguments = ["status", "--config", str(config)]
            costs[count] = _least(rounds, arguments, folder, {})
            say(f"  status of {count:3} nodes       {costs[count]:7.0f}")
    finally:
        server.stop()
    slope = (costs[LARGE] - costs[SMALL]) / (LARGE - SMALL)
    say(f"  status, each node more   {slope:7.2f}")
    return [
        Gate(f"status of {count} nodes, ms", cost, STATUS_LIMIT_MS + NODE_LIMIT_MS * count)
        for count, cost in costs.items()
    ]


def _pick_of_100(folder: Path) -> list[str]:
    """The words of a pick from a backend of so many members."""
    path = folder / "pick.yaml"
    path.write_text("fleet: {name: picking}\n")
    members = {
        f"work-{n}": KeptMember(NodeName(f"n{n}"), AgentId(f"work-{n}"), "10.0.0.1", 80, 1.0, True)
        for n in range(PEERS)
    }
    memory = BalanceMemory({"lb/work": KeptBackend(0.0, None, members)})
    BalanceFile(folder / "state" / "phoenixctl" / "picking").write(memory)
    return ["balance", "pick", "work", "--config", str(path)]


def write_config(server: Sshd, count: int) -> Path:
    key = public_key(server.host_key)
    known_hosts = server.folder / f"known_hosts_{count}"
    addresses = [f"127.0.1.{number}" for number in range(1, count + 1)]
    known_hosts.write_text("".join(f"[{a}]:{server.port} {key}\n" for a in addresses))
    path = server.folder / f"fleet-{count}.yaml"
    path.write_text(
        f"fleet:\n  name: startup-{count}\n"
        f"ssh:\n  user: {user()}\n  port: {server.port}\n  config_file: null\n  use_agent: false\n"
        f"  identity_files: [{server.client_key}]\n  known_hosts_files: [{known_hosts}]\n"
        f"nodes:\n  - name: n[1-{count}]\n    address: 127.0.1.[1-{count}]\n"
    )
    return path


def _least(rounds: int, arguments: Sequence[str], folder: Path, extra: dict[str, str]) -> float:
    """CPU of the process and of what it waited for, in ms; a first run warms the caches."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    env = kept | {"HOME": str(folder), "XDG_STATE_HOME": str(folder / "state")} | extra
    command = [str(Path(sys.executable).parent / "phoenixctl"), *arguments]
    costs = []
    for _ in range(rounds + 1):
        with (folder / "errors").open("wb") as errors:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors, env=env
            )
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            said = (folder / "errors").read_text(errors="replace")[-2000:]
            raise RuntimeError(f"{' '.join(command)} failed ({process.returncode}): {said}")
        costs.append((usage.ru_utime + usage.ru_stime) * 1000)
    return min(costs[1:])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    gates = run(parser.parse_args().rounds, print)
    return 0 if all(gate.held for gate in gates) else 1


if __name__ == "__main__":
    sys.exit(main())
