"""A node is rebooted once, is waited for, and has to come back as it was."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from phoenixctl.model.command import Completed
from phoenixctl.model.errors import (
    AuthenticationFailed,
    CommandFailed,
    OutcomeUnknown,
    PhoenixError,
    Unreachable,
)
from phoenixctl.model.plan import Action
from phoenixctl.model.state import State
from phoenixctl.ports.records import Unfinished
from phoenixctl.workflows import reboot as rebooting
from phoenixctl.workflows.reboot import Reboot
from phoenixctl.workflows.recover import recover
from tests.builders import fleet, node, spec
from tests.unit.workflows.fakes import FakeRecords, completed
from tests.unit.workflows.machine import Machine
from tests.unit.workflows.running import Site, about, recorded, trail

STEP = about(Action.REBOOT, "a")
SILENT = Unreachable("a is silent")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rebooting, "_KNOCK_EVERY_SECONDS", 0.0)


@dataclass
class Power:
    """What a machine does when it is told to reboot: the answer to that, then, question by
    question, what it says to those who ask for its boot; after these its new boot."""

    site: Site | None = None
    ordered: int = 0
    answer: PhoenixError | None = None
    meanwhile: tuple[PhoenixError | str, ...] = (SILENT, SILENT)
    boot: str = "one"
    later: Iterator[PhoenixError | str] = field(default_factory=lambda: iter(()))

    def odd(self, what: str) -> Completed | PhoenixError | None:
        if self.site is not None:
            self.site.clock.now += 60.0
        if "phoenixctl reboot" in what:
            if not what.endswith(f" {self.boot}"):
                return completed(b"phoenixctl reboot\nordered no\n")
            self.ordered += 1
            self.boot, self.later = "two", iter(self.meanwhile)
            return self.answer or completed(b"phoenixctl reboot\nordered yes\n")
        if what.startswith("cat /proc"):
            said = next(self.later, self.boot)
            return said if isinstance(said, PhoenixError) else completed(said.encode())
        return None


def site(power: Power, machine: Machine | None = None, *left: Unfinished) -> Site:
    there = machine or Machine("a")
    there.odd = power.odd
    return Site(
        fleet(node("a"), node("b"), agents=[spec("web")]),
        {"a": there},
        FakeRecords(left=list(left)),
    )


async def test_it_is_ordered_once_and_waited_for() -> None:
    power = Power()
    assert (await Reboot(site(power).work())(trail(STEP))).startswith("rebooted in ")
    assert power.ordered == 1


async def test_the_boot_that_is_to_end_is_noted_before_it_is_ordered() -> None:
    power, noted = Power(), []
    left = trail(STEP)

    async def note(facts: object) -> None:
        noted.append((facts, power.ordered))

    left.note = note
    await Reboot(site(power).work())(left)
    assert noted == [({"boot": "one"}, 0)]


async def test_an_answer_that_went_down_with_the_node_is_no_failure() -> None:
    power = Power(answer=OutcomeUnknown("the connection was lost"))
    assert (await Reboot(site(power).work())(trail(STEP))).startswith("rebooted in ")


async def test_logins_that_are_refused_while_it_comes_up_are_tried_again() -> None:
    power = Power(meanwhile=(SILENT, AuthenticationFailed("the system is booting up")))
    assert (await Reboot(site(power).work())(trail(STEP))).startswith("rebooted in ")


async def test_logins_that_stay_refused_end_the_wait() -> None:
    power = Power(meanwhile=(AuthenticationFailed("who are you"),) * 20)
    with pytest.raises(AuthenticationFailed):
        await Reboot(site(power).work())(trail(STEP))


async def test_a_node_that_was_rebooted_by_a_killed_run_is_not_rebooted_again() -> None:
    power = Power(boot="two")
    await Reboot(site(power).work())(trail(STEP, notes=({"boot": "one"},)))
    assert power.ordered == 0


async def test_a_node_is_rebooted_when_the_run_was_killed_before_it_was_ordered() -> None:
    power = Power()
    left = Unfinished("3", "reboot a", STEP, notes=({"boot": "one"},))
    s = site(power, None, left)
    [result] = await recover(s.means)
    assert (result.outcome.value, power.ordered) == ("ok", 1)


@pytest.mark.parametrize("says", [SILENT, "one"])
async def test_a_node_that_does_not_come_back_is_given_up_in_the_end(
    says: PhoenixError | str,
) -> None:
    power = Power(meanwhile=(says,) * 40)
    power.site = site(power)
    with pytest.raises(CommandFailed, match="a did not come back within 10m") as failed:
        await Reboot(power.site.work())(trail(STEP))
    assert "phoenixctl doctor --nodes a" in failed.value.hint


async def test_what_may_not_be_done_is_not_waited_for() -> None:
    power = Power(answer=CommandFailed("to reboot it needs root"))
    with pytest.raises(CommandFailed, match="needs root"):
        await Reboot(site(power).work())(trail(STEP))


async def test_an_agent_that_comes_up_there_beside_its_successor_is_a_failure() -> None:
    power = Power()
    s = site(power, Machine("a").with_agent("web-0"))
    s.records = FakeRecords(state=State("test", "f00d", 4, agents=recorded("web-0", "b")))
    with pytest.raises(CommandFailed, match="web-0 runs there again, and on b"):
        await Reboot(s.work())(trail(STEP))


async def test_a_node_that_has_lost_the_mark_that_it_joined_is_a_failure() -> None:
    power, machine = Power(), Machine("a", joined="0123456789ab")
    work = site(power, machine).work()
    work.saw(await work.look([STEP.node]))
    machine.joined = ""
    with pytest.raises(CommandFailed, match="it has joined with nothing, not 0123456789ab"):
        await Reboot(work)(trail(STEP))
