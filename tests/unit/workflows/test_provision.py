"""Nodes come: made once whatever happens, joined when they are ready for agents."""

from __future__ import annotations

from dataclasses import replace

import pytest

from phoenixctl.model.bootstrap import Bootstrap, BootstrapCommand, BootstrapFile
from phoenixctl.model.errors import (
    AuthenticationFailed,
    CommandFailed,
    ConfigError,
    HostKeyChanged,
    NoCapacity,
    OutcomeUnknown,
    PhoenixError,
    Unreachable,
)
from phoenixctl.model.fleet import Fleet, Pool
from phoenixctl.model.hooks import ExecHook
from phoenixctl.model.names import NodeName
from phoenixctl.model.plan import Action, Step
from phoenixctl.model.state import NodeRecord, State
from phoenixctl.remote.bootstrap import bootstrap_digest
from phoenixctl.workflows import bootstrap as bootstrap_module
from phoenixctl.workflows import provision as provision_module
from phoenixctl.workflows import renew as renew_module
from phoenixctl.workflows.bootstrap import bootstrap_digests
from phoenixctl.workflows.provision import Provision
from phoenixctl.workflows.work import Trail, Work
from tests.builders import fleet, node, spec
from tests.unit.workflows.fakes import FakeRecords, completed
from tests.unit.workflows.machine import Machine, key
from tests.unit.workflows.running import Site, about, trail

C1 = NodeName("c-1")
FULL = Bootstrap(
    packages=("curl", "jq"),
    files=(BootstrapFile("motd", "/etc/motd"),),
    commands=(BootstrapCommand(("enable", "it"), unless=("is", "enabled")),),
    ready=ExecHook(("test", "-e", "/etc/motd"), timeout_seconds=3),
    within_seconds=10,
)
FILES = {"motd": b"hello"}


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name in (
        (provision_module, "_KNOCK_EVERY_SECONDS"),
        (bootstrap_module, "_READY_EVERY_SECONDS"),
        (renew_module, "_EVERY_SECONDS"),
    ):
        monkeypatch.setattr(module, name, 0.0)


def cloud(bootstrap: Bootstrap | None = None) -> Fleet:
    """A fleet with a host that exists and a pool whose nodes are made."""
    f = fleet(node("a"), agents=[spec("web")])
    main = replace(f.pools["main"], bootstrap=bootstrap)
    return replace(f, pools={"main": main, "cloud": Pool("cloud", "aws", bootstrap=bootstrap)})


def site(machine: Machine | PhoenixError, bootstrap: Bootstrap | None = None) -> Site:
    return Site(cloud(bootstrap), {"c-1": machine, "a": Machine("a")}, files=FILES)


def made(*host_keys: str, joined: str = "") -> State:
    """The record of a fleet for which c-1 was made."""
    record = NodeRecord(
        node("c-1", pool="cloud", host_keys=host_keys), "aws", "i-1", joined=joined,
        operation="4 create node c-1",
    )  # fmt: skip
    return State("test", "f00d", 4, nodes={C1: record})


async def join(site: Site, step: Step | None = None, left: Trail | None = None) -> Trail:
    left = left or trail(step or about(Action.JOIN, "c-1", "cloud"))
    await Provision(site.work()).join(left)
    return left


def joined(left: Trail, name: NodeName = C1) -> NodeRecord:
    record = left.patch.nodes[name]
    assert record is not None
    return record


# Made


async def test_a_node_is_made_and_known_from_then_on() -> None:
    s = site(Machine("c-1"))
    work = s.work()
    left = trail(about(Action.CREATE, "c-1", "cloud"))
    told = await Provision(work).create(left)
    assert told == "created i-c-1"
    assert left.patch.nodes == {
        C1: NodeRecord(node("c-1", pool="cloud"), "aws", "i-c-1", operation="5 create node c-1")
    }
    assert s.reach.added == [node("c-1", pool="cloud")]
    assert work.fleet.nodes[C1].pool == "cloud"
    [request] = s.provider.asked
    assert (request.lineage, request.operation, request.notes) == ("f00d", "5 create node c-1", ())


async def test_a_step_of_an_earlier_run_asks_with_that_runs_name_and_notes() -> None:
    s = site(Machine("c-1"))
    left = trail(about(Action.CREATE, "c-1", "cloud"), notes=({"attempt": "1"},))
    left.operation = "3"
    await Provision(s.work()).create(left)
    [request] = s.provider.asked
    assert request.operation == "3 create node c-1"
    assert request.notes == ({"attempt": "1"},)


async def test_a_node_that_a_later_run_has_made_is_not_made_again() -> None:
    s = site(Machine("c-1"))
    s.records = FakeRecords(state=made())
    left = trail(about(Action.CREATE, "c-1", "cloud"))
    left.operation = "3"
    with pytest.raises(CommandFailed, match="c-1 was made by a later run"):
        await Provision(s.work()).create(left)
    assert s.provider.asked == []


