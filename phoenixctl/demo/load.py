"""`python -m phoenixctl.demo.load URL...`: an open-loop load generator for the reference agent.

Messages are sent on schedule, whether or not earlier ones have been answered, and latency counts
from the moment a message was due: a slow server cannot hide by slowing its clients down.

With `--endpoints FILE` it is a balancer on the client's side: the targets are those of a file that
phoenixctl writes for Envoy, and it follows when that is replaced.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import math
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from phoenixctl.demo.http_client import NotSent, Target
from phoenixctl.demo.load_report import Interval, LoadReport, Tally, interval_text, report_text
from phoenixctl.demo.load_targets import Endpoints, Listed, Targets

MESSAGE_TIMEOUT_SECONDS: Final = 10.0
PATIENCE_SECONDS: Final = 15.0
_AGAIN_SECONDS: Final = 0.01
_END_SECONDS: Final = 1.0  # for messages that nobody takes, once the load is told to end
_RUSH: Final = 128  # messages that waited and are sent at once
# Answers of a server that did not take the message; another may.
_REFUSED: Final = frozenset((429, 503))
# Those of a balancer that got none itself; 0: none at all came.
_UNKNOWN: Final = frozenset((0, 502, 504))


async def run_load(
    targets: Targets | Sequence[str],
    rate_per_second: float,
    *,
    seconds: float | None = None,
    patience_seconds: float = 0.0,
    every_seconds: float | None = None,
    watch: Callable[[Interval], None] | None = None,
    stop: asyncio.Event | None = None,
    body: bytes = b"{}",
) -> LoadReport:
    """Send messages evenly spaced until `seconds` are over or `stop` is set, and await the last.

    URLs (the path is /messages unless given) are used in turn, and looked at anew for each message,
    so that the caller may change the list. A message that all targets refuse, or that cannot be
    sent, is offered again until `patience_seconds` after it was due. The report has an interval for
    each `every_seconds`, and `watch` gets each when it is over. ValueError for an unusable target.
    """
    loop = asyncio.get_running_loop()
    stop = stop or asyncio.Event()
    tally = Tally(loop.time())
    if isinstance(targets, Sequence):
        targets = Listed(targets)
    patience = _Patience(patience_seconds)
    sender = _Sender(targets, body, tally, patience)
    watching = asyncio.create_task(_watch(tally, every_seconds, watch))
    pending: set[asyncio.Task[None]] = set()
    try:
        for index in itertools.count():
            offset = index / rate_per_second
            if seconds is not None and offset >= seconds:
                break
            await _sleep_until(tally.started + offset, stop)
            if stop.is_set():
                patience.until = loop.time() + _END_SECONDS
                break
            task = asyncio.create_task(sender.send(tally.started + offset))
            pending.add(task)
            task.add_done_callback(pending.discard)
        await asyncio.gather(*pending)
    finally:
        for task in (watching, *pending):
            task.cancel()
        sender.close()
    return tally.report(loop.time(), every_seconds)


@dataclass(slots=True)
class _Patience:
    """How long a message is offered again, and at most `until`."""

    seconds: float
    until: float = math.inf

    def lasts(self, due: float) -> bool:
        return asyncio.get_running_loop().time() < min(due + self.seconds, self.until)


class _Sender:
    """Sends each message once: to the first target that takes it.

    While none takes any, the message that has waited longest tries again, every few milliseconds;
    those behind it wait in line until it was taken, for each of them knows no more than it does.
    """

    def __init__(self, targets: Targets, body: bytes, tally: Tally, patience: _Patience) -> None:
        self._targets = targets
        self._body = body
        self._tally = tally
        self._patience = patience
        self._open: dict[str, Target] = {}
        self._line = asyncio.Lock()  # fair: first come, first served
        self._rush = asyncio.Semaphore(_RUSH)
        self._shut = False  # the last offer was refused by all

    async def send(self, due: float) -> None:
        """Send one message; the tally tells what became of it."""
        self._tally.sent += 1
        refused = await self._offer(due)
        waited = refused is not None and self._patience.lasts(due)
        while refused is not None and self._patience.lasts(due):
            async with self._line:
                while self._shut and refused is not None and self._patience.lasts(due):
                    await asyncio.sleep(_AGAIN_SECONDS)
                    refused = await self._offer(due)
            if refused is not None and self._patience.lasts(due):
                async with self._rush:
                    refused = await self._offer(due)
        if refused is not None:
            self._tally.fail(refused, now=asyncio.get_running_loop().time())
        elif waited:
            self._tally.waited += 1

    async def _offer(self, due: float) -> str | None:
        """Offer it to each target in turn; why none took it, or None when it has had its end."""
        reason = "no target"
        loop = asyncio.get_running_loop()
        for attempt, url in enumerate(self._targets.turn()):
            status, reason = await self._try(url)
            if status == 200:
                self._shut = False
                self._tally.acknowledge(url, due=due, now=loop.time())
                self._tally.moved += attempt > 0
                return None
            # Sent and not refused: it may have been counted, and must not be counted twice.
            if status is not None and status not in _REFUSED:
                self._tally.fail(reason, now=loop.time(), unknown=status in _UNKNOWN)
                return None
        self._shut = True
        return reason

    async def _try(self, url: str) -> tuple[int | None, str]:
        """The status and what to call it; None when nothing was sent, 0 when nothing came back."""
        target = self._open.get(url) or self._open.setdefault(url, Target(url))
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
        for target in self._open.values():
            target.close()


async def _watch(
    tally: Tally, every_seconds: float | None, watch: Callable[[Interval], None] | None
) -> None:
    if watch is None or every_seconds is None:
        return
    for number in itertools.count():
        end = tally.started + (number + 1) * every_seconds
        await asyncio.sleep(end - asyncio.get_running_loop().time())
        watch(tally.interval(number, every_seconds))


async def _sleep_until(due: float, stop: asyncio.Event) -> None:
    remaining = due - asyncio.get_running_loop().time()
    if remaining <= 0:
        await asyncio.sleep(0)
        return
    try:
        await asyncio.wait_for(stop.wait(), remaining)
    except TimeoutError:
        return


def main(argv: Sequence[str] | None = None) -> int:
    """Run from the command line; 0 when every message was acknowledged, else 1."""
    parser = _parser()
    options = parser.parse_args(argv)
    if options.rate <= 0:
        parser.error("--rate has to be more than 0")
    if options.report_every is not None and options.report_every <= 0:
        parser.error("--report-every has to be more than 0")
    if bool(options.targets) == (options.endpoints is not None):
        parser.error("give either URLs or --endpoints FILE")
    try:
        report = asyncio.run(_until_told(options))
    except ValueError as error:
        parser.error(str(error))
    if options.output == "json":
        print(json.dumps(asdict(report)))
    else:
        print(report_text(report))
    return 0 if report.acknowledged == report.sent else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m phoenixctl.demo.load")
    add = parser.add_argument
    add("targets", nargs="*", metavar="URL", help="like http://127.0.0.1:8080")
    add("--endpoints", type=Path, metavar="FILE", help="the targets, as written for Envoy")
    add("--agent", metavar="NAME", help="of the endpoints, only this agent's")
    add("--rate", type=float, default=200.0, help="messages per second (200)")
    add("--seconds", type=float, default=10.0, help="how long (10)")
    add(
        "--patience", type=float, default=PATIENCE_SECONDS, metavar="SECONDS",
        help=f"offer a message that nobody takes for so long ({PATIENCE_SECONDS:g})",
    )  # fmt: skip
    add(
        "--report-every", type=float, metavar="SECONDS",
        help="also report each interval: a line at its end, or a part of the JSON",
    )  # fmt: skip
    add("-o", "--output", choices=("text", "json"), default="text")
    return parser


async def _until_told(options: argparse.Namespace) -> LoadReport:
    """The load, which TERM ends early with the report of what was sent until then."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    followed = None if options.endpoints is None else Endpoints(options.endpoints, options.agent)
    return await run_load(
        followed or options.targets,
        options.rate,
        seconds=options.seconds,
        patience_seconds=options.patience,
        every_seconds=options.report_every,
        watch=_say if options.output == "text" else None,
        stop=stop,
    )


def _say(one: Interval) -> None:
    print(interval_text(one), flush=True)


if __name__ == "__main__":
    sys.exit(main())
