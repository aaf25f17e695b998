"""NGINX, by files of upstream servers that its configuration includes, and a reload.

It has no door by which weights could be changed while it runs. A reload loses no request: the old
workers finish what they have. Health is what it finds itself (`max_fails`).
"""

from __future__ import annotations

from collections.abc import Iterable

from phoenixctl.model.errors import CommandFailed
from phoenixctl.model.routing import Member, SeenMember
from phoenixctl.remote.nginx import file_name, parse_servers, render_servers
from phoenixctl.routers.filed import Filed


class Nginx(Filed):
    """One NGINX; `settings.test` has to find its configuration good before `settings.reload`."""

    _told_again = True

    def _file(self, backend: str) -> str:
        return file_name(backend)

    def _parse(self, document: bytes, backend: str) -> tuple[SeenMember, ...]:
        return parse_servers(document, self._settings.name, backend)

    def _render(self, backend: str, members: Iterable[Member]) -> bytes:
        return render_servers(backend, members)

    async def _taken(self, name: str, before: bytes | None) -> tuple[str, ...]:
        limit = self._settings.timeout_seconds
        try:
            await self._place.run(self._settings.test, timeout_seconds=limit)
            await self._place.run(self._settings.reload, timeout_seconds=limit)
        except CommandFailed as error:
            if before is None:
                await self._place.remove(name)
            else:
                await self._place.write(name, before)
            raise CommandFailed(
                f"{self._settings.name} does not take the new {name}, and the old one is back:"
                f" {error}",
                hint=" ".join(self._settings.test),
            ) from None
        return (" ".join(self._settings.test), " ".join(self._settings.reload))
