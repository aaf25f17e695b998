"""The steps that plans are made of, each with its risk, its inverse and what it changes."""

from __future__ import annotations

from collections.abc import Iterable

from phoenixctl.model.moving import Way
from phoenixctl.model.names import AgentId, NodeName
from phoenixctl.model.plan import Action, Change, Inverse, Risk, Step
from phoenixctl.model.snapshot import AgentObservation, AgentState
from phoenixctl.planning import changes


def start(
    agent: AgentId,
    node: NodeName,
    why: str,
    *,
    digest: str,
    after: Iterable[str] = (),
    changed: tuple[Change, ...] | None = None,
) -> Step:
    """Start an agent with the specification of that digest."""
    return Step(
        Action.START,
        node,
        agent,
        why,
        after=tuple(after),
        spec_digest=digest,
        changes=(Change("spec", None, digest),) if changed is None else changed,
        inverse=Inverse(Action.STOP, digest),
    )


def end(
    action: Action,
    seen: AgentObservation,
    why: str,
    *,
    after: Iterable[str] = (),
    grace_seconds: float | None = None,
    risk: Risk | None = None,
) -> Step:
    """Stop or drain an agent where it was found. One that has failed already loses nothing."""
    usual = Risk.SAFE if seen.state is AgentState.FAILED else Risk.DISRUPTIVE
    return Step(
        action,
        seen.node,
        seen.id,
        why,
        usual if risk is None else risk,
        tuple(after),
        grace_seconds,
        spec_digest=seen.spec_digest,
        changes=(Change("spec", seen.spec_digest or None, None),),
        inverse=_again(seen, risk),
    )


def update(
    seen: AgentObservation,
    why: str,
    *,
    digest: str,
    changed: tuple[Change, ...],
    action: Action = Action.UPDATE,
    after: Iterable[str] = (),
) -> Step:
    """Stop an agent and start it again where it is, with the specification of that digest."""
    back = Inverse(Action.UPDATE, seen.spec_digest) if seen.spec_digest else None
    return Step(
        action,
        seen.node,
        seen.id,
        why,
        Risk.DISRUPTIVE,
        tuple(after),
        spec_digest=digest,
        changes=changed,
        inverse=None if seen.spec_digest == digest else back,
    )


def migrate(
    seen: AgentObservation,
    to: NodeName,
    way: Way,
    why: str,
    *,
    digest: str,
    changed: tuple[Change, ...],
    after: Iterable[str] = (),
) -> Step:
    """Bring an agent to another node with its state, in one step that is done or taken back."""
    return Step(
        Action.MIGRATE,
        to,
        seen.id,
        why,
        Risk.DISRUPTIVE,
        tuple(after),
        spec_digest=digest,
        changes=changed,
        inverse=Inverse(Action.MIGRATE, digest),
        source=seen.node,
        way=way,
    )


def cordon(node: NodeName, why: str, *, pool: str) -> Step:
    return Step(
        Action.CORDON,
        node,
        None,
        why,
        pool=pool,
        changes=changes.yes("cordoned"),
        inverse=Inverse(Action.UNCORDON),
    )


def uncordon(node: NodeName, why: str, *, pool: str, after: Iterable[str] = ()) -> Step:
    return Step(
        Action.UNCORDON,
        node,
        None,
        why,
        after=tuple(after),
        pool=pool,
        changes=changes.no("cordoned"),
        inverse=Inverse(Action.CORDON),
    )


def _again(seen: AgentObservation, risk: Risk | None) -> Inverse | None:
    """It can be started with what it had; not when that is unknown or its state is lost."""
    if seen.state is AgentState.FAILED or risk is Risk.DESTRUCTIVE or not seen.spec_digest:
        return None
    return Inverse(Action.START, seen.spec_digest)
