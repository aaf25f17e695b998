"""Parsing what a survey printed."""

from __future__ import annotations

import math
import subprocess
import sys
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phoenixctl.model.errors import CommandFailed
from phoenixctl.model.fleet import Supervisor
from phoenixctl.model.reading import AgentMetric, Metric, Reading
from phoenixctl.model.snapshot import AgentState
from phoenixctl.remote.survey import parse_survey
from tests.unit.remote.survey_text import (
    BOOT,
    NODE,
    ORDINARY,
    RUN,
    STATS,
    changed,
    parsed,
    with_agent,
    with_unit,
)

MIB = 1024**2


def test_every_metric_of_an_ordinary_machine():
    node = parsed(ORDINARY)
    values = {metric: reading.value for metric, reading in node.metrics.items()}
    assert values == {
        Metric.CPU: pytest.approx(0.5),
        Metric.MEMORY: 0.25,
        Metric.NETWORK: pytest.approx(0.2),  # 25 MB received in a second of 1 Gbit/s
        Metric.DISK: 0.25,
        Metric.PROCESSES: 213,
        Metric.AGENTS: 0,
        Metric.RUNTIME_PROCESSES: 0,
        Metric.MEMORY_TOTAL: 8192 * MIB,
        Metric.MEMORY_AGENTS: 0,
        Metric.MEMORY_SYSTEM: 2048 * MIB,
        Metric.RUN_QUEUE: 2,
        Metric.SCHEDULINGS: 60000,
        Metric.SCHEDULING_RATE: pytest.approx(10000),
        Metric.LOAD_1: 1.5,
        Metric.LOAD_5: 1.25,
        Metric.LOAD_15: 0.75,
        Metric.CORES: 4,
        Metric.UPTIME: 1001,
        Metric.PRESSURE_CPU: 0.125,
        Metric.PRESSURE_MEMORY: 0,
        Metric.PRESSURE_IO: 0.03,
        Metric.NETWORK_RECEIVED: pytest.approx(25e6),
        Metric.NETWORK_SENT: pytest.approx(0.5e6),
        Metric.DISK_READ: pytest.approx(MIB),
        Metric.DISK_WRITTEN: pytest.approx(2 * MIB),
        Metric.DISK_BUSY: pytest.approx(0.25),
        Metric.SWAP: 0.25,
        Metric.QUEUE: None,
        Metric.RESPONSE_MEAN: None,
        Metric.RESPONSE_P95: None,
        Metric.THROUGHPUT: None,
        Metric.ERROR_RATE: None,
        Metric.AVAILABILITY: None,
    }
    assert all(reading.at == 5.0 for reading in node.metrics.values())


def test_the_identity_of_a_node():
    node = parsed(ORDINARY)
    assert (node.name, node.boot_id, node.hostname) == ("web-1", BOOT, "web-1")
    assert (node.kernel, node.base_dir) == ("6.1.0-18-amd64", "/home/op/.phoenixctl/demo")
    assert (node.supervisor, node.cordon, node.agents) == (Supervisor.PROCESS, None, ())


@pytest.mark.parametrize(
    ("change", "metric", "why"),
    [
        ({"link eth0 1000": "link eth0 -1"}, Metric.NETWORK, "link speed not known"),
        ({"link eth0 1000\n": ""}, Metric.NETWORK, "no network interface seen"),
        ({"eth0: 26000000": "eth0: 26"}, Metric.NETWORK, "the counter of eth0's traffic went back"),
        ({"ctxt 60000": "ctxt 1"}, Metric.SCHEDULING_RATE, "the counter of context switches went"),
        ({"cpu  1150 0 550 8190 110": "cpu  1150 0 550 7000 110"}, Metric.CPU, "went back"),
        ({"cpu  1150 0 550 8190 110": "cpu  1000 0 500 8000 100"}, Metric.CPU, "no CPU tick"),
        ({"uptime:1001.00": "uptime:1000.00"}, Metric.DISK_READ, "did not grow"),
        ({"MemAvailable:    6291456": "MemAvailable:    lots"}, Metric.MEMORY, "not a number"),
        ({"meminfo:MemAvailable:    6291456 kB\n": ""}, Metric.MEMORY_SYSTEM, "no MemAvailable:"),
        ({"SwapTotal:       1048576": "SwapTotal:       0"}, Metric.SWAP, "no swap"),
        ({"pressure/io:some": "xpressure/io:some"}, Metric.PRESSURE_IO, "reports no pressure"),
        ({" 25% /": " - /"}, Metric.DISK, "df printed no size"),
        ({" vda 110": " vdb 110"}, Metric.DISK_BUSY, "no disk seen"),
        ({"online 0-3": "online"}, Metric.CORES, "list of CPUs"),
        ({"loadavg:1.50 1.25 0.75": "loadavg:1.50"}, Metric.LOAD_5, "not a number"),
        ({"processes 213": "processes -1"}, Metric.PROCESSES, "not a number"),
    ],
)
def test_what_cannot_be_known_is_unknown_and_says_why(change, metric, why):
    node = parsed(changed(change))
    assert node.metrics[metric].value is None
    assert why in node.metrics[metric].why
    others = [m for m, r in parsed(ORDINARY).metrics.items() if r.value is not None]
    assert sum(node.metrics[m].value is None for m in others) <= 7  # only what depends on it


