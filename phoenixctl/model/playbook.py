"""A playbook: steps in an order, on a few nodes or agents after the others, and what takes them
back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias

from phoenixctl.model.fleet import Share
from phoenixctl.model.moving import Way
from phoenixctl.model.names import AgentId, NodeName
from phoenixctl.model.rules import Goal

EVERYWHERE: Final = NodeName("*")  # in the place of a node, for what is about no single one


class Batches(StrEnum):
    """With which batches a step is made."""

    EACH = "each"
    FIRST = "first"
    LAST = "last"


@dataclass(frozen=True, slots=True)
class Exec:
    """Run a command on each node; status 0 is success. `sudo`: None as the node is reached."""

    argv: tuple[str, ...]
    timeout_seconds: float = 300.0
    sudo: bool | None = None


@dataclass(frozen=True, slots=True)
class Copy:
    """Copy a file of the operator's side to each node. `digest`: SHA-256 of what is copied."""

    source: str
    target: str
    digest: str = ""


@dataclass(frozen=True, slots=True)
class Wait:
    """Wait until a metric of each node of the batch, or of each of these agents, is where it should
    be: `below` or `above` a value in the metric's unit. What is not known is not there yet.

    `nodes` are filled in when the batch is planned.
    """

    metric: str
    below: float | None = None
    above: float | None = None
    within_seconds: float = 300.0
    every_seconds: float = 5.0
    agents: tuple[str, ...] = ()  # specs; none: it is about the nodes
    nodes: tuple[NodeName, ...] = ()


@dataclass(frozen=True, slots=True)
class Approve:
    """Wait for somebody's yes. `text` is what is asked."""

    text: str


@dataclass(frozen=True, slots=True)
class Notify:
    """Run a command on the operator's machine, with `text` and where the run is as JSON on its
    standard input."""

    argv: tuple[str, ...]
    text: str = ""
    timeout_seconds: float = 30.0


@dataclass(frozen=True, slots=True)
class RotateHostKey:
    """Give each node a new ed25519 host key."""


@dataclass(frozen=True, slots=True)
class Drain:
    """Cordon the nodes and bring their agents to others. `stop`: which are stopped instead, as
    `model.plan.Stopping`, none when empty."""

    stop: str = ""
    deadline_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Uncordon:
    """Let the nodes take agents again."""


@dataclass(frozen=True, slots=True)
class Reboot:
    """Drain what is not drained, reboot, let the nodes take agents again that were not cordoned."""

    stop: str = ""
    deadline_seconds: float | None = None


class Specification(StrEnum):
    """With which one agents are restarted."""

    NOW = "now"  # as it is configured
    FORMER = "former"  # the one that each had before this run


@dataclass(frozen=True, slots=True)
class Restart:
    """Restart the agents of the batch. With their former specification, only those that have
    another one now."""

    at_once: int = 1
    specification: Specification = Specification.NOW


@dataclass(frozen=True, slots=True)
class Migrate:
    """Bring the agents of the batch to another node with their state: that one, or to where
    placement puts them. `way`: None for that of their spec."""

    to: str = ""
    way: Way | None = None


@dataclass(frozen=True, slots=True)
class Scale:
    pool: str
    size: int


@dataclass(frozen=True, slots=True)
class Rebalance:
    """Move a few agents, as `phoenixctl rebalance`; what is None is as configured."""

    goal: Goal | None = None
    max_moves: int | None = None


Task: TypeAlias = Exec | Copy | Wait | Approve | Notify | RotateHostKey
"""What a step of a plan does that is about no agent's place."""

Move: TypeAlias = Drain | Uncordon | Reboot | Restart | Migrate | Scale | Rebalance
"""What is planned from what is seen when its turn comes."""

ON_NODES: Final = (Exec, Copy, RotateHostKey, Drain, Uncordon, Reboot)
ON_AGENTS: Final = (Restart, Migrate)


@dataclass(frozen=True, slots=True)
class Stage:
    """One step of a playbook. `name` is its own in the playbook."""

    name: str
    do: Task | Move
    batches: Batches = Batches.EACH


@dataclass(frozen=True, slots=True)
class Parameter:
    """`default`: None when it has to be given."""

    name: str
    default: str | None = None
    description: str = ""


@dataclass(frozen=True, slots=True)
class Choice:
    """What a playbook is about: nodes, or agents, or neither: then the fleet as a whole."""

    nodes: tuple[str, ...] = ()
    pools: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    agents: tuple[str, ...] = ()

    @property
    def of_nodes(self) -> bool:
        return bool(self.nodes or self.pools or self.labels)


@dataclass(frozen=True, slots=True)
class Playbook:
    """A playbook with the values of its parameters put in.

    `serial`: how many nodes or agents are in the first batch, the second …; the last says it for
    all others. `max_failures`: so many nodes or agents may fail before the rest is not begun.
    """

    name: str
    description: str
    parameters: Mapping[str, str]
    on: Choice
    serial: tuple[Share, ...]
    max_failures: Share
    steps: tuple[Stage, ...]
    rollback: tuple[Stage, ...] = ()


@dataclass(frozen=True, slots=True)
class Play:
    """To which part of which run of a playbook a plan belongs.

    `digest` is that of the playbook with its parameters, `run` names this run of it: when it
    began. `batches` are all of the run, `batch` is the number of this one (from 0). `failed` have
    failed before, and the run went on without them. `undoing`: it takes the batch back; `given_up`:
    and with that the run is over for now. `ended`: all is done.
    """

    playbook: str
    digest: str
    run: str
    batches: tuple[tuple[str, ...], ...]
    batch: int = 0
    failed: tuple[str, ...] = ()
    undoing: bool = False
    given_up: bool = False
    ended: bool = False


@dataclass(frozen=True, slots=True)
class Batch:
    """The nodes or agents that are at it together; the fleet as a whole when both are empty."""

    nodes: tuple[NodeName, ...] = ()
    agents: tuple[AgentId, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        return (*self.nodes, *self.agents)
