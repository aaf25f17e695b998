"""Envoy, by the files that it reads its endpoints from (file-based EDS).

It says nothing back: who is up and who is idle is not known here. A slow start is part of the
cluster's own configuration (`slow_start_config`), and so are health checks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from phoenixctl.model.routing import (
    Member,
    MemberState,
    Reconciled,
    RouterFacts,
    RouterSettings,
    SeenMember,
)
from phoenixctl.ports.router import Router
from phoenixctl.remote.envoy import file_name, parse_endpoints, render_endpoints
from phoenixctl.remote.membership import plan_list, plan_state, plan_weights
from phoenixctl.routers.places import Place


class Envoy(Router):
    """One Envoy, or several that read the same folder."""

    def __init__(self, settings: RouterSettings, place: Place) -> None:
        self._settings = settings
        self._place = place

    @property
    def settings(self) -> RouterSettings:
        return self._settings

    async def facts(self) -> RouterFacts:
        return RouterFacts("")

    async def members(self, backend: str) -> tuple[SeenMember, ...]:
        return self._parsed(backend, await self._place.read(file_name(backend)))

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
        before = await self._place.read(file_name(backend))
        seen = self._parsed(backend, before)
        members, busy = plan_list(backend, seen, wanted, cut_off=cut_off, may_silence=may_silence)
        return Reconciled(await self._replaced(backend, before, members), busy)

    async def set_weights(self, backend: str, weights: Mapping[str, int]) -> tuple[str, ...]:
        before = await self._place.read(file_name(backend))
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
        before = await self._place.read(file_name(backend))
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

    def _parsed(self, backend: str, document: bytes | None) -> tuple[SeenMember, ...]:
        if document is None:
            return ()
        return parse_endpoints(document, self._settings.name, backend)

    async def _replaced(
        self, backend: str, before: bytes | None, members: Iterable[Member]
    ) -> tuple[str, ...]:
        content, name = render_endpoints(backend, members), file_name(backend)
        if content == before:
            return ()
        await self._place.write(name, content)
        return (f"replace {name}",)
