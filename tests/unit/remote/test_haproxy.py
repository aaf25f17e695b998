"""HAProxy's answers are read, whatever they are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phoenixctl.model.errors import CommandFailed
from phoenixctl.model.routing import MemberState, SeenMember
from phoenixctl.remote import haproxy

STATE_COLUMNS = (
    "be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_iweight "
    "srv_time_since_last_change srv_check_status srv_check_result srv_check_health srv_check_state "
    "srv_agent_state bk_f_forced_id srv_f_forced_id srv_fqdn srv_port"
)
STAT_COLUMNS = "pxname,svname,qcur,scur,stot,status,weight,rate,hrsp_5xx,qtime,rtime,"


def state(name: str, *, op: int = 2, admin: int = 0, status: int = 6, agent: int = 0) -> str:
    return f"3 be 1 {name} 127.0.0.1 {op} {admin} 50 100 1 {status} 3 4 6 {agent} 0 0 - 8080"


def answer(*states: str, stats: tuple[str, ...] = ()) -> bytes:
    table = "\n".join(("1", f"# {STATE_COLUMNS}", *states))
    figures = "\n".join((f"# {STAT_COLUMNS}", *stats))
    return f"\n{table}\n\n{figures}\n\n".encode()


def read(*states: str, stats: tuple[str, ...] = ()) -> tuple[SeenMember, ...]:
    return haproxy.parse_members(answer(*states, stats=stats), "lb", "be")


def test_a_member_has_its_place_from_one_answer_and_its_figures_from_the_other() -> None:
    (found,) = read(state("s1"), stats=("be,s1,3,2,900,UP,7,11,4,1,25,",))
    assert (found.member.address, found.member.port, found.member.weight) == ("127.0.0.1", 8080, 50)
    assert (found.waiting, found.sessions, found.sessions_total) == (3, 2, 900)
    assert (found.effective_weight, found.sessions_per_second, found.errors_total) == (7, 11, 4)
    assert (found.queue_milliseconds, found.response_milliseconds) == (1, 25)
    assert (found.up, found.idle, found.weighs_itself) == (True, False, False)


def test_what_is_not_said_is_unknown_and_not_0() -> None:
    (found,) = read(state("s1"), stats=("be,s1,,,,,,,,,,",))
    assert (found.sessions, found.errors_total, found.idle) == (None, None, None)


@pytest.mark.parametrize(
    ("admin", "expected"),
    [
        (0x00, MemberState.READY),
        (0x01, MemberState.MAINT),  # by command
        (0x05, MemberState.MAINT),  # by the configuration, too
        (0x04, MemberState.READY),  # the configuration said `disabled`, a command took it back
        (0x08, MemberState.DRAIN),
        (0x10, MemberState.DRAIN),  # inherited from a server that it tracks
        (0x09, MemberState.MAINT),
        (0x20, MemberState.MAINT),  # its name cannot be resolved
    ],
)
def test_the_administrative_state_is_read_from_its_bits(admin: int, expected: MemberState) -> None:
    assert read(state("s", admin=admin))[0].member.state is expected


def test_whether_a_member_is_up() -> None:
    assert read(state("s", op=0))[0].up is False
    assert read(state("s", op=1))[0].up is True  # comes up slowly
    assert read(state("s", status=1))[0].up is None  # the first check is not over
    assert read(state("s", op=0, admin=1))[0].up is None  # nobody checks it


def test_an_agent_check_counts_while_it_is_enabled() -> None:
    assert read(state("s", agent=0x1F))[0].weighs_itself
    assert not read(state("s", agent=0x1B))[0].weighs_itself


def test_members_are_in_the_order_of_names() -> None:
    assert [one.member.name for one in read(state("b"), state("a"))] == ["a", "b"]


def test_a_backend_without_servers_has_no_members() -> None:
    assert read() == ()


def test_a_no_is_an_error_and_news_is_not() -> None:
    with pytest.raises(CommandFailed, match=r"lb: HAProxy says: No such server\.; Already there\."):
        haproxy.checked(b"\n[3]: No such server.\n\n\n[3]: Already there.\n\n", "lb")
    haproxy.checked(b"\n[6]: New server registered.\n[4]: no need to change the addr\n\n", "lb")


def test_what_is_not_haproxy_is_told_apart() -> None:
    with pytest.raises(CommandFailed, match="not HAProxy's runtime socket"):
        haproxy.parse_facts(b"HTTP/1.1 400 Bad Request\r\n\r\n", "lb")


@pytest.mark.parametrize(
    ("version", "release"),
    [("2.6.12-1+deb12u4", (2, 6)), ("3.0.2", (3, 0)), ("dev", (0, 0))],
)
def test_a_version_has_a_release(version: str, release: tuple[int, int]) -> None:
    facts = haproxy.parse_facts(f"Name: HAProxy\nVersion: {version}\nPid: 7\n".encode(), "lb")
    assert (facts.release, facts.pid, facts.uptime_seconds) == (release, 7, None)


def test_commands_are_joined_and_no_line_is_longer_than_haproxy_reads() -> None:
    commands = [f"set server be/{'x' * 60}{n} weight 1" for n in range(1000)]
    lines = list(haproxy.lines(commands))
    assert all(len(line) <= 8192 and line.count(b"\n") == 1 for line in lines)
    said = [part for line in lines for part in line.decode().strip().split(";")[1:]]
    assert said == commands
    assert list(haproxy.lines([])) == []


@given(st.binary(max_size=400))
def test_hostile_bytes_are_members_or_an_error_in_kind_words(data: bytes) -> None:
    for text in (data, answer() + data, answer(state("s")).replace(b"127.0.0.1", data)):
        try:
            haproxy.parse_members(text, "lb", "be")
        except CommandFailed:
            continue


@given(
    st.integers(0, 3), st.integers(0, 255), st.integers(0, 20), st.integers(0, 31),
    st.lists(st.one_of(st.just(""), st.integers(0, 10**9).map(str)), min_size=10, max_size=10),
)  # fmt: skip
def test_every_state_and_figure_can_be_read(
    op: int, admin: int, status: int, agent: int, figures: list[str]
) -> None:
    row = state("s", op=op, admin=admin, status=status, agent=agent)
    (found,) = read(row, stats=(f"be,s,{','.join(figures)}",))
    assert found.sessions == (int(figures[1]) if figures[1] else None)
    assert not (found.up is False and found.serves)