async def test_what_stands_in_the_providers_way_is_the_steps_failure() -> None:
    s = site(Machine("c-1"))
    s.provider.fails = NoCapacity("eu-1a has none")
    left = trail(about(Action.CREATE, "c-1", "cloud"))
    with pytest.raises(NoCapacity):
        await Provision(s.work()).create(left)
    assert left.patch.nodes == {}


async def test_a_pool_that_left_the_configuration_makes_nothing() -> None:
    with pytest.raises(ConfigError, match="'gone' is not in the configuration"):
        await Provision(site(Machine("c-1")).work()).create(
            trail(about(Action.CREATE, "c-1", "gone"))
        )


# Joined


async def test_a_node_gets_what_its_pool_says_and_is_marked_and_recorded() -> None:
    machine = Machine("c-1", packages={"curl"})
    machine.odd = lambda what: completed(b"", 1) if what == "is enabled" else None
    s = site(machine, FULL)
    s.records = FakeRecords(state=made())
    left = trail(about(Action.JOIN, "c-1", "cloud"))
    told = await Provision(s.work()).join(left)
    assert told == "joined, installed jq, wrote /etc/motd, ran 1 of 1 commands"
    assert machine.files == {"/etc/motd": b"hello"}
    assert machine.ran == [
        "packages", "file", "is enabled", "enable it", "test -e /etc/motd", "mark",
    ]  # fmt: skip
    digest = bootstrap_digest(FULL, FILES)
    assert machine.joined == joined(left).joined == digest
    assert bootstrap_digests(cloud(FULL), FILES.__getitem__) == {"main": digest, "cloud": digest}


async def test_joining_again_changes_nothing() -> None:
    machine = Machine("c-1", packages={"curl", "jq"}, files={"/etc/motd": b"hello"})
    s = site(machine, FULL)
    s.records = FakeRecords(state=made())
    told = await Provision(s.work()).join(trail(about(Action.JOIN, "c-1", "cloud")))
    assert told == "joined, had all it needs"
    assert "enable it" not in machine.ran  # what `unless` asks for holds


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        ("packages", "apt-get cannot install jq"),
        ("file", "cannot write to /etc"),
        ("enable it", "`enable it` ended with 3: no such unit"),
        ("test -e /etc/motd", "not ready after 3s: `test -e /etc/motd` ended with 3: no such unit"),
        ("mark", "the base cannot be written to"),
    ],
)
async def test_a_node_that_cannot_be_made_ready_has_not_joined(broken: str, words: str) -> None:
    machine = Machine("c-1")
    s = site(machine, FULL)

    def odd(what: str) -> object:
        if what == "is enabled":
            return completed(b"", 1)
        if what != broken:
            return None
        s.clock.now += 2
        if what in ("packages", "file", "mark"):
            return completed(f"phoenixctl {what}\nerror {words}\n".encode(), 1)
        return completed(b"", 3, b"no such unit\n")

    machine.odd = odd
    s.records = FakeRecords(state=made())
    with pytest.raises(CommandFailed) as failed:
        await join(s)
    assert failed.value.what == words
    assert machine.joined == ""


async def test_a_node_that_becomes_ready_in_time_joins() -> None:
    machine = Machine("c-1")
    s = site(machine, FULL)
    answers = iter((completed(b"", 1), completed(b"", 1)))

    def odd(what: str) -> object:
        s.clock.now += 1
        return next(answers, None) if what.startswith("test") else None

    machine.odd = odd
    s.records = FakeRecords(state=made())
    assert joined(await join(s)).joined
    assert machine.ran.count("test -e /etc/motd") == 3


async def test_a_host_that_exists_and_has_nothing_to_get_is_proven_and_recorded() -> None:
    s = site(Machine("c-1"))
    left = await join(s, about(Action.JOIN, "a"))
    assert s.machine("a").ran == ["mark"]
    assert left.patch.nodes == {NodeName("a"): NodeRecord(node("a"), "static", "a", joined="none")}


async def test_a_new_node_is_waited_for_and_a_host_that_exists_is_not() -> None:
    s = site(Unreachable("silent"), FULL)
    s.records = FakeRecords(state=made())
    knocks = 0
    ordinary = s.reach.each

    async def each(nodes: object, job: object) -> object:
        nonlocal knocks
        knocks += 1
        s.clock.now += 3
        if knocks == 3:
            s.machines["c-1"] = Machine("c-1")
        return await ordinary(nodes, job)

    s.reach.each = each
    assert joined(await join(s)).joined
    assert knocks == 4  # two in vain, one that is answered, the work
    s.machines["a"] = Unreachable("silent")
    knocks = 5
    with pytest.raises(Unreachable):
        await join(s, about(Action.JOIN, "a"))
    assert knocks == 6


async def test_a_new_node_is_not_waited_for_longer_than_its_pool_says() -> None:
    s = site(Unreachable("silent"), FULL)
    s.records = FakeRecords(state=made())
    ordinary = s.reach.each

    async def each(nodes: object, job: object) -> object:
        s.clock.now += 4
        return await ordinary(nodes, job)

    s.reach.each = each
    begun = s.clock.now
    with pytest.raises(Unreachable):
        await join(s)
    assert s.clock.now == begun + 12


