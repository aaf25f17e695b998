"""`python -m phoenixctl.demo.agent`: the reference agent, which counts the messages it is sent.

It honours the whole contract: PHOENIX_AGENT, PHOENIX_EPOCH, PHOENIX_ROLE, PHOENIX_ADDRESS,
PHOENIX_PORT, PHOENIX_STATE_DIR, PHOENIX_CHECKPOINT_DIR and PHOENIX_RESTORE_FROM in its environment;
ready, prepared, metrics, drain, checkpoint, activate and reload over HTTP on the node's loopback;
TERM ends it when what it has is finished, HUP reloads.

A message that is answered 200 is counted, durably and once; one that is refused (503) is not. One
without an answer may have been: whoever sends it again may have it counted twice, and so nobody
does. The load generator counts it as unknown, and HAProxy by default sends again only what could
not be sent at all (`retry-on conn-failure`). So messages need no ids for their count to be exact.
"""

from __future__ import annotations

import argparse
import asyncio
import ipaddress
import json
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from phoenixctl.demo.agent_core import AgentCore, Phase, Tuning
from phoenixctl.demo.agent_metrics import AgentMetrics
from phoenixctl.demo.agent_routes import Identity, Routes
from phoenixctl.demo.agent_state import Counter, StateError, read_checkpoint
from phoenixctl.demo.http_server import HttpServer


@dataclass(frozen=True, slots=True)
class Place:
    """What the supervisor's environment says."""

    identity: Identity
    address: str | None  # where others reach it, when the node has an address for that
    port: int
    standby: bool
    state: Path
    checkpoints: Path
    restore_from: Path | None


def main(argv: Sequence[str] | None = None) -> int:
    """Run until TERM; returns the exit status."""
    options = _parse(argv)
    try:
        place = _place(os.environ)
        tuning = _tuning(options)
        counter = None if place.standby else _open_state(place)
    except (StateError, OSError, ValueError) as error:
        print(f"cannot start: {error}", file=sys.stderr, flush=True)
        return 1
    asyncio.run(_run(place, counter, tuning, options))
    return 0


def _open_state(place: Place) -> Counter:
    """The state as it is in its folder; StateError or OSError when it cannot be used."""
    counter = Counter(place.state)
    try:
        if place.restore_from is not None:
            counter.restore(read_checkpoint(place.restore_from))
    except BaseException:
        counter.close()
        raise
    return counter


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m phoenixctl.demo.agent")
    parser.add_argument("--host", default="127.0.0.1", metavar="ADDRESS", help="listen here")
    parser.add_argument("--work-ms", type=float, default=2.0, help="a message's work (2)")
    parser.add_argument("--parallel", type=int, default=8, help="messages worked on at once (8)")
    parser.add_argument("--batch", type=int, default=256, help="made durable at once (256)")
    parser.add_argument("--grace-seconds", type=float, default=8.0, help="to finish on TERM (8)")
    parser.add_argument("--config", type=Path, help="JSON with work_ms and batch, for reload")
    return parser.parse_args(argv)


def _place(environment: Mapping[str, str]) -> Place:
    missing = [n for n in ("PHOENIX_PORT", "PHOENIX_STATE_DIR") if not environment.get(n)]
    if missing:
        raise ValueError(f"not in the environment: {', '.join(missing)}")
    state = Path(environment["PHOENIX_STATE_DIR"])
    restore = environment.get("PHOENIX_RESTORE_FROM")
    return Place(
        identity=Identity(
            environment.get("PHOENIX_AGENT", "agent"), int(environment.get("PHOENIX_EPOCH") or 0)
        ),
        address=environment.get("PHOENIX_ADDRESS") or None,
        port=int(environment["PHOENIX_PORT"]),
        standby=environment.get("PHOENIX_ROLE") == "standby",
        state=state,
        checkpoints=Path(environment.get("PHOENIX_CHECKPOINT_DIR") or state),
        restore_from=Path(restore) if restore else None,
    )


def _tuning(options: argparse.Namespace) -> Tuning:
    """The command line's, and over it what the configuration file says; ValueError if unusable."""
    values = {"work_ms": options.work_ms, "batch": options.batch}
    if options.config is not None:
        written = json.loads(options.config.read_bytes())
        if not isinstance(written, dict) or not written.keys() <= values.keys():
            raise ValueError(f"{options.config} is not an object with work_ms and batch")
        values |= written
    tuning = Tuning(work_ms=float(values["work_ms"]), batch=int(values["batch"]))
    if tuning.work_ms < 0 or tuning.batch < 1:
        raise ValueError("work_ms is at least 0 and batch at least 1")
    return tuning


def listening_at(address: str | None, host: str) -> tuple[str, ...]:
    """Where to listen. The hooks come over the node's loopback: where others reach the agent at
    another address, `host` has to stay too, unless it is all of them."""
    if address is None:
        return (host,)
    theirs, ours = _ip(address), _ip(host)
    if theirs is not None and theirs.is_loopback:
        return (address,)
    return (host,) if ours is not None and ours.is_unspecified else (address, host)


def _ip(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None  # a name


async def _run(
    place: Place, counter: Counter | None, tuning: Tuning, options: argparse.Namespace
) -> None:
    core = AgentCore(
        counter, lambda: _open_state(place), AgentMetrics(), tuning, parallel=options.parallel
    )

    def reload() -> None:
        core.tuning = _tuning(options)

    server = HttpServer(Routes(core, place.identity, place.checkpoints, reload))
    committing = asyncio.create_task(core.commit_for_ever())
    stop = _signals(reload)
    try:
        port = await server.start(listening_at(place.address, options.host), place.port)
    except OSError as error:
        sys.exit(f"cannot start: {error}")
    core.phase = Phase.STANDBY if place.standby else Phase.ACTIVE
    _say(f"{place.identity.agent} {core.phase} on port {port}, count {core.count}")
    # A commit that fails must end the agent: it can acknowledge nothing any more.
    await _first(committing, stop)
    core.drain()
    await _first(committing, core.idle, within_seconds=options.grace_seconds)
    await server.close()
    _say(f"{place.identity.agent} ended, count {core.count}, unfinished {core.in_flight}")
    if committing.done():
        committing.result()
    committing.cancel()


async def _first(
    task: asyncio.Task[None], event: asyncio.Event, *, within_seconds: float | None = None
) -> None:
    """Wait until the task ends or the event happens."""
    happened = asyncio.create_task(event.wait())
    await asyncio.wait(
        {task, happened}, timeout=within_seconds, return_when=asyncio.FIRST_COMPLETED
    )
    happened.cancel()


def _signals(reload: Callable[[], None]) -> asyncio.Event:
    def reload_if_usable() -> None:
        try:
            reload()
        except (OSError, ValueError) as error:
            _say(f"the old configuration stays: {error}")

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGHUP, reload_if_usable)
    return stop


def _say(words: str) -> None:
    print(words, flush=True)


if __name__ == "__main__":
    sys.exit(main())
