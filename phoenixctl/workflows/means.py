"""What a change of the fleet is carried out with, and how."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from phoenixctl.model.fleet import Fleet, SecretRef
from phoenixctl.model.plan import Step
from phoenixctl.ports.clock import Clock
from phoenixctl.ports.here import Here
from phoenixctl.ports.provider import Provider
from phoenixctl.ports.reach import Reach
from phoenixctl.ports.records import Holder, Records, Unfinished
from phoenixctl.ports.router import Router
from phoenixctl.workflows.report import StepResult


@dataclass(frozen=True, slots=True)
class Means:
    """The fleet as configured, and the ways to its nodes, providers, routers and records.

    `providers` go by pool name. `secret` finds a secret's value on the operator's side, `read` a
    file there, by its path as the configuration has it. `by` is who does it all, `here` is their
    own machine.
    """

    fleet: Fleet
    reach: Reach
    providers: Mapping[str, Provider]
    records: Records
    clock: Clock
    secret: Callable[[SecretRef], str]
    read: Callable[[str], bytes]
    by: str
    routers: Mapping[str, Router] = field(default_factory=lambda: MappingProxyType({}))
    here: Here | None = None


@dataclass(frozen=True, slots=True)
class Manner:
    """How a plan is carried out.

    `reason` is left on cordoned nodes; `purge` removes the state of agents that are stopped;
    `parallel` steps at most are under way at a time. `check` is asked under the lock, before
    anything is done, and raises what forbids it.
    """

    reason: str = ""
    wait_ready: bool = True
    purge: bool = False
    lock_wait_seconds: float = 0.0
    parallel: int = 64
    check: Callable[[], Awaitable[None]] | None = None


ORDINARY: Final = Manner()


@dataclass(frozen=True, slots=True)
class Watcher:
    """Who is told of what happens, as it happens.

    `on_step` when a step begins (None) and when it has ended; `on_recovered` when one of an
    earlier run has got its end, or could not be reached; `on_wait` of who holds the lock.
    """

    on_step: Callable[[Step, StepResult | None], None] | None = None
    on_recovered: Callable[[Unfinished, StepResult], None] | None = None
    on_wait: Callable[[Holder], None] | None = None


NOBODY: Final = Watcher()