@pytest.mark.parametrize("error", [AuthenticationFailed("no key fits"), HostKeyChanged("another")])
async def test_a_node_that_is_not_trusted_or_does_not_let_us_in_is_tried_once(
    error: PhoenixError,
) -> None:
    s = site(error, FULL)
    s.records = FakeRecords(state=made())
    asked = []
    ordinary = s.reach.each
    s.reach.each = lambda nodes, job: asked.append(1) or ordinary(nodes, job)
    with pytest.raises(type(error)):
        await join(s)
    assert asked == [1]


async def test_a_node_that_is_neither_recorded_nor_configured_cannot_join() -> None:
    with pytest.raises(CommandFailed, match="c-1 is not recorded"):
        await join(site(Machine("c-1")))


# Its host key


async def test_a_node_whose_key_was_given_to_it_makes_its_own_and_is_known_by_it_alone() -> None:
    machine = Machine("c-1", host_key=key(9))
    s = site(machine)
    s.records = FakeRecords(state=made(key(9)))
    noted: list[dict[str, str]] = []
    left = trail(about(Action.JOIN, "c-1", "cloud"))

    async def note(facts: dict[str, str]) -> None:
        assert machine.host_key == key(9), "noted before it is in use"
        noted.append(facts)

    left.note = note
    told = await Provision(s.work()).join(left)
    assert told == "joined, has a host key of its own"
    assert noted == [{"host_key": key(1)}]
    assert machine.host_key == key(1)
    assert joined(left).node.host_keys == (key(1),)
    assert s.reach.added[-1].host_keys == (key(1),)


async def test_a_node_that_has_joined_before_keeps_its_key() -> None:
    machine = Machine("c-1", host_key=key(9))
    s = site(machine, FULL)
    s.records = FakeRecords(state=made(key(9), joined="old"))
    assert joined(await join(s)).node.host_keys == (key(9),)
    assert "host-key" not in machine.ran


@pytest.mark.parametrize("installed", [False, True])
async def test_a_change_of_keys_that_was_cut_off_goes_on_with_the_same_key(installed: bool) -> None:
    machine = Machine("c-1", host_key=key(1) if installed else key(9), next_key=key(1))
    s = site(machine)
    s.records = FakeRecords(state=made(key(9)))
    left = trail(about(Action.JOIN, "c-1", "cloud"), notes=({"host_key": key(1)},))

    async def note(_facts: object) -> None:
        raise AssertionError("it is noted already")

    left.note = note
    assert joined(await join(s, left=left)).node.host_keys == (key(1),)
    assert machine.host_key == key(1)


async def test_after_a_change_of_keys_that_failed_both_are_trusted() -> None:
    machine = Machine("c-1", host_key=key(9))

    def odd(what: str) -> object:
        return OutcomeUnknown("the connection broke") if machine.ran.count(what) == 2 else None

    machine.odd = odd
    s = site(machine)
    s.records = FakeRecords(state=made(key(9)))
    left = trail(about(Action.JOIN, "c-1", "cloud"))
    with pytest.raises(OutcomeUnknown):
        await join(s, left=left)
    assert joined(left).node.host_keys == (key(9), key(1))
    assert joined(left).joined == ""


async def test_a_node_that_goes_on_with_its_old_key_has_not_joined() -> None:
    machine = Machine("c-1", host_key=key(9))

    def odd(what: str) -> object:
        stuck = what == "host-key" and machine.ran.count(what) == 2
        return completed(b"phoenixctl host-key\nreloaded nothing\n") if stuck else None

    machine.odd = odd
    s = site(machine)
    s.records = FakeRecords(state=made(key(9)))
    left = trail(about(Action.JOIN, "c-1", "cloud"))
    with pytest.raises(CommandFailed, match="was given a new host key and does not show it"):
        await join(s, left=left)
    assert joined(left).node.host_keys == (key(9), key(1))
    assert machine.joined == ""


def test_work_knows_recorded_nodes_beside_the_configured_ones() -> None:
    s = site(Machine("c-1"))
    s.records = FakeRecords(state=made())
    work = s.work()
    assert isinstance(work, Work)
    assert set(work.fleet.nodes) == {"a", "c-1"}
    work.forget(C1)
    assert set(work.fleet.nodes) == {"a"}


async def test_a_node_of_a_protected_pool_is_protected_from_the_first() -> None:
    f = cloud()
    s = Site(
        replace(f, pools={**f.pools, "cloud": replace(f.pools["cloud"], protected=True)}),
        {"c-1": Machine("c-1"), "a": Machine("a")},
    )
    left = trail(about(Action.CREATE, "c-1", "cloud"))
    await Provision(s.work()).create(left)
    assert s.provider.nodes[C1].protected
    recorded = left.patch.nodes[C1]
    assert recorded is not None
    assert recorded.protected
