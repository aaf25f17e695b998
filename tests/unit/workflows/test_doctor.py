"""What `doctor` makes of what nodes say of themselves."""

from __future__ import annotations

from dataclasses import replace

import pytest

from phoenixctl.model.checks import Grade
from phoenixctl.model.errors import Unreachable
from phoenixctl.model.fleet import Supervisor
from phoenixctl.model.names import NodeName
from phoenixctl.model.outcome import Failed, Outcome, Succeeded
from phoenixctl.model.units import Bytes
from phoenixctl.remote.doctor import NodeHealth
from phoenixctl.workflows.doctor import Examined, hop_checks, node_checks
from tests.builders import fleet, node

A, B = NodeName("a"), NodeName("b")
FLEET = fleet(replace(node("a"), sudo=True), node("b"))
SOUND = NodeHealth(
    clock=0.0,
    user="ops",
    root=False,
    supervisor=Supervisor.SYSTEMD,
    base_dir="/var/lib/phoenix",
    base_writable=True,
    disk_free=Bytes(2**34),
    systemd_version=252,
    systemd_state="running",
    max_startups="10:30:100",
    max_sessions=10,
    sudo=True,
    missing_tools=(),
    proves_stop=True,
)
SILENT = Failed(Unreachable("it is silent", hint="ping it"), 1.0)


def found(
    health: NodeHealth = SOUND, skew: float | None = 0.0, empty: float = 0.01
) -> set[tuple[str, Grade]]:
    """The checks of one node that are not fine, by name."""
    seen = Succeeded(Examined(health, skew, empty), 0.1)
    checks = list(node_checks(FLEET, {A: seen}))
    assert all(check.hint for check in checks if check.grade is not Grade.OK)
    return {(check.name, check.grade) for check in checks if check.grade is not Grade.OK}


def test_a_sound_node_has_nothing_to_complain_of() -> None:
    assert found() == set()


@pytest.mark.parametrize(
    ("health", "name", "grade"),
    [
        (replace(SOUND, max_sessions=9), "sshd", Grade.PROBLEM),
        (replace(SOUND, base_writable=False), "disk", Grade.PROBLEM),
        (replace(SOUND, disk_free=Bytes(2**20)), "disk", Grade.WARNING),
        (replace(SOUND, disk_free=None), "disk", Grade.WARNING),
        (replace(SOUND, sudo=False), "sudo", Grade.PROBLEM),
        (replace(SOUND, systemd_state="degraded"), "systemd", Grade.WARNING),
        (replace(SOUND, missing_tools=("setsid",)), "tools", Grade.PROBLEM),
        (replace(SOUND, proves_stop=False), "tools", Grade.WARNING),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_wrong_is_found_and_says_what_to_do(
    health: NodeHealth, name: str, grade: Grade
) -> None:
    assert found(health) == {(name, grade)}


def test_a_clock_is_wrong_beyond_two_seconds_and_unread_is_not_right() -> None:
    assert found(skew=2.0) == set()
    assert found(skew=2.1) == {("clock", Grade.WARNING)}
    assert found(skew=None) == {("clock", Grade.WARNING)}


def test_a_slow_shell_is_slower_than_the_others() -> None:
    slow, usual = (Succeeded(Examined(SOUND, 0.0, s), 0.1) for s in (1.2, 0.01))
    checks = node_checks(FLEET, {A: slow, B: usual})
    assert [(c.about, c.name) for c in checks if c.grade is not Grade.OK] == []
    third = fleet(node("a"), node("b"), node("c"))
    checks = node_checks(third, {A: slow, B: usual, NodeName("c"): usual})
    assert [(c.about, c.name) for c in checks if c.grade is not Grade.OK] == [("a", "shell")]


def test_a_bastion_is_fine_when_one_node_behind_it_answers() -> None:
    seen: Outcome[Examined] = Succeeded(Examined(SOUND, 0.0, 0.01), 0.1)
    routes = {A: ("ops@gate:22", "ops@a:22"), B: ("ops@gate:22", "ops@b:22")}
    [check] = hop_checks(routes, {A: seen, B: SILENT})
    assert (check.about, check.grade) == ("ops@gate:22", Grade.OK)
    [check] = hop_checks(routes, {A: SILENT, B: SILENT})
    assert (check.grade, check.found) == (Grade.OK, "0 of 2 nodes behind it answer")


def test_in_a_chain_the_hop_that_failed_is_told_from_those_behind_it() -> None:
    error = Unreachable("jump host first: no answer", hint="look at it")
    error.hop = "ops@first:22"
    route = ("ops@first:22", "ops@second:22", "ops@a:22")
    first, second = hop_checks({A: route}, {A: Failed(error, 1.0)})
    assert (first.about, first.grade, first.hint) == ("ops@first:22", Grade.PROBLEM, "look at it")
    assert (second.grade, second.found) == (Grade.WARNING, "not tried: ops@first:22 is before it")


def test_a_node_that_cannot_be_reached_is_a_problem_with_the_errors_own_hint() -> None:
    [check] = node_checks(FLEET, {A: SILENT})
    assert (check.name, check.grade, check.hint) == ("connection", Grade.PROBLEM, "ping it")
