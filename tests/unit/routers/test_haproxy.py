"""A real HAProxy, asked and changed through its runtime socket while requests go through it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from phoenixctl.model.errors import CommandFailed, OutcomeUnknown, Refused, Unreachable
from phoenixctl.model.routing import Member, MemberState, SeenMember
from phoenixctl.routers.doors import LocalDoor
from tests.haproxy import BACKEND, RunningHAProxy, Server, failed, get, gets, load, serving, talking
from tests.sshd import free_port

Start = Callable[..., RunningHAProxy]


@pytest.fixture
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """Start HAProxys with servers and options of the test's own."""
    started: list[RunningHAProxy] = []

    def begin(*servers: str, **options: str) -> RunningHAProxy:
        made = RunningHAProxy(tmp_path_factory.mktemp("ha"), servers, **options)  # type: ignore[arg-type]
        started.append(made)
        made.start()
        return made

    yield begin
    for made in started:
        made.stop()


def names(seen: tuple[SeenMember, ...]) -> list[str]:
    return [one.member.name for one in seen]


async def test_it_says_who_it_is(start: Start) -> None:
    facts = await start().router().facts()
    assert facts.release >= (2, 6)
    assert facts.pid is not None
    assert facts.uptime_seconds is not None


async def test_new_members_take_requests_and_are_seen(start: Start) -> None:
    proxy, a, b = start(), Server("a"), Server("b")
    async with serving(a, b):
        router = proxy.router()
        done = await router.reconcile(BACKEND, [b.member(), a.member()])
        answers = await gets(proxy.port, 20)
        seen = await router.members(BACKEND)

    assert answers == {"a": 10, "b": 10}
    assert done.busy == ()
    assert [one.member for one in seen] == [a.member(), b.member()]
    assert [one.up for one in seen] == [True, True]
    assert [one.sessions_total for one in seen] == [10, 10]
    assert [one.idle for one in seen] == [True, True]


async def test_what_is_as_wanted_takes_no_command(start: Start) -> None:
    proxy, a = start(), Server("a")
    async with serving(a):
        router = proxy.router(check_seconds=0.1, slow_start_seconds=1)
        wanted = [a.member(weight=37)]
        assert (await router.reconcile(BACKEND, wanted)).commands
        assert (await router.reconcile(BACKEND, wanted)).commands == ()


async def test_requests_follow_the_weights(start: Start) -> None:
    proxy, a, b = start(), Server("a"), Server("b")
    async with serving(a, b):
        router = proxy.router()
        await router.reconcile(BACKEND, [a.member(), b.member()])
        await router.set_weights(BACKEND, {"a": 150, "b": 50})
        answers = await gets(proxy.port, 200)
        seen = await router.members(BACKEND)
        assert await router.set_weights(BACKEND, {"a": 150}) == ()

    assert answers["a"] == pytest.approx(150, abs=6)
    assert answers["b"] == pytest.approx(50, abs=6)
    assert [one.member.weight for one in seen] == [150, 50]


async def test_members_come_and_go_under_load_and_no_request_fails(start: Start) -> None:
    proxy = start()
    old = [Server(f"old-{n}", takes_seconds=0.03) for n in range(3)]
    new = [Server(f"new-{n}", takes_seconds=0.03) for n in range(3)]
    async with serving(*old, *new):
        router = proxy.router(check_seconds=0.1)
        await router.reconcile(BACKEND, [server.member() for server in old])
        async with load(proxy.port) as answers:
            for n in range(3):
                there = [server.member() for server in (*new[: n + 1], *old[n + 1 :])]
                done = await router.reconcile(BACKEND, there)
                assert done.busy == ()
                assert old[n].in_hand == 0
                await asyncio.sleep(0.1)
        assert names(await router.members(BACKEND)) == ["new-0", "new-1", "new-2"]

    assert failed(answers) == {}
    assert all(answers[server.name] for server in new)


async def test_a_drained_member_finishes_what_it_has_and_gets_nothing_new(start: Start) -> None:
    proxy, slow, quick = start(), Server("a", takes_seconds=0.5), Server("b")
    async with serving(slow, quick):
        router = proxy.router()
        await router.reconcile(BACKEND, [slow.member()])
        asked = asyncio.create_task(get(proxy.port))
        await asyncio.sleep(0.1)
        await router.reconcile(BACKEND, [slow.member(), quick.member()])
        await router.set_state(BACKEND, "a", MemberState.DRAIN)
        assert await router.wait_idle(BACKEND, "a", within_seconds=0.05) is False
        assert await gets(proxy.port, 10) == {"b": 10}
        assert await router.wait_idle(BACKEND, "a", within_seconds=5) is True
        assert await asked == "a"
        await router.set_state(BACKEND, "a", MemberState.READY)
        assert (await gets(proxy.port, 4))["a"] == 2


