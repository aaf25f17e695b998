"""Routers that are told who serves by files: one for each backend, the old one or the new one.

They say nothing back: who is up and who is idle is not known here.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import ClassVar

from phoenixctl.model.routing import (
    Member,
    MemberState,
    Reconciled,
    RouterFacts,
    RouterSettings,
    SeenMember,
)
from phoenixctl.ports.router import Router
from phoenixctl.remote.membership import plan_list, plan_state, plan_weights
from phoenixctl.routers.places import Place


class Filed(Router):
    """What is the same for all of them; each knows its own form of a file."""

    # Whether a router has to be told of a file that is as it should be: whoever wrote it may have
    # been cut off before.
    _told_again: ClassVar[bool] = False

    def __init__(self, settings: RouterSettings, place: Place) -> None:
        self._settings = settings
        self._place = place

    @property
    def settings(self) -> RouterSettings:
        return self._settings

    async def facts(self) -> RouterFacts:
        return RouterFacts("")

    async def members(self, backend: str) -> tuple[SeenMember, ...]:
        return self._parsed(backend, await self._place.read(self._file(backend)))

    async def reconcile(
        self,
        backend: str,
        wanted: Sequence[Member],
        *,
        within_seconds: float = 30.0,
        cut_off: bool = False,
        may_silence: bool = False,
    ) -> Reconciled:
        del within_seconds  # there is nothing to wait for that could be seen
        before = await self._place.read(self._file(backend))
        seen = self._parsed(backend, before)
        members, busy = plan_list(backend, seen, wanted, cut_off=cut_off, may_silence=may_silence)
        return Reconciled(await self._replaced(backend, before, members), busy)

    async def set_weights(self, backend: str, weights: Mapping[str, int]) -> tuple[str, ...]:
        before = await self._place.read(self._file(backend))
        seen = self._parsed(backend, before)
        plan_weights(backend, seen, weights)
        members = [
            replace(one.member, weight=weights.get(one.member.name, one.member.weight))
            for one in seen
        ]
        return await self._replaced(backend, before, members)

    async def set_state(
        self, backend: str, name: str, state: MemberState, *, may_silence: bool = False
    ) -> tuple[str, ...]:
        before = await self._place.read(self._file(backend))
        seen = self._parsed(backend, before)
        plan_state(backend, seen, name, state, may_silence=may_silence)
        members = [
            replace(one.member, state=state) if one.member.name == name else one.member
            for one in seen
        ]
        return await self._replaced(backend, before, members)

    async def hold(self, backend: str, name: str) -> bool:
        del backend, name
        return False

    async def wait_idle(self, backend: str, name: str, *, within_seconds: float) -> bool | None:
        del backend, name, within_seconds
        return None

    async def wait_up(self, backend: str, name: str, *, within_seconds: float) -> bool | None:
        del backend, name, within_seconds
        return None

    @abstractmethod
    def _file(self, backend: str) -> str:
        """The name of a backend's file in the router's folder."""

    @abstractmethod
    def _parse(self, document: bytes, backend: str) -> tuple[SeenMember, ...]:
        """CommandFailed for a file that is not one of ours."""

    @abstractmethod
    def _render(self, backend: str, members: Iterable[Member]) -> bytes:
        """The same bytes for the same members."""

    @abstractmethod
    async def _taken(self, name: str, before: bytes | None) -> tuple[str, ...]:
        """Let the router take the new file, or put the one before back and say why; the commands
        it took."""

    def _parsed(self, backend: str, document: bytes | None) -> tuple[SeenMember, ...]:
        return () if document is None else self._parse(document, backend)

    async def _replaced(
        self, backend: str, before: bytes | None, members: Iterable[Member]
    ) -> tuple[str, ...]:
        content, name = self._render(backend, members), self._file(backend)
        if content == before and not self._told_again:
            return ()
        if content != before:
            await self._place.write(name, content)
        told = await self._taken(name, before)
        return told if content == before else (f"replace {name}", *told)
