"""What a node gets before it takes agents."""

from __future__ import annotations

from dataclasses import dataclass

from phoenixctl.model.hooks import ExecHook


@dataclass(frozen=True, slots=True)
class BootstrapFile:
    """A file of the operator's side that every node of a pool has."""

    source: str  # a path on the operator's side
    target: str  # an absolute path on the node
    mode: str = "0644"
    owner: str | None = None  # `user` or `user:group`


@dataclass(frozen=True, slots=True)
class BootstrapCommand:
    """A command that prepares a node. With `unless`, it runs only while that one fails."""

    run: tuple[str, ...]
    unless: tuple[str, ...] = ()
    timeout_seconds: float = 300.0


@dataclass(frozen=True, slots=True)
class Bootstrap:
    """What a node gets before it takes agents: packages, then files, then commands, in order."""

    packages: tuple[str, ...] = ()
    files: tuple[BootstrapFile, ...] = ()
    commands: tuple[BootstrapCommand, ...] = ()
    ready: ExecHook | None = None  # must succeed at the end
    within_seconds: float = 120.0  # for a new node to answer over SSH