async def test_who_is_busy_past_the_deadline_stays_drained_until_the_next_time(
    start: Start,
) -> None:
    proxy, slow, quick = start(), Server("a", takes_seconds=1.0), Server("b")
    async with serving(slow, quick):
        router = proxy.router()
        await router.reconcile(BACKEND, [slow.member(), quick.member()])
        asked = [asyncio.create_task(get(proxy.port)) for _ in range(2)]
        await asyncio.sleep(0.1)
        done = await router.reconcile(BACKEND, [quick.member()], within_seconds=0.1)
        assert done.busy == ("a",)
        seen = {one.member.name: one for one in await router.members(BACKEND)}
        assert seen["a"].member.state is MemberState.DRAIN
        assert sorted(await asyncio.gather(*asked)) == ["a", "b"]
        assert (await router.reconcile(BACKEND, [quick.member()])).busy == ()
        assert names(await router.members(BACKEND)) == ["b"]


async def test_past_the_deadline_sessions_are_cut_off_where_that_is_allowed(start: Start) -> None:
    proxy, slow, quick = start(), Server("a", takes_seconds=5.0), Server("b")
    async with serving(slow, quick):
        router = proxy.router()
        await router.reconcile(BACKEND, [slow.member(), quick.member()])
        asked = [asyncio.create_task(get(proxy.port)) for _ in range(2)]
        await asyncio.sleep(0.1)
        done = await router.reconcile(BACKEND, [quick.member()], within_seconds=0.1, cut_off=True)
        assert done.busy == ()
        assert names(await router.members(BACKEND)) == ["b"]
        answers = await asyncio.gather(*asked)
        assert sum(answer.startswith("failed") for answer in answers) == 1


async def test_a_restart_loses_members_and_weights_and_reconciling_brings_them_back(
    start: Start,
) -> None:
    a, b = Server("a", port=free_port()), Server("b", port=free_port())
    proxy = start(f"a 127.0.0.1:{a.port} weight 10")
    async with serving(a, b):
        router = proxy.router()
        wanted = [a.member(weight=150), b.member(weight=50)]
        await router.reconcile(BACKEND, wanted)
        before = (await router.facts()).pid
        proxy.restart()
        assert (await router.facts()).pid != before
        assert [one.member.weight for one in await router.members(BACKEND)] == [10]
        await router.reconcile(BACKEND, wanted)
        assert [one.member for one in await router.members(BACKEND)] == wanted
        assert (await gets(proxy.port, 40))["b"] == pytest.approx(10, abs=3)


async def test_a_member_that_moved_gets_its_requests_at_the_new_address(start: Start) -> None:
    proxy, a, b, elsewhere = start(), Server("a", takes_seconds=0.02), Server("b"), Server("new a")
    async with serving(a, b, elsewhere):
        router = proxy.router()
        await router.reconcile(BACKEND, [a.member(), b.member()])
        async with load(proxy.port) as answers:
            moved = replace(a.member(), port=elsewhere.port)
            done = await router.reconcile(BACKEND, [moved, b.member()])
            await asyncio.sleep(0.1)
        assert done.busy == ()
        assert (await router.members(BACKEND))[0].member == moved
    assert failed(answers) == {}
    assert answers["new a"] > 0


async def test_the_last_one_is_neither_drained_nor_removed_nor_left_without_weight(
    start: Start,
) -> None:
    proxy, a, b = start(), Server("a"), Server("b")
    async with serving(a, b):
        router = proxy.router()
        await router.reconcile(BACKEND, [a.member(), b.member()])
        await router.set_state(BACKEND, "b", MemberState.MAINT)
        for forbidden in (
            router.set_state(BACKEND, "a", MemberState.DRAIN),
            router.set_weights(BACKEND, {"a": 0}),
            router.reconcile(BACKEND, []),
        ):
            with pytest.raises(Refused) as caught:
                await forbidden
            assert caught.value.hint
        assert await gets(proxy.port, 5) == {"a": 5}
        assert (await router.reconcile(BACKEND, [], may_silence=True)).busy == ()
        assert await router.members(BACKEND) == ()


