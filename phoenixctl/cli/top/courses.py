"""Values of the last rounds, for trends."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Final, TypeVar

from phoenixctl.model.names import NodeName
from phoenixctl.model.reading import AgentMetric, Metric, Reading
from phoenixctl.model.snapshot import NodeObservation
from phoenixctl.render.top.pages import AGENT_COURSES, NODE_COURSES

M = TypeVar("M", Metric, AgentMetric)

KEPT: Final = 120  # rounds

Values = dict[Metric | AgentMetric, deque[float]]


class Courses:
    """By node, and `node/agent`. A round in which nothing was heard of one is unknown, NaN."""

    def __init__(self) -> None:
        self.by_subject: dict[str, Values] = {}

    def add(self, last: Mapping[NodeName, NodeObservation], answered: set[NodeName]) -> None:
        """Put down a round: who answered in it, with which values."""
        seen: set[str] = set()
        for name, node in last.items():
            fresh = name in answered
            self._put(name, NODE_COURSES, node.metrics if fresh else {})
            seen.add(name)
            for agent in node.agents:
                subject = f"{name}/{agent.id}"
                self._put(subject, AGENT_COURSES, agent.metrics if fresh else {})
                seen.add(subject)
        for gone in self.by_subject.keys() - seen:
            del self.by_subject[gone]

    def _put(
        self,
        subject: str,
        metrics: Sequence[M],
        readings: Mapping[M, Reading],
    ) -> None:
        values = self.by_subject.get(subject)
        if values is None:
            values = self.by_subject[subject] = {m: deque(maxlen=KEPT) for m in metrics}
        for metric in metrics:
            reading = readings.get(metric)
            value = reading.value if reading is not None else None
            values[metric].append(math.nan if value is None else value)
