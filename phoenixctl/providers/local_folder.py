"""What one embedded node keeps in its folder, as the operator's side writes and reads it."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

NODE_MODULE: Final = "phoenixctl.ssh.embedded"
_LOG_TAIL_BYTES: Final = 2000


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """What a running node said of itself. `started_at` in seconds since 1970.

    `agent_address`: where its agents listen; None when that is the machine's 127.0.0.1.
    """

    pid: int
    started_at: float
    address: str
    port: int
    host_key: str
    agent_address: str | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """Whose node this is: the record's lineage and the operation that asked for it last."""

    lineage: str = ""
    operation: str = ""


@dataclass(frozen=True, slots=True)
class NodeFolder:
    """The folder of one node."""

    path: Path

    @property
    def home(self) -> Path:
        return self.path / "home"

    @property
    def known_hosts(self) -> Path:
        # One for each node: when a dead node's port is another's now, its key must not pass.
        return self.path / "known_hosts"

    @property
    def log(self) -> Path:
        return self.path / "node.log"

    def prepare(self, pool: str, client_key: Path) -> None:
        """Make the folder ready for a node of `pool` that the fleet's key may log in to."""
        self.path.mkdir(mode=0o700, exist_ok=True)
        write_whole(self.path / "pool", pool)
        public = client_key.with_name(client_key.name + ".pub").read_text()
        write_whole(self.path / "authorized_keys", public)

    def pool(self) -> str | None:
        """Whose node this is; None when there is no node."""
        try:
            return (self.path / "pool").read_text()
        except OSError:
            return None

    def ask(self, asked: Asked) -> None:
        """Keep who asked for the node."""
        if asked != self.asked():
            write_whole(self.path / "asked", json.dumps([asked.lineage, asked.operation]))

    def asked(self) -> Asked:
        """Who asked for the node; nobody when it was not kept."""
        try:
            lineage, operation = json.loads((self.path / "asked").read_bytes())
            return Asked(str(lineage), str(operation))
        except (OSError, ValueError, TypeError):
            return Asked()

    def facts(self) -> NodeFacts | None:
        """What its last process wrote; None when it never listened."""
        try:
            found = json.loads((self.path / "node.json").read_bytes())
            agents = found.get("agent_address")  # nodes of earlier versions have none
            return NodeFacts(
                pid=int(found["pid"]),
                started_at=float(found["started_at"]),
                address=str(found["address"]),
                port=int(found["port"]),
                host_key=str(found["host_key"]),
                agent_address=None if agents is None else str(agents),
            )
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return None

    def trust(self, facts: NodeFacts) -> None:
        """Keep the node's host key where its clients look."""
        write_whole(self.known_hosts, f"[{facts.address}]:{facts.port} {facts.host_key}\n")

    def log_size(self) -> int:
        try:
            return self.log.stat().st_size
        except OSError:
            return 0

    def log_tail(self, start: int) -> str:
        """The end of what was logged behind the byte `start`."""
        try:
            written = self.log.read_bytes()[start:]
        except OSError:
            return ""
        return written[-_LOG_TAIL_BYTES:].decode(errors="replace").strip()


def write_whole(path: Path, text: str) -> None:
    """Write a 0600 file that appears whole or not at all."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    temporary.replace(path)
