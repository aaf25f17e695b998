"""Agents that are to be together and apart at once."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from phoenixctl.model.fleet import AgentSpec
from phoenixctl.model.names import AgentId, agent_id
from phoenixctl.model.rules import NODE, Affinity, AgentSelector
from phoenixctl.settings.nodes import Report
from phoenixctl.settings.places import KeyPath, dotted


def check_contradictions(agents: Mapping[str, AgentSpec], report: Report) -> None:
    """No hard affinity is to agents that hard rules keep away, whoever of the two has them."""
    for spec in agents.values():
        for index, affinity in enumerate(spec.rules.affinity if spec.rules else ()):
            apart = _kept_apart(spec, affinity, agents)
            if apart is not None:
                what = f"{dotted(apart)} keeps them apart; leave one of the two out, or give it"
                path: KeyPath = ("agents", spec.name, "placement", "affinity", index)
                report(path, f"{what} a weight")


def _kept_apart(
    spec: AgentSpec, together: Affinity, agents: Mapping[str, AgentSpec]
) -> KeyPath | None:
    """The first rule that is in the way, when there is one for every agent that would fit."""
    if together.weight is not None:
        return None
    first: KeyPath | None = None
    for other in agents.values():
        partners = _partners(together.agents, other)
        if not partners:
            continue
        found = next(_apart(spec, other, partners, together.within), None) or next(
            _apart(other, spec, _all(spec), together.within), None
        )
        if found is None:
            return None
        first = first or found
    return first


def _partners(selector: AgentSelector, spec: AgentSpec) -> Sequence[AgentId]:
    """The agents of a spec that fit."""
    if selector.specs and spec.name not in selector.specs:
        return ()
    if not selector.labels.items() <= spec.labels.items():
        return ()
    return [agent for agent in _all(spec) if not selector.ids or agent in selector.ids]


def _all(spec: AgentSpec) -> Sequence[AgentId]:
    return [agent_id(spec.name, ordinal) for ordinal in range(spec.replicas)]


def _apart(
    one: AgentSpec, other: AgentSpec, agents: Collection[AgentId], within: str
) -> Iterator[KeyPath]:
    """The rules of one spec that keep it away from all these agents of another."""
    for index, apart in enumerate(one.rules.anti_affinity if one.rules else ()):
        if apart.weight is not None or within not in (apart.within, NODE):
            continue  # NODE: what is on one node is in one of everything
        if set(agents) <= set(_partners(apart.agents, other)):
            yield ("agents", one.name, "placement", "anti_affinity", index)
