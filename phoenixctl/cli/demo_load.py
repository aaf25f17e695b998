"""The load of the demo: whom it sends to, as a process that reports at its end."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from phoenixctl.cli.run import Run
from phoenixctl.demo.load_report import LoadReport, report_from
from phoenixctl.model.errors import UsageError


@dataclass(frozen=True, slots=True)
class Load:
    """Messages to all agents or to one, with a report of each `every_seconds`."""

    rate: float
    seconds: float
    agent: str | None = None
    every_seconds: float | None = None


def load_command(run: Run, load: Load) -> list[str]:
    """The command line of the load generator."""
    words = [sys.executable, "-m", "phoenixctl.demo.load"]
    words += ["--rate", f"{load.rate:g}", "--seconds", f"{load.seconds:g}"]
    if load.every_seconds is not None:
        words += ["--report-every", f"{load.every_seconds:g}"]
    return [*words, *_whom(run, load.agent)]


def _whom(run: Run, agent: str | None) -> list[str]:
    """The file that a router would read, or else URLs."""
    targets, file = _targets(run), _endpoints(run)
    if agent is not None and agent not in targets:
        raise UsageError(f"no agent {agent} that runs has a port", hint="phoenixctl agents ls")
    if file is None:
        return list(targets.values()) if agent is None else [targets[agent]]
    return ["--endpoints", str(file), *(["--agent", agent] if agent else [])]


def _targets(run: Run) -> dict[str, str]:
    """Where the fleet's agents were started, as URLs."""
    record = run.within(lambda parts: parts.records.read())
    targets: dict[str, str] = {}
    for agent in run.parts.fleet.instances():
        where = record.agents.get(agent.id)
        node = None if where is None else run.parts.fleet.nodes.get(where.node)
        if node is not None and agent.port is not None:
            targets[agent.id] = f"http://{node.agent_address or node.address}:{agent.port}"
    if not targets:
        raise UsageError("no agent that runs has a port", hint="phoenixctl demo up")
    return targets


def _endpoints(run: Run) -> Path | None:
    """The file of an Envoy of this machine with all that has requests; None when there is none."""
    from phoenixctl.model.routing import RouterKind
    from phoenixctl.remote.envoy import file_name

    for router in run.parts.fleet.routers.values():
        if router.kind is RouterKind.ENVOY and router.node is None and len(router.backends) == 1:
            [backend] = router.backends.values()
            path = Path(router.path).expanduser() / file_name(backend)
            if path.exists():
                return path
    return None


@contextmanager
def loaded(run: Run, load: Load) -> Iterator[list[LoadReport]]:
    """Messages at a steady rate until the block ends; then their report is in the list."""
    reports: list[LoadReport] = []
    process = subprocess.Popen(
        [*load_command(run, load), "-o", "json"], stdout=subprocess.PIPE, start_new_session=True
    )
    try:
        yield reports
    finally:
        process.terminate()
        try:
            output, _ = process.communicate(timeout=15.0)
        except subprocess.TimeoutExpired:
            process.kill()
            output, _ = process.communicate()
        with suppress(ValueError):  # it was killed before it could tell
            reports.append(report_from(json.loads(output)))


def load_words(reports: list[LoadReport]) -> str:
    """What became of the messages, in a line."""
    for one in reports:
        return (
            f"{one.sent} messages sent, {one.acknowledged} acknowledged, {one.failed} failed,"
            f" {one.moved} taken by another agent"
        )
    return "no report"
