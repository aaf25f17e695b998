"""A plan is data: steps in an order, each with a reason, a risk and what it relies on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from phoenixctl.model.moving import Way
from phoenixctl.model.names import AgentId, NodeName
from phoenixctl.model.playbook import EVERYWHERE, Play, Task

_NONE: Final[Mapping[str, str]] = MappingProxyType({})


class Action(StrEnum):
    START = "start agent"
    STOP = "stop agent"
    RESTART = "restart agent"
    UPDATE = "update agent"
    DRAIN = "drain agent"
    MIGRATE = "migrate agent"
    CORDON = "cordon node"
    UNCORDON = "uncordon node"
    REBOOT = "reboot node"
    CREATE = "create node"
    JOIN = "join node"
    PROTECT = "protect node"
    UNPROTECT = "unprotect node"
    DESTROY = "destroy node"
    FORGET = "forget node"
    ROUTE = "set members"
    WEIGH = "set weights"
    # Of playbooks.
    EXEC = "run command"
    COPY = "copy file"
    WAIT = "await metric"
    APPROVE = "give approval"
    NOTIFY = "send notice"
    ROTATE = "rotate key"


OF_PLAYBOOKS: Final = frozenset(
    {Action.EXEC, Action.COPY, Action.WAIT, Action.APPROVE, Action.NOTIFY, Action.ROTATE}
)


class Risk(StrEnum):
    SAFE = "safe"
    DISRUPTIVE = "disruptive"
    DESTRUCTIVE = "destructive"


class Stopping(StrEnum):
    """Which agents a drain may stop instead of moving them."""

    UNPLACED = "unplaced"  # those that no other node takes
    ALL = "all"


@dataclass(frozen=True, slots=True)
class Change:
    """One attribute that a step changes. None: not there. `known` is False while only carrying it
    out will tell what comes after."""

    name: str
    before: str | None
    after: str | None
    known: bool = True


@dataclass(frozen=True, slots=True)
class Inverse:
    """What takes a step back; `spec_digest` names the specification that an agent had before."""

    action: Action
    spec_digest: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """One change to one thing. `after` names the keys of steps that must have succeeded first.

    `relies_on` has a fingerprint of each thing whose state the plan took for granted, by address
    (`planning.fingerprint`); a step whose things have changed since is stale. With `instance` it
    is about that one of a provider, which no record has: another machine may have the node's name.
    A migration is from `source` to `node`. `stage` is the step of a playbook that it comes from,
    `task` what it does when it is about no agent's place; `node` is EVERYWHERE for what is about
    no single one. `router` is the backend of a router that it is about, `lb/ingest`.
    """

    action: Action
    node: NodeName
    agent: AgentId | None
    reason: str
    risk: Risk = Risk.SAFE
    after: tuple[str, ...] = ()
    grace_seconds: float | None = None  # overrides the agent's own, e.g. by a node's drain deadline
    pool: str = ""  # of steps about a node
    spec_digest: str = ""  # the specification that an agent is started with
    changes: tuple[Change, ...] = ()
    relies_on: Mapping[str, str] = field(default_factory=lambda: _NONE)
    inverse: Inverse | None = None  # None: it cannot be taken back
    instance: str = ""  # its provider's id
    source: NodeName | None = None  # of a migration
    way: Way | None = None  # of a migration
    stage: str = ""
    task: Task | None = None
    router: str = ""

    @property
    def key(self) -> str:
        """`start agent ingest-0@web-1`: unique in a plan, the same in every run."""
        if self.instance:
            return f"{self.action} {self.node} ({self.instance})"
        if self.task is not None:
            return f"{self.action} {self.stage}@{self.node}"
        if self.router:
            return f"{self.action} {self.router}"
        return f"{self.action} {f'{self.agent}@' if self.agent else ''}{self.node}"

    @property
    def nodes(self) -> tuple[NodeName, ...]:
        """Where it does something: of a migration, on both sides."""
        return (self.node,) if self.source is None else (self.source, self.node)

    @property
    def address(self) -> str:
        """What it is about: `agent.ingest-0`, `node.web-1`, `instance.i-0abc`, `router.lb/ingest`,
        or `fleet`."""
        if self.instance:
            return f"instance.{self.instance}"
        if self.router:
            return f"router.{self.router}"
        if self.node == EVERYWHERE:
            return "fleet"
        return f"agent.{self.agent}" if self.agent else f"node.{self.node}"


@dataclass(frozen=True, slots=True)
class Drift:
    """Something that is not as it was recorded; `address` as in `Step.address`, `hint` the command
    that puts it right, if it takes one of its own."""

    address: str
    what: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Breach:
    """A guard that forbids the plan: which, what it would do, what is allowed."""

    guard: str  # max_destroy, max_disruption, protected, minimum, maximum, no_other_place
    what: str
    hint: str


@dataclass(frozen=True, slots=True)
class Basis:
    """What a plan was computed from; it is stale when any of it has changed."""

    fleet: str
    lineage: str
    serial: int
    config_digest: str


@dataclass(frozen=True, slots=True)
class Cost:
    """Price per hour of what the fleet's providers charge for, before and after the plan.

    `unpriced` names the kinds of nodes that the price table lacks; they count for nothing.
    """

    before: float
    after: float
    unpriced: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """What would be done, and what stays as it is with the reason.

    `warnings` name what was asked for and is not in the plan, `notes` what else is good to know.
    """

    title: str
    steps: tuple[Step, ...]
    unchanged: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    drift: tuple[Drift, ...] = ()
    breaches: tuple[Breach, ...] = ()
    cost: Cost | None = None
    basis: Basis | None = None  # None: it was made for this very run
    sizes: Mapping[str, int] = field(
        default_factory=lambda: MappingProxyType({})
    )  # by pool, wanted
    play: Play | None = None  # of a playbook