async def test_nobody_is_taken_away_while_the_newcomer_fails_its_check(start: Start) -> None:
    proxy, a = start(), Server("a")
    async with serving(a):
        router = proxy.router(check_seconds=0.05)
        await router.reconcile(BACKEND, [a.member()])
        dead = Member("dead", "127.0.0.1", free_port())
        with pytest.raises(Refused, match="dead is up, so a stays"):
            await router.reconcile(BACKEND, [dead], within_seconds=1)
        assert await gets(proxy.port, 5) == {"a": 5}


async def test_a_newcomer_starts_slowly(start: Start) -> None:
    proxy, a, b = start(), Server("a"), Server("b")
    async with serving(a, b):
        await proxy.router(check_seconds=0.05).reconcile(BACKEND, [a.member()])
        router = proxy.router(check_seconds=0.05, slow_start_seconds=20)
        await router.reconcile(BACKEND, [a.member(), b.member()])
        assert await router.wait_up(BACKEND, "b", within_seconds=5) is True
        answers = await gets(proxy.port, 100)
        seen = (await router.members(BACKEND))[1]
    assert 0 < answers["b"] < 25
    assert seen.member.weight == 100
    assert seen.effective_weight is not None
    assert seen.effective_weight < 50


async def test_requests_wait_for_a_switch_and_none_fails(start: Start) -> None:
    proxy, a, b = start(), Server("a", takes_seconds=0.02), Server("b", takes_seconds=0.02)
    async with serving(a, b):
        router = proxy.router(check_seconds=0.05)
        await router.reconcile(BACKEND, [a.member()])
        async with load(proxy.port) as answers:
            await asyncio.sleep(0.2)
            assert await router.hold(BACKEND, "a")
            assert await router.wait_idle(BACKEND, "a", within_seconds=2) is True
            assert a.in_hand == 0
            before = answers.total()
            await asyncio.sleep(0.6)  # longer than it takes three checks to find it down
            assert answers.total() - before <= 8
            assert (await router.members(BACKEND))[0].held
            successor = replace(a.member(), port=b.port)
            assert (await router.reconcile(BACKEND, [successor])).busy == ()
            await asyncio.sleep(0.2)
        assert [one.member for one in await router.members(BACKEND)] == [successor]
    assert failed(answers) == {}
    assert answers["b"] > 8


async def test_a_long_line_that_has_waited_is_let_go_to_its_end(start: Start) -> None:
    """More than HAProxy takes from a queue at once; and who comes after them waits no more."""
    proxy, a, successor = start(), Server("a"), Server("successor")
    async with serving(a, successor):
        router = proxy.router()
        await router.reconcile(BACKEND, [a.member()])
        await router.hold(BACKEND, "a")
        line = [asyncio.create_task(get(proxy.port)) for _ in range(450)]
        while await _queued(proxy) < 440:
            await asyncio.sleep(0.02)
        await router.reconcile(BACKEND, [replace(a.member(), port=successor.port)])
        answers = Counter(await asyncio.gather(*line))
        later = await gets(proxy.port, 20)

    assert answers == {"successor": 450}
    assert later == {"successor": 20}


async def _queued(proxy: RunningHAProxy) -> int:
    """How many requests wait for any server of the backend."""
    stat = b"show stat " + BACKEND.encode() + b" 2 -1\n"
    answer = await LocalDoor(str(proxy.socket)).ask(stat, timeout_seconds=5)
    header, row = (line.split(",") for line in answer.decode().splitlines()[:2])
    return int(row[header.index("qcur")])


async def test_a_held_member_gets_its_requests_back_when_the_switch_is_given_up(
    start: Start,
) -> None:
    proxy, a = start(), Server("a", takes_seconds=0.02)
    async with serving(a):
        router = proxy.router(check_seconds=0.05)
        await router.reconcile(BACKEND, [a.member()])
        async with load(proxy.port) as answers:
            await router.hold(BACKEND, "a")
            with pytest.raises(Refused, match="requests wait for a"):
                await router.reconcile(BACKEND, [], may_silence=True)
            await asyncio.sleep(0.3)
            held_at = answers["a"]
            await router.reconcile(BACKEND, [a.member()])
            await asyncio.sleep(0.3)
        (seen,) = await router.members(BACKEND)
    assert failed(answers) == {}
    assert answers["a"] > held_at + 8
    assert (seen.member, seen.checked, seen.held) == (a.member(), True, False)


