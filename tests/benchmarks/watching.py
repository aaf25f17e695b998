"""`metrics watch`: client CPU for each sample of each node, streamed through real sshd and kept.

    python -m tests.benchmarks.watching

Each of 50 addresses of one sshd sends its pulse four times a second; CPU is counted from when all
have been heard, so that logging in is not in it. Next to it, the same lines read from pipes: what
is left is SSH.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from phoenixctl.remote.pulse import between, parse_pulse
from phoenixctl.store.metrics import SqliteMetrics
from phoenixctl.workflows.watch import Tick, Watch
from tests.benchmarks.gates import Gate, report
from tests.haproxy import RealClock
from tests.sshd import Sshd, node_at, public_key, reaching

NODES = 50
INTERVAL_SECONDS = 0.25
TICKS = 24
LIMIT_MS = 0.3  # of CPU for each sample and node

LINE = (
    b"pulse|15197.48|cpu  1653810 264704 249255 848620 3526 0 8306 2290 0 0|24731708 22825664|"
    b"6.69 10.23 10.09 5/304 10681|2454494577 4177281| 69.68 0.00 0.36"
)


def run(rounds: int, say: Callable[[str], None]) -> list[Gate]:
    parsing = _parsing_ms()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        server = Sshd.start(folder / "sshd", listen="0.0.0.0")  # all of 127.0.1.*
        try:
            key = public_key(server.host_key)
            hosts = [f"127.0.1.{number}" for number in range(1, NODES + 1)]
            lines = [f"[{host}]:{server.port} {key}\n" for host in hosts]
            server.known_hosts.write_text("".join(lines))
            found = [
                asyncio.run(_sample_ms(server, hosts, folder / str(number)))
                for number in range(rounds)
            ]
        finally:
            server.stop()
    whole = statistics.median(found)
    say(f"{NODES} nodes, every {INTERVAL_SECONDS:g} s: {whole:.3f} ms of CPU a sample and node,")
    say(f"of them {parsing:.3f} ms to read a line and compare it with the one before")
    gates = [Gate("ms of client CPU for each sample and node", whole, LIMIT_MS)]
    report(gates, say)
    return gates


def _parsing_ms() -> float:
    first = parse_pulse(LINE)
    assert first is not None
    begun = time.process_time()
    for _ in range(5000):
        pulse = parse_pulse(LINE)
        assert pulse is not None
        between(first, pulse)
    return (time.process_time() - begun) / 5000 * 1000


async def _sample_ms(server: Sshd, hosts: list[str], folder: Path) -> float:
    """The median over the ticks after all nodes have been heard."""
    nodes = [node_at(server, f"n{number}", address=host) for number, host in enumerate(hosts)]
    names = [node.name for node in nodes]
    costs: list[tuple[float, int]] = []
    last: list[float] = []

    def ticked(tick: Tick) -> None:
        now = time.process_time()
        if last:
            costs.append((now - last[0], tick.fresh))
        if last or tick.fresh == NODES:
            last[:] = [now]
        if len(costs) >= TICKS:
            watching.cancel()

    with SqliteMetrics(folder) as store:
        async with reaching(*nodes) as reach:
            watch = Watch(
                reach, RealClock(), names, interval_seconds=INTERVAL_SECONDS,
                on_change=lambda name, error: print(f"{name}: {error}"),
            )  # fmt: skip
            watching = asyncio.ensure_future(watch.run(store, ticked, seconds=120))
            await asyncio.wait([watching])
    if len(costs) < TICKS:
        raise RuntimeError("the nodes were not all heard in time")
    return sum(cost for cost, _ in costs) / sum(fresh for _, fresh in costs) * 1000


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    gates = run(parser.parse_args().rounds, print)
    return 0 if all(gate.held for gate in gates) else 1


if __name__ == "__main__":
    raise SystemExit(main())
