"""The labels of a node: its own, its pool's, and those that it has whatever anybody says."""

from __future__ import annotations

from collections.abc import Mapping

from phoenixctl.model.fleet import NOTHING, Fleet, Node, Pool
from phoenixctl.model.names import AgentId
from phoenixctl.model.rules import POOL, AgentSelector


def label_of(name: str, node: Node, pool: Pool | None) -> str | None:
    """`pool` is always the node's pool. Nodes of a cloud have `region`, `zone` and `type`; those
    that it has yet to make, the zone and type that are tried first."""
    if name == POOL:
        return node.pool
    own = node.labels.get(name)
    if own is not None or pool is None:
        return own
    found = pool.labels.get(name)
    return _of_cloud(pool).get(name) if found is None else found


def matches(selector: AgentSelector, agent: str, spec: str, labels: Mapping[str, str]) -> bool:
    """Whether an agent fits all that the selector gives."""
    return (not selector.ids or agent in selector.ids) and may_match(selector, spec, labels)


def may_match(selector: AgentSelector, spec: str, labels: Mapping[str, str]) -> bool:
    """Whether some agent of a spec may fit, whatever its id."""
    return (not selector.specs or spec in selector.specs) and all(
        labels.get(key) == value for key, value in selector.labels.items()
    )


def named_agents(fleet: Fleet) -> Mapping[AgentId, tuple[int, ...]]:
    """The agents that rules mean by their ids, each with the numbers of those that do."""
    rules = [rule for spec in fleet.agents.values() if spec.rules is not None
             for rule in (*spec.rules.affinity, *spec.rules.anti_affinity)]  # fmt: skip
    found: dict[AgentId, tuple[int, ...]] = {}
    for number, rule in enumerate(rules):
        for agent in dict.fromkeys(rule.agents.ids):
            found[agent] = (*found.get(agent, ()), number)
    return found


def _of_cloud(pool: Pool) -> Mapping[str, str]:
    if pool.aws is None:
        return NOTHING
    first = {"region": pool.aws.region}
    if pool.aws.zones:
        first["zone"] = pool.aws.zones[0].zone
    if pool.aws.types:
        first["type"] = pool.aws.types[0]
    return first
