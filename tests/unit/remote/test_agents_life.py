"""Agents under our own supervisor, with real processes."""

from __future__ import annotations

import os
import shutil
import signal
import stat
from pathlib import Path

import pytest

from phoenixctl.model.errors import CommandFailed
from phoenixctl.model.hooks import ExecHook
from phoenixctl.model.names import AgentId
from phoenixctl.model.reading import AgentMetric, Metric
from phoenixctl.model.snapshot import AgentState
from phoenixctl.remote.agents import (
    exec_hook_command,
    logs_command,
    parse_signal,
    signal_command,
    spec_digest,
)
from tests.unit.remote.machine import FLEET, NODE, eventually, shell_agent, start, stop

ID = AgentId("worker-0")
SLEEPS = "echo started; exec sleep 1000"


def test_a_whole_life(any_machine):
    machine = any_machine
    agent = shell_agent(SLEEPS, port=7000, env={"GREETING": "a \"b\" $c `d` \\e\n'f' é"})
    started = machine.start(agent, epoch=4)
    assert started.changed
    assert started.digest == spec_digest(agent.spec)

    seen = machine.agent(ID)
    assert (seen.state, seen.pid, seen.epoch, seen.port) == (
        AgentState.RUNNING, started.pid, 4, 7000,
    )  # fmt: skip
    assert (seen.spec_name, seen.ordinal, seen.spec_digest) == ("worker", 0, started.digest)
    assert seen.metrics[AgentMetric.RSS].value > 0
    assert seen.metrics[AgentMetric.PROCESSES].value == 1

    again = machine.start(agent, epoch=5)
    assert (again.changed, again.pid, again.epoch) == (False, started.pid, 4)

    logs = machine.run(logs_command(ID, NODE, FLEET, lines=10, follow=False))
    assert logs.stdout == b"started\n"
    hook = ExecHook(("sh", "-c", 'printf %s "$GREETING"; pwd'))
    told = machine.run(exec_hook_command(ID, NODE, FLEET, hook)).stdout.decode()
    assert told == agent.spec.env["GREETING"] + f"{machine.folder(ID)}/state\n"

    os.kill(started.pid, signal.SIGKILL)
    eventually(lambda: machine.pid(ID) not in (None, started.pid))
    seen = machine.agent(ID)
    assert seen.state is AgentState.RUNNING
    assert seen.metrics[AgentMetric.RESTARTS].value == 1

    stopped = machine.stop(ID)
    assert (stopped.changed, stopped.how) == (True, "exited")
    assert machine.left(ID) == []
    assert machine.agent(ID).state is AgentState.STOPPED
    assert not machine.stop(ID).changed
    assert machine.start(agent).changed


def test_what_ignores_term_is_killed_when_its_grace_is_over(machine):
    machine.start(shell_agent("trap '' TERM; while :; do sleep 1; done"))
    stopped = machine.stop(ID, grace=0.3)
    assert stopped.how == "killed"
    assert stopped.seconds >= 0.3
    assert machine.left(ID) == []


def test_a_grandchild_that_left_the_session_twice_is_found_and_killed(any_machine):
    any_machine.start(shell_agent("setsid setsid sleep 1000; exec sleep 1000"))
    eventually(lambda: len(any_machine.left(ID)) == 2)
    stopped = any_machine.stop(ID)
    assert (stopped.how, stopped.swept) == ("exited", 1)
    assert any_machine.left(ID) == []


def test_a_child_that_dropped_its_environment_is_found_by_its_session(machine, tmp_path):
    note = tmp_path / "child"
    script = f"env -i PATH=\"$PATH\" sh -c 'echo $$ > {note}; exec sleep 1000' & exec sleep 1000"
    machine.start(shell_agent(script))
    child = int(note.read_text())
    assert child not in machine.left(ID)
    machine.stop(ID)
    eventually(lambda: not is_there(child))


def test_two_starts_at_once_give_one_process(any_machine):
    command = start(shell_agent(SLEEPS))
    processes = [any_machine.popen(command) for _ in range(3)]
    done = [any_machine.finish(process, command) for process in processes]
    assert sorted(completed.stdout.count(b"changed yes") for completed in done) == [0, 0, 1]
    assert len(any_machine.left(ID)) == 1


def test_a_start_waits_for_a_stop_that_is_under_way(machine):
    agent = shell_agent("trap '' TERM; while :; do sleep 0.1; done")
    first = machine.start(agent)
    command = stop(ID, grace=0.5)
    stopping = machine.popen(command)
    eventually((machine.folder(ID) / "stopped").exists)
    second = machine.start(agent)
    assert machine.finish(stopping, command).ok
    assert second.changed
    assert second.pid != first.pid
    assert machine.agent(ID).state is AgentState.RUNNING


def test_a_secret_is_in_no_argument_list_and_only_in_a_file_for_its_owner(machine):
    canary = "canary-4711"
    agent = shell_agent("while :; do sleep 0.1; done")
    command = start(agent, secrets={"TOKEN": canary})
    assert canary not in repr(command)
    machine.run(command)
    assert b"TOKEN=canary-4711" in Path(f"/proc/{machine.pid(ID)}/environ").read_bytes()
    assert not [p for p in Path("/proc").glob("[0-9]*/cmdline") if canary.encode() in read(p)]
    holders = [p for p in machine.base.rglob("*") if p.is_file() and canary.encode() in read(p)]
    assert holders == [machine.folder(ID) / "env"]
    for path in (machine.base, *machine.base.rglob("*")):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


