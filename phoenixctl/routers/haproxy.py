"""HAProxy, by its runtime socket (2.6 and later; earlier ones for what needs no new server)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Final

from phoenixctl.model.errors import CommandFailed, OutcomeUnknown, Refused
from phoenixctl.model.routing import (
    Member,
    MemberState,
    Reconciled,
    RouterFacts,
    RouterSettings,
    SeenMember,
)
from phoenixctl.ports.clock import Clock
from phoenixctl.ports.router import Router
from phoenixctl.remote import haproxy
from phoenixctl.remote.membership import Changes, plan_changes, plan_hold, plan_state, plan_weights
from phoenixctl.routers.doors import Door

_LOOK_EVERY_SECONDS: Final = 0.05
# `del server` looks at idle connections too, which are closed a moment after `state maint`.
_LET_GO_SECONDS: Final = 3.0


class HAProxy(Router):
    """One HAProxy behind a door."""

    def __init__(self, settings: RouterSettings, door: Door, clock: Clock) -> None:
        self._settings = settings
        self._door = door
        self._clock = clock

    @property
    def settings(self) -> RouterSettings:
        return self._settings

    async def facts(self) -> RouterFacts:
        return haproxy.parse_facts(await self._read(haproxy.FACTS), self._settings.name)

    async def members(self, backend: str) -> tuple[SeenMember, ...]:
        answer = await self._read(haproxy.asking(backend))
        return haproxy.parse_members(answer, self._settings.name, backend)

    async def reconcile(
        self,
        backend: str,
        wanted: Sequence[Member],
        *,
        within_seconds: float = 30.0,
        cut_off: bool = False,
        may_silence: bool = False,
    ) -> Reconciled:
        seen = await self.members(backend)
        changes = plan_changes(backend, seen, wanted, self._settings, may_silence=may_silence)
        if not changes.commands:
            return Reconciled()
        await self._check_release(changes.commands)
        await self._send(changes.opening)
        if changes.closing and not may_silence:
            await self._until_served(backend, changes, within_seconds)
        await self._send(changes.closing)
        until = self._clock.monotonic() + within_seconds
        busy = []
        for name, commands in changes.removing:
            left = max(0.0, until - self._clock.monotonic())
            idle = await self.wait_idle(backend, name, within_seconds=left)
            if not idle and cut_off:
                await self._send(haproxy.cut_off(backend, name))
                idle = True
            if not (idle and await self._removed(commands)):
                busy.append(name)
        return Reconciled(changes.commands, tuple(busy))

    async def set_weights(self, backend: str, weights: Mapping[str, int]) -> tuple[str, ...]:
        commands = plan_weights(backend, await self.members(backend), weights)
        await self._send(commands)
        return commands

    async def set_state(
        self, backend: str, name: str, state: MemberState, *, may_silence: bool = False
    ) -> tuple[str, ...]:
        seen = await self.members(backend)
        commands = plan_state(backend, seen, name, state, may_silence=may_silence)
        await self._send(commands)
        return commands

    async def hold(self, backend: str, name: str) -> bool:
        await self._send(plan_hold(backend, await self.members(backend), name))
        return True

    async def wait_idle(self, backend: str, name: str, *, within_seconds: float) -> bool | None:
        async def idle() -> bool:
            found = await self._one(backend, name)
            return found is None or bool(found.idle)

        return await self._comes_true(idle, within_seconds)

    async def wait_up(self, backend: str, name: str, *, within_seconds: float) -> bool | None:
        async def up() -> bool:
            found = await self._one(backend, name)
            return found is not None and found.proven

        return await self._comes_true(up, within_seconds)

    async def _one(self, backend: str, name: str) -> SeenMember | None:
        seen = await self.members(backend)
        return next((one for one in seen if one.member.name == name), None)

    async def _until_served(self, backend: str, changes: Changes, within_seconds: float) -> None:
        """Wait until one of those that stay is up. Refused where none is and others serve."""
        going: list[str] = []

        async def served() -> bool:
            seen = await self.members(backend)
            going[:] = [one.member.name for one in seen if one.serves]
            proven = {one.member.name for one in seen if one.proven}
            return not going or not proven.isdisjoint(changes.serving)

        if not await self._comes_true(served, within_seconds):
            raise Refused(
                f"{self._settings.name}: {backend}: none of {', '.join(changes.serving)} is up, so "
                f"{', '.join(going)} stays",
                hint="see why they fail their check; nothing was taken away",
            )

    async def _comes_true(
        self, condition: Callable[[], Awaitable[bool]], within_seconds: float
    ) -> bool:
        until = self._clock.monotonic() + within_seconds
        while not await condition():
            if self._clock.monotonic() >= until:
                return False
            await asyncio.sleep(_LOOK_EVERY_SECONDS)
        return True

    async def _removed(self, commands: tuple[str, ...]) -> bool:
        """Send what takes a member out; False while HAProxy still holds on to it."""
        *before, last = commands
        await self._send(before)
        until = self._clock.monotonic() + _LET_GO_SECONDS
        while True:
            try:
                await self._send((last,))
            except CommandFailed:
                if self._clock.monotonic() >= until:
                    return False
                await asyncio.sleep(_LOOK_EVERY_SECONDS)
            else:
                return True

    async def _check_release(self, commands: Iterable[str]) -> None:
        if not any(haproxy.is_dynamic(command) for command in commands):
            return
        facts = await self.facts()
        if facts.release < haproxy.DYNAMIC_SINCE:
            raise CommandFailed(
                f"{self._settings.name}: HAProxy {facts.version} takes no new servers as it runs",
                hint="use HAProxy 2.6 or later, or have every server in its configuration",
            )

    async def _send(self, commands: Iterable[str]) -> None:
        for line in haproxy.lines(commands):
            answer = await self._door.ask(line, timeout_seconds=self._settings.timeout_seconds)
            haproxy.checked(answer, self._settings.name)

    async def _read(self, commands: Iterable[str]) -> bytes:
        answers = []
        for line in haproxy.lines(commands):
            try:
                answers.append(
                    await self._door.ask(line, timeout_seconds=self._settings.timeout_seconds)
                )
            except OutcomeUnknown as error:  # a question changes nothing
                raise CommandFailed(error.what, hint=error.hint) from error
        return b"".join(answers)
