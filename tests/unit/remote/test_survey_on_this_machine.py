"""The survey's script, run by real shells."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import psutil
import pytest

from phoenixctl.model.fleet import Node, Supervisor
from phoenixctl.model.names import AgentId, NodeName
from phoenixctl.model.reading import Metric
from phoenixctl.model.snapshot import AgentState, Cordon
from phoenixctl.remote import doctor
from phoenixctl.remote.cordon import cordon_command, parse_cordon, uncordon_command
from phoenixctl.remote.doctor import doctor_command, parse_doctor
from phoenixctl.remote.survey import parse_survey, survey_command
from tests.unit.remote.machine import FLEET, NODE, SHELLS, Machine, shell_agent
from tests.unit.remote.survey_text import BOOT

MARK = Cordon(by="ann", at="2026-01-02T03:04:05Z", reason='disk "sda"\nis \u202e failing; `x`')


def test_what_the_survey_says_of_this_machine_agrees_with_psutil(any_machine):
    node = any_machine.survey()
    values = {metric: reading.value for metric, reading in node.metrics.items()}
    assert values[Metric.MEMORY_TOTAL] == psutil.virtual_memory().total
    assert values[Metric.CORES] == psutil.cpu_count()
    assert values[Metric.PROCESSES] == pytest.approx(len(psutil.pids()), abs=30)
    assert values[Metric.UPTIME] == pytest.approx(time.time() - psutil.boot_time(), abs=5)
    disk = psutil.disk_usage(str(any_machine.home))
    assert values[Metric.DISK] == pytest.approx(disk.percent / 100, abs=0.02)
    assert 0 <= values[Metric.CPU] <= 1
    assert node.base_dir == str(any_machine.base)
    assert node.boot_id == Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def test_a_survey_changes_nothing_on_the_node(machine):
    machine.survey()
    assert list(machine.home.iterdir()) == []


def test_a_survey_prints_little_and_nothing_on_stderr(any_machine):
    completed = any_machine.run(survey_command(NODE, FLEET, interval_seconds=0.05))
    assert completed.stderr == b""
    assert len(completed.stdout) < 12_000


@pytest.mark.parametrize("shell", SHELLS)
def test_another_hosts_files_are_read_when_told_where_they_are(shell, tmp_path):
    proc, system = tmp_path / "proc", tmp_path / "sys"
    files = {
        proc / "sys/kernel/random/boot_id": BOOT,
        proc / "sys/kernel/hostname": "other",
        proc / "sys/kernel/osrelease": "5.4",
        proc / "uptime": "77.50 1.00\n",
        proc / "stat": "cpu  1 2 3 4 5 6 7 8 0 0\ncpu0 1\nintr 9 9\nctxt 12\nprocs_running 4\n",
        proc / "meminfo": "MemTotal: 1000 kB\nMemFree: 1 kB\nMemAvailable: 250 kB\n",
        proc / "loadavg": "0.10 0.20 0.30 1/2 3\n",
        proc / "net/dev": "x\n    lo: 1\n  eth0: 5 0 0 0 0 0 0 0 6\n  veth9: 7\n",
        proc / "diskstats": " 8 0 sda 1 0 8 0 1 0 8 0 0 5 5\n 8 1 sda1 1\n 7 0 loop0 1\n",
        proc / "1/stat": "1 (init) S 0 1 1\n",
        proc / "2/stat": "2 (two) S 0 1 1\n",
        system / "class/net/eth0/speed": "2500\n",
        system / "class/net/eth0/device/x": "",
        system / "class/net/veth9/speed": "10000\n",
        system / "class/net/lo/speed": "",
        system / "block/sda/device/x": "",
        system / "block/loop0/size": "",
        system / "devices/system/cpu/online": "0-1,4\n",
    }
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    machine = Machine.with_shell(shell, tmp_path)
    command = survey_command(
        NODE, FLEET, interval_seconds=0.01, proc_root=str(proc), sys_root=str(system)
    )
    output = machine.run(command).stdout
    assert b"veth9" not in output
    assert b"loop0" not in output
    node = parse_survey(output, node=NODE, at=1.0, seconds=0.1)
    values = {metric: reading.value for metric, reading in node.metrics.items()}
    assert (node.hostname, node.kernel, node.boot_id) == ("other", "5.4", BOOT)
    assert (values[Metric.MEMORY], values[Metric.CORES]) == (0.75, 3)
    assert (values[Metric.PROCESSES], values[Metric.RUN_QUEUE]) == (2, 3)
    assert node.metrics[Metric.NETWORK_SENT].why.startswith("the node's uptime did not grow")


def test_a_container_without_hardware_shows_its_virtual_interfaces(machine, tmp_path):
    speed = tmp_path / "sys/class/net/eth0/speed"
    speed.parent.mkdir(parents=True)
    speed.write_text("10000\n")
    command = survey_command(NODE, FLEET, interval_seconds=0.01, sys_root=str(tmp_path / "sys"))
    assert b"\nlink eth0 10000\n" in machine.run(command).stdout


def test_an_agent_cannot_write_lines_of_the_survey(any_machine):
    any_machine.start(shell_agent("exec sleep 1000"))
    folder = any_machine.folder("worker-0")
    meta = folder / "meta"
    meta.write_text(meta.read_text() + "x=1\nend\nagent other-0\nuptime:9 9\ncordon {}\n" * 9)
    for name in ("Bad Name", "x\nagent forged-0", "..forged", "noordinal"):
        (folder.parent / name).mkdir()
    node = any_machine.survey()
    assert [agent.id for agent in node.agents] == ["worker-0"]
    assert node.agents[0].state is AgentState.RUNNING
    assert node.cordon is None
    assert node.metrics[Metric.UPTIME].value > 9


@pytest.mark.parametrize("name", ["a) S 1 1 1 (", "x\nend", "12 (x) R 1 1", ") Z 0 0 0 0"])
def test_the_name_a_process_gives_itself_hides_nothing(machine, name):
    agent = shell_agent(f"printf '%s' '{name}' > /proc/$$/comm; while :; do sleep 0.1; done")
    started = machine.start(agent)
    assert machine.agent(AgentId("worker-0")).pid == started.pid
    assert machine.stop("worker-0").how == "exited"


def test_cordon_and_uncordon_are_seen_and_may_be_repeated(any_machine):
    assert any_machine.survey().cordon is None
    assert parse_cordon(any_machine.run(cordon_command(NODE, FLEET, MARK)))
    assert any_machine.survey().cordon == MARK
    assert not parse_cordon(any_machine.run(cordon_command(NODE, FLEET, MARK)))
    assert parse_cordon(any_machine.run(uncordon_command(NODE, FLEET)))
    assert any_machine.survey().cordon is None
    assert not parse_cordon(any_machine.run(uncordon_command(NODE, FLEET)))


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"by": 1}', "[" * 3000, "null"])
def test_a_damaged_cordon_still_keeps_new_agents_away(machine, damage):
    machine.base.mkdir(parents=True)
    (machine.base / "cordon").write_text(damage)
    assert machine.survey().cordon.reason == "the mark on the node cannot be read"


def test_doctor_finds_out_what_a_node_has(any_machine):
    health = parse_doctor(any_machine.run(doctor_command(NODE, FLEET)))
    assert health.clock == pytest.approx(time.time(), abs=3)
    assert health.user == subprocess.check_output(["id", "-un"]).decode().strip()
    assert health.supervisor is Supervisor.PROCESS
    assert health.base_writable
    assert health.disk_free == pytest.approx(psutil.disk_usage("/").free, rel=0.2)
    assert set(health.missing_tools) <= {"flock"}
    assert health.proves_stop


def test_doctor_names_the_tools_that_are_missing(machine, monkeypatch):
    monkeypatch.setattr(doctor, "TOOLS", ("cat", "no-such-tool"))
    health = parse_doctor(machine.run(doctor_command(NODE, FLEET)))
    assert health.missing_tools == ("no-such-tool",)


def test_a_base_folder_can_be_chosen(machine, tmp_path):
    for chosen, real in (("~/of mine", machine.home / "of mine"), (str(tmp_path / "b"),) * 2):
        node = Node(NodeName("n"), "p", "a", supervisor=Supervisor.PROCESS, base_dir=chosen)
        assert parse_cordon(machine.run(cordon_command(node, FLEET, MARK)))
        assert (Path(real) / "cordon").exists()
