"""Permits of singletons under our own supervisor, with real processes."""

from __future__ import annotations

import fcntl
import os
import signal
from pathlib import Path

import pytest

from phoenixctl.model.errors import CommandFailed
from phoenixctl.model.names import AgentId
from phoenixctl.model.snapshot import AgentState
from phoenixctl.remote.agents import spec_digest
from phoenixctl.remote.fence import parse_promote, parse_standing, promote_command, standing_command
from phoenixctl.remote.renew import (
    Permit,
    Renewed,
    Uptime,
    parse_renew,
    parse_uptime,
    renew_command,
    uptime_command,
)
from tests.unit.remote.machine import FLEET, NODE, Machine, eventually, shell_agent

ID = AgentId("worker-0")
SLEEPS = "while :; do sleep 0.1; done"
OTHER_BOOT = "00000000-0000-4000-8000-000000000000"


def singleton(script: str = SLEEPS, **more: object):
    return shell_agent(script, singleton=True, **more)


def uptime(machine: Machine) -> Uptime:
    return parse_uptime(machine.run(uptime_command()))


def permit(machine: Machine) -> list[str]:
    return (machine.folder(ID) / "permit").read_text().split()


def renew(machine: Machine, *permits: Permit, boot_id: str | None = None):
    boot = uptime(machine).boot_id if boot_id is None else boot_id
    return parse_renew(machine.run(renew_command(permits, NODE, FLEET, boot_id=boot)))


def as_after_a_reboot(machine: Machine, epoch: int) -> None:
    (machine.folder(ID) / "permit").write_text(f"{epoch} {OTHER_BOOT} -\n")


def test_only_a_singleton_has_a_permit_and_another_digest(machine):
    machine.start(shell_agent(SLEEPS))
    assert not (machine.folder(ID) / "permit").exists()
    machine.stop(ID)
    machine.start(singleton(), epoch=3)
    assert permit(machine) == ["3", uptime(machine).boot_id, "-"]
    digests = [spec_digest(agent.spec) for agent in (shell_agent(SLEEPS), singleton())]
    assert len({*digests, spec_digest(singleton(lease_seconds=9.0).spec)}) == 3


def test_a_lease_is_counted_in_the_nodes_uptime(machine):
    before = uptime(machine).seconds
    machine.start(singleton(lease_seconds=90.0), epoch=3)
    assert before + 90 <= int(permit(machine)[2]) <= uptime(machine).seconds + 90
    until = before + 1000
    assert renew(machine, Permit(ID, 3, until)) == {ID: (Renewed.RENEWED, "")}
    assert permit(machine)[2] == str(until)


def test_a_singleton_without_permission_is_not_started_again_until_it_has_it(any_machine):
    machine = any_machine
    first = machine.start(singleton(), epoch=3)
    as_after_a_reboot(machine, 3)
    os.kill(first.pid, signal.SIGKILL)
    eventually(lambda: machine.agent(ID).state is AgentState.STOPPED)
    seen = machine.agent(ID)
    assert (seen.detail, seen.held) == ("waits for permission", "waits for permission")
    standing = parse_standing(machine.run(standing_command(ID, NODE, FLEET)))
    assert (standing.permitted, standing.pid) == (False, None)
    assert renew(machine, Permit(ID, 3, None)) == {ID: (Renewed.STARTED, "")}
    eventually(lambda: machine.pid(ID) not in (None, first.pid))
    assert machine.agent(ID).held == ""


def test_an_ordinary_start_gives_permission_too(machine):
    first = machine.start(singleton(), epoch=3)
    as_after_a_reboot(machine, 3)
    os.kill(first.pid, signal.SIGKILL)
    eventually(lambda: machine.agent(ID).state is AgentState.STOPPED)
    assert machine.start(singleton(), epoch=4).changed
    assert permit(machine)[0] == "4"


