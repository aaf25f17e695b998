"""Agents come into traffic and leave it, so that no request is lost: what routers are told."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from phoenixctl.model.errors import CommandFailed, PhoenixError, Refused
from phoenixctl.model.fleet import Agent, Fleet
from phoenixctl.model.names import AgentId, NodeName
from phoenixctl.model.routing import (
    BackendStatus,
    Member,
    MemberState,
    Reconciled,
    RouterSettings,
    RouterStatus,
    SeenMember,
)
from phoenixctl.model.snapshot import Snapshot
from phoenixctl.model.units import format_duration
from phoenixctl.planning.routing import (
    Spot,
    agent_of,
    own,
    wanted_members,
    with_agent,
    with_moved,
    without,
)
from phoenixctl.ports.clock import Clock
from phoenixctl.ports.router import Router
from phoenixctl.workflows.addresses import Addresses

_UP_SECONDS: Final = 15.0
_UP_CHECKS: Final = 5  # so many more of a member's checks may pass
# A router that does not say whether anybody is idle has got the news by then.
_UNSEEN_SECONDS: Final = 0.1


@dataclass(frozen=True, slots=True)
class _Copy:
    """An agent on a node; `port` None: whichever it has there."""

    agent: AgentId
    node: NodeName
    port: int | None = None

    @property
    def spec(self) -> str:
        return self.agent.rpartition("-")[0]


@dataclass(frozen=True, slots=True)
class _Backend:
    router: Router
    name: str

    async def members(self) -> tuple[SeenMember, ...]:
        return await self.router.members(self.name)


class Traffic:
    """The routers of a fleet, by agent. Everything does nothing for agents that no router has, and
    may be repeated.

    The errors are those of `ports.router`; CommandFailed where a node's address is not known.
    """

    def __init__(self, fleet: Fleet, routers: Mapping[str, Router], clock: Clock) -> None:
        self._fleet = fleet
        self._routers = routers
        self._clock = clock
        # Who sends a list of members has read it before: one at a time.
        self._changing: defaultdict[tuple[str, str], asyncio.Lock] = defaultdict(asyncio.Lock)
        self._addresses = Addresses(fleet)

    def serves(self, spec_name: str) -> bool:
        """Whether any router has agents of this spec."""
        return any(spec_name in router.settings.backends for router in self._routers.values())

    async def admit(self, agent: Agent, node: NodeName, epoch: int, *, only: bool = False) -> str:
        """Let every router send requests to an agent, and wait until each does; with `only`, to no
        other copy of it any more, such as one on a node that has died.

        CommandFailed when the agent does not come up there.
        """
        if not self.serves(agent.spec.name):
            return ""
        spot = await self._spot(agent, node, epoch)
        for backend in self._backends(agent.spec.name):
            async with self._alone(backend) as seen:
                name, members = with_agent(seen, spot, backend.router.settings)
                await backend.router.reconcile(backend.name, members)
            await self._comes_up(backend, name, agent.id)
            if only:
                await self._without_others(backend, name, agent)
        return "takes traffic"

    async def withdraw(
        self,
        agent: AgentId,
        node: NodeName,
        *,
        within_seconds: float,
        port: int | None = None,
        comes_back: bool = False,
    ) -> str:
        """Take an agent out of every router: nothing new goes there, and what it has it finishes.

        It goes also where nobody else is left to serve; if it `comes_back`, here or elsewhere, by
        an `admit` that follows, requests wait there until then, if the router can. What is busy
        after its time gets nothing new, and is taken out the next time. A router that cannot be
        asked does not keep the others from it; its error is raised at the end. `port`: None for
        whichever it has there.
        """
        copy, begun = _Copy(agent, node, port), self._clock.monotonic()
        until = begun + within_seconds
        out: list[bool] = []
        errors: list[PhoenixError] = []
        for backend in self._backends(copy.spec):
            try:
                drained, waiting = await self._drained(backend, copy, comes_back=comes_back)
                out += [await self._idle(backend, name, until) is not False for name in waiting]
                if drained:
                    out.append(await self._removed(backend, drained, until))
            except PhoenixError as error:
                errors.append(error)
        if errors:
            raise _all_of(errors)
        took = format_duration(self._clock.monotonic() - begun)
        if not all(out):
            return f"still has requests after {took}"
        return f"out of traffic in {took}" if out else ""

    async def hold(self, agent: AgentId, node: NodeName, *, port: int | None = None) -> bool:
        """Let nothing new go to an agent, until `switch` or `release`: others take it or, where
        nobody else serves, requests wait. False where a router can do neither.
        """
        copy, spared = _Copy(agent, node, port), True
        for backend in self._backends(copy.spec):
            async with self._alone(backend) as seen:
                for one in await self._own(seen, copy):
                    if one.member.state is MemberState.READY:
                        spared = await self._spared(backend, one.member.name) and spared
        return spared

    async def idle(
        self, agent: AgentId, node: NodeName, within_seconds: float, *, port: int | None = None
    ) -> bool | None:
        """Whether the agent has answered all that it had, in time. None: a router cannot tell."""
        copy, until = _Copy(agent, node, port), self._clock.monotonic() + within_seconds
        answers = [
            await self._idle(backend, one.member.name, until, news=not one.serves)
            for backend in self._backends(copy.spec)
            for one in await self._own(await backend.members(), copy)
        ]
        return False if False in answers else None if None in answers else True

    async def switch(self, agent: Agent, source: NodeName, target: NodeName, epoch: int) -> None:
        """Send requests for the agent to the target; those that wait go there now.

        A member that is held or drained moves under its name. Where the agent is none, it is
        admitted; where it still serves at the source, it leaves after that.
        """
        if not self.serves(agent.spec.name):
            return
        there = await self._spot(agent, target, epoch)
        here = _Copy(agent.id, source)
        for backend in self._backends(agent.spec.name):
            async with self._alone(backend) as seen:
                await self._switched(backend, seen, here, there)

    async def release(self, agent: AgentId, node: NodeName, *, port: int | None = None) -> None:
        """Give a switch up: requests for the agent go to its own address again.

        `port`: None for the one that its specification says.
        """
        copy = _Copy(agent, node, port)
        for backend in self._backends(copy.spec):
            async with self._alone(backend) as seen:
                for one in (await self._own(seen, copy))[:1]:
                    await self._let_go(backend, seen, one, copy)

    # All of them

    async def status(self, snapshot: Snapshot) -> tuple[RouterStatus, ...]:
        """Every router with the members that it has, and those that it should have from what is
        seen to run; asked all at once. One that does not answer is in it as such."""
        return tuple(
            await asyncio.gather(
                *(self._status(router, snapshot) for router in self._routers.values())
            )
        )

    async def wanted(
        self, router: str, backend: str, seen: Sequence[SeenMember], snapshot: Snapshot
    ) -> tuple[Member, ...]:
        """The members that a backend should have: its agents that are active and ready, where the
        snapshot has them."""
        settings = self.router(router).settings
        specs = _specs(settings, backend)
        return wanted_members(seen, await self._addresses.spots(snapshot, specs), specs, settings)

    async def reconcile(self, router: str, backend: str, snapshot: Snapshot) -> Reconciled:
        """Make a backend's members those that it should have."""
        to = _Backend(self.router(router), backend)
        async with self._alone(to) as seen:
            members = await self.wanted(router, backend, seen, snapshot)
            return await to.router.reconcile(backend, members)

    async def _status(self, router: Router, snapshot: Snapshot) -> RouterStatus:
        settings = router.settings
        try:
            facts = await router.facts()
        except PhoenixError as error:
            return RouterStatus(settings, error=error)
        backends = [
            await self._backend_status(router, name, snapshot)
            for name in sorted(set(settings.backends.values()))
        ]
        return RouterStatus(settings, facts, tuple(backends))

    async def _backend_status(self, router: Router, name: str, snapshot: Snapshot) -> BackendStatus:
        settings = router.settings
        specs = _specs(settings, name)
        try:
            seen = await router.members(name)
            wanted = await self.wanted(settings.name, name, seen, snapshot)
        except PhoenixError as error:
            return BackendStatus(name, specs, error=error)
        return BackendStatus(name, specs, seen, wanted)

    def router(self, name: str) -> Router:
        """The router of that name; CommandFailed when it left the configuration."""
        found = self._routers.get(name)
        if found is None:
            raise CommandFailed(f"router {name} is not in the configuration any more")
        return found

    # One backend

    @asynccontextmanager
    async def _alone(self, backend: _Backend) -> AsyncIterator[tuple[SeenMember, ...]]:
        """The members, which nobody else of this run changes meanwhile."""
        async with self._changing[backend.router.settings.name, backend.name]:
            yield await backend.members()

    async def _comes_up(self, backend: _Backend, name: str, agent: AgentId) -> None:
        settings = backend.router.settings
        limit = _UP_SECONDS + _UP_CHECKS * (settings.check_seconds or 0.0)
        if await backend.router.wait_up(backend.name, name, within_seconds=limit) is False:
            raise CommandFailed(
                f"{agent} runs, and {settings.name} does not find it up after"
                f" {format_duration(limit)}",
                hint="phoenixctl routers status",
            )

    async def _drained(
        self, backend: _Backend, copy: _Copy, *, comes_back: bool
    ) -> tuple[list[str], list[str]]:
        """Let the agent's members get nothing new; the names of those that are drained, and of
        those whose requests wait."""
        drained: list[str] = []
        waiting: list[str] = []
        async with self._alone(backend) as seen:
            for one in await self._own(seen, copy):
                if one.held and not comes_back:  # it cannot be taken out
                    await self._let_go(backend, seen, one, copy)
                waits = comes_back and (one.held or await self._waits(backend, one.member.name))
                (waiting if waits else drained).append(one.member.name)
            for name in drained:
                await backend.router.set_state(
                    backend.name, name, MemberState.DRAIN, may_silence=True
                )
        return drained, waiting

    async def _waits(self, backend: _Backend, name: str) -> bool:
        """Drain a member if others serve, else let its requests wait; whether they do."""
        try:
            await backend.router.set_state(backend.name, name, MemberState.DRAIN)
        except Refused:
            return await backend.router.hold(backend.name, name)
        return False

    async def _without_others(self, backend: _Backend, name: str, agent: Agent) -> None:
        """The agent's other members get nothing new, and leave if they are idle."""
        async with self._alone(backend) as seen:
            names = [
                one.member.name
                for one in seen
                if agent_of(one.member.name, (agent.spec.name,)) == agent.id
                and one.member.name != name
                and not one.held
            ]
            for other in names:
                await backend.router.set_state(backend.name, other, MemberState.DRAIN)
        if names:
            await self._removed(backend, names, self._clock.monotonic())

    async def _removed(self, backend: _Backend, names: Sequence[str], until: float) -> bool:
        """Take members out when they are idle; False when one is not in time."""
        for name in names:
            if await self._idle(backend, name, until) is False:
                return False
        async with self._alone(backend) as seen:
            left = without(seen, names)
            done = await backend.router.reconcile(
                backend.name, left, within_seconds=0.0, may_silence=True
            )
        return set(names).isdisjoint(done.busy)

    async def _idle(
        self, backend: _Backend, name: str, until: float, *, news: bool = True
    ) -> bool | None:
        """Whether a member is idle in time; `news`: it was told a moment ago to get nothing new."""
        left = max(0.0, until - self._clock.monotonic())
        idle = await backend.router.wait_idle(backend.name, name, within_seconds=left)
        if idle is None and news:
            await asyncio.sleep(min(_UNSEEN_SECONDS, left))
        return idle

    async def _spared(self, backend: _Backend, name: str) -> bool:
        # A request that waits for one of several is tried again at once, and fails when HAProxy
        # comes to one that waits as well.
        try:
            await backend.router.set_state(backend.name, name, MemberState.DRAIN)
        except Refused:
            return await backend.router.hold(backend.name, name)
        return True

    async def _let_go(
        self, backend: _Backend, seen: Sequence[SeenMember], one: SeenMember, copy: _Copy
    ) -> None:
        """Requests that wait for the agent go to it."""
        port = copy.port if copy.port is not None else self._port_of(copy)
        if port is not None:
            spot = Spot(copy.agent, 0, await self._addresses.of(copy.node), port)
            members = with_moved(seen, one.member.name, spot, backend.router.settings)
            await backend.router.reconcile(backend.name, members)

    async def _switched(
        self, backend: _Backend, seen: Sequence[SeenMember], here: _Copy, there: Spot
    ) -> None:
        router = backend.router
        at_source = await self._own(seen, here)
        at_target = own(seen, there.agent, there.address, there.port)
        moving = next((one for one in at_source if one.held or one not in at_target), None)
        if moving is not None and (moving.held or not (moving.serves or at_target)):
            members = with_moved(seen, moving.member.name, there, router.settings)
            await router.reconcile(backend.name, members)
            return
        _, members = with_agent(seen, there, router.settings)
        await router.reconcile(backend.name, members)
        if moving is not None:
            left = without(await backend.members(), (moving.member.name,))
            await router.reconcile(backend.name, left)

    # Who and where

    def _backends(self, spec_name: str) -> Iterator[_Backend]:
        for router in self._routers.values():
            backend = router.settings.backends.get(spec_name)
            if backend is not None:
                yield _Backend(router, backend)

    async def _own(self, seen: Sequence[SeenMember], copy: _Copy) -> tuple[SeenMember, ...]:
        return own(seen, copy.agent, await self._addresses.of(copy.node), copy.port)

    async def _spot(self, agent: Agent, node: NodeName, epoch: int) -> Spot:
        if agent.port is None:
            raise CommandFailed(
                f"{agent.id} has no port that requests could be sent to",
                hint=f"give agents.{agent.spec.name} a `port`",
            )
        return Spot(agent.id, epoch, await self._addresses.of(node), agent.port)

    def _port_of(self, copy: _Copy) -> int | None:
        spec = self._fleet.agents.get(copy.spec)
        return None if spec is None else spec.port_of(int(copy.agent.rpartition("-")[2]))


def _specs(settings: RouterSettings, backend: str) -> tuple[str, ...]:
    return tuple(sorted(spec for spec, name in settings.backends.items() if name == backend))


def _all_of(errors: Sequence[PhoenixError]) -> PhoenixError:
    first = errors[0]
    if len(errors) == 1:
        return first
    return type(first)("; ".join(error.what for error in errors), hint=first.hint)
