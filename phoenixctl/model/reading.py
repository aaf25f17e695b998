"""A measured value with its age; what cannot be known is unknown and never 0."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


@dataclass(frozen=True, slots=True)
class Reading:
    """`value` in the metric's unit, taken at `at` (operator's monotonic seconds).

    None is unknown, and `why` says why in a few words.
    """

    value: float | None
    at: float
    why: str = ""


def unknown(why: str, *, at: float) -> Reading:
    return Reading(None, at, why)


class Unit(StrEnum):
    RATIO = "ratio"
    SECONDS = "seconds"
    BYTES = "bytes"
    BYTES_PER_SECOND = "bytes/s"
    PER_SECOND = "1/s"
    COUNT = "count"
    CORES = "cores"


class Metric(StrEnum):
    """The measured quantities of a node; its agents' are folded into the last seven."""

    CPU = "cpu_utilization"
    MEMORY = "memory_utilization"
    NETWORK = "network_utilization"
    DISK = "disk_utilization"
    PROCESSES = "process_count"
    AGENTS = "agent_count"
    QUEUE = "message_queue_length"
    RESPONSE_MEAN = "response_time_mean"
    THROUGHPUT = "throughput"
    ERROR_RATE = "error_rate"
    AVAILABILITY = "availability"
    # The runtime's own.
    RUNTIME_PROCESSES = "runtime_process_count"  # processes and threads of agents
    MEMORY_TOTAL = "memory_total"
    MEMORY_AGENTS = "memory_agents"
    MEMORY_SYSTEM = "memory_system"  # used by everything that is not an agent
    RUN_QUEUE = "run_queue"
    SCHEDULINGS = "scheduling_count"  # context switches since boot
    SCHEDULING_RATE = "scheduling_rate"
    # What helps to see why.
    RESPONSE_P95 = "response_time_p95"
    LOAD_1 = "load_1m"
    LOAD_5 = "load_5m"
    LOAD_15 = "load_15m"
    CORES = "cores"
    UPTIME = "uptime"
    PRESSURE_CPU = "pressure_cpu"  # share of the last 10 s in which some task waited
    PRESSURE_MEMORY = "pressure_memory"
    PRESSURE_IO = "pressure_io"
    NETWORK_RECEIVED = "network_received"
    NETWORK_SENT = "network_sent"
    DISK_READ = "disk_read"
    DISK_WRITTEN = "disk_written"
    DISK_BUSY = "disk_busy"  # share of time the busiest disk had work
    SWAP = "swap_utilization"


class AgentMetric(StrEnum):
    """The measured quantities of one agent."""

    RSS = "rss"
    CPU = "cpu"  # cores in use
    THREADS = "threads"
    PROCESSES = "processes"
    RESTARTS = "restarts"
    UPTIME = "uptime"
    RESPONSE_MEAN = "response_time_mean"
    RESPONSE_P95 = "response_time_p95"
    THROUGHPUT = "throughput"
    ERROR_RATE = "error_rate"
    QUEUE = "queue_length"
    UTILIZATION = "utilization"  # of whatever limits it, as it says itself


UNITS: Final[dict[Metric | AgentMetric, Unit]] = {
    Metric.CPU: Unit.RATIO, Metric.MEMORY: Unit.RATIO, Metric.NETWORK: Unit.RATIO,
    Metric.DISK: Unit.RATIO, Metric.PROCESSES: Unit.COUNT, Metric.AGENTS: Unit.COUNT,
    Metric.QUEUE: Unit.COUNT, Metric.RESPONSE_MEAN: Unit.SECONDS,
    Metric.THROUGHPUT: Unit.PER_SECOND, Metric.ERROR_RATE: Unit.RATIO,
    Metric.AVAILABILITY: Unit.RATIO, Metric.RUNTIME_PROCESSES: Unit.COUNT,
    Metric.MEMORY_TOTAL: Unit.BYTES, Metric.MEMORY_AGENTS: Unit.BYTES,
    Metric.MEMORY_SYSTEM: Unit.BYTES, Metric.RUN_QUEUE: Unit.COUNT,
    Metric.SCHEDULINGS: Unit.COUNT, Metric.SCHEDULING_RATE: Unit.PER_SECOND,
    Metric.RESPONSE_P95: Unit.SECONDS, Metric.LOAD_1: Unit.COUNT, Metric.LOAD_5: Unit.COUNT,
    Metric.LOAD_15: Unit.COUNT, Metric.CORES: Unit.CORES, Metric.UPTIME: Unit.SECONDS,
    Metric.PRESSURE_CPU: Unit.RATIO, Metric.PRESSURE_MEMORY: Unit.RATIO,
    Metric.PRESSURE_IO: Unit.RATIO, Metric.NETWORK_RECEIVED: Unit.BYTES_PER_SECOND,
    Metric.NETWORK_SENT: Unit.BYTES_PER_SECOND, Metric.DISK_READ: Unit.BYTES_PER_SECOND,
    Metric.DISK_WRITTEN: Unit.BYTES_PER_SECOND, Metric.DISK_BUSY: Unit.RATIO,
    Metric.SWAP: Unit.RATIO,
    AgentMetric.RSS: Unit.BYTES, AgentMetric.CPU: Unit.CORES, AgentMetric.THREADS: Unit.COUNT,
    AgentMetric.PROCESSES: Unit.COUNT, AgentMetric.RESTARTS: Unit.COUNT,
    AgentMetric.UPTIME: Unit.SECONDS, AgentMetric.RESPONSE_MEAN: Unit.SECONDS,
    AgentMetric.RESPONSE_P95: Unit.SECONDS, AgentMetric.THROUGHPUT: Unit.PER_SECOND,
    AgentMetric.ERROR_RATE: Unit.RATIO, AgentMetric.QUEUE: Unit.COUNT,
    AgentMetric.UTILIZATION: Unit.RATIO,
}  # fmt: skip
