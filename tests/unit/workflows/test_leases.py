"""Singletons are permitted to run on, and start elsewhere only when that is over for certain."""

from __future__ import annotations

from dataclasses import replace

import pytest

from phoenixctl.model.command import Command, Completed
from phoenixctl.model.errors import CommandFailed, ExitCode, OutcomeUnknown, PhoenixError
from phoenixctl.model.names import AgentId, NodeName
from phoenixctl.model.plan import Action
from phoenixctl.model.state import AgentRecord, State
from phoenixctl.ports.records import Unfinished
from phoenixctl.remote.agents import spec_digest
from phoenixctl.remote.renew import Renewal, Renewed
from phoenixctl.workflows.leases import known_leases, permitting, refuse_renewed, renew
from tests.builders import fleet, node, spec
from tests.unit.workflows.fakes import FakeReach, FakeRecords, FakeSession, completed
from tests.unit.workflows.running import step

BOOT = "4b1c53a2-8a8a-4b8e-9a39-000000000001"
LEASED = spec("one", singleton=True, lease_seconds=60.0)
LASTING = spec("two", singleton=True)
PLAIN = spec("web")
FLEET = fleet(node("a"), node("b"), agents=[LEASED, LASTING, PLAIN])
ONE, TWO = AgentId("one-0"), AgentId("two-0")


def record(agent: str, on: str, epoch: int) -> AgentRecord:
    of = FLEET.agents[agent.rpartition("-")[0]]
    return AgentRecord(AgentId(agent), NodeName(on), spec_digest(of), epoch)


AGENTS = {
    a.id: a for a in (record("one-0", "a", 4), record("two-0", "b", 7), record("web-0", "a", 2))
}
STATE = State("test", "f00d", 4, agents=AGENTS)


class Nodes(FakeReach):
    """Each tells its uptime (1000 s) and answers a renewal with `words`, by node."""

    def __init__(self, **words: str | PhoenixError) -> None:
        self.words = words
        self.asked: dict[str, list[tuple[str, ...]]] = {}
        super().__init__({name: FakeSession(NodeName(name), self.at(name)) for name in words})

    def at(self, name: str):  # type: ignore[no-untyped-def]
        def answer(command: Command) -> Completed | PhoenixError:
            if command.argv[0] == "cat":
                return completed(f"1000.99 3.0\n{BOOT}\n".encode())
            self.asked.setdefault(name, []).append(command.argv[7:])
            words = self.words[name]
            if isinstance(words, PhoenixError):
                return words
            return completed(f"phoenixctl renew\n{words}\nend\n".encode())

        return answer


def kept(**more: object) -> FakeRecords:
    return FakeRecords(state=STATE, **more)  # type: ignore[arg-type]


async def test_every_recorded_singleton_is_renewed_with_one_command_on_each_node() -> None:
    nodes = Nodes(a="agent one-0 renewed", b="agent two-0 started")
    found = await renew(FLEET, nodes, kept())
    assert found == (
        Renewal(ONE, NodeName("a"), 4, Renewed.RENEWED),
        Renewal(TWO, NodeName("b"), 7, Renewed.STARTED),
    )
    assert {one.exit_code for one in found} == {ExitCode.OK}
    assert nodes.asked == {
        "a": [(BOOT, "one-0", "4", "1060")],
        "b": [(BOOT, "two-0", "7", "-")],
    }


async def test_only_those_that_were_named_are_renewed() -> None:
    nodes = Nodes(a="", b="agent two-0 renewed")
    assert [one.agent for one in await renew(FLEET, nodes, kept(), {TWO})] == [TWO]
    assert "a" not in nodes.asked


@pytest.mark.parametrize(
    ("words", "how", "detail"),
    [
        ("agent one-0 other 3", Renewed.OTHER, "3"),
        ("agent one-0 fenced 5", Renewed.FENCED, "5"),
        ("agent one-0 absent", Renewed.ABSENT, ""),
        ("agent one-0 failed systemctl: no", Renewed.FAILED, "systemctl: no"),
        ("agent x-0 renewed", Renewed.FAILED, "nothing was said about it"),
    ],
)
async def test_what_was_not_renewed_is_told(words: str, how: Renewed, detail: str) -> None:
    [one] = await renew(FLEET, Nodes(a=words), kept(), {ONE})
    assert (one.how, one.detail, one.exit_code) == (how, detail, ExitCode.SOME_FAILED)


