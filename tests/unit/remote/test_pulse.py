"""The pulse of a node: the loop that runs there, run here, and what its lines tell."""

from __future__ import annotations

import math
import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from phoenixctl.model.reading import Metric
from phoenixctl.remote.pulse import METRICS, Pulse, between, parse_pulse, pulse_command
from tests.needs import program

LINE = (
    b"pulse|100.50|cpu  100 0 50 800 50 0 0 0 0 0|1000 250|0.50 0.40 0.30 3/200 99|5000 700|"
    b" 12.50 0.00 -"
)
FIRST = Pulse(100.5, 1000, 850, 1000, 250, (0.5, 0.4, 0.3), 2, 5000, 700, (0.125, 0.0, math.nan))


def told(before: Pulse, now: Pulse) -> dict[Metric, float]:
    return dict(zip(METRICS, between(before, now), strict=True))


def test_a_line_is_read_as_it_was_printed() -> None:
    found = parse_pulse(LINE)
    assert found is not None
    assert math.isnan(found.pressures[2])
    assert replace(found, pressures=(0.125, 0.0, 0.0)) == replace(
        FIRST, pressures=(0.125, 0.0, 0.0)
    )


@pytest.mark.parametrize("cut", range(len(LINE)))
def test_a_part_of_a_line_is_not_taken_for_another_one(cut: int) -> None:
    found = parse_pulse(LINE[:cut])
    assert found is None or found.pressures[:1] == (0.125,)  # only its end may be missing


@pytest.mark.parametrize(
    "line", [b"", b"pulse", b"cpu|1|2|3 4|5 6 7 8/9|1 2|1 2 3", LINE.replace(b"250", b"many")]
)
def test_what_is_no_pulse_is_none(line: bytes) -> None:
    assert parse_pulse(line) is None


def test_two_pulses_tell_how_busy_a_node_was_in_between() -> None:
    now = replace(FIRST, uptime=102.5, cpu=1400, idle=950, received=9000, sent=700)
    found = told(FIRST, now)
    assert found[Metric.CPU] == pytest.approx(0.75)
    assert found[Metric.MEMORY] == 0.75
    assert found[Metric.MEMORY_TOTAL] == 1000 * 1024
    assert found[Metric.NETWORK_RECEIVED] == 2000
    assert found[Metric.NETWORK_SENT] == 0
    assert found[Metric.RUN_QUEUE] == 2
    assert math.isnan(found[Metric.PRESSURE_IO])


def test_what_went_back_is_unknown_and_not_less_than_nothing() -> None:
    found = told(FIRST, replace(FIRST, uptime=1.0, cpu=10, idle=5, received=1))
    for metric in (Metric.CPU, Metric.NETWORK_RECEIVED, Metric.NETWORK_SENT):
        assert math.isnan(found[metric])
    assert found[Metric.LOAD_1] == 0.5


@pytest.mark.parametrize("shell", ["sh", "bash", "busybox"])
def test_the_loop_goes_on_until_nobody_reads_it(shell: str) -> None:
    start = [program(shell), *(("sh",) if shell == "busybox" else ())]
    command = pulse_command(0.1)
    process = subprocess.Popen([*start, *command.argv[1:]], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        pulses = [parse_pulse(process.stdout.readline().rstrip(b"\n")) for _ in range(3)]
        process.stdout.close()
        assert process.wait(timeout=20) != 0
    finally:
        process.kill()
        process.wait()
    assert all(pulse is not None for pulse in pulses)
    first, _, last = pulses
    assert first is not None
    assert last is not None
    assert last.uptime > first.uptime
    cores = os.cpu_count() or 1
    assert first.memory == float(Path("/proc/meminfo").read_text().split()[1])
    assert 0 <= told(first, last)[Metric.CPU] <= 1
    assert last.cpu - first.cpu <= (last.uptime - first.uptime + 1) * 100 * max(cores, 64)


def test_without_hardware_virtual_interfaces_count(tmp_path: Path) -> None:
    proc, sys = tmp_path / "proc", tmp_path / "sys"
    (sys / "class" / "net" / "eth0").mkdir(parents=True)
    (sys / "class" / "net" / "lo").mkdir()
    (proc / "net").mkdir(parents=True)
    (proc / "uptime").write_text("5.00 9.00\n")
    (proc / "stat").write_text("cpu  1 2 3 4 5 6 7 8 9 10\ncpu0 1\n")
    (proc / "meminfo").write_text("MemTotal: 9 kB\nMemFree: 1 kB\nBuffers: 2 kB\n")
    (proc / "loadavg").write_text("1.00 2.00 3.00 1/9 7\n")
    (proc / "net" / "dev").write_text(
        "Inter-|   Receive  |  Transmit\n face |bytes packets errs drop fifo frame compressed\n"
        "    lo: 100 1 0 0 0 0 0 0 100 1 0 0 0 0 0 0\n"
        "  eth0:7000 1 0 0 0 0 0 0 300 1 0 0 0 0 0 0\n"
    )
    command = pulse_command(60, proc_root=str(proc), sys_root=str(sys))
    with subprocess.Popen(command.argv, stdout=subprocess.PIPE, start_new_session=True) as process:
        assert process.stdout is not None
        found = parse_pulse(process.stdout.readline().rstrip(b"\n"))
        os.killpg(process.pid, 9)
    assert found is not None
    assert (found.received, found.sent, found.cpu, found.idle) == (7000, 300, 36, 9)
    assert math.isnan(found.available)  # a kernel before 3.14
    assert all(map(math.isnan, found.pressures))
