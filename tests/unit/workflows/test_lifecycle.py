"""What each step about an agent does on its node, and what it records."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest

from phoenixctl.model.command import Command, Completed
from phoenixctl.model.errors import CommandFailed, CommandTimeout, PhoenixError
from phoenixctl.model.fleet import AgentSpec, SecretRef
from phoenixctl.model.hooks import Drain, ExecHook, HttpHook, Readiness
from phoenixctl.model.names import AgentId, NodeName
from phoenixctl.model.plan import Action
from phoenixctl.model.state import AgentRecord, State
from phoenixctl.ports.reach import HttpRequest, HttpResponse
from phoenixctl.ports.records import Unfinished
from phoenixctl.remote.agents import spec_digest
from phoenixctl.workflows.agents import Lifecycle
from phoenixctl.workflows.work import Work
from tests.builders import agent, fleet, node, seen, snapshot, spec
from tests.unit.workflows.fakes import FakeRecords, FakeSession, completed
from tests.unit.workflows.machine import Machine
from tests.unit.workflows.running import Site, recorded, step, trail

STOPPED = completed(b"phoenixctl stop\nchanged yes\nhow exited\ncentiseconds 150\nswept 0\nleft\n")
STARTED = completed(b"phoenixctl start\nchanged yes\npid 7\nepoch 4\ndigest abc\n")
A = NodeName("a")
WEB = AgentId("web-0")


def working(of: AgentSpec, *, epoch: int = 3, state: State | None = None) -> Work:
    """A run on a node `a` where the first agent of a spec was found."""
    f = fleet(node("a"), agents=[of])
    site = Site(f, {"a": Machine("a")}, FakeRecords(state=state or State("test", "f00d", 4)))
    work = site.work()
    work.saw(snapshot(seen("a", agent(f"{of.name}-0", port=9000, epoch=epoch, of=of))))
    return work


def stopping(hook: Completed | PhoenixError) -> Callable[[Command], Completed | PhoenixError]:
    """Answers the hook's command so, and every stop with success."""

    def answer(command: Command) -> Completed | PhoenixError:
        text = " ".join(command.argv)
        return STOPPED if "phoenixctl stop" in text else hook

    return answer


DRAIN_BY_COMMAND = spec("web", drain=Drain(ExecHook(("finish",)), deadline_seconds=5))
DRAIN_BY_HTTP = spec(
    "web", port=9000,
    drain=Drain(HttpHook("/drain"), until=HttpHook("/drained", "GET"), deadline_seconds=0.05),
)  # fmt: skip


async def test_an_agent_is_drained_and_then_stopped() -> None:
    session = FakeSession(A, stopping(completed()))
    told = await Lifecycle(working(DRAIN_BY_COMMAND))(session, trail(step(Action.DRAIN)))
    assert told == "drained in 0ms, exited in 1.5s, nothing left"
    assert len(session.ran) == 2


@pytest.mark.parametrize(
    ("hook", "words"),
    [
        (completed(b"", 3, b"busy"), "the hook of web-0 ended with 3: busy"),
        (CommandTimeout("finish took longer than 30s"), "finish took longer than 30s"),
        (CommandFailed("no such agent"), "no such agent"),
    ],
)
async def test_an_agent_whose_drain_hook_fails_is_stopped_all_the_same(
    hook: Completed | PhoenixError, words: str
) -> None:
    session = FakeSession(A, stopping(hook))
    told = await Lifecycle(working(DRAIN_BY_COMMAND))(session, trail(step(Action.DRAIN)))
    assert told == f"could not be drained ({words}), exited in 1.5s, nothing left"


async def test_an_agent_that_never_finishes_is_stopped_past_its_deadline() -> None:
    def page(request: HttpRequest) -> HttpResponse:
        return HttpResponse(200 if request.path == "/drain" else 503, b"")

    session = FakeSession(A, stopping(completed()), page)
    drain = Lifecycle(working(DRAIN_BY_HTTP))(session, trail(step(Action.DRAIN)))
    assert await asyncio.wait_for(drain, 5) == (
        "was not drained within 50ms, exited in 1.5s, nothing left"
    )


