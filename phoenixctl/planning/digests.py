"""Digests of specifications, each computed once for a whole plan."""

from __future__ import annotations

from phoenixctl.model.fleet import AgentSpec
from phoenixctl.remote.agents import spec_digest


class Digests:
    def __init__(self) -> None:
        self._known: dict[int, tuple[AgentSpec, str]] = {}

    def of(self, spec: AgentSpec) -> str:
        known = self._known.get(id(spec))  # the spec is kept, so that its id is not used again
        if known is None:
            known = self._known[id(spec)] = (spec, spec_digest(spec))
        return known[1]
