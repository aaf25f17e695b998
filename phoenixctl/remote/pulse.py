"""A node's pulse: one short line at each interval, from one loop that runs as long as it is read.

A survey says more and costs more; this is for once a second and oftener. The loop reads with the
shell's own means; `sleep` is its only fork.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import nan
from typing import Final

from phoenixctl.model.command import Command
from phoenixctl.model.reading import Metric

_SCRIPT: Final = r"""
LC_ALL=C; export LC_ALL
interval=$1 proc=$2 sys=$3
links='|'
for kind in /device ''; do
    for link in "$sys"/class/net/*"$kind"; do
        link=${link%"$kind"}; name=${link##*/}
        case $name in lo|*[!A-Za-z0-9._-]*) continue ;; esac
        links="$links$name|"
    done
    if [ "$links" != '|' ]; then break; fi
done
while :; do
    read -r up rest < "$proc/uptime" || exit 1
    read -r cpu < "$proc/stat"
    { read -r rest total rest; read -r rest; read -r key free rest; } < "$proc/meminfo"
    if [ "$key" != MemAvailable: ]; then free=-; fi
    read -r load < "$proc/loadavg"
    got=0 sent=0
    while IFS=' :' read -r name in rest rest rest rest rest rest rest out rest; do
        case $links in *"|$name|"*) got=$((got + in)) sent=$((sent + out)) ;; esac
    done < "$proc/net/dev"
    waits=
    for what in cpu memory io; do
        wait=-
        if [ -r "$proc/pressure/$what" ]; then read -r rest wait rest < "$proc/pressure/$what"; fi
        waits="$waits ${wait#avg10=}"
    done
    printf 'pulse|%s|%s|%s %s|%s|%s %s|%s\n' "$up" "$cpu" "$total" "$free" "$load" \
        "$got" "$sent" "$waits" || exit 1
    sleep "$interval" 2>/dev/null || sleep 1
done
"""

METRICS: Final = (
    Metric.CPU, Metric.MEMORY, Metric.MEMORY_TOTAL, Metric.LOAD_1, Metric.LOAD_5, Metric.LOAD_15,
    Metric.RUN_QUEUE, Metric.UPTIME, Metric.NETWORK_RECEIVED, Metric.NETWORK_SENT,
    Metric.PRESSURE_CPU, Metric.PRESSURE_MEMORY, Metric.PRESSURE_IO,
)  # fmt: skip
"""What two pulses tell, in the order of `between`."""


@dataclass(frozen=True, slots=True)
class Pulse:
    """What one line says. Times of CPUs in ticks, memory in KiB; NaN is unknown."""

    uptime: float
    cpu: float
    idle: float
    memory: float
    available: float
    loads: tuple[float, float, float]
    running: float
    received: float
    sent: float
    pressures: tuple[float, float, float]


def pulse_command(
    interval_seconds: float, *, proc_root: str = "/proc", sys_root: str = "/sys"
) -> Command:
    """Prints a pulse at each interval until nobody reads it any more; changes nothing."""
    return Command("sh", "-c", _SCRIPT, "sh", f"{interval_seconds:g}", proc_root, sys_root)


def parse_pulse(line: bytes) -> Pulse | None:
    """None for a line that is no pulse, or only a part of one."""
    parts = line.split(b"|")
    if len(parts) != 7 or parts[0] != b"pulse":
        return None
    try:
        times = [float(word) for word in parts[2].split()[1:9]]
        total, free = parts[3].split()
        one, five, fifteen, tasks = parts[4].split()[:4]
        got, sent = parts[5].split()
        pressures = [nan if word == b"-" else float(word) / 100 for word in parts[6].split()]
        return Pulse(
            uptime=float(parts[1]),
            cpu=sum(times),
            idle=times[3] + times[4],
            memory=float(total),
            available=nan if free == b"-" else float(free),
            loads=(float(one), float(five), float(fifteen)),
            running=max(0.0, float(tasks.partition(b"/")[0]) - 1),  # the loop itself runs
            received=float(got),
            sent=float(sent),
            pressures=(pressures[0], pressures[1], pressures[2]),
        )
    except (ValueError, IndexError):
        return None


def between(before: Pulse, now: Pulse) -> tuple[float, ...]:
    """The values of METRICS; NaN for what is unknown, as all rates are when a counter went back."""
    seconds = now.uptime - before.uptime
    ticks = now.cpu - before.cpu
    busy = min(1.0, max(0.0, 1 - (now.idle - before.idle) / ticks)) if ticks > 0 else nan
    used = 1 - now.available / now.memory if now.memory > 0 else nan
    return (
        busy,
        used,
        now.memory * 1024,
        *now.loads,
        now.running,
        now.uptime,
        _rate(before.received, now.received, seconds),
        _rate(before.sent, now.sent, seconds),
        *now.pressures,
    )


def _rate(before: float, now: float, seconds: float) -> float:
    return (now - before) / seconds if seconds > 0 and now >= before else nan
