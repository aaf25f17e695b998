"""A real OpenSSH server on loopback, with its own configuration, host keys and authorized keys.

`Sshd.start(folder)` listens on 127.0.0.1 (or any loopback address given) at a free port; `stop`
ends it with everything it started. Skipped with the reason where sshd is missing, except under CI.
"""

from __future__ import annotations

import getpass
import os
import secrets
import signal
import socket
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import psutil

from phoenixctl.model.command import Command, Completed
from phoenixctl.model.fleet import Node, SshSettings
from phoenixctl.model.names import NodeName
from phoenixctl.model.outcome import Outcome, Succeeded
from phoenixctl.ports.reach import Session
from phoenixctl.ssh.reach import SshReach
from tests.needs import program

SERVER_PORTS: Final = range(10_000, 32_000)  # below those of outgoing connections


def free_port(address: str = "127.0.0.1") -> int:
    """A port for a server that a test starts a moment later. Not one that the kernel gives, which
    it also gives to whoever connects to somewhere in that moment."""
    for _ in range(200):
        port = secrets.choice(SERVER_PORTS)
        with socket.socket() as probe:
            if not _is_taken(probe, address, port):
                return port
    raise RuntimeError("no port is free")


def _is_taken(probe: socket.socket, address: str, port: int) -> bool:
    try:
        probe.bind((address, port))
    except OSError:
        return True
    return False


def keygen(path: Path, kind: str = "ed25519", *, passphrase: str = "", comment: str = "") -> Path:
    """Make a key pair at `path` and `path`.pub."""
    size = ["-b", "2048"] if kind == "rsa" else []
    command = ["ssh-keygen", "-q", "-t", kind, *size, "-N", passphrase, "-C", comment, "-f", path]
    subprocess.run(command, check=True, capture_output=True)
    return path


def public_key(path: Path) -> str:
    """`ssh-ed25519 AAAA…`: the type and data of a key pair's public half."""
    return " ".join(path.with_name(path.name + ".pub").read_text().split()[:2])


def fingerprint(path: Path) -> str:
    """`SHA256:…` as `ssh-keygen -l` prints it."""
    command = ["ssh-keygen", "-l", "-f", path.with_name(path.name + ".pub")]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[1]


@dataclass
class Sshd:
    """A running server; `known_hosts` and `client_key` are ready for a client."""

    folder: Path
    address: str
    port: int
    process: subprocess.Popen[bytes]
    host_key: Path
    client_key: Path
    known_hosts: Path
    log: Path
    stopped: list[int] = field(default_factory=list)

    @classmethod
    def start(
        cls,
        folder: Path,
        *,
        address: str = "127.0.0.1",
        listen: str | None = None,
        host_key: Path | None = None,
        options: tuple[str, ...] = (),
    ) -> Sshd:
        """Start a server in `folder`; `options` are lines of sshd_config that win over ours."""
        sshd = program("sshd")
        folder.mkdir(parents=True, exist_ok=True)
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # sshd's privilege separation
        port = free_port(address)
        host_key = host_key or _made(folder / "host_key")
        client_key = _made(folder / "client_key")
        (folder / "authorized_keys").write_text(public_key(client_key) + "\n")
        known_hosts = folder / "known_hosts"
        known_hosts.write_text(f"[{address}]:{port} {public_key(host_key)}\n")
        config, log = folder / "sshd_config", folder / "sshd.log"
        # Of most keywords sshd takes the first line, of MaxStartups the last.
        said = {line.split()[0] for line in options} - {"HostKey"}
        ours = _lines(folder, listen or address, port, host_key)
        own = [line for line in ours if line.split()[0] not in said]
        config.write_text("\n".join((*options, *own, "")))
        process = subprocess.Popen([sshd, "-D", "-f", config, "-E", log], stdin=subprocess.DEVNULL)
        server = cls(folder, address, port, process, host_key, client_key, known_hosts, log)
        try:
            server._await_ready()
        except RuntimeError:
            server.stop()
            raise
        return server

    def _await_ready(self) -> None:
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise RuntimeError(f"sshd did not start: {self.log.read_text()}")
            if "Server listening" in (self.log.read_text() if self.log.exists() else ""):
                return
            time.sleep(0.01)
        raise RuntimeError("sshd did not start within 10 s")

    def processes(self) -> list[psutil.Process]:
        """The server's processes and what runs in its sessions, without the listener itself."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def freeze(self) -> None:
        """SIGSTOP the listener and every connection."""
        for process in [*self.processes(), psutil.Process(self.process.pid)]:
            process.send_signal(signal.SIGSTOP)
            self.stopped.append(process.pid)

    def stop(self) -> None:
        """End the server and all it started."""
        children = self.processes() if self.process.poll() is None else []
        for process in [*children, psutil.Process(self.process.pid)]:
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue
        self.process.wait()


def user() -> str:
    """Who the tests log in as: themselves."""
    return getpass.getuser()


def _made(path: Path) -> Path:
    return path if path.exists() else keygen(path)


def _lines(folder: Path, listen: str, port: int, host_key: Path) -> tuple[str, ...]:
    return (
        f"ListenAddress {listen}:{port}",
        f"HostKey {host_key}",
        f"AuthorizedKeysFile {folder / 'authorized_keys'}",
        f"PidFile {folder / 'sshd.pid'}",
        "StrictModes no",
        "UsePAM no",
        "PasswordAuthentication no",
        "KbdInteractiveAuthentication no",
        "PermitRootLogin prohibit-password",
        "MaxStartups 1000",
        "PrintMotd no",
        # bash reads ~/.bashrc of an SSH command only below level 2: the tests' own account may
        # have a slow one, and it is not what they measure.
        "SetEnv SHLVL=2",
        "LogLevel VERBOSE",
        "Subsystem sftp internal-sftp",
    )


def node_at(server: Sshd, name: str = "a", **fields: Any) -> Node:
    """A node that is this server, reached with its own client key and known_hosts."""
    own: dict[str, Any] = {
        "pool": "tests",
        "address": server.address,
        "port": server.port,
        "user": user(),
        "identity_files": (str(server.client_key),),
        "known_hosts_files": (str(server.known_hosts),),
        "use_ssh_config": False,
        "use_agent": False,
    }
    return Node(name=NodeName(name), **(own | fields))


@asynccontextmanager
async def reaching(
    *nodes: Node,
    home: Path = Path("/nonexistent"),
    agent: Path | None = None,
    **settings: Any,
) -> AsyncIterator[SshReach]:
    """A reach over these nodes that reads nothing of the account that runs the tests."""
    own = SshSettings(**({"config_file": None} | settings))
    by_name = {node.name: node for node in nodes}
    environ = {"LOGNAME": user()} | ({"SSH_AUTH_SOCK": str(agent)} if agent else {})
    reach = SshReach(by_name, own, home=home, environ=environ, system_config=home / "none")
    try:
        yield reach
    finally:
        await reach.aclose()


async def run_on(reach: SshReach, node: Node, *argv: str, **options: Any) -> Outcome[Completed]:
    """What became of one command on one node."""

    async def job(session: Session) -> Completed:
        return await session.run(Command(*argv), **options)

    return (await reach.each([node.name], job))[node.name]


def done(outcome: Outcome[Completed]) -> Completed:
    """The completed command; the test fails with the error where there is none."""
    if not isinstance(outcome, Succeeded):
        raise AssertionError(f"{outcome.error!r} {outcome.error.hint}")
    return outcome.value
