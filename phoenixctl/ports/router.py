"""What workflows need from whoever spreads requests over an agent's replicas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from phoenixctl.model.routing import (
    Member,
    MemberState,
    Reconciled,
    RouterFacts,
    RouterSettings,
    SeenMember,
)


class Router(Protocol):
    """One router. `backend` is a name of its own configuration, not an agent spec.

    Every method may be called again: what is there already is not done twice. Unreachable when
    nothing was sent, OutcomeUnknown when the answer to a change was lost, CommandFailed when the
    router says no, Refused when a change would leave a backend with nobody to serve it.
    """

    @property
    def settings(self) -> RouterSettings: ...

    async def facts(self) -> RouterFacts: ...

    async def members(self, backend: str) -> tuple[SeenMember, ...]:
        """Who is behind a backend, in the order of names."""
        ...

    async def reconcile(
        self,
        backend: str,
        wanted: Sequence[Member],
        *,
        within_seconds: float = 30.0,
        cut_off: bool = False,
        may_silence: bool = False,
    ) -> Reconciled:
        """Make the members those that are wanted: newcomers first, then who leaves is drained and,
        once it is idle, removed. After a restart of the router this puts everything back. Where the
        router cannot tell who is idle, who leaves is drained and busy, and removed the next time.

        `cut_off`: sessions that are left after `within_seconds` are ended. `may_silence`: nobody
        may be left to serve.
        """
        ...

    async def set_weights(self, backend: str, weights: Mapping[str, int]) -> tuple[str, ...]:
        """Set the weights of these members; the commands it took. Refused if all would be 0."""
        ...

    async def set_state(
        self, backend: str, name: str, state: MemberState, *, may_silence: bool = False
    ) -> tuple[str, ...]:
        """Let a member take requests, drain it or take it out; the commands it took."""
        ...

    async def hold(self, backend: str, name: str) -> bool:
        """Let requests for a member wait, for the short time until another one is active; what it
        has it finishes. False: this router cannot.

        The next reconcile lets them go to the member's wanted address: its successor's, or its own
        when the switch is given up. It is Refused if the member is not wanted.
        """
        ...

    async def wait_idle(self, backend: str, name: str, *, within_seconds: float) -> bool | None:
        """Whether the member's sessions came to 0 in time. None: this router cannot tell."""
        ...

    async def wait_up(self, backend: str, name: str, *, within_seconds: float) -> bool | None:
        """Whether requests could go to the member in time. None: this router cannot tell."""
        ...
