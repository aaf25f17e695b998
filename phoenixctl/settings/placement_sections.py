"""What may be written about places: rules of agents, marks on nodes, how the fleet places.

As in `sections`, the annotations are not strings.
"""

from typing import Annotated, Any

from phoenixctl.model import rules
from phoenixctl.settings.placement_values import (
    AgentName,
    AtLeastTwo,
    EffectName,
    GoalName,
    LatencyName,
    Number,
    Part,
    Priority,
    StrategyName,
)
from phoenixctl.settings.sections import Section, items, key, mapping, required
from phoenixctl.settings.short_forms import (
    AGENTS_ALONE,
    CAP_ALONE,
    LABEL_ALONE,
    RULE_ALONE,
    TOLERATION_ALONE,
    VALUES,
)
from phoenixctl.settings.values import (
    EMPTY_MAPPING,
    ONE_OR_MORE,
    Amount,
    AsWritten,
    AtLeastOne,
    Count,
    Flag,
    LabelKey,
    Labels,
    Name,
    Rate,
    Ratio,
)

Weight = Rate
Values = Annotated[list[AsWritten], VALUES]


def _weight() -> Any:
    return key("What it counts for; without one it is never broken.")


class TaintSection(Section):
    name: LabelKey = required("Its name.", name="key")
    value: AsWritten = key("Its value.", like=(rules.Taint, "value"))
    effect: EffectName = key(
        "Agents that do not tolerate it never go there (keep_off), or only when no other node "
        "would do as well (avoid).",
        like=(rules.Taint, "effect"),
    )

    def as_model(self) -> rules.Taint:
        return rules.Taint(self.name, self.value, self.effect)


class TolerationSection(Section):
    name: LabelKey = required("The taint's name.", name="key")
    value: AsWritten | None = key("Only the taint of this value.")


class RequirementSection(Section):
    label: LabelKey = required("A label of the node.")
    equals: AsWritten | None = key("It has this value.")
    in_: Values | None = key("It has one of these values.", name="in")
    not_in: Values | None = key("It has none of these values, or the node lacks it.")
    exists: Flag | None = key("The node has it, or (false) lacks it.")
    greater: Number | None = key("It is a number above this.")
    less: Number | None = key("It is a number below this.")
    weight: Weight | None = _weight()


class AgentsSection(Section):
    ids: Annotated[list[AgentName], ONE_OR_MORE] = items("One of these, as ingest-0.")
    specs: Annotated[list[Name], ONE_OR_MORE] = items("Of one of these specs.")
    labels: Labels = mapping("With all these labels.")


class AffinitySection(Section):
    agents: Annotated[AgentsSection, AGENTS_ALONE] = required(
        "The other agents: a spec's name, several, or what fits of ids, specs and labels."
    )
    within: LabelKey = key(
        "In one node, pool, or value of this label of nodes.", like=(rules.Affinity, "within")
    )
    weight: Weight | None = _weight()


class SpreadSection(Section):
    across: LabelKey = required("A label of nodes; node for the nodes themselves, or pool.")
    max_skew: AtLeastOne = key(
        "Most by which the numbers of agents may differ.", like=(rules.Spread, "max_skew")
    )
    weight: Weight | None = _weight()


class RedundancySection(Section):
    across: LabelKey = required("A label of nodes; node for the nodes themselves, or pool.")
    at_least: AtLeastTwo = key(
        "Fewest values of it that have an agent; with fewer replicas, each in another.",
        like=(rules.Redundancy, "at_least"),
    )
    weight: Weight | None = _weight()


class CapSection(Section):
    at: Ratio = required("Share of it that is promised or, where it is measured, in use.")
    weight: Weight | None = _weight()


Caps = Annotated[dict[LabelKey, Annotated[CapSection, CAP_ALONE]], EMPTY_MAPPING]
Affinities = Annotated[list[Annotated[AffinitySection, RULE_ALONE]], ONE_OR_MORE]


class RulesSection(Section):
    selector: Annotated[list[RequirementSection], ONE_OR_MORE] = items(
        "Only nodes whose labels are so."
    )
    affinity: Affinities = items("Together with other agents.")
    anti_affinity: Affinities = items("Apart from other agents, its own included if named.")
    spread: Annotated[list[Annotated[SpreadSection, LABEL_ALONE]], ONE_OR_MORE] = items(
        "Evenly over the values of a label."
    )
    redundancy: Annotated[list[Annotated[RedundancySection, LABEL_ALONE]], ONE_OR_MORE] = items(
        "Over several values of a label, so that losing one does not lose all."
    )
    caps: Caps = mapping(
        "Highest share of a resource of its node: cpu, memory, network, disk or a named one."
    )
    tolerations: Annotated[list[Annotated[TolerationSection, TOLERATION_ALONE]], ONE_OR_MORE] = (
        items("Taints of nodes that it does not mind.")
    )
    priority: Priority = key(
        "Of two that need the same room the higher gets it.", like=(rules.Rules, "priority")
    )
    preempts: Flag = key(
        "It also gets the room of agents of lower priority that run.",
        like=(rules.Rules, "preempts"),
    )
    strategy: StrategyName | None = key("Which node is the best; by default the fleet's.")


def _counts(description: str, of: type, name: str) -> Any:
    return key(description, like=(of, name))


class WeightsSection(Section):
    resources: Amount = _counts("How well it fits.", rules.Weights, "resources")
    affinity: Amount = _counts("How many soft rules hold.", rules.Weights, "affinity")
    balance: Amount = _counts("How little the node has to do.", rules.Weights, "balance")
    performance: Amount = _counts(
        "The node's latency, throughput and availability.", rules.Weights, "performance"
    )


class ObjectivesSection(Section):
    latency: Amount = _counts("Agents are where answers are quick.", rules.Objectives, "latency")
    throughput: Amount = _counts("Agents are where much gets done.", rules.Objectives, "throughput")
    balance: Amount = _counts("Nodes have alike to do.", rules.Objectives, "balance")
    cost: Amount = _counts("Nodes in use are cheap.", rules.Objectives, "cost")


class RebalanceSection(Section):
    goal: GoalName = key(
        "What it is for: even load, no node far fuller (resources), quicker answers (latency) or "
        "fewest nodes (consolidate).",
        like=(rules.Rebalancing, "goal"),
    )
    max_moves: Count = key("Most moves of one plan.", like=(rules.Rebalancing, "max_moves"))
    move_cost: Part = key(
        "What a move has to be worth; 1 is what one agent costs in the worst placement.",
        like=(rules.Rebalancing, "move_cost"),
    )


class PlacementSection(Section):
    strategy: StrategyName = key(
        "Which node is the best: by weighted score (resource_aware), fewest agents (spread), the "
        "fullest (pack), the quickest (latency_aware) or the cheapest (cost).",
        like=(rules.PlacementSettings, "strategy"),
    )
    weights: WeightsSection | None = key("What the parts of a node's score count for.")
    objectives: ObjectivesSection | None = key("What a whole placement is judged by.")
    caps: Caps = mapping("Highest share of a resource on every node, on top of the agents' own.")
    throughput: Rate = key(
        "Messages a second from which a node's throughput counts in full.",
        like=(rules.PlacementSettings, "throughput_per_second"),
    )
    latency: LatencyName = key(
        "How response times are judged: within the target all are alike (target), or the shorter "
        "the better (inverse).",
        like=(rules.PlacementSettings, "latency"),
    )
    rebalance: RebalanceSection | None = key("What `phoenixctl rebalance` does.")
