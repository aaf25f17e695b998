"""`python -m phoenixctl.demo.load URL...`: an open-loop load generator for the reference agent.

Messages are sent on schedule, whether or not earlier ones have been answered, and latency counts
from the moment a message was due: a slow server cannot hide by slowing its clients down.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import math
import signal
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Final

from phoenixctl.demo.http_client import NotSent, Target

MESSAGE_TIMEOUT_SECONDS: Final = 10.0
# Answers of a server that did not take the message; another may.
_REFUSED: Final = frozenset((429, 503))


@dataclass(frozen=True, slots=True)
class LoadReport:
    """What became of the messages; latencies in seconds, of those acknowledged (None: none was).

    `moved` were refused by one target and taken by another; `failures` counts the reasons.
    """

    sent: int
    acknowledged: int
    failed: int
    moved: int
    seconds: float
    p50_seconds: float | None
    p95_seconds: float | None
    p99_seconds: float | None
    acknowledged_by: Mapping[str, int]
    failures: Mapping[str, int]


@dataclass
class _Tally:
    sent: int = 0
    moved: int = 0
    latencies: list[float] = field(default_factory=list)
    acknowledged_by: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)


async def run_load(
    targets: Sequence[str],
    rate_per_second: float,
    *,
    seconds: float | None = None,
    stop: asyncio.Event | None = None,
    body: bytes = b"{}",
) -> LoadReport:
    """Send messages evenly spaced until `seconds` are over or `stop` is set, and await the last.

    `targets` (URLs; the path is /messages unless given) are used in turn, and looked at anew for
    each message, so that the caller may change the list. ValueError for an unusable target.
    """
    sender = _Sender(targets, body)
    loop = asyncio.get_running_loop()
    stop = stop or asyncio.Event()
    started = loop.time()
    pending: set[asyncio.Task[None]] = set()
    for index in itertools.count():
        offset = index / rate_per_second
        if seconds is not None and offset >= seconds:
            break
        await _sleep_until(started + offset, stop)
        if stop.is_set():
            break
        task = asyncio.create_task(sender.send(index, started + offset))
        pending.add(task)
        task.add_done_callback(pending.discard)
    await asyncio.gather(*pending)
    sender.close()
    return _report(sender.tally, loop.time() - started)


class _Sender:
    def __init__(self, urls: Sequence[str], body: bytes) -> None:
        self._urls = urls
        self._body = body
        self._targets = {url: Target(url) for url in urls}
        self.tally = _Tally()

    async def send(self, index: int, due: float) -> None:
        """Send one message to the first target that takes it, beginning with the one in turn."""
        self.tally.sent += 1
        urls = tuple(self._urls)
        reason = "no target"
        for attempt in range(len(urls)):
            url = urls[(index + attempt) % len(urls)]
            status, reason = await self._try(url)
            if status == 200:
                self.tally.latencies.append(asyncio.get_running_loop().time() - due)
                self.tally.acknowledged_by[url] += 1
                self.tally.moved += attempt > 0
                return
            # Sent and not refused: it may have been counted, and must not be counted twice.
            if status is not None and status not in _REFUSED:
                break
        self.tally.failures[reason] += 1

    async def _try(self, url: str) -> tuple[int | None, str]:
        """The status and what to call it; None when nothing was sent, 0 when nothing came back."""
        target = self._targets.setdefault(url, Target(url))
        try:
            async with asyncio.timeout(MESSAGE_TIMEOUT_SECONDS):
                status = await target.post(self._body)
            return status, f"status {status}"
        except NotSent:
            return None, "no connection"
        except TimeoutError:
            return 0, "no answer in time"
        except OSError:
            return 0, "connection lost"

    def close(self) -> None:
        for target in self._targets.values():
            target.close()


async def _sleep_until(due: float, stop: asyncio.Event) -> None:
    remaining = due - asyncio.get_running_loop().time()
    if remaining <= 0:
        await asyncio.sleep(0)
        return
    try:
        await asyncio.wait_for(stop.wait(), remaining)
    except TimeoutError:
        return


def _report(tally: _Tally, seconds: float) -> LoadReport:
    latencies = sorted(tally.latencies)
    return LoadReport(
        sent=tally.sent,
        acknowledged=len(latencies),
        failed=tally.failures.total(),
        moved=tally.moved,
        seconds=seconds,
        p50_seconds=_quantile(latencies, 0.50),
        p95_seconds=_quantile(latencies, 0.95),
        p99_seconds=_quantile(latencies, 0.99),
        acknowledged_by=dict(sorted(tally.acknowledged_by.items())),
        failures=dict(sorted(tally.failures.items())),
    )


def _quantile(ordered: Sequence[float], share: float) -> float | None:
    """The nearest-rank quantile of sorted values."""
    if not ordered:
        return None
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def main(argv: Sequence[str] | None = None) -> int:
    """Run from the command line; 0 when every message was acknowledged, else 1."""
    parser = argparse.ArgumentParser(prog="python -m phoenixctl.demo.load")
    parser.add_argument("targets", nargs="+", metavar="URL", help="like http://127.0.0.1:8080")
    parser.add_argument("--rate", type=float, default=200.0, help="messages per second (200)")
    parser.add_argument("--seconds", type=float, default=10.0, help="how long (10)")
    parser.add_argument("-o", "--output", choices=("text", "json"), default="text")
    options = parser.parse_args(argv)
    if options.rate <= 0:
        parser.error("--rate has to be more than 0")
    try:
        report = asyncio.run(_until_told(options.targets, options.rate, options.seconds))
    except ValueError as error:
        parser.error(str(error))
    if options.output == "json":
        print(json.dumps(asdict(report)))
    else:
        print(_text(report))
    return 0 if report.acknowledged == report.sent else 1


async def _until_told(targets: Sequence[str], rate: float, seconds: float) -> LoadReport:
    """The load, which TERM ends early with the report of what was sent until then."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    return await run_load(targets, rate, seconds=seconds, stop=stop)


def _text(report: LoadReport) -> str:
    quantiles = (("p50", report.p50_seconds), ("p95", report.p95_seconds))
    times = (*quantiles, ("p99", report.p99_seconds))
    known = [f"{name} {value * 1000:.1f}ms" for name, value in times if value is not None]
    reasons = [f"{reason}: {count}" for reason, count in report.failures.items()]
    counts = f"sent {report.sent}, acknowledged {report.acknowledged}, failed {report.failed}"
    return "\n".join([f"{counts}, moved {report.moved} in {report.seconds:.1f}s", *known, *reasons])


if __name__ == "__main__":
    sys.exit(main())
