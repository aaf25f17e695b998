"""What changes on the operator's own side: which host keys are trusted, and who is told."""

from __future__ import annotations

from typing import Protocol

from phoenixctl.model.command import Command, Completed
from phoenixctl.model.names import NodeName


class Here(Protocol):
    """The operator's machine."""

    async def run(self, command: Command, *, timeout_seconds: float) -> Completed:
        """Run a program to its end. CommandFailed when there is none, CommandTimeout when it was
        ended for its time was over."""
        ...

    async def digest(self, path: str) -> str:
        """SHA-256 of a file, in hex. CommandFailed when it cannot be read."""
        ...

    async def trust(self, node: NodeName, public: str) -> None:
        """Also take this host key (`ssh-ed25519 AAAA…`) for the node's, from now on and in later
        runs. CommandFailed, and nothing is changed, when it cannot be written down."""
        ...

    async def distrust_others(self, node: NodeName, public: str) -> int:
        """Take no other key of that type for the node's any more; how many entries are gone."""
        ...
