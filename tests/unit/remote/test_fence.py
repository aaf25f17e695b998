"""Fences, promotions and permits under our own supervisor, with real processes."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from pathlib import Path

import pytest

from phoenixctl.model.command import Command, Completed
from phoenixctl.model.errors import CommandFailed
from phoenixctl.model.fleet import Agent
from phoenixctl.model.names import AgentId
from phoenixctl.model.snapshot import AgentState
from phoenixctl.remote.fence import (
    fence_command,
    parse_fence,
    parse_promote,
    parse_standing,
    parse_unfence,
    promote_command,
    standing_command,
    unfence_command,
)
from tests.unit.remote.machine import FLEET, NODE, Machine, eventually, shell_agent, start, stop

ID = AgentId("worker-0")
SLEEPS = 'echo "$PHOENIX_ROLE"; while :; do sleep 0.1; done'


def standing(machine: Machine, agent: AgentId = ID):
    return parse_standing(machine.run(standing_command(agent, NODE, FLEET)))


def at_once(machine: Machine, commands: Sequence[Command]) -> list[Completed]:
    begun = [(machine.popen(command), command) for command in commands]
    return [machine.finish(process, command) for process, command in begun]


def fence(machine: Machine, epoch: int):
    return parse_fence(machine.run(fence_command(ID, NODE, FLEET, epoch=epoch)))


def unfence(machine: Machine, epoch: int):
    return parse_unfence(machine.run(unfence_command(ID, NODE, FLEET, epoch=epoch)))


def promote(machine: Machine, epoch: int):
    return parse_promote(machine.run(promote_command(ID, NODE, FLEET, epoch=epoch)))


def kill(pid: int | None) -> None:
    assert pid
    os.kill(pid, signal.SIGKILL)


def roles(machine: Machine) -> list[str]:
    """With which roles it came up, one after the other."""
    words = (machine.folder(ID) / "log").read_text().split()
    return [word for word in words if word in ("active", "standby")]


def test_where_an_agent_never_was_there_is_nothing_to_fence(any_machine):
    nothing = standing(any_machine)
    assert (nothing.epoch, nothing.role, nothing.fence, nothing.pid) == (None, "", None, None)
    assert not nothing.stopped
    assert nothing.boot_id == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    fenced = fence(any_machine, 3)
    assert (fenced.fence, fenced.changed) == (None, False)
    assert not any_machine.folder(ID).exists()
    with pytest.raises(CommandFailed, match="no copy"):
        promote(any_machine, 3)


def test_a_standing_tells_how_a_copy_was_started(machine):
    started = machine.start(shell_agent(SLEEPS), epoch=4, role="standby")
    seen = standing(machine)
    assert (seen.epoch, seen.role, seen.fence, seen.pid) == (4, "standby", None, started.pid)
    assert (seen.guarded, seen.permitted, seen.stopped, seen.fenced) == (True, True, False, False)
    machine.stop(ID)
    seen = standing(machine)
    assert (seen.epoch, seen.pid, seen.stopped) == (4, None, True)


def test_a_fenced_copy_runs_on_and_is_not_started_again(any_machine):
    machine = any_machine
    started = machine.start(shell_agent(SLEEPS), epoch=4)
    fenced = fence(machine, 5)
    assert (fenced.pid, fenced.fence, fenced.fenced, fenced.changed) == (started.pid, 5, True, True)
    assert machine.agent(ID).state is AgentState.RUNNING
    assert not fence(machine, 5).changed
    assert fence(machine, 3).fence == 5  # a higher one stays
    kill(started.pid)
    eventually(lambda: machine.agent(ID).state is AgentState.STOPPED)
    assert machine.agent(ID).held == "fenced at epoch 5"
    assert machine.left(ID) == []


def test_a_fence_that_is_not_above_its_epoch_does_nothing_to_a_copy(machine):
    started = machine.start(shell_agent(SLEEPS), epoch=5)
    assert not fence(machine, 5).fenced
    kill(started.pid)
    eventually(lambda: machine.pid(ID) not in (None, started.pid))


def test_only_an_epoch_as_high_as_the_fence_starts_behind_it(machine):
    agent = shell_agent(SLEEPS)
    machine.start(agent, epoch=4)
    fence(machine, 6)
    with pytest.raises(CommandFailed, match="runs fenced"):
        machine.start(agent, epoch=6)
    machine.stop(ID)
    with pytest.raises(CommandFailed, match="fenced at epoch 6"):
        machine.start(agent, epoch=5)
    assert machine.start(agent, epoch=6).changed
    assert standing(machine).fence is None


def test_a_fence_is_taken_off_by_its_own_epoch_alone(machine):
    started = machine.start(shell_agent(SLEEPS), epoch=4)
    fence(machine, 6)
    with pytest.raises(CommandFailed, match="fenced at epoch 6, not at 5"):
        unfence(machine, 5)
    assert unfence(machine, 6).changed
    assert not unfence(machine, 6).changed
    kill(started.pid)
    eventually(lambda: machine.pid(ID) not in (None, started.pid))


def test_a_damaged_fence_keeps_every_copy_down(machine):
    started = machine.start(shell_agent(SLEEPS), epoch=4)
    (machine.folder(ID) / "fence").write_text("what\n")
    kill(started.pid)
    eventually(lambda: machine.agent(ID).held != "")
    with pytest.raises(CommandFailed, match="cannot be read"):
        standing(machine)


def test_a_promoted_standby_comes_up_active_again(any_machine):
    machine = any_machine
    secret = 'PHOENIX_ROLE="standby"\nPHOENIX_ROLE=\\"standby\\" é'
    started = machine.start(shell_agent(SLEEPS), epoch=5, role="standby", secrets={"TOKEN": secret})
    assert machine.agent(ID).role == "standby"
    promoted = promote(machine, 5)
    assert (promoted.role, promoted.pid, promoted.changed) == ("active", started.pid, True)
    assert not promote(machine, 5).changed
    assert machine.agent(ID).role == "active"
    kill(started.pid)
    eventually(lambda: machine.pid(ID) not in (None, started.pid))
    eventually(lambda: roles(machine) == ["standby", "active"])
    environment = Path(f"/proc/{machine.pid(ID)}/environ").read_bytes().split(b"\0")
    assert f"TOKEN={secret}".encode() in environment
    assert (machine.folder(ID) / "env").stat().st_mode & 0o777 == 0o600


def test_a_promotion_that_was_cut_off_behind_its_commit_is_completed(machine):
    machine.start(shell_agent(SLEEPS), epoch=5, role="standby")
    meta = machine.folder(ID) / "meta"
    meta.write_text(meta.read_text().replace("role=standby", "role=active"))
    assert standing(machine).role == "active"
    promote(machine, 5)
    kill(machine.pid(ID))
    eventually(lambda: roles(machine) == ["standby", "active"])


@pytest.mark.parametrize(
    ("before", "why"),
    [
        (lambda m: m.stop(ID), "is stopped"),
        (lambda m: fence(m, 6), "is fenced at epoch 6"),
        (lambda m: (m.folder(ID) / "meta").write_text("epoch=5\nrole=\n"), "role is unknown"),
    ],
)
def test_a_promotion_is_refused(machine, before, why):
    machine.start(shell_agent(SLEEPS), epoch=5, role="standby")
    before(machine)
    with pytest.raises(CommandFailed, match=why):
        promote(machine, 5)


def test_another_epoch_or_what_does_not_run_is_not_promoted(machine):
    machine.start(shell_agent("sleep 0.6", restart=False), epoch=5, role="standby")
    with pytest.raises(CommandFailed, match="has epoch 5, not 4"):
        promote(machine, 4)
    eventually(lambda: standing(machine).pid is None)
    with pytest.raises(CommandFailed, match="does not run"):
        promote(machine, 5)
    assert standing(machine).role == "standby"


def test_a_running_copy_of_another_role_is_not_taken_for_the_one_that_is_started(machine):
    agent = shell_agent(SLEEPS)
    machine.start(agent, epoch=5, role="standby")
    with pytest.raises(CommandFailed, match="runs as standby"):
        machine.start(agent, epoch=6)


def test_once_a_stop_has_answered_no_promotion_brings_the_copy_back(machine):
    agents = [Agent(shell_agent(SLEEPS).spec, n) for n in range(6)]
    for epoch in (1, 2):
        starts = [start(agent, epoch=epoch, role="standby") for agent in agents]
        assert all(done.ok for done in at_once(machine, starts))
        stops = [stop(agent.id, grace=0) for agent in agents]
        promotions = [promote_command(agent.id, NODE, FLEET, epoch=epoch) for agent in agents]
        order = epoch % 2 * 2 - 1  # now this one begins, now that one
        pairs = [pair[::order] for pair in zip(stops, promotions, strict=True)]
        at_once(machine, [command for pair in pairs for command in pair])
        for agent in agents:
            seen = standing(machine, agent.id)
            assert (seen.pid, seen.stopped) == (None, True)


def test_a_stop_can_leave_a_fence(machine):
    agent = shell_agent(SLEEPS)
    machine.start(agent, epoch=4)
    machine.stop(ID, fence=7)
    assert standing(machine).fence == 7
    assert not machine.stop(ID, fence=6).changed
    with pytest.raises(CommandFailed, match="fenced at epoch 7"):
        machine.start(agent, epoch=6)
