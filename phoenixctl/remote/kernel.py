"""A node's own metrics from two readings of /proc a moment apart."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from phoenixctl.model.reading import Metric, Reading
from phoenixctl.remote.procfs import (
    Files,
    NotKnown,
    decimal,
    field,
    fields_of,
    known,
    whole,
)

_SECTOR: Final = 512  # /proc/diskstats counts in these, whatever the disk's own are
DF_NUMBERS: Final = re.compile(r" (\d{1,20}) +(\d{1,20}) +(\d{1,20}) +\d{1,3}% ", re.ASCII)
_CPU_RANGE: Final = re.compile(r"(\d{1,6})(?:-(\d{1,6}))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Link:
    """A network interface; `megabits` per second as the kernel says, None when it does not."""

    name: str
    megabits: int | None


@dataclass(frozen=True, slots=True)
class NodeSample:
    """All that one survey read of a node itself."""

    first: Files
    second: Files
    links: Sequence[Link]
    online: str  # CPUs, as in /sys/devices/system/cpu/online
    processes: str
    df: Sequence[str]
    bits_per_second: float | None  # as configured

    def seconds(self) -> float:
        """Between the readings, by the node's own clock (it ticks in 10 ms)."""
        passed = self.uptime(self.second) - self.uptime(self.first)
        if passed <= 0:
            raise NotKnown("the node's uptime did not grow between the two readings")
        return passed

    @staticmethod
    def uptime(files: Files) -> float:
        return decimal(fields_of(files, "uptime", "")[0])


def node_metrics(sample: NodeSample, *, at: float) -> dict[Metric, Reading]:
    """Every metric that the kernel's files alone tell."""
    return {metric: known(measure, sample, at=at) for metric, measure in _MEASURES.items()}


def memory_used(sample: NodeSample) -> float:
    """Bytes that are not available to new work."""
    return _memory(sample, "MemTotal:") - _memory(sample, "MemAvailable:")


def _grown(before: int, after: int, what: str) -> int:
    if after < before:
        raise NotKnown(f"the counter of {what} went back")
    return after - before


def _cpu(sample: NodeSample) -> float:
    # user nice system idle iowait irq softirq steal; guest time is in user already.
    before, after = (
        [field(fields_of(files, "stat", "cpu "), i) for i in range(1, 9)]
        for files in (sample.first, sample.second)
    )
    total = _grown(sum(before), sum(after), "CPU time")
    if not total:
        raise NotKnown("no CPU tick passed between the two readings")
    idle = _grown(before[3] + before[4], after[3] + after[4], "idle time")
    return max(0.0, 1 - idle / total)


def _memory(sample: NodeSample, key: str) -> float:
    return field(fields_of(sample.second, "meminfo", key), 1) * 1024.0


def _memory_share(sample: NodeSample) -> float:
    total = _memory(sample, "MemTotal:")
    if not total:
        raise NotKnown("the node says it has no memory")
    return max(0.0, memory_used(sample) / total)


def _swap(sample: NodeSample) -> float:
    total = _memory(sample, "SwapTotal:")
    if not total:
        raise NotKnown("no swap")
    return max(0.0, 1 - _memory(sample, "SwapFree:") / total)


def _link_bytes(sample: NodeSample) -> list[tuple[Link, int, int]]:
    """Received and sent between the readings, of each link that was there at both."""
    found = []
    for link in sample.links:
        counts = [_link_counters(files, link.name) for files in (sample.first, sample.second)]
        if counts[0] and counts[1]:
            received, sent = (
                _grown(before, after, f"{link.name}'s traffic")
                for before, after in zip(counts[0], counts[1], strict=True)
            )
            found.append((link, received, sent))
    if not found:
        raise NotKnown("no network interface seen")
    return found


def _link_counters(files: Files, name: str) -> tuple[int, int] | None:
    for line in files.get("net/dev", ()):
        interface, _, numbers = line.partition(":")
        if interface.strip() == name:
            fields = numbers.split()
            return field(fields, 0), field(fields, 8)
    return None


def _received(sample: NodeSample) -> float:
    return sum(received for _, received, _ in _link_bytes(sample)) / sample.seconds()


def _sent(sample: NodeSample) -> float:
    return sum(sent for _, _, sent in _link_bytes(sample)) / sample.seconds()


def _network(sample: NodeSample) -> float:
    if sample.bits_per_second:
        return max(_received(sample), _sent(sample)) * 8 / sample.bits_per_second
    busiest, received, sent = max(_link_bytes(sample), key=lambda link: max(link[1:]))
    if not busiest.megabits:
        raise NotKnown("link speed not known")
    return max(received, sent) * 8 / sample.seconds() / (busiest.megabits * 1e6)


