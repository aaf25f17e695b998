"""Live migrations that fail: taken back before requests go to the target, unknown when it cannot
be told, finished after."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import pytest

from phoenixctl.model.command import Command, Completed
from phoenixctl.model.errors import CommandFailed, OutcomeUnknown, PhoenixError, Unreachable
from phoenixctl.model.hooks import Drain, ExecHook
from phoenixctl.model.moving import Migration, Way
from phoenixctl.model.names import AgentId, NodeName
from phoenixctl.model.plan import Action
from phoenixctl.model.state import State
from phoenixctl.workflows.migrate import Migrate
from phoenixctl.workflows.work import Trail
from tests.builders import agent, fleet, node, seen, snapshot, spec
from tests.unit.workflows.fakes import FakeReach, FakeRecords, FakeSession, completed
from tests.unit.workflows.machine import Machine
from tests.unit.workflows.running import Site, step, trail

WEB = spec(
    "web", drain=Drain(ExecHook(("pause",))), activate=ExecHook(("go-on",)),
    migration=Migration(state=False),
)  # fmt: skip
ID, A, B = AgentId("web-0"), NodeName("a"), NodeName("b")
KINDS = ("standing", "unfence", "fence", "promote", "start", "stop")


@dataclass
class Copy:
    """The agent's copy on one node; `odd` has what commands of a kind end with instead."""

    epoch: int = 0
    role: str = ""
    fence: str = ""
    pid: int = 0
    stopped: bool = False
    odd: dict[str, PhoenixError] = field(default_factory=dict)
    ran: list[str] = field(default_factory=list)

    def answer(self, command: Command) -> Completed | PhoenixError:
        text = " ".join(command.argv)
        hooks = ("pause", "go-on")
        kind = next((k for k in KINDS if f"phoenixctl {k}'" in text), "") or next(
            (hook for hook in hooks if hook in text), "other"
        )
        self.ran.append(kind)
        if (error := self.odd.get(kind, self.odd.get("all"))) is not None:
            return error
        if kind == "start":
            self.stopped = False
            words = shlex.split((command.stdin or b"").decode())
            given = dict(word.split("=", 1) for word in words if "=" in word)
            self.epoch, self.pid = int(given["wanted_epoch"]), 70 + int(given["wanted_epoch"])
            self.role = "standby" if b"role=standby" in (command.stdin or b"") else "active"
            said = f"changed yes\npid {self.pid}\nepoch {self.epoch}\ndigest abc\n"
        elif kind == "stop":
            self.pid, self.stopped = 0, True
            said = "changed yes\nhow exited\ncentiseconds 1\nswept 0\nleft\n"
        elif kind in KINDS:
            self.fence = {"fence": "2", "unfence": ""}.get(kind, self.fence)
            self.role = "active" if kind == "promote" else self.role
            stopped = "yes" if self.stopped else "no"
            said = (
                f"changed yes\nepoch {self.epoch or ''}\nrole {self.role}\nfence {self.fence}\n"
                f"marked {'yes' if self.fence else 'no'}\nstopped {stopped}\n"
                f"pid {self.pid}\nboot_id b\nguarded yes\npermitted yes\n"
            )
        else:
            return completed()
        return completed(f"phoenixctl {kind}\n{said}".encode())


class Two:
    """The agent runs on a, with epoch 1, and is to come to b."""

    def __init__(self, **odd: dict[str, PhoenixError]) -> None:
        self.a, self.b = Copy(1, "active", "", 7, odd=odd.get("a", {})), Copy(odd=odd.get("b", {}))
        f = fleet(node("a"), node("b"), agents=[WEB])
        site = Site(f, {"a": Machine("a")}, FakeRecords(state=State("test", "f00d", 4)))
        site.reach = FakeReach(
            {"a": FakeSession(A, self.a.answer), "b": FakeSession(B, self.b.answer)}
        )
        self.work = site.work()
        self.work.saw(snapshot(seen("a", agent("web-0", epoch=1, of=WEB)), seen("b")))
        of = replace(step(Action.MIGRATE, node="b"), source=A, way=Way.LIVE)
        self.trail = trail(of)

    async def migrate(self, *notes: Mapping[str, str]) -> str:
        self.trail = Trail(self.trail.step, "5", self.trail.note, notes)
        return await Migrate(self.work)(self.trail)

    def where(self) -> tuple[str, int]:
        record = self.trail.patch.agents[ID]
        assert record is not None
        return record.node, record.epoch


