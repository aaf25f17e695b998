"""Envoy, by the files that it reads its endpoints from (file-based EDS).

A slow start is part of the cluster's own configuration (`slow_start_config`), and so are health
checks.
"""

from __future__ import annotations

from collections.abc import Iterable

from phoenixctl.model.routing import Member, SeenMember
from phoenixctl.remote.envoy import file_name, parse_endpoints, render_endpoints
from phoenixctl.routers.filed import Filed


class Envoy(Filed):
    """One Envoy, or several that read the same folder; each sees a new file by itself."""

    def _file(self, backend: str) -> str:
        return file_name(backend)

    def _parse(self, document: bytes, backend: str) -> tuple[SeenMember, ...]:
        return parse_endpoints(document, self._settings.name, backend)

    def _render(self, backend: str, members: Iterable[Member]) -> bytes:
        return render_endpoints(backend, members)

    async def _taken(self, name: str, before: bytes | None) -> tuple[str, ...]:
        del name, before
        return ()
