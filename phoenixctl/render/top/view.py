"""Everything that the live view shows, decided elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from phoenixctl.model.alerting import Alert
from phoenixctl.model.fleet import Fleet
from phoenixctl.model.names import AgentId, NodeName
from phoenixctl.model.reading import AgentMetric, Metric
from phoenixctl.model.snapshot import NodeObservation, Snapshot
from phoenixctl.performance.compliance import Compliance
from phoenixctl.performance.verdict import Verdict

Piece = tuple[str, str]  # text that was made harmless, and its style
Line = tuple[Piece, ...]

_EMPTY: Final[Mapping[Any, Any]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Doing:
    """A change of the fleet that is under way, or was cut off: nobody who lives is at it.

    `since` is in seconds since 1970, None when it is not known; `steps` have begun and not ended.
    """

    operation: str
    by: str
    since: float | None
    steps: tuple[str, ...] = ()
    cut_off: bool = False


@dataclass(frozen=True, slots=True)
class TopView:
    """The fleet at one moment.

    `last` has the newest answer of each node, also of one that is silent now; `weights` are those
    that routers give agents; `courses` are values of the last rounds, the latest last, NaN where
    unknown. `at` is in seconds since 1970.
    """

    fleet: Fleet
    nodes: tuple[NodeName, ...]  # that were chosen
    snapshot: Snapshot
    verdict: Verdict
    targets: tuple[Compliance, ...]
    at: float
    last: Mapping[NodeName, NodeObservation] = field(default_factory=lambda: _EMPTY)
    doing: tuple[Doing, ...] = ()
    alerts: tuple[Alert, ...] | None = None  # that fire; None: they are never evaluated
    weights: Mapping[AgentId, int] = field(default_factory=lambda: _EMPTY)
    courses: Mapping[str, Mapping[Metric | AgentMetric, Sequence[float]]] = field(
        default_factory=lambda: _EMPTY
    )
