"""A small fleet of machines in memory, and all that a plan is carried out with on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from phoenixctl.model.errors import HostKeyChanged, PhoenixError
from phoenixctl.model.fleet import Fleet, Node, SecretRef
from phoenixctl.model.names import AgentId, NodeName
from phoenixctl.model.plan import Action, Basis, Plan, Step
from phoenixctl.model.state import AgentRecord
from phoenixctl.ports.router import Router
from phoenixctl.workflows.apply import Means
from phoenixctl.workflows.means import ORDINARY, Manner
from phoenixctl.workflows.work import Trail, Work
from tests.unit.workflows.fakes import (
    FakeClock,
    FakeOperation,
    FakeProvider,
    FakeReach,
    FakeRecords,
    FakeSession,
)
from tests.unit.workflows.machine import Machine


@dataclass
class Site:
    """Machines by name, or why they are silent. `means` is what `apply` works with."""

    fleet: Fleet
    machines: dict[str, Machine | PhoenixError]
    records: FakeRecords = field(default_factory=FakeRecords)
    provider: FakeProvider = field(default_factory=FakeProvider)
    clock: FakeClock = field(default_factory=FakeClock)
    files: Mapping[str, bytes] = field(default_factory=dict)
    secret: Callable[[SecretRef], str] = lambda ref: f"value of {ref.name}"
    routers: Mapping[str, Router] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.reach = FakeReach({})
        self.reach.nodes = _Sessions(self.machines, self.reach.added)

    @property
    def means(self) -> Means:
        return Means(
            fleet=self.fleet,
            reach=self.reach,
            providers=dict.fromkeys(self.fleet.pools, self.provider),
            records=self.records,
            clock=self.clock,
            secret=self.secret,
            read=lambda path: self.files[path],
            by="op@here",
            routers=self.routers,
        )

    def machine(self, name: str) -> Machine:
        found = self.machines[name]
        assert isinstance(found, Machine)
        return found

    def work(self, manner: Manner = ORDINARY, plan: Plan | None = None) -> Work:
        """A run that has the lock already."""
        self.records.held = True
        operation = FakeOperation(self.records, "5", tuple(self.records.left))
        return Work(self.means, manner, operation, plan or Plan("test", ()))

    def basis(self, config: str = "cfg") -> Basis:
        state = self.records.state
        return Basis(state.fleet, state.lineage, state.serial, config)


class _Sessions(dict[str, FakeSession | PhoenixError]):
    """Sessions of machines, also of those that come later."""

    def __init__(self, machines: dict[str, Machine | PhoenixError], added: list[Node]) -> None:
        self._machines = machines
        self._added = added

    def get(self, name: str, default: object = None) -> object:
        found = self._machines.get(name, default)
        if not isinstance(found, Machine):
            return found
        trusted = next((n.host_keys for n in reversed(self._added) if n.name == name), ())
        if trusted and found.host_key not in trusted:
            return HostKeyChanged(f"{name} shows {found.host_key}")
        return found.session


def step(action: Action, agent: str = "web-0", node: str = "a", **more: object) -> Step:
    """A step about an agent."""
    return Step(action, NodeName(node), AgentId(agent), "test", **more)


def about(action: Action, node: str, pool: str = "main", **more: object) -> Step:
    """A step about a node."""
    return Step(action, NodeName(node), None, "test", pool=pool, **more)


def recorded(agent: str, node: str = "a", digest: str = "0123456789ab", epoch: int = 1) -> (
    dict[AgentId, AgentRecord]
):  # fmt: skip
    return {AgentId(agent): AgentRecord(AgentId(agent), NodeName(node), digest, epoch)}


def trail(of: Step, **more: object) -> Trail:
    async def note(_facts: Mapping[str, str]) -> None:
        pass

    return Trail(of, "5", note, **more)
