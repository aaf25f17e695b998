"""A reference agent as a process of its own, and questions to it."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass
class Running:
    process: subprocess.Popen[str]
    port: int
    address: str = "127.0.0.1"

    @property
    def url(self) -> str:
        return f"http://{self.address}:{self.port}"

    def ask(self, method: str, path: str, body: bytes = b"") -> tuple[int, dict[str, Any]]:
        """The status and JSON of one request on a connection of its own."""
        status, content, _ = self.ask_raw(method, path, body)
        return status, json.loads(content)

    def ask_raw(
        self, method: str, path: str, body: bytes = b""
    ) -> tuple[int, bytes, http.client.HTTPMessage]:
        connection = http.client.HTTPConnection(self.address, self.port, timeout=10)
        try:
            connection.request(method, path, body)
            response = connection.getresponse()
            return response.status, response.read(), response.msg
        finally:
            connection.close()

    def count(self) -> int:
        return int(self.ask("GET", "/count")[1]["count"])

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(10)

    def end(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(10)


def command(*options: str) -> list[str]:
    return [sys.executable, "-m", "phoenixctl.demo.agent", *options]


def environment(state: Path, **contract: str) -> dict[str, str]:
    settings = {"AGENT": "counter-0", "PORT": "0", "STATE_DIR": str(state)} | contract
    return os.environ | {f"PHOENIX_{name}": value for name, value in settings.items()}


@contextmanager
def agent(state: Path, *options: str, **contract: str) -> Iterator[Running]:
    """An agent that listens; `contract` are the PHOENIX_ settings without that prefix."""
    with subprocess.Popen(
        command(*options),
        env=environment(state, **contract),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            # `counter-0 active on port 40123, count 0`
            words = process.stdout.readline().replace(",", "").split()
            yield Running(process, int(words[4]), contract.get("ADDRESS", "127.0.0.1"))
        finally:
            process.kill()
