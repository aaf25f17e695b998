"""A node that remembers what is done to it: it answers the scripts of `remote/` from memory."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass, field

from phoenixctl.model.command import Command, Completed
from phoenixctl.model.errors import PhoenixError
from phoenixctl.model.fleet import AgentSpec
from phoenixctl.model.names import NodeName
from phoenixctl.ports.reach import HttpRequest, HttpResponse
from phoenixctl.remote.agents import spec_digest
from phoenixctl.remote.host_key import finish_command, install_command
from tests.unit.remote.survey_text import BOOT, ORDINARY, changed
from tests.unit.workflows.fakes import FakeSession, completed

# What a script says tells which one it is.
_KINDS = {
    "survey 1": "survey",
    "phoenixctl start": "start",
    "phoenixctl stop": "stop",
    "phoenixctl alive": "alive",
    "phoenixctl packages": "packages",
    "phoenixctl file": "file",
    "phoenixctl mark": "mark",
    "phoenixctl host-key": "host-key",
    "base/cordon": "cordon",
}


def key(number: int) -> str:
    """A public host key; the machine makes number 1, then number 2 and so on."""
    return f"ssh-ed25519 {chr(64 + number) * 68}"


@dataclass
class Process:
    """An agent on the machine."""

    digest: str
    epoch: int
    running: bool = True


@dataclass
class Machine:
    """`odd` gives another answer to a kind of command, None for the ordinary one; `ran` tells
    which were run: `start web-0`."""

    name: str
    agents: dict[str, Process] = field(default_factory=dict)
    odd: Callable[[str], Completed | PhoenixError | None] = lambda _what: None
    ran: list[str] = field(default_factory=list)
    payloads: list[bytes] = field(default_factory=list)
    cordon: str = ""
    joined: str = ""
    host_key: str = ""  # the one it shows
    next_key: str = ""
    packages: set[str] = field(default_factory=set)
    files: dict[str, bytes] = field(default_factory=dict)
    unready: set[int] = field(default_factory=set)  # ports whose agents answer 503

    @property
    def session(self) -> FakeSession:
        return FakeSession(NodeName(self.name), self.answer, self._page)

    def with_agent(
        self, agent: str, of: AgentSpec | None = None, *, epoch: int = 1, running: bool = True
    ) -> Machine:
        digest = spec_digest(of) if of else "0123456789ab"
        self.agents[agent] = Process(digest, epoch, running)
        return self

    def running(self) -> list[str]:
        return sorted(agent for agent, process in self.agents.items() if process.running)

    def answer(self, command: Command) -> Completed | PhoenixError:
        script, arguments = "".join(command.argv[2:3]), command.argv[4:]
        kind = next((k for mark, k in _KINDS.items() if mark in script), "")
        agent = arguments[3] if kind in ("start", "stop", "alive") else ""
        what = f"{kind} {agent}".strip() or " ".join(command.argv)
        self.ran.append(what)
        odd = self.odd(what)
        if odd is not None:
            return odd
        match kind:
            case "survey":
                return completed(self._survey().encode())
            case "start":
                return self._start(agent, command.stdin or b"")
            case "stop":
                return self._stop(agent)
            case "alive":
                alive = agent in self.running()
                return completed(f"phoenixctl alive\npid {7 if alive else 0}\n".encode())
            case "cordon":
                self.cordon = arguments[3] if len(arguments) > 3 else ""
                return completed(b"changed\n")
            case "mark":
                self.joined = arguments[3] if len(arguments) > 3 else ""
                return completed(b"phoenixctl mark\nchanged yes\n")
            case "packages":
                missing = [package for package in arguments if package not in self.packages]
                self.packages.update(missing)
                said = f"phoenixctl packages\nchanged yes\ninstalled {' '.join(missing)}\n"
                return completed(said.encode())
            case "file":
                same = self.files.get(arguments[0]) == command.stdin
                self.files[arguments[0]] = command.stdin or b""
                return completed(f"phoenixctl file\nchanged {'no' if same else 'yes'}\n".encode())
            case "host-key":
                return self._host_key(command)
        return completed()

    def _host_key(self, command: Command) -> Completed:
        said = "phoenixctl host-key\n"
        if command.argv[2] == finish_command().argv[2]:
            self.next_key = ""
            return completed(f"{said}changed yes\n".encode())
        given = command.argv[5]
        if command.argv[2] == install_command("").argv[2]:
            self.host_key, self.next_key = given, ""
            return completed(f"{said}reloaded ssh.service\n".encode())
        if given and given == self.host_key:
            return completed(f"{said}public {given}\n".encode())
        made = len([what for what in self.ran if what == "host-key"])
        self.next_key = self.next_key or key(made)
        return completed(f"{said}public {self.next_key}\n".encode())

    def _page(self, request: HttpRequest) -> HttpResponse:
        return HttpResponse(503 if request.port in self.unready else 200, b"")

    def _start(self, agent: str, payload: bytes) -> Completed:
        self.payloads.append(payload)
        words = shlex.split(payload.decode())
        given = dict(word.split("=", 1) for word in words if "=" in word)
        there = self.agents.get(agent)
        if there is not None and there.running:
            if there.digest != given["wanted_digest"]:
                return completed(b"phoenixctl start\nerror it runs with another\n", 1)
            return _started("no", there)
        process = Process(given["wanted_digest"], int(given["wanted_epoch"]))
        self.agents[agent] = process
        return _started("yes", process)

    def _stop(self, agent: str) -> Completed:
        there = self.agents.get(agent)
        changed = there is not None and there.running
        if there is not None:
            there.running = False
        said = f"changed {'yes' if changed else 'no'}\nhow exited\ncentiseconds 150\nswept 0\nleft"
        return completed(f"phoenixctl stop\n{said}\n".encode())

    def _survey(self) -> str:
        agents, stats = "", ""
        for number, (agent, process) in enumerate(self.agents.items()):
            spec, _, ordinal = agent.rpartition("-")
            pid = 600 + number
            lines = (
                f"spec={spec}", f"ordinal={ordinal}", f"digest={process.digest}",
                f"epoch={process.epoch}", "port=9000", "role=active", "user=",
            )  # fmt: skip
            agents += f"agent {agent}\n" + ("" if process.running else "stopped\n")
            agents += "".join(f"meta {line}\n" for line in lines)
            agents += f"run running 500 90000 {pid} 90100 {BOOT} 0 -\n" if process.running else ""
            use = "0 -1 0 0 0 0 0 1 1 0 0 20 0 1 0 90100 0 0"
            stats += f"{pid}/stat:{pid} (x) S 500 {pid} {pid} {use}\n"
        cordon = f"cordon {self.cordon}\n" if self.cordon else ""
        return changed(
            {
                "kernel 6.1": f"joined {self.joined}\nkernel 6.1",
                "fleet demo\n": "fleet test\n",
                "online 0-3\n": f"{cordon}online 0-3\n",
                "reading second\n": f"reading second\n{stats}",
                "agents\n": f"agents\n{agents}",
            },
            ORDINARY,
        )


def _started(changed: str, process: Process) -> Completed:
    said = f"changed {changed}\npid 7\nepoch {process.epoch}\ndigest {process.digest}\n"
    return completed(f"phoenixctl start\n{said}".encode())
