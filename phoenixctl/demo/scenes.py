"""The scenes of `make demo`: each shows the command a person would type, and what it prints."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from phoenixctl.demo.fleet import SPEC_NAME
from phoenixctl.demo.graph import graph
from phoenixctl.demo.load_report import LoadReport

Play = Callable[[Sequence[str]], int]
"""Runs one phoenixctl command line and returns its exit code."""

SETTLE_SECONDS: Final = 3.0
BESIDE_SECONDS: Final = 1.5  # of load before and after a migration
SLOW_MS: Final = 120
MORE_AGENTS: Final = 2
KEPT_PLAN: Final = "due.plan"
MOVED: Final = f"{SPEC_NAME}-0"


@dataclass(frozen=True, slots=True)
class Stage:
    """Where the scenes play: how commands run, which configuration, which node is worked on."""

    play: Play
    config: Path
    node: str
    agents: int
    say: Callable[[str], None]
    load: Callable[[str], AbstractContextManager[list[LoadReport]]]  # of one agent
    elsewhere: Callable[[str], str | None]  # another node for an agent; None: there is none

    def show(self, *words: str, code: int = 0) -> None:
        """Type a command; a scene that ends with another code ends the demo."""
        self.say(f"\n$ phoenixctl {' '.join(words)}")
        sys.stdout.flush()
        ended = self.play(["--config", str(self.config), *words])
        if ended != code:
            raise SceneFailed(f"`phoenixctl {' '.join(words)}` ended with {ended}", ended)

    def edit(self, before: str, after: str) -> None:
        """Change the configuration as a person would."""
        self.say(f"\n$ sed -i 's/{before}/{after}/' {self.config.name}")
        text = self.config.read_text(encoding="utf-8")
        self.config.write_text(text.replace(before, after), encoding="utf-8")


class SceneFailed(Exception):
    """A command of the demo did not succeed."""

    def __init__(self, what: str, code: int) -> None:
        super().__init__(what)
        self.code = code


def begin(stage: Stage) -> None:
    """From a configuration to a fleet that runs."""
    stage.say(
        "\n1. The configuration wants SSH nodes and agents, and there are none: read the plan."
    )
    stage.show("plan")
    stage.show("apply", "--yes")


def perform(stage: Stage) -> None:
    """Look, hurt a node, see it, move an agent, drain the node, mend the fleet, change it."""
    stage.say("\n2. The fleet under load: real SSH, real processes, real metrics.")
    time.sleep(SETTLE_SECONDS)
    stage.show("status")
    stage.say(f"\n3. A node gets slow: every agent on {stage.node} now takes {SLOW_MS} ms longer.")
    stage.show("demo", "slow", stage.node, "--delay", f"{SLOW_MS}ms")
    time.sleep(SETTLE_SECONDS)
    stage.show("status")
    move(stage)
    stage.say(f"\n5. Take {stage.node} out: its agents move to other nodes.")
    stage.show("nodes", "drain", stage.node, "--dry-run")
    stage.show("nodes", "drain", stage.node, "--yes")
    stage.say("\n6. Two agents more, by a plan that is kept and then carried out.")
    stage.edit(f"replicas: {stage.agents}", f"replicas: {stage.agents + MORE_AGENTS}")
    kept = str(stage.config.with_name(KEPT_PLAN))
    stage.show("plan", "--out", kept)
    stage.show("apply", kept)
    stage.show("plan", "--detailed-exitcode")
    stage.show("history")
    time.sleep(SETTLE_SECONDS)
    stage.show("status")
    stage.say("\n7. A command on every node; equal output is shown once.")
    stage.show("exec", "--all", "--", "uname", "-sm")


def move(stage: Stage) -> None:
    """A live migration, as those see it who send requests to the agent and to no other."""
    target = stage.elsewhere(MOVED)
    if target is None:
        return
    stage.say(f"\n4. {MOVED} goes to {target} with all that it has counted, while it is asked.")
    with stage.load(MOVED) as reports:
        time.sleep(BESIDE_SECONDS)
        stage.show("migrate", MOVED, "--to", target, "--yes")
        time.sleep(BESIDE_SECONDS)
    for report in reports:
        stage.say("\n" + "\n".join(_seen(report)))


def _seen(report: LoadReport) -> tuple[str, ...]:
    each = [one.acknowledged for one in report.intervals]
    every = report.intervals[0].until_seconds if report.intervals else 0.0
    gap = "" if report.gap_seconds is None else f", longest gap {report.gap_seconds * 1000:.0f} ms"
    counts = f"{report.sent} messages sent, {report.acknowledged} acknowledged"
    return (
        f"What {MOVED} has acknowledged, a mark for each {every:g} s:",
        *graph(each, every),
        f"{counts}, {report.failed} failed; {report.waited} waited{gap}",
    )
