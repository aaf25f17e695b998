"""Processes that create nodes and can be killed: `python -m tests.cloud.worker`.

Each order is a line of JSON. One process makes everything ready and forks a child for each order,
so that hundreds of them cost little. A child says its pid, waits for `go`, and appends its notes to
a file, each on the disk before the call that it is about.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType

from phoenixctl.model.codec import decode, encode
from phoenixctl.model.fleet import Pool
from phoenixctl.providers.aws.client import Regions
from phoenixctl.providers.aws.provider import AwsProvider
from tests.cloud.conftest import SOON
from tests.cloud.ticking import RealClock
from tests.conformance.requests import request


@dataclass(frozen=True)
class Order:
    fleet: str
    name: str
    journal: str


class Worker:
    """`with Worker(pool) as worker:` then `worker.begin(order)` gives the pid of one attempt."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def __enter__(self) -> Worker:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.cloud.worker", json.dumps(encode(self._pool))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
        )
        self._expect("ready")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.communicate()
        assert self._process.returncode == 0

    def begin(self, order: Order) -> int:
        """The pid of a process that will carry it out when `go` is called."""
        self._say(json.dumps(asdict(order)))
        return int(self._expect("pid"))

    def go(self) -> int:
        """Let it begin; gives its exit status, negative for the signal that killed it."""
        self._say("go")
        return int(self._expect("status"))

    def _say(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()

    def _expect(self, word: str) -> str:
        assert self._process.stdout is not None
        first, _, rest = self._process.stdout.readline().strip().partition(" ")
        assert first == word, f"{first} {rest}"
        return rest


def notes_in(journal: Path) -> tuple[Mapping[str, str], ...]:
    """What was noted, in order."""
    lines = journal.read_text().splitlines() if journal.exists() else []
    return tuple(json.loads(line) for line in lines)


def main() -> None:
    pool = decode(Pool, json.loads(sys.argv[1]))
    clock = RealClock()
    regions = Regions(clock, SOON)
    assert pool.aws is not None
    asyncio.run(regions.of(pool.aws))
    print("ready", flush=True)
    for line in sys.stdin:
        order = Order(**json.loads(line))
        go, signal = os.pipe()
        child = os.fork()
        if child == 0:
            os.read(go, 1)
            asyncio.run(_create(order, pool, AwsProvider(order.fleet, clock, regions=regions)))
            os._exit(0)
        os.close(go)
        print("pid", child, flush=True)
        assert sys.stdin.readline() == "go\n"
        os.write(signal, b"!")
        os.close(signal)
        _, status = os.waitpid(child, 0)
        print("status", os.waitstatus_to_exitcode(status), flush=True)


async def _create(order: Order, pool: Pool, provider: AwsProvider) -> None:
    journal = Path(order.journal)

    async def note(facts: Mapping[str, str]) -> None:
        with journal.open("a") as file:
            file.write(json.dumps(dict(facts)) + "\n")
            file.flush()
            os.fsync(file.fileno())

    await provider.create(request(pool, order.name, notes=notes_in(journal)), note=note)


if __name__ == "__main__":
    main()