async def test_a_node_that_does_not_answer_is_told_and_extends_nothing() -> None:
    records = kept(lasting={ONE: 5.0})
    one, two = await renew(FLEET, Nodes(b="agent two-0 renewed"), records)
    assert (one.how, one.exit_code) == (None, ExitCode.UNREACHABLE)
    assert two.how is Renewed.RENEWED
    assert records.lasting == {ONE: 5.0}


async def test_what_a_renewal_permits_is_known_before_it_is_sent() -> None:
    records = kept(lasting={ONE: 5.0})
    [one] = await renew(FLEET, Nodes(a=OutcomeUnknown("lost")), records, {ONE})
    assert one.exit_code is ExitCode.UNKNOWN
    assert records.lasting == {ONE: 60.0}


async def test_one_that_another_run_has_begun_to_start_is_left_to_it() -> None:
    starting = Unfinished("5", "apply", step(Action.START, "one-0", "b"))
    nodes = Nodes(a="agent one-0 renewed")
    [one] = await renew(FLEET, nodes, kept(left=[starting]), {ONE})
    assert (one.how, one.error, one.exit_code) == (None, None, ExitCode.OK)
    assert nodes.asked == {}


async def test_one_that_was_started_elsewhere_meanwhile_is_not_renewed_where_it_was() -> None:
    class Moving(FakeRecords):
        def renewing(self, seconds: object) -> None:
            self.state = replace(STATE, agents={ONE: record("one-0", "b", 5)})

    nodes = Nodes(a="agent one-0 renewed")
    [one] = await renew(FLEET, nodes, Moving(state=STATE), {ONE})
    assert one.how is None
    assert nodes.asked == {}


async def test_a_start_is_known_when_it_has_answered_and_only_then() -> None:
    records = kept(lasting={ONE: 5.0})
    async with permitting(records, ONE, LEASED):
        assert records.leases() == {}
    assert records.leases() == {ONE: 60.0}
    with pytest.raises(CommandFailed):
        async with permitting(records, ONE, LEASED):
            raise CommandFailed("it did not stay up")
    assert records.leases() == {ONE: 60.0}
    with pytest.raises(OutcomeUnknown):
        async with permitting(records, ONE, LEASED):
            raise OutcomeUnknown("lost")
    assert records.leases() == {}


async def test_without_a_lease_it_is_never_known() -> None:
    records = kept(lasting={TWO: 5.0, AgentId("web-0"): 1.0})
    async with permitting(records, TWO, LASTING):
        pass
    async with permitting(records, AgentId("web-0"), PLAIN):
        pass
    assert records.leases() == {AgentId("web-0"): 1.0}
    assert known_leases(FLEET, records).left == {}


def test_a_lease_is_over_only_after_its_grace_and_a_margin() -> None:
    end = -(LEASED.grace_seconds + 15.0 + 3.0)
    assert not known_leases(FLEET, kept(lasting={ONE: end + 0.5})).over(ONE)
    assert known_leases(FLEET, kept(lasting={ONE: end})).over(ONE)
    assert not known_leases(FLEET, kept()).over(ONE)


def test_a_start_that_relies_on_a_lease_looks_again() -> None:
    relying = step(Action.START, "one-0", "b", relies_on={"lease.one-0": "over"})
    with pytest.raises(CommandFailed, match="renewed since"):
        refuse_renewed(relying, FLEET, kept(lasting={ONE: 3.0}))
    with pytest.raises(CommandFailed):
        refuse_renewed(relying, FLEET, kept())
    refuse_renewed(relying, FLEET, kept(lasting={ONE: -1000.0}))
    refuse_renewed(step(Action.START, "one-0", "b"), FLEET, kept())
