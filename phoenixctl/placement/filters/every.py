"""All constraints, the cheapest first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from phoenixctl.model.fleet import AgentSpec
from phoenixctl.placement.filters.affinity import AFFINITY
from phoenixctl.placement.filters.anti_affinity import ANTI_AFFINITY, bans
from phoenixctl.placement.filters.assigned import ASSIGNED
from phoenixctl.placement.filters.caps import CAPS
from phoenixctl.placement.filters.constraint import Constraint
from phoenixctl.placement.filters.cordon import CORDON
from phoenixctl.placement.filters.health import HEALTH
from phoenixctl.placement.filters.joined import JOINED
from phoenixctl.placement.filters.redundancy import REDUNDANCY
from phoenixctl.placement.filters.resources import RESOURCES
from phoenixctl.placement.filters.selector import SELECTOR
from phoenixctl.placement.filters.spread import SPREAD
from phoenixctl.placement.filters.taints import TAINTS
from phoenixctl.placement.labels import may_match
from phoenixctl.placement.rules import rules_of

if TYPE_CHECKING:
    from phoenixctl.placement.board import Board

# Their answer stays as it is whatever is placed, and is the same for all agents of a spec.
LASTING: Final[tuple[Constraint, ...]] = (ASSIGNED, HEALTH, CORDON, JOINED, TAINTS, SELECTOR)
# Their answer for a node changes when an agent is placed on that node.
LOCAL: Final[tuple[Constraint, ...]] = (RESOURCES, CAPS)
# Their answer may change for every node when an agent is placed, and from agent to agent.
SOCIAL: Final[tuple[Constraint, ...]] = (ANTI_AFFINITY, AFFINITY, SPREAD, REDUNDANCY)
CHANGING: Final[tuple[Constraint, ...]] = (*LOCAL, *SOCIAL)
CONSTRAINTS: Final[tuple[Constraint, ...]] = (*LASTING, *CHANGING)


def concerned(spec: AgentSpec, board: Board) -> bool:
    """Whether a hard rule about neighbours is about agents of the spec."""
    rules = rules_of(spec)
    weights = [rule.weight for rule in (*rules.affinity, *rules.anti_affinity)]
    weights += [rule.weight for rule in rules.spread]
    weights += [rule.weight for rule in rules.redundancy]
    return None in weights or any(may_match(ban.off, spec.name, spec.labels) for ban in bans(board))
