"""`phoenixctl demo`: an embedded fleet to play with."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from phoenixctl.cli.command import command, group
from phoenixctl.cli.demo_load import Load, load_command, load_words, loaded
from phoenixctl.cli.durations import seconds_of
from phoenixctl.cli.run import Run
from phoenixctl.model.errors import ExitCode, PhoenixError, UsageError

if TYPE_CHECKING:
    from phoenixctl.cli.compose import Parts

app = group("Play with a fleet on this machine.")

SPARE_PORTS = 8  # for agents that are added while it runs

Nodes = Annotated[int, typer.Option("--nodes", min=1, max=20, metavar="N", help="How many.")]
Agents = Annotated[int, typer.Option("--agents", min=1, max=100, metavar="N", help="How many.")]
Folder = Annotated[
    Path | None, typer.Option("--dir", metavar="DIR", help="Where its phoenixctl.yaml is.")
]
Rate = Annotated[float, typer.Option("--rate", min=0.1, metavar="N", help="Messages per second.")]


@command(app, "up", help="Start embedded nodes and agents on them, and leave them running.")
def up(run: Run, *, nodes: Nodes = 4, agents: Agents = 8, folder: Folder = None) -> ExitCode:
    run.config = _start(run, nodes, agents, folder)
    path = run.config
    run.emit(
        "demo-up",
        lambda: {"config": str(path), "nodes": list(run.parts.fleet.nodes)},
        lambda console: console.print(
            f"\nThe demo fleet is up. Type:\n"
            f"  export PHOENIXCTL_CONFIG={path}\n"
            f"  phoenixctl status\n"
            f"  phoenixctl demo load          # and in another window: phoenixctl status --watch\n"
            f"  phoenixctl plan               # after you have changed the configuration\n"
            f"  phoenixctl nodes drain demo-1\n"
            f"  phoenixctl demo down",
            soft_wrap=True,
        ),
    )
    return ExitCode.OK


@command(app, "down", help="Stop the demo's agents and nodes, and remove them.")
def down(run: Run, *, folder: Folder = None) -> ExitCode:
    from phoenixctl.cli.compose import local_provider
    from phoenixctl.cli.configuration import state_folder
    from phoenixctl.demo.fleet import FLEET_NAME
    from phoenixctl.model.fleet import Pool

    state = state_folder(FLEET_NAME)
    provider = local_provider(FLEET_NAME, state)
    pool = Pool("demo", provider="local")

    async def destroy() -> list[str]:
        found = await provider.list(pool)
        await asyncio.gather(*(provider.destroy(pool, instance) for instance in found))
        return [instance.node.name for instance in found]

    gone = asyncio.run(destroy())
    shutil.rmtree(state, ignore_errors=True)
    _forget(_folder(folder))
    run.emit(
        "demo-down",
        lambda: {"removed": gone},
        lambda console: console.print(f"removed {', '.join(gone) or 'nothing'}"),
    )
    return ExitCode.OK


@command(app, "load", help="Send messages to the demo's agents and report what became of them.")
def load(
    run: Run,
    *,
    rate: Rate = 200.0,
    seconds: Annotated[
        float, typer.Option("--seconds", min=0.1, metavar="N", help="How long.")
    ] = 10.0,
    agent: Annotated[
        str | None, typer.Option("--agent", metavar="AGENT", help="Only to this one.")
    ] = None,
    every: Annotated[
        str | None,
        typer.Option("--every", metavar="TIME", help="Report each such time, and draw a graph."),
    ] = None,
    folder: Folder = None,
) -> ExitCode:
    run.config = run.config or _config(folder)
    every_seconds = seconds_of("--every", every)
    if every_seconds == 0:
        raise UsageError("--every has to be more than 0")
    output = "json" if run.output.for_programs else "text"
    words = load_command(run, Load(rate, seconds, agent, every_seconds))
    done = subprocess.run([*words, "-o", output], check=False)
    return ExitCode.OK if done.returncode == 0 else ExitCode.SOME_FAILED


@command(app, "slow", help="Make every demo agent on a node slow for a while.")
def slow(
    run: Run,
    *,
    node: Annotated[str, typer.Argument(metavar="NODE", help="The node.")],
    delay: Annotated[str, typer.Option("--delay", metavar="TIME", help="Each message.")] = "100ms",
    lasting: Annotated[str, typer.Option("--for", metavar="TIME", help="How long.")] = "60s",
    folder: Folder = None,
) -> ExitCode:
    run.config = run.config or _config(folder)
    delay_ms = (seconds_of("--delay", delay) or 0.0) * 1000
    for_seconds = seconds_of("--for", lasting) or 0.0
    slowed = run.within(lambda parts: _inject(parts, node, delay_ms, for_seconds))
    words = ", ".join(slowed)
    run.emit(
        "demo-slow",
        lambda: {"node": node, "agents": slowed, "delay_seconds": delay_ms / 1000},
        lambda console: console.print(f"{delay} slower for {lasting}: {words}", soft_wrap=True),
    )
    return ExitCode.OK


@command(app, "run", help="The whole tour in under a minute: load, a slow node, a live migration.")
def tour(run: Run, *, nodes: Nodes = 4, agents: Agents = 8) -> ExitCode:
    from phoenixctl.cli.app import run as play
    from phoenixctl.demo.scenes import SceneFailed, Stage, begin, perform

    begun = time.monotonic()
    folder = _folder(None)
    if (folder / "phoenixctl.yaml").exists():
        raise PhoenixError("a demo fleet is up already", hint="phoenixctl demo down")
    try:
        run.config = _configured(nodes, agents, folder)
        node = "demo-2" if nodes > 1 else "demo-1"
        stage = Stage(
            play, run.config, node, agents=agents, say=_say,
            load=lambda agent: loaded(run, Load(100.0, 300.0, agent, every_seconds=0.1)),
            elsewhere=lambda agent: _elsewhere(run, agent, node),
        )  # fmt: skip
        begin(stage)
        with loaded(run, Load(150.0, 300.0)) as reports:
            perform(stage)
        _say(f"\nThe load all the while: {load_words(reports)}")
    except SceneFailed as failed:
        run.note(f"error: {failed}")
        return ExitCode.ERROR
    finally:
        _say("\n8. Tidy up.")
        play(["demo", "down"])
    _say(
        f"\nThat took {time.monotonic() - begun:.0f} s. Next:\n"
        "  phoenixctl demo up           keep such a fleet running and play with it\n"
        "  phoenixctl init web[01-20]   write a configuration for machines of your own\n"
        "  phoenixctl doctor            check that they can be reached and managed"
    )
    return ExitCode.OK


def _elsewhere(run: Run, agent: str, spared: str) -> str | None:
    """The last node that has not the agent, and is not `spared`."""
    record = run.within(lambda parts: parts.records.read())
    its = {one.node for one in record.agents.values() if one.id == agent}
    nodes = sorted(name for name in record.nodes if name != spared and name not in its)
    return nodes[-1] if nodes and its else None


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _folder(folder: Path | None) -> Path:
    from phoenixctl.cli.configuration import state_folder

    return folder or state_folder("demo-config")


def _forget(folder: Path) -> None:
    """Remove the demo's configuration; with --dir the folder may hold other things, which stay."""
    from phoenixctl.demo.fleet import ENDPOINTS_FOLDER, SPEC_NAME
    from phoenixctl.demo.scenes import KEPT_PLAN
    from phoenixctl.remote.envoy import file_name

    endpoints = folder / ENDPOINTS_FOLDER
    written = (folder / "phoenixctl.yaml", folder / KEPT_PLAN, endpoints / file_name(SPEC_NAME))
    for path in written:
        path.unlink(missing_ok=True)
    for emptied in (endpoints, folder):
        with suppress(OSError):
            emptied.rmdir()