def test_a_configured_link_speed_is_taken_instead_of_the_links_own():
    node = replace(NODE, network_bits_per_second=100e6)
    assert parsed(ORDINARY, node).metrics[Metric.NETWORK].value == pytest.approx(2.0)


def test_what_a_start_up_file_of_the_shell_printed_is_left_out():
    assert parsed(f"Welcome to web-1!\nboot_id forged\nend\n{ORDINARY}bye\n") == parsed(ORDINARY)


@pytest.mark.parametrize(
    ("change", "missing"),
    [
        ({"survey 1\n": ""}, "its first line is missing"),
        ({f"boot_id {BOOT}\n": ""}, "boot_id is missing or damaged"),
        ({"supervisor process": "supervisor none"}, "supervisor is missing or damaged"),
        ({"base /": "base "}, "base is missing or damaged"),
        ({"\nend\n": "\n"}, "its end is missing"),
    ],
)
def test_a_survey_without_identity_or_end_is_refused_naming_what_is_missing(change, missing):
    with pytest.raises(CommandFailed, match=missing):
        parsed(changed(change))


def test_a_survey_cut_off_anywhere_is_never_taken_for_one_with_fewer_agents():
    whole = with_agent()
    for length in range(0, len(whole) - 1, 7):
        with pytest.raises(CommandFailed):
            parsed(whole[:length])


@given(st.binary(max_size=400))
def test_any_bytes_are_refused_or_read(noise):
    for output in (noise, b"survey 1\n" + noise, ORDINARY.encode() + noise):
        try:
            check_sane(parse_survey(output, node=NODE, at=1.0, seconds=0.1))
        except CommandFailed:
            continue


@settings(max_examples=300)
@given(st.data())
def test_a_survey_with_a_damaged_place_is_refused_or_read(data):
    whole = data.draw(st.sampled_from([with_agent().encode(), with_unit(UNIT).encode()]))
    start = data.draw(st.integers(0, len(whole)))
    end = data.draw(st.integers(start, min(len(whole), start + 30)))
    damage = data.draw(
        st.binary(max_size=20) | st.sampled_from([b"-", b"9" * 30, b"nan", "٣".encode(), b"1e9"])
    )
    try:
        node = parse_survey(whole[:start] + damage + whole[end:], node=NODE, at=1.0, seconds=0.1)
    except CommandFailed:
        return
    check_sane(node)


def check_sane(node):
    readings = [*node.metrics.values(), *(r for a in node.agents for r in a.metrics.values())]
    for reading in readings:
        assert isinstance(reading, Reading)
        assert reading.value is None or (math.isfinite(reading.value) and reading.value >= 0)
        assert (reading.value is None) <= bool(reading.why)


def test_a_supervised_agent_with_what_its_processes_use():
    node = parsed(with_agent())
    (agent,) = node.agents
    assert (agent.id, agent.state, agent.pid) == ("ingest-0", AgentState.RUNNING, 600)
    assert (agent.spec_name, agent.ordinal, agent.spec_digest) == ("ingest", 0, "0123456789ab")
    assert (agent.epoch, agent.port, agent.started_at) == (3, 9000, 901.0)
    assert agent.limits == {"cpu": None, "memory": None}
    values = {metric: reading.value for metric, reading in agent.metrics.items()}
    assert values == {
        AgentMetric.RSS: 102 * MIB,
        AgentMetric.CPU: pytest.approx(0.5),
        AgentMetric.THREADS: 5,
        AgentMetric.PROCESSES: 2,
        AgentMetric.RESTARTS: 2,
        AgentMetric.UPTIME: 100,
    } | dict.fromkeys(list(AgentMetric)[6:])
    assert node.metrics[Metric.AGENTS].value == 1
    assert node.metrics[Metric.RUNTIME_PROCESSES].value == 5
    assert node.metrics[Metric.MEMORY_AGENTS].value == 102 * MIB
    assert node.metrics[Metric.MEMORY_SYSTEM].value == (2048 - 102) * MIB


GONE = {"first": "", "second": ""}
KEEPER_ONLY = {"first": "", "second": STATS["second"].splitlines(keepends=True)[0]}
ZOMBIE = STATS | {"second": STATS["second"].replace("(ingest) S", "(ingest) Z")}
OTHER = STATS | {"second": STATS["second"].replace(" 90100 ", " 99999 ")}
WAITING = RUN.replace("running", "waiting").replace("600 90100", "0 0").replace("2 -", "2 137")


