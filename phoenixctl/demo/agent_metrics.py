"""What the reference agent tells of itself, in Prometheus' words."""

from __future__ import annotations

from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_BUCKETS: Final = (
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
)  # fmt: skip


class AgentMetrics:
    """One process's series; the names are the defaults of an agent spec's `metrics`."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self.response = Histogram(
            "phoenix_response_seconds", "From a message's arrival to its acknowledgement.",
            buckets=_BUCKETS, registry=self._registry,
        )  # fmt: skip
        self.messages = Counter(
            "phoenix_messages", "Messages acknowledged.", registry=self._registry
        )
        self.errors = Counter("phoenix_errors", "Messages that failed.", registry=self._registry)
        self.queue = Gauge(
            "phoenix_queue_length", "Messages waiting for a worker.", registry=self._registry
        )

        self.utilization = Gauge(
            "phoenix_utilization", "Share of the workers that is busy, of the last seconds.",
            registry=self._registry,
        )  # fmt: skip

    def exposition(self) -> bytes:
        return generate_latest(self._registry)
