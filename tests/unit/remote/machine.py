"""A machine for the scripts to run on: this one, with a home folder and a shell of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from phoenixctl.model.command import Command, Completed
from phoenixctl.model.fleet import Agent, AgentSpec, Node, Supervisor
from phoenixctl.model.names import AgentId, NodeName
from phoenixctl.model.snapshot import AgentObservation, NodeObservation
from phoenixctl.remote.agents import (
    StartResult,
    StopResult,
    alive_command,
    parse_alive,
    parse_start,
    parse_stop,
    start_command,
    stop_command,
)
from phoenixctl.remote.survey import parse_survey, survey_command

FLEET = "testfleet"
NODE = Node(NodeName("here"), "pool", "127.0.0.1", supervisor=Supervisor.PROCESS)
SHELLS = [shell for shell in ("dash", "bash", "busybox") if shutil.which(shell)]


@dataclass(frozen=True)
class Machine:
    home: Path
    path: str

    @classmethod
    def with_shell(cls, shell: str, root: Path) -> Machine:
        """`sh` is this shell; with busybox, all tools are busybox's too."""
        home, tools = root / "home", root / "bin"
        home.mkdir()
        tools.mkdir()
        program = shutil.which(shell)
        assert program
        if shell == "busybox":
            subprocess.run([program, "--install", "-s", str(tools)], check=True)
            return cls(home, str(tools))
        (tools / "sh").symlink_to(program)
        return cls(home, f"{tools}:{os.environ['PATH']}")

    @property
    def base(self) -> Path:
        return self.home / ".phoenixctl" / FLEET

    def folder(self, agent: str) -> Path:
        return self.base / "agents" / agent

    def popen(self, command: Command) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [shutil.which(command.argv[0], path=self.path) or "", *command.argv[1:]],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={"HOME": str(self.home), "PATH": self.path},
        )

    def run(self, command: Command) -> Completed:
        return self.finish(self.popen(command), command)

    def finish(self, process: subprocess.Popen[bytes], command: Command) -> Completed:
        out, err = process.communicate(command.stdin or b"", timeout=60)
        return Completed(process.returncode, out, err, 0.0)

    def start(self, agent: Agent, **more: object) -> StartResult:
        return parse_start(self.run(start(agent, **more)))

    def stop(
        self, agent: str, *, grace: float = 5, purge: bool = False, fence: int | None = None
    ) -> StopResult:
        return parse_stop(self.run(stop(agent, grace=grace, purge=purge, fence=fence)))

    def pid(self, agent: str) -> int | None:
        return parse_alive(self.run(alive_command(AgentId(agent), NODE, FLEET)))

    def survey(self) -> NodeObservation:
        command = survey_command(NODE, FLEET, interval_seconds=0.05)
        return parse_survey(self.run(command).stdout, node=NODE, at=1.0, seconds=0.1)

    def agent(self, agent: str) -> AgentObservation:
        return next(a for a in self.survey().agents if a.id == agent)

    def left(self, agent: str) -> list[int]:
        """Processes with the agent's mark, read in a way that has nothing to do with ours."""
        mark = f"PHOENIX_HOME={self.folder(agent)}".encode()
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if mark in (folder / "environ").read_bytes().split(b"\0"):
                    found.append(int(folder.name))
            except OSError:
                continue
        return found


def start(agent: Agent, **more: object) -> Command:
    options = {"env": {}, "secrets": {}, "epoch": 1} | more
    return start_command(agent, NODE, FLEET, **options)  # type: ignore[arg-type]


def stop(agent: str, *, grace: float = 5, purge: bool = False, fence: int | None = None) -> Command:
    return stop_command(
        AgentId(agent), NODE, FLEET, stop_signal="TERM", grace_seconds=grace, purge=purge,
        fence=fence,
    )  # fmt: skip


def shell_agent(script: str, **more: object) -> Agent:
    return Agent(AgentSpec("worker", ("sh", "-c", script), **more), 0)  # type: ignore[arg-type]


def eventually(holds, *, seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "did not come true in time"
        time.sleep(0.05)
