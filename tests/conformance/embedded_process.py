"""An embedded node started by hand, without a provider, and what tests ask about processes."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncssh
import psutil

MODULE = "phoenixctl.ssh.embedded"


@dataclass
class Embedded:
    folder: Path
    key: Path
    process: subprocess.Popen[bytes]

    @classmethod
    def start(cls, folder: Path, *, port: int = 0) -> Embedded:
        key = folder.with_name("client_key")
        if not key.exists():
            subprocess.run([sys.executable, "-m", MODULE, "--keygen", key], check=True)
        folder.mkdir(exist_ok=True)
        (folder / "authorized_keys").write_bytes(key.with_name("client_key.pub").read_bytes())
        command = [sys.executable, "-m", MODULE, str(folder), "--port", str(port)]
        node = cls(folder, key, subprocess.Popen(command, stdin=subprocess.DEVNULL))
        until(lambda: node.facts.get("pid") == node.process.pid)
        return node

    @property
    def facts(self) -> dict[str, Any]:
        try:
            found: dict[str, Any] = json.loads((self.folder / "node.json").read_bytes())
        except FileNotFoundError:
            return {}
        return found

    @property
    def home(self) -> Path:
        return self.folder / "home"

    async def connect(self, **options: Any) -> asyncssh.SSHClientConnection:
        """A client that trusts the node's announced key and nothing else."""
        facts = self.facts
        key = asyncssh.import_public_key(facts["host_key"])
        settings: dict[str, Any] = {
            "known_hosts": ([key], [], []),
            "client_keys": [str(self.key)],
            "username": "anybody",
            "config": None,
            "agent_path": None,
        }
        return await asyncssh.connect(facts["address"], facts["port"], **settings | options)

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait(10)


def is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def until(condition: Callable[[], bool], *, seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


async def eventually(condition: Callable[[], bool], *, seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        await asyncio.sleep(0.02)