def test_a_lease_that_ran_out_ends_it_however_busy_it_is(machine):
    script = "trap '' TERM; sleep 1000 & while :; do :; done"
    first = machine.start(singleton(script, grace_seconds=0.3, lease_seconds=3.0), epoch=4)
    eventually(lambda: not machine.left(ID))
    eventually(lambda: machine.agent(ID).state is AgentState.STOPPED)
    assert machine.agent(ID).held == "waits for permission"
    until = uptime(machine).seconds + 1000
    assert renew(machine, Permit(ID, 4, until)) == {ID: (Renewed.STARTED, "")}
    eventually(lambda: machine.pid(ID) not in (None, first.pid))


def test_a_lease_ends_an_agent_whose_supervisor_was_killed(machine):
    machine.start(singleton(lease_seconds=3.0), epoch=4)
    os.kill(int((machine.folder(ID) / "run").read_text().split()[1]), signal.SIGKILL)
    eventually(lambda: not machine.left(ID))


def test_a_renewed_lease_goes_on(machine):
    started = machine.start(singleton(lease_seconds=4.0), epoch=4)
    first = int(permit(machine)[2])
    until = first + 1000
    renew(machine, Permit(ID, 4, until))
    eventually(lambda: uptime(machine).seconds > first + 1)
    assert machine.pid(ID) == started.pid


def test_a_standby_needs_no_permit_and_is_given_one_when_it_takes_over(machine):
    machine.start(singleton(lease_seconds=60.0), epoch=5, role="standby")
    as_after_a_reboot(machine, 5)
    assert machine.agent(ID).held == ""
    os.kill(machine.pid(ID), signal.SIGKILL)
    eventually(lambda: machine.agent(ID).state is AgentState.RUNNING)
    promoted = parse_promote(machine.run(promote_command(ID, NODE, FLEET, epoch=5)))
    assert (promoted.role, promoted.permitted) == ("active", True)
    assert int(permit(machine)[2]) > uptime(machine).seconds + 50


def test_what_is_not_the_recorded_copy_gets_no_permit(machine):
    asked = Permit(ID, 4, None)
    assert renew(machine, asked) == {ID: (Renewed.ABSENT, "")}
    machine.start(singleton(), epoch=3)
    before = permit(machine)
    assert renew(machine, asked, Permit(AgentId("other-0"), 1, None)) == {
        ID: (Renewed.OTHER, "3"),
        "other-0": (Renewed.ABSENT, ""),
    }
    asked = Permit(ID, 3, None)
    assert renew(machine, asked, boot_id=OTHER_BOOT) == {ID: (Renewed.REBOOTED, "")}
    machine.stop(ID, fence=9)
    assert renew(machine, asked) == {ID: (Renewed.STOPPED, "")}
    (machine.folder(ID) / "stopped").unlink()
    assert renew(machine, asked) == {ID: (Renewed.FENCED, "9")}
    assert permit(machine) == before


def test_a_renewal_waits_for_nobody(machine):
    machine.start(singleton(), epoch=3)
    with (machine.base / "locks" / ID).open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert renew(machine, Permit(ID, 3, None)) == {ID: (Renewed.BUSY, "")}


def test_what_ended_by_itself_is_told_and_stays(machine):
    machine.start(singleton("sleep 0.6"), epoch=3)
    eventually(lambda: machine.agent(ID).state is AgentState.FAILED)
    assert renew(machine, Permit(ID, 3, None)) == {ID: (Renewed.DOWN, "")}
    assert machine.pid(ID) is None


def test_a_renewal_that_was_cut_off_or_an_odd_uptime_is_no_answer(machine):
    done = machine.run(renew_command([], NODE, FLEET, boot_id=OTHER_BOOT))
    assert parse_renew(done) == {}
    with pytest.raises(CommandFailed, match="not renewed"):
        parse_renew(type(done)(0, b"phoenixctl renew\nagent worker-0 renewed\n", b"", 0.0))
    for odd in (b"", b"12 13", b"x y z", b"-1.0 2 " + OTHER_BOOT.encode()):
        with pytest.raises(CommandFailed, match="uptime"):
            parse_uptime(type(done)(0, odd, b"", 0.0))
    real = Path("/proc/uptime").read_text().split(".")[0]
    assert uptime(machine).seconds - int(real) in (0, 1)