def _disk_space(sample: NodeSample) -> float:
    """As `df` counts: of what is not reserved for root."""
    match = DF_NUMBERS.search(sample.df[-1] + " ") if sample.df else None
    if match is None:
        raise NotKnown("df printed no size")
    used, free = whole(match[2]), whole(match[3])
    if not used + free:
        raise NotKnown("the file system has no size")
    return used / (used + free)


def _disk_growth(sample: NodeSample, index: int) -> list[int]:
    """Growth of one column of /proc/diskstats, by disk."""
    before, after = (
        {fields[2]: field(fields, index) for fields in map(str.split, lines) if len(fields) > 3}
        for lines in (files.get("diskstats", ()) for files in (sample.first, sample.second))
    )
    growth = [_grown(before[d], after[d], f"disk {d}") for d in after if d in before]
    if not growth:
        raise NotKnown("no disk seen")
    return growth


def _disk_read(sample: NodeSample) -> float:
    return sum(_disk_growth(sample, 5)) * _SECTOR / sample.seconds()


def _disk_written(sample: NodeSample) -> float:
    return sum(_disk_growth(sample, 9)) * _SECTOR / sample.seconds()


def _disk_busy(sample: NodeSample) -> float:
    return min(1.0, max(_disk_growth(sample, 12)) / 1000 / sample.seconds())


def _run_queue(sample: NodeSample) -> float:
    # Whoever reads /proc/stat is running at that moment, so one is the survey itself.
    return max(0, field(fields_of(sample.second, "stat", "procs_running "), 1) - 1)


def _schedulings(sample: NodeSample) -> float:
    return field(fields_of(sample.second, "stat", "ctxt "), 1)


def _scheduling_rate(sample: NodeSample) -> float:
    before, after = (
        field(fields_of(files, "stat", "ctxt "), 1) for files in (sample.first, sample.second)
    )
    return _grown(before, after, "context switches") / sample.seconds()


def _load(index: int) -> Callable[[NodeSample], float]:
    def load(sample: NodeSample) -> float:
        fields = fields_of(sample.second, "loadavg", "")
        if len(fields) < 3:
            raise NotKnown("no loads in /proc/loadavg")
        return decimal(fields[index])

    return load


def _pressure(resource: str) -> Callable[[NodeSample], float]:
    def pressure(sample: NodeSample) -> float:
        file = f"pressure/{resource}"
        if file not in sample.second:
            raise NotKnown("this kernel reports no pressure")
        _, _, number = fields_of(sample.second, file, "some avg10=")[1].partition("=")
        return decimal(number) / 100

    return pressure


def _cores(sample: NodeSample) -> float:
    """CPUs in a list of ranges such as `0-3,8`."""
    count = 0
    for part in sample.online.split(","):
        match = _CPU_RANGE.fullmatch(part)
        if match is None:
            raise NotKnown("the list of CPUs cannot be read")
        count += max(0, int(match[2] or match[1]) - int(match[1]) + 1)
    return count


_MEASURES: Final[Mapping[Metric, Callable[[NodeSample], float]]] = {
    Metric.CPU: _cpu,
    Metric.MEMORY: _memory_share,
    Metric.NETWORK: _network,
    Metric.DISK: _disk_space,
    Metric.PROCESSES: lambda sample: whole(sample.processes),
    Metric.MEMORY_TOTAL: lambda sample: _memory(sample, "MemTotal:"),
    Metric.RUN_QUEUE: _run_queue,
    Metric.SCHEDULINGS: _schedulings,
    Metric.SCHEDULING_RATE: _scheduling_rate,
    Metric.LOAD_1: _load(0),
    Metric.LOAD_5: _load(1),
    Metric.LOAD_15: _load(2),
    Metric.CORES: _cores,
    Metric.UPTIME: lambda sample: sample.uptime(sample.second),
    Metric.PRESSURE_CPU: _pressure("cpu"),
    Metric.PRESSURE_MEMORY: _pressure("memory"),
    Metric.PRESSURE_IO: _pressure("io"),
    Metric.NETWORK_RECEIVED: _received,
    Metric.NETWORK_SENT: _sent,
    Metric.DISK_READ: _disk_read,
    Metric.DISK_WRITTEN: _disk_written,
    Metric.DISK_BUSY: _disk_busy,
    Metric.SWAP: _swap,
}
