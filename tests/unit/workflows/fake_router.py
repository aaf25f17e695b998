"""A router in memory, which holds requests or not, and whose members are as busy as a test says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from phoenixctl.model.errors import PhoenixError
from phoenixctl.model.routing import (
    Member,
    MemberState,
    Reconciled,
    RouterFacts,
    RouterKind,
    RouterSettings,
    SeenMember,
)
from phoenixctl.remote.membership import plan_changes, plan_state, plan_weights

SPEC = "work"
BACKEND = "be"


class Killed(BaseException):
    """Whoever made changes is no more."""


@dataclass
class FakeRouter:
    """One backend. `told` are its changes in short; `error` is what every question ends in. After
    `cut_after` changes whoever makes them is killed."""

    name: str = "lb"
    holds: bool = True
    idle: bool | None = True
    up: bool | None = True
    weight: int = 100
    seen: dict[str, SeenMember] = field(default_factory=dict)
    told: list[str] = field(default_factory=list)
    error: PhoenixError | None = None
    cut_after: int | None = None
    spec: str = SPEC

    @property
    def settings(self) -> RouterSettings:
        backends = {self.spec: BACKEND}
        return RouterSettings(self.name, RouterKind.HAPROXY, "/s", backends, weight=self.weight)

    def has(self, *members: Member) -> FakeRouter:
        self.seen.update({one.name: SeenMember(one, up=True, sessions=0) for one in members})
        return self

    def held(self, name: str) -> FakeRouter:
        nowhere = Member(name, "127.0.0.1", 1)
        self.seen[name] = SeenMember(nowhere, up=True, sessions=0, held=True)
        return self

    def is_told(self) -> list[str]:
        told, self.told = self.told, []
        return told

    async def facts(self) -> RouterFacts:
        self._answer()
        return RouterFacts("2.6.12", pid=7, uptime_seconds=60.0)

    async def members(self, backend: str) -> tuple[SeenMember, ...]:
        assert backend == BACKEND
        self._answer()
        return tuple(self.seen[name] for name in sorted(self.seen))

    async def reconcile(
        self,
        backend: str,
        wanted: Sequence[Member],
        *,
        within_seconds: float = 30.0,
        cut_off: bool = False,
        may_silence: bool = False,
    ) -> Reconciled:
        before = await self.members(backend)
        changes = plan_changes(backend, before, wanted, self.settings, may_silence=may_silence)
        then = {one.name: one for one in wanted}
        for name in [name for name in self.seen if name not in then]:
            self._tell(f"- {name}")
            del self.seen[name]
        for name, member in then.items():
            was = self.seen.get(name)
            if was is None or was.member != member:
                self._tell(f"{'~' if was else '+'} {_words(member)}")
                self.has(member)
        return Reconciled(changes.commands)

    async def set_weights(self, backend: str, weights: Mapping[str, int]) -> tuple[str, ...]:
        commands = plan_weights(backend, await self.members(backend), weights)
        for name, weight in weights.items():
            self.has(replace(self.seen[name].member, weight=weight))
        return commands

    async def set_state(
        self, backend: str, name: str, state: MemberState, *, may_silence: bool = False
    ) -> tuple[str, ...]:
        before = await self.members(backend)
        commands = plan_state(backend, before, name, state, may_silence=may_silence)
        if commands:
            self._tell(f"{state} {name}")
        one = self.seen[name]
        self.seen[name] = replace(one, member=replace(one.member, state=state))
        return commands

    async def hold(self, backend: str, name: str) -> bool:
        await self.members(backend)
        if self.holds and not self.seen[name].held:
            self._tell(f"hold {name}")
            self.held(name)
        return self.holds

    async def wait_idle(self, backend: str, name: str, *, within_seconds: float) -> bool | None:
        await self.members(backend)
        return self.idle

    async def wait_up(self, backend: str, name: str, *, within_seconds: float) -> bool | None:
        await self.members(backend)
        return self.up

    def _tell(self, change: str) -> None:
        if self.cut_after is not None and len(self.told) >= self.cut_after:
            raise Killed
        self.told.append(change)

    def _answer(self) -> None:
        if self.error is not None:
            raise self.error


def _words(member: Member) -> str:
    state = "" if member.state is MemberState.READY else f" {member.state}"
    return f"{member.name} {member.address}:{member.port} {member.weight}{state}"