async def test_an_agent_without_a_drain_hook_is_stopped_and_that_is_said() -> None:
    session = FakeSession(A, stopping(completed()))
    told = await Lifecycle(working(spec("web")))(session, trail(step(Action.DRAIN)))
    assert told == "has no drain hook, exited in 1.5s, nothing left"


async def test_an_agent_that_is_not_there_any_more_is_not_asked_to_finish() -> None:
    work = working(DRAIN_BY_COMMAND)
    work.saw(snapshot(seen("a")))
    session = FakeSession(A, stopping(CommandFailed("no agent web-0")))
    told = await Lifecycle(work)(session, trail(step(Action.DRAIN)))
    assert told == "had nothing to finish, exited in 1.5s, nothing left"


async def test_the_deadline_of_a_step_takes_the_place_of_the_agents_own_grace() -> None:
    session = FakeSession(A, stopping(completed()))
    act = Lifecycle(working(spec("web", grace_seconds=77)))
    await act(session, trail(step(Action.STOP)))
    await act(session, trail(step(Action.STOP, grace_seconds=33.0)))
    first, second = (" ".join(command.argv[3:]) for command in session.ran)
    assert "77" in first
    assert "33" in second
    assert "77" not in second


async def test_an_agent_that_left_the_configuration_can_be_stopped() -> None:
    work = working(spec("web"))
    work.saw(snapshot(seen("a", agent("gone-0"))))
    session = FakeSession(A, stopping(completed()))
    told = await Lifecycle(work)(session, trail(step(Action.STOP, "gone-0")))
    assert told == "exited in 1.5s, nothing left"


async def test_an_agent_that_left_the_configuration_is_drained_as_it_was_started() -> None:
    gone = replace(DRAIN_BY_COMMAND, name="gone", grace_seconds=55)
    work = working(spec("web"), state=State("test", "f00d", 4, specs={spec_digest(gone): gone}))
    work.saw(snapshot(seen("a", agent("gone-0", of=gone))))
    session = FakeSession(A, stopping(completed()))
    told = await Lifecycle(work)(session, trail(step(Action.DRAIN, "gone-0")))
    assert told == "drained in 0ms, exited in 1.5s, nothing left"
    assert "5500" in session.ran[1].argv  # hundredths of its grace


async def test_an_update_ends_the_old_one_by_its_own_rules_and_starts_the_new_one() -> None:
    old = spec("web", stop_signal="INT", grace_seconds=7, command=("old",))
    new = spec("web", stop_signal="TERM", grace_seconds=9, command=("new",))
    machine = Machine("a").with_agent("web-0", old, epoch=6)
    state = State(
        "test", "f00d", 4, specs={spec_digest(old): old},
        agents=recorded("web-0", digest=spec_digest(old), epoch=6),
    )  # fmt: skip
    site = Site(fleet(node("a"), agents=[new]), {"a": machine}, FakeRecords(state=state))
    work = site.work()
    work.saw(snapshot(seen("a", agent("web-0", of=old, epoch=6))))
    session = machine.session
    left = trail(step(Action.UPDATE, spec_digest=spec_digest(new)))
    told = await Lifecycle(work)(session, left)
    assert told == "has no drain hook, exited in 1.5s, nothing left, started in 0ms"
    assert "INT" in session.ran[0].argv
    assert "700" in session.ran[0].argv
    assert b"wanted_epoch=7\n" in machine.payloads[0]
    assert left.patch.agents == {WEB: AgentRecord(WEB, A, spec_digest(new), 7)}
    assert left.patch.specs == {spec_digest(new): new}


async def test_an_update_can_go_back_to_an_earlier_specification() -> None:
    early, late = spec("web", command=("early",)), spec("web", command=("late",))
    work = working(late, state=State("test", "f00d", 4, specs={spec_digest(early): early}))
    machine = Machine("a").with_agent("web-0", late)
    left = trail(step(Action.UPDATE, spec_digest=spec_digest(early)))
    await Lifecycle(work)(machine.session, left)
    assert machine.agents["web-0"].digest == spec_digest(early)


