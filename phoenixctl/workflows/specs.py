"""Which specification an agent is started with, and which one it runs with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from phoenixctl.model.errors import CommandFailed, PhoenixError
from phoenixctl.model.fleet import Agent, AgentSpec, Fleet, SecretRef
from phoenixctl.model.names import AgentId
from phoenixctl.model.plan import Action, Plan, Step
from phoenixctl.model.snapshot import AgentObservation
from phoenixctl.model.state import Patch, State
from phoenixctl.remote.agents import spec_digest

STARTING: Final = frozenset({Action.START, Action.RESTART, Action.UPDATE, Action.MIGRATE})


class Specs:
    """Finds specifications in the configuration and, by their digest, among those of earlier
    times: given with the plan, or recorded."""

    def __init__(
        self, fleet: Fleet, earlier: Mapping[str, AgentSpec], state: Callable[[], State]
    ) -> None:
        self._configured = fleet.agents
        self._digests = {name: spec_digest(spec) for name, spec in fleet.agents.items()}
        self._earlier = earlier
        self._state = state

    def to_start(self, step: Step) -> Agent:
        """The agent that a step starts: as configured, or with the specification it names.

        CommandFailed when that one is neither configured nor recorded.
        """
        agent = AgentId(str(step.agent))
        name, ordinal = parts(agent)
        configured = self._configured.get(name)
        if configured and step.spec_digest in ("", self._digests[name]):
            return Agent(configured, ordinal)
        earlier = self._past(step.spec_digest, name)
        if earlier is not None:
            return Agent(earlier, ordinal)
        which = f"with the digest {step.spec_digest} " if step.spec_digest else ""
        raise CommandFailed(
            f"{agent}: its specification {which}is neither in the configuration nor recorded",
            hint="put it into the configuration, then: phoenixctl plan",
        )

    def of_running(self, agent: AgentId, seen: AgentObservation | None) -> AgentSpec:
        """How an agent that was found is to be treated: by the specification it was started with.

        Where that is not known any more by the configuration's; for an agent that left it, too, by
        the defaults.
        """
        name, _ = parts(agent)
        configured = self._configured.get(name)
        if seen is not None and not (configured and self._digests[name] == seen.spec_digest):
            configured = self._past(seen.spec_digest, name) or configured
        return configured or AgentSpec(name, command=())

    def _past(self, digest: str, name: str) -> AgentSpec | None:
        """Two kinds of agents that run the same have one digest, and one entry between them."""
        found = self._earlier.get(digest) or self._state().specs.get(digest)
        return found if found is None or found.name == name else replace(found, name=name)


def check_secrets(plan: Plan, specs: Specs, secret: Callable[[SecretRef], str]) -> None:
    """That every agent can be given its secrets; the error names the kind of agent."""
    for spec in _started(plan, specs).values():
        for ref in spec.secrets.values():
            try:
                secret(ref)
            except PhoenixError as error:
                raise type(error)(f"{spec.name}: {error.what}", hint=error.hint) from None


def started_with(plan: Plan, specs: Specs) -> Patch:
    """The specifications that a plan starts agents with, recorded before anything is started."""
    return Patch(specs=_started(plan, specs))


def _started(plan: Plan, specs: Specs) -> dict[str, AgentSpec]:
    """By digest; a step whose specification is nowhere fails when its turn comes."""
    found: dict[tuple[str, str], AgentSpec] = {}
    for step in plan.steps:
        if step.action not in STARTING or step.agent is None:
            continue
        kind = (parts(step.agent)[0], step.spec_digest)
        if kind not in found:
            try:
                found[kind] = specs.to_start(step).spec
            except CommandFailed:
                continue
    return {spec_digest(spec): spec for spec in found.values()}


def parts(agent: AgentId) -> tuple[str, int]:
    """The name of an agent's specification, and which of its instances it is."""
    name, _, ordinal = agent.rpartition("-")
    return name, int(ordinal)


def without_secrets(text: str, secrets: Mapping[str, str]) -> str:
    """The text with every secret in it blotted out."""
    for value in sorted(secrets.values(), key=len, reverse=True):
        if value:
            text = text.replace(value, "***")
    return text