def test_interrupt_and_hangup_are_not_ignored_by_an_agent(any_machine):
    any_machine.start(shell_agent(SLEEPS))
    status = Path(f"/proc/{any_machine.pid(ID)}/status").read_text()
    ignored = int(status.partition("SigIgn:")[2].split()[0], 16)
    for sent in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        assert not ignored >> (sent - 1) & 1


def test_a_signal_reaches_the_main_process(machine):
    machine.start(shell_agent("trap 'echo reloaded' HUP; while :; do sleep 0.1; done"))
    pid = parse_signal(machine.run(signal_command(ID, NODE, FLEET, signal="HUP")))
    assert pid == machine.pid(ID)
    eventually(lambda: "reloaded" in (machine.folder(ID) / "log").read_text())


def test_a_signal_to_an_agent_that_does_not_run_is_refused(machine):
    completed = machine.run(signal_command(ID, NODE, FLEET, signal="HUP"))
    with pytest.raises(CommandFailed, match="worker-0: it does not run"):
        parse_signal(completed)


def test_a_program_that_is_not_there_is_named_with_the_agents_last_lines(machine):
    with pytest.raises(CommandFailed, match=r"did not stay up: status 127\n.*no-such-program"):
        machine.start(shell_agent("exec no-such-program"))


def test_another_specification_is_not_put_over_a_running_agent(machine):
    machine.start(shell_agent(SLEEPS))
    with pytest.raises(CommandFailed, match="another specification"):
        machine.start(shell_agent(SLEEPS, env={"NEW": "yes"}))
    machine.stop(ID)
    assert machine.start(shell_agent(SLEEPS, env={"NEW": "yes"})).changed


def test_a_clean_exit_is_an_end_and_shown_as_failed(machine):
    machine.start(shell_agent("sleep 0.6"))
    eventually(lambda: machine.agent(ID).state is AgentState.FAILED)
    assert machine.agent(ID).detail == "ended by itself with status 0"


def test_an_agent_that_must_not_be_restarted_is_not(machine):
    machine.start(shell_agent("sleep 0.6; exit 3", restart=False))
    eventually(lambda: machine.agent(ID).state is AgentState.FAILED)
    assert machine.agent(ID).detail == "ended by itself with status 3"


def test_a_file_limit_is_set(machine):
    machine.start(shell_agent("ulimit -n; exec sleep 1000", open_files=77))
    assert (machine.folder(ID) / "log").read_text() == "77\n"


def test_another_user_needs_systemd(machine):
    with pytest.raises(CommandFailed, match="needs systemd"):
        machine.start(shell_agent(SLEEPS, user="nobody"))
    assert not machine.folder(ID).exists()


def test_a_supervisor_that_was_killed_is_told(machine):
    machine.start(shell_agent(SLEEPS))
    keeper = int((machine.folder(ID) / "run").read_text().split()[1])
    os.kill(keeper, signal.SIGKILL)
    eventually(lambda: machine.agent(ID).detail == "runs without its supervisor")
    assert machine.stop(ID).how == "exited"


def test_a_supervisor_whose_folder_is_gone_ends(any_machine):
    started = any_machine.start(shell_agent(SLEEPS))
    keeper = int((any_machine.folder(ID) / "run").read_text().split()[1])
    shutil.rmtree(any_machine.folder(ID))
    os.kill(started.pid, signal.SIGKILL)
    eventually(lambda: not is_there(keeper))


def test_a_process_that_got_the_number_of_the_agent_is_left_alone(machine, tmp_path):
    machine.start(shell_agent(SLEEPS))
    machine.stop(ID)
    run = machine.folder(ID) / "run"
    (machine.folder(ID) / "stopped").unlink()
    mine = Path("/proc/self/stat").read_text().rpartition(") ")[2].split()
    boot = run.read_text().split()[5]
    run.write_text(f"running 1 1 {os.getpid()} {int(mine[19]) + 1} {boot} 0 -\n")
    assert machine.agent(ID).state is AgentState.FAILED
    machine.stop(ID)  # would end this very test otherwise


def test_purge_removes_the_agents_folder(machine):
    machine.start(shell_agent(SLEEPS))
    assert machine.stop(ID, purge=True).changed
    assert not machine.folder(ID).exists()
    assert not machine.stop(ID, purge=True).changed
    assert machine.survey().metrics[Metric.AGENTS].value == 0


def test_state_and_checkpoints_stay_after_a_stop(machine):
    machine.start(shell_agent("echo 42 > counter; exec sleep 1000"))
    eventually((machine.folder(ID) / "state" / "counter").exists)
    machine.stop(ID)
    assert (machine.folder(ID) / "state" / "counter").read_text() == "42\n"


def test_a_log_that_grows_too_large_is_cut_once(machine, monkeypatch):
    import phoenixctl.remote.agents as agents

    fast = agents.SUPERVISE.replace("sleep 15", "sleep 0.1").replace("+32768", "+1")
    assert fast != agents.SUPERVISE
    monkeypatch.setattr(agents, "SUPERVISE", fast)
    machine.start(shell_agent("while :; do echo 0123456789012345678901234567890; done"))
    eventually((machine.folder(ID) / "log.1").exists)
    size = (machine.folder(ID) / "log.1").stat().st_size
    eventually(lambda: (machine.folder(ID) / "log.1").stat().st_size != size)
    machine.stop(ID)


def is_there(pid: int) -> bool:
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False


def read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