def _config(folder: Path | None) -> Path | None:
    """The demo's configuration, unless another one is asked for by the environment."""
    path = _folder(folder) / "phoenixctl.yaml"
    return path if path.exists() and not os.environ.get("PHOENIXCTL_CONFIG") else None


def _configured(nodes: int, agents: int, folder: Path | None) -> Path:
    """The demo's configuration, written unless it is there; it may have been changed."""
    from phoenixctl.demo.fleet import demo_config, free_ports, write_once

    # Each demo begins looking at a place of its own, or two of them would share a stopped agent's.
    first = 18_080 + zlib.crc32(str(_folder(folder)).encode()) % 100 * 100
    port = free_ports(agents + SPARE_PORTS, first=first)
    text = demo_config(nodes=nodes, agents=agents, port=port, python=sys.executable)
    return write_once(_folder(folder), text)


def _start(run: Run, nodes: int, agents: int, folder: Path | None) -> Path:
    """Write the configuration and apply it; all of it may be repeated."""
    from phoenixctl.cli.app import run as play

    path = _configured(nodes, agents, folder)
    quiet = ["-o", "json"] if run.output.for_programs else []
    with _silent(run.output.for_programs):
        code = play(["apply", "--yes", "--config", str(path), *quiet])
    if code != 0:
        raise PhoenixError(
            "not all of the demo could be started", hint=f"phoenixctl --config {path} plan"
        )
    return path


@contextmanager
def _silent(wanted: bool) -> Iterator[None]:
    """Keep an inner command's own result off stdout, where only one document belongs."""
    if not wanted:
        yield
        return
    from contextlib import redirect_stdout
    from io import StringIO

    with redirect_stdout(StringIO()):
        yield


async def _inject(parts: Parts, node: str, delay_ms: float, for_seconds: float) -> list[str]:
    """Tell each running agent on the node, through the tunnel, to be slow."""
    from phoenixctl.cli.observing import observed
    from phoenixctl.cli.select import choose_nodes
    from phoenixctl.model.outcome import Succeeded
    from phoenixctl.ports.reach import HttpRequest, Session
    from phoenixctl.workflows.observe import WHAT_RUNS

    chosen = choose_nodes(parts.fleet, [node])
    snapshot = await observed(parts, chosen, depth=WHAT_RUNS)
    fault = json.dumps({"delay_ms": delay_ms, "for_seconds": for_seconds}).encode()
    slowed: list[str] = []

    async def job(session: Session) -> None:
        for agent in snapshot.agents():
            if agent.node == session.node and agent.port is not None and agent.pid is not None:
                request = HttpRequest(agent.port, "/fault", method="POST", body=fault)
                if (await session.http(request)).ok:
                    slowed.append(agent.id)

    for outcome in (await parts.reach.each(chosen, job)).values():
        if not isinstance(outcome, Succeeded):
            raise outcome.error
    if not slowed:
        raise PhoenixError(f"no agent on {node} can be made slow", hint="phoenixctl agents ls")
    return slowed
