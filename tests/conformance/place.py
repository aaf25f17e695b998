"""A node of any kind, and a way to look at it that does not go through phoenixctl."""

from __future__ import annotations

import asyncio
import subprocess
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from phoenixctl.model.command import Command, Completed
from phoenixctl.model.fleet import Agent, AgentSpec, Node, SshSettings, Supervisor
from phoenixctl.model.outcome import Succeeded
from phoenixctl.model.snapshot import AgentObservation, NodeObservation
from phoenixctl.ports.reach import Reach, Session
from phoenixctl.remote.agents import (
    StartResult,
    StopResult,
    parse_start,
    parse_stop,
    start_command,
    stop_command,
)
from phoenixctl.remote.survey import parse_survey, survey_command
from tests.hosts.host import Host

T = TypeVar("T")

# Every sign that a shell, systemd, printf or a terminal could take for its own.
HOSTILE = (
    "", " ", "two  blanks", "tab\tand\nline\n\nbreaks\r", "'single'", '"double"', "back\\slash\\\\",
    "$HOME ${HOME} $$ $1", "`id`", "$(id)", "!! !1 !", "*", "?[a-z]", "~", "~root", "a;b|c&d",
    "<in >out 2>&1", "# comment", "-n", "--", "-e\\n", "%n %s %% %h", "{a,b}", "a=b", "=ls", "\\",
    "\x01\x1b[31m\x07\x7f", "ünï©ödé 漢字 🦅", "\u202ertl\u2066", "@-+!:|", "\\x41\\101\\u0041",
)  # fmt: skip


@dataclass
class Place:
    """One node within reach. `look` runs a program on it by other means and gives its output."""

    kind: str  # local, systemd, process, busybox
    node: Node
    reach: Reach
    settings: SshSettings
    python: str
    host: Host | None
    fleet: str = field(default_factory=lambda: f"conform-{uuid.uuid4().hex[:8]}")
    epoch: int = 0
    _base: Path | None = None

    @property
    def supervisor(self) -> Supervisor:
        return Supervisor.SYSTEMD if self.kind == "systemd" else Supervisor.PROCESS

    async def do(self, job: Callable[[Session], Awaitable[T]]) -> T:
        """The job's value; its error is raised."""
        outcome = (await self.reach.each([self.node.name], job))[self.node.name]
        if isinstance(outcome, Succeeded):
            return outcome.value
        raise outcome.error

    async def run(self, command: Command, *, timeout_seconds: float | None = None) -> Completed:
        return await self.do(lambda s: s.run(command, timeout_seconds=timeout_seconds))

    async def survey(self, *, interval_seconds: float = 0.05) -> NodeObservation:
        command = survey_command(self.node, self.fleet, interval_seconds=interval_seconds)
        completed = await self.run(command)
        return parse_survey(completed.stdout, node=self.node, at=1.0, seconds=0.5)

    async def agent(self, agent: Agent, *, interval_seconds: float = 0.05) -> AgentObservation:
        seen = await self.survey(interval_seconds=interval_seconds)
        found = [a for a in seen.agents if a.id == agent.id]
        assert len(found) == 1
        return found[0]

    async def agent_when(
        self, agent: Agent, condition: Callable[[AgentObservation], bool], within: float = 15
    ) -> AgentObservation:
        """The agent as soon as a survey shows it so."""
        end = time.monotonic() + within
        while not condition(seen := await self.agent(agent)):
            assert time.monotonic() < end, f"in vain: {seen}"
            await asyncio.sleep(0.1)
        return seen

    async def start(self, agent: Agent, *, secrets: dict[str, str] | None = None) -> StartResult:
        self.epoch += 1
        command = start_command(
            agent, self.node, self.fleet, env={}, secrets=secrets or {}, epoch=self.epoch
        )
        return parse_start(await self.run(command))

    async def stop(self, agent: Agent, *, purge: bool = False) -> StopResult:
        command = stop_command(
            agent.id,
            self.node,
            self.fleet,
            stop_signal=agent.spec.stop_signal,
            grace_seconds=agent.spec.grace_seconds,
            purge=purge,
        )
        return parse_stop(await self.run(command))

    def look(self, *argv: str, stdin: bytes = b"") -> bytes:
        """The output of a program that runs on the node, started by other means than SSH."""
        if self.host is not None:
            return self.host.run_bytes(*argv, stdin=stdin).stdout
        done = subprocess.run(argv, input=stdin, capture_output=True, timeout=20, check=False)
        return done.stdout

    def processes_with(self, mark: str) -> tuple[int, ...]:
        """Pids of living processes with this text in their arguments or environment."""
        # The pattern comes over stdin, or the search would find itself.
        script = "grep -l -s -a -F -f - /proc/[0-9]*/cmdline /proc/[0-9]*/environ"
        files = self.look("sh", "-c", script, stdin=mark.encode()).decode().split()
        return tuple(sorted({int(file.split("/")[2]) for file in files}))

    async def gone(self, mark: str, within: float = 5.0) -> bool:
        """Whether such processes have all ended, or do so in time."""
        end = time.monotonic() + within
        while self.processes_with(mark) and time.monotonic() < end:
            await asyncio.sleep(0.05)
        return not self.processes_with(mark)

    async def base(self) -> Path:
        """The folder of the fleet on the node, as the node says."""
        if self._base is None:
            self._base = Path((await self.survey()).base_dir)
        return self._base

    async def state_file(self, agent: Agent, name: str) -> bytes:
        """What the agent wrote to a file of its state folder, once it is there."""
        path = await self.base() / "agents" / agent.id / "state" / name
        end = time.monotonic() + 5
        while not (content := self.look("cat", str(path))) and time.monotonic() < end:
            await asyncio.sleep(0.05)
        return content


def shell_agent(name: str, script: str, *arguments: str, **more: object) -> Agent:
    """An agent that is a shell script; its id is `name`-0."""
    command = ("sh", "-c", script, name, *arguments)
    return Agent(AgentSpec(name=name, command=command, **more), 0)  # type: ignore[arg-type]
