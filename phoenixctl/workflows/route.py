"""The step that sets a backend's members: those that run and serve, as they are seen now."""

from __future__ import annotations

import asyncio

from phoenixctl.model.snapshot import Snapshot
from phoenixctl.workflows.observe import READY, observe
from phoenixctl.workflows.work import Trail, Work


class Route:
    """Does the steps about routers, all from one look at the fleet."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._looking = asyncio.Lock()
        self._seen: Snapshot | None = None

    async def __call__(self, trail: Trail) -> str:
        router, _, backend = trail.step.router.partition("/")
        done = await self._work.traffic.reconcile(router, backend, await self._snapshot())
        if done.busy:
            return f"drained, and out when they are idle: {', '.join(done.busy)}"
        return "has the members that it should have"

    async def _snapshot(self) -> Snapshot:
        async with self._looking:
            if self._seen is None:
                means = self._work.means
                self._seen = await observe(
                    self._work.fleet, means.reach, means.clock, means.records, depth=READY
                )
            return self._seen