async def test_a_migration_fences_the_source_before_it_promotes_the_target() -> None:
    two = Two()
    assert (await two.migrate()).startswith("live, down for")
    assert two.where() == ("b", 2)
    assert (two.a.pid, two.a.fence) == (0, "2")
    assert "promote" in two.b.ran


@pytest.mark.parametrize(
    ("side", "kind"), [("b", "start"), ("a", "pause"), ("a", "fence"), ("b", "promote")]
)
async def test_what_fails_before_the_switch_is_taken_back(side: str, kind: str) -> None:
    two = Two(**{side: {kind: CommandFailed("no")}})
    with pytest.raises(CommandFailed, match="taken back, web-0 goes on on a"):
        await two.migrate()
    assert two.where() == ("a", 1)
    assert (two.a.pid, two.a.fence, two.b.pid) == (7, "", 0)
    (told,) = two.trail.patch.migrations[ID] or ()
    assert told.outcome.startswith("taken back: ")


async def test_a_target_that_falls_silent_when_it_may_be_active_leaves_the_source_paused() -> None:
    two = Two(b={"promote": OutcomeUnknown("cut"), "stop": Unreachable("silent")})
    with pytest.raises(OutcomeUnknown, match="may be active on b"):
        await two.migrate()
    assert "go-on" not in two.a.ran
    assert two.a.fence == "2"


async def test_what_was_promoted_and_has_ended_since_is_started_there_again() -> None:
    """It may have taken work, which is known there alone."""
    two = Two()
    two.b.epoch, two.b.role, two.a.fence = 2, "active", "2"
    await two.migrate({"epoch": "2"}, {"phase": "paused"}, {"phase": "starting"})
    assert two.where() == ("b", 3)
    assert (two.a.pid, two.b.pid) == (0, 73)


async def test_what_does_not_stay_up_on_the_target_is_tried_once_more_and_taken_back() -> None:
    two = Two(b={"go-on": CommandFailed("it is not there"), "start": CommandFailed("no")})
    two.b.epoch, two.b.role, two.a.fence = 2, "active", "2"
    with pytest.raises(CommandFailed, match="taken back, web-0 goes on on a"):
        await two.migrate({"epoch": "2"}, {"phase": "paused"}, {"phase": "starting"})
    assert two.b.ran.count("start") == 2
    assert two.where() == ("a", 1)


async def test_a_run_cut_off_after_the_target_was_promoted_goes_forward() -> None:
    two = Two()
    two.b.epoch, two.b.role, two.b.pid, two.a.fence = 2, "active", 72, "2"
    await two.migrate({"epoch": "2"}, {"phase": "paused"}, {"phase": "starting"})
    assert two.where() == ("b", 2)
    assert two.a.pid == 0


async def test_a_run_cut_off_while_the_target_stood_by_is_taken_back() -> None:
    two = Two()
    two.b.epoch, two.b.role, two.b.pid, two.a.fence = 2, "standby", 72, "2"
    with pytest.raises(CommandFailed, match="it was cut off"):
        await two.migrate({"epoch": "2"}, {"phase": "paused"}, {"phase": "starting"})
    assert two.where() == ("a", 1)
    assert (two.b.pid, two.a.fence) == (0, "")
    assert "go-on" in two.a.ran


async def test_what_was_stopped_on_the_target_after_the_switch_keeps_what_it_answered() -> None:
    two = Two()
    two.b.epoch, two.b.role, two.b.stopped, two.a.fence = 2, "active", True, "2"
    notes = ({"epoch": "2"}, {"phase": "paused"}, {"phase": "starting"}, {"phase": "switched"})
    await two.migrate(*notes)
    assert two.where() == ("b", 2)
    assert two.a.pid == 0
    assert not {"start", "unfence", "go-on"} & {*two.a.ran}
    assert "stop" not in two.b.ran  # which would remove its folder