async def test_a_specification_that_is_nowhere_is_named_and_nothing_is_started() -> None:
    machine = Machine("a")
    with pytest.raises(CommandFailed, match="web-0: its specification with the digest cafe") as no:
        await Lifecycle(working(spec("web")))(
            machine.session, trail(step(Action.START, spec_digest="cafe"))
        )
    assert "configuration" in no.value.hint
    assert machine.ran == []


async def test_a_stopped_agent_leaves_the_record_and_its_epoch_stays() -> None:
    state = State("test", "f00d", 4, agents=recorded("web-0", epoch=8))
    left = trail(step(Action.STOP))
    session = FakeSession(A, stopping(completed()))
    await Lifecycle(working(spec("web"), epoch=3, state=state))(session, left)
    assert left.patch.agents == {WEB: None}
    assert left.patch.epochs == {WEB: 8}


async def test_a_stop_does_not_forget_an_agent_that_was_started_elsewhere_before() -> None:
    state = State("test", "f00d", 4, agents=recorded("web-0", node="b"))
    left = trail(step(Action.DRAIN))
    session = FakeSession(A, stopping(completed()))
    await Lifecycle(working(spec("web"), state=state))(session, left)
    assert left.patch.agents == {}


async def test_secrets_reach_the_node_on_stdin_and_in_no_argument() -> None:
    secret = spec("web", secrets={"TOKEN": SecretRef("env", "WEB_TOKEN")})
    session = FakeSession(A, lambda _command: STARTED)
    told = await Lifecycle(working(secret))(session, trail(step(Action.START)))
    assert told.startswith("started in")
    [command] = session.ran
    assert b"value of WEB_TOKEN" in (command.stdin or b"")
    assert not [word for word in command.argv if "value of" in word]
    assert "value of" not in repr(command)


async def test_an_agent_that_does_not_get_ready_is_a_failure_with_its_last_words() -> None:
    slow = spec("web", port=9000, ready=Readiness(HttpHook("/ready", "GET"), 0.0))

    def answer(command: Command) -> Completed:
        return STARTED if command.stdin is not None else completed(b"cannot bind\n")

    left = trail(step(Action.START))
    with pytest.raises(CommandFailed, match=r"is not ready after .*cannot bind") as failed:
        await Lifecycle(working(slow))(FakeSession(A, answer), left)
    assert failed.value.hint == "phoenixctl agents logs web-0"
    assert left.patch.agents == {WEB: AgentRecord(WEB, A, "abc", 4)}  # it runs there all the same


async def test_no_secret_is_in_the_last_words_that_are_told() -> None:
    chatty = spec("web", secrets={"TOKEN": SecretRef("env", "WEB_TOKEN")})
    said = b"phoenixctl start\nerror web-0: it did not stay up\nlog bad token value of WEB_TOKEN!\n"
    with pytest.raises(CommandFailed) as failed:
        await Lifecycle(working(chatty))(
            FakeSession(A, lambda _command: completed(said, 1)), trail(step(Action.START))
        )
    assert failed.value.what == "web-0: it did not stay up\nbad token ***!"


@pytest.mark.parametrize(
    ("found", "state", "expected"),
    [
        (8, State("test", "f00d", 4), 9),
        (0, State("test", "f00d", 4, agents=recorded("web-0", epoch=5)), 6),
        (2, State("test", "f00d", 4, epochs={WEB: 11}), 12),
    ],
)
async def test_a_started_agent_has_the_next_epoch(found: int, state: State, expected: int) -> None:
    session = FakeSession(A, lambda _command: STARTED)
    work = working(spec("web"), epoch=found, state=state)
    await Lifecycle(work)(session, trail(step(Action.START)))
    assert f"epoch={expected}\n".encode() in (session.ran[0].stdin or b"")


async def test_a_start_whose_end_is_not_known_has_taken_an_epoch() -> None:
    cut_off = Unfinished("3", "test", step(Action.START, node="b"))
    site = Site(fleet(node("a"), agents=[spec("web")]), {}, FakeRecords(left=[cut_off]))
    work = site.work()
    session = FakeSession(A, lambda _command: STARTED)
    await Lifecycle(work)(session, trail(step(Action.START)))
    assert b"epoch=2\n" in (session.ran[0].stdin or b"")