async def test_an_agent_check_does_not_overwrite_what_was_set(start: Start) -> None:
    async def says_75(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"75%\n")

    async with talking() as talks:
        port = await talks.at_port(says_75)
        proxy = start(
            f"a 127.0.0.1:1 weight 100 agent-check agent-port {port} agent-inter 50ms",
            "b 127.0.0.1:1 weight 100",
        )
        router = proxy.router()
        await asyncio.sleep(0.2)
        before = (await router.members(BACKEND))[0]
        assert (before.weighs_itself, before.member.weight) == (True, 75)
        await router.set_weights(BACKEND, {"a": 40})
        await asyncio.sleep(0.2)
        after = (await router.members(BACKEND))[0]
    assert (after.weighs_itself, after.member.weight) == (False, 40)


async def test_four_hundred_weights_are_set_in_more_lines_than_one(start: Start) -> None:
    servers = [f"server-with-a-long-name-{n:03} 127.0.0.1:1 weight 1" for n in range(400)]
    router = start(*servers).router()
    weights = {line.split()[0]: n % 200 + 1 for n, line in enumerate(servers)}
    await router.set_weights(BACKEND, weights)
    assert {s.member.name: s.member.weight for s in await router.members(BACKEND)} == weights


async def test_what_haproxy_refuses_is_said_in_its_words(start: Start) -> None:
    router = start("a 127.0.0.1:1", "b 127.0.0.1:1", balance="source").router()
    with pytest.raises(CommandFailed, match="static LB algorithm"):
        await router.set_weights(BACKEND, {"a": 50})
    with pytest.raises(CommandFailed, match="No such proxy"):
        await router.members("elsewhere")


async def test_a_socket_that_may_only_look_is_told_apart(start: Start) -> None:
    router = start("a 127.0.0.1:1", level="user").router()
    with pytest.raises(CommandFailed) as caught:
        await router.set_weights(BACKEND, {"a": 50})
    assert "ermission denied" in caught.value.what
    assert "level admin" in caught.value.hint


async def test_without_haproxy_nothing_was_asked(tmp_path: Path) -> None:
    proxy = RunningHAProxy(tmp_path)
    with pytest.raises(Unreachable) as caught:
        await proxy.router().facts()
    assert str(proxy.socket) in caught.value.what


async def test_a_change_whose_answer_is_lost_has_an_unknown_outcome(tmp_path: Path) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    path = str(tmp_path / "s")
    async with talking() as talks:
        await talks.at_path(silent, path)
        with pytest.raises(OutcomeUnknown):
            await LocalDoor(path).ask(b"set weight a/b 1\n", timeout_seconds=0.2)
        router = RunningHAProxy(tmp_path).router(LocalDoor(path), timeout_seconds=0.2)
        with pytest.raises(CommandFailed):
            await router.facts()


class Scripted:
    """A door to a HAProxy that holds on to `a` for so many questions; `asked` is what it heard."""

    def __init__(self, *, holds: int = 0, version: str = "2.6.12") -> None:
        self.asked: list[str] = []
        self._holds = holds
        self._version = version

    async def ask(self, question: bytes, *, timeout_seconds: float) -> bytes:
        commands = question.decode().strip().split(";")[1:]
        self.asked += commands
        if commands == ["show info"]:
            return f"Version: {self._version}\n".encode()
        if commands[0].startswith("show servers"):
            columns = (
                "be_id be_name srv_name srv_addr srv_port srv_op_state srv_admin_state srv_uweight "
                "srv_check_status srv_check_state srv_agent_state"
            )
            row = f"3 {BACKEND} a 127.0.0.1 80 2 8 100 6 6 0"
            return f"1\n# {columns}\n{row}\n\n# pxname,svname,scur\n{BACKEND},a,0\n".encode()
        if commands[0].startswith("del server") and self._holds > 0:
            self._holds -= 1
            return b"[3]: Server still has connections attached to it, cannot remove it.\n"
        return b"\n"


async def test_a_server_with_connections_is_removed_once_haproxy_lets_go_of_it() -> None:
    door = Scripted(holds=3)
    done = await RunningHAProxy(Path()).router(door).reconcile(BACKEND, [])
    assert done.busy == ()
    assert door.asked.count(f"del server {BACKEND}/a") == 4


async def test_an_older_haproxy_is_not_asked_for_what_it_cannot_do() -> None:
    door = Scripted(version="2.4.22")
    with pytest.raises(CommandFailed, match="takes no new servers") as caught:
        await RunningHAProxy(Path()).router(door).reconcile(BACKEND, [])
    assert "2.6" in caught.value.hint
    assert not any(command.startswith(("del", "set server")) for command in door.asked)
    await RunningHAProxy(Path()).router(door).set_state(BACKEND, "a", MemberState.MAINT)
    assert door.asked[-1] == f"set server {BACKEND}/a state maint"