@pytest.mark.parametrize(
    ("run", "stopped", "stats", "state", "detail"),
    [
        (RUN, True, STATS, AgentState.STOPPING, ""),
        (RUN, True, GONE, AgentState.STOPPED, ""),
        ("", True, GONE, AgentState.STOPPED, ""),
        (RUN, False, GONE, AgentState.FAILED, "it and its supervisor are gone"),
        (RUN, False, ZOMBIE, AgentState.STARTING, "restarting after status -"),
        (RUN, False, OTHER, AgentState.STARTING, "restarting after status -"),
        (WAITING, False, KEEPER_ONLY, AgentState.STARTING, "restarting after status 137"),
        (WAITING, False, GONE, AgentState.FAILED, "it and its supervisor are gone"),
        (RUN.replace(BOOT, "0" * 36), False, STATS, AgentState.FAILED, "the node was restarted"),
        (RUN.replace("running", "ended").replace(" -", " 3"), False, GONE, AgentState.FAILED, "3"),
        ("", False, GONE, AgentState.UNKNOWN, "its run file is missing or damaged"),
        ("running 1 2", False, GONE, AgentState.UNKNOWN, "its run file is missing or damaged"),
    ],
)
def test_the_state_of_a_supervised_agent(run, stopped, stats, state, detail):
    (agent,) = parsed(with_agent(run, stopped=stopped, stats=stats)).agents
    assert agent.state is state
    assert detail in agent.detail


def test_an_agent_that_does_not_run_uses_nothing_that_is_known():
    (agent,) = parsed(with_agent(WAITING, stats=KEEPER_ONLY)).agents
    assert agent.pid is None
    assert {r.value for m, r in agent.metrics.items() if m is not AgentMetric.RESTARTS} == {None}
    assert agent.metrics[AgentMetric.RSS].why == "not running"


def test_a_damaged_meta_is_warned_of_and_the_agent_still_seen():
    node = parsed(with_agent(meta="spec=ingest\nordinal=9\n"))
    assert [agent.state for agent in node.agents] == [AgentState.RUNNING]
    assert node.agents[0].spec_digest == ""
    assert node.warnings == ("ingest-0: its meta file on the node is missing or damaged",)


UNIT = {
    "LoadState": "loaded", "ActiveState": "active", "SubState": "running", "MainPID": "600",
    "NRestarts": "1", "Result": "success", "ExecMainCode": "0", "ExecMainStatus": "0",
    "MemoryMax": "268435456", "CPUQuotaPerSecUSec": "1s 500ms",
    "ControlGroup": "/system.slice/phoenix-demo-ingest-0.service",
}  # fmt: skip


def test_an_agent_that_is_a_unit_with_its_limits_read_back():
    (agent,) = parsed(with_unit(UNIT)).agents
    assert (agent.supervisor, agent.state, agent.pid) == (
        Supervisor.SYSTEMD, AgentState.RUNNING, 600,
    )  # fmt: skip
    assert agent.limits == {"cpu": 1.5, "memory": 256 * MIB}
    assert agent.metrics[AgentMetric.RSS].value == 102 * MIB
    assert agent.metrics[AgentMetric.RESTARTS].value == 1


@pytest.mark.parametrize("text", ["infinity", "[not set]", "18446744073709551615", ""])
def test_a_limit_that_is_not_there_is_none(text):
    unit = UNIT | {"MemoryMax": text, "CPUQuotaPerSecUSec": text}
    assert parsed(with_unit(unit)).agents[0].limits == {"cpu": None, "memory": None}


@pytest.mark.parametrize(
    ("unit", "stopped", "state", "detail"),
    [
        ({"ActiveState": "deactivating"}, True, AgentState.STOPPING, ""),
        ({"ActiveState": "inactive", "MainPID": "0"}, True, AgentState.STOPPED, ""),
        ({"ActiveState": "failed", "MainPID": "0"}, True, AgentState.STOPPED, ""),
        ({"ActiveState": "inactive", "LoadState": "not-found"}, False, AgentState.FAILED, "gone"),
        (
            {"ActiveState": "inactive", "ExecMainCode": "1", "SubState": "dead", "MainPID": "0"},
            False, AgentState.FAILED, "ended by itself with status 0",
        ),
        (
            {"ActiveState": "failed", "ExecMainCode": "2", "ExecMainStatus": "9",
             "Result": "signal", "SubState": "failed"},
            False, AgentState.FAILED, "killed by signal 9, signal",
        ),
        (
            {"ActiveState": "activating", "ExecMainCode": "1", "ExecMainStatus": "3",
             "Result": "exit-code", "SubState": "auto-restart", "MainPID": "0"},
            False, AgentState.STARTING, "ended by itself with status 3, exit-code, auto-restart",
        ),
        ({"ActiveState": ""}, False, AgentState.UNKNOWN, "systemd says nothing about its unit"),
    ],
)  # fmt: skip
def test_the_state_of_a_unit(unit, stopped, state, detail):
    (agent,) = parsed(with_unit(UNIT | unit, stopped=stopped)).agents
    assert agent.state is state
    assert detail in agent.detail


def test_a_survey_is_parsed_without_heavy_libraries():
    code = "import sys, phoenixctl.remote.survey, phoenixctl.remote.exposition; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout
    heavy = {"numpy", "prometheus_client", "pydantic", "asyncssh", "yaml", "rich"}
    assert not heavy & set(loaded.decode().split())
