"""Nodes go when nothing of the fleet runs on them, and only then."""

from __future__ import annotations

from dataclasses import replace

import pytest

from phoenixctl.model.errors import AuthenticationFailed, CommandFailed, Refused, Unreachable
from phoenixctl.model.fleet import Pool
from phoenixctl.model.instance import Instance
from phoenixctl.model.names import AgentId, NodeName
from phoenixctl.model.plan import Action, Step
from phoenixctl.model.state import NodeRecord, State
from phoenixctl.workflows.retire import Retire
from phoenixctl.workflows.work import Trail
from tests.builders import fleet, node, spec
from tests.unit.workflows.fakes import FakeRecords
from tests.unit.workflows.machine import Machine
from tests.unit.workflows.running import Site, about, recorded, trail

C1, A = NodeName("c-1"), NodeName("a")
MADE = NodeRecord(node("c-1", pool="cloud"), "aws", "i-1", operation="4 create node c-1")
HOST = NodeRecord(node("a"), "static", "a", joined="none")


def site(machine: object, record: NodeRecord | None = MADE) -> Site:
    """A fleet in which c-1 was made and a exists; the machine plays whichever is recorded."""
    f = fleet(node("a"), agents=[spec("web")])
    f = replace(f, pools={**f.pools, "cloud": Pool("cloud", "aws")})
    nodes = {record.node.name: record} if record else {}
    s = Site(f, {"c-1": machine, "a": machine})
    s.records = FakeRecords(
        state=State("test", "f00d", 4, nodes=nodes, agents=recorded("web-0", "c-1", epoch=7))
    )
    s.provider.nodes[C1] = Instance(MADE.node, "i-1", lineage="f00d")
    return s


def destroying(*, silent: bool = False) -> Step:
    relies = {"node.c-1": f"recorded=i-1; answers={'no' if silent else 'yes'}"}
    return about(Action.DESTROY, "c-1", "cloud", relies_on=relies)


async def destroy(s: Site, step: Step, **more: object) -> tuple[str, Trail]:
    left = trail(step, **more)
    return await Retire(s.work()).destroy(left), left


async def test_an_empty_node_is_destroyed_and_all_that_named_it_leaves_the_record() -> None:
    s = site(Machine("c-1").with_agent("web-0", epoch=8, running=False))
    noted: list[object] = []
    left = trail(destroying())

    async def note(facts: object) -> None:
        assert C1 in s.provider.nodes, "noted before it is removed"
        noted.append(facts)

    left.note = note
    work = s.work()
    assert await Retire(work).destroy(left) == "destroyed"
    assert s.provider.nodes == {}
    assert left.patch.nodes == {C1: None}
    assert left.patch.agents == {AgentId("web-0"): None}
    assert left.patch.epochs == {AgentId("web-0"): 7}
    assert len(noted) == 1
    assert C1 not in work.fleet.nodes


async def test_a_node_with_an_agent_on_it_is_not_destroyed() -> None:
    s = site(Machine("c-1").with_agent("web-0").with_agent("web-1", running=False))
    with pytest.raises(CommandFailed, match="c-1 is still needed: web-0 on it") as failed:
        await destroy(s, destroying())
    assert failed.value.hint == "phoenixctl nodes drain c-1"
    assert C1 in s.provider.nodes


@pytest.mark.parametrize("error", [Unreachable("c-1 is silent"), AuthenticationFailed("no key")])
async def test_a_silent_node_is_not_destroyed_unless_the_plan_knew(error: Exception) -> None:
    s = site(error)
    with pytest.raises(type(error), match="nobody knows what runs on c-1") as failed:
        await destroy(s, destroying())
    assert "--assume-dead c-1" in failed.value.hint
    assert C1 in s.provider.nodes
    told, left = await destroy(s, destroying(silent=True))
    assert (told, s.provider.nodes) == ("destroyed", {})
    assert left.patch.nodes == {C1: None}


async def test_a_destruction_that_was_cut_off_goes_on_though_the_node_is_silent_by_now() -> None:
    s = site(Unreachable("c-1 is silent"))
    proven = ({"empty": "nothing of the fleet runs there"},)
    assert (await destroy(s, destroying(), notes=proven))[0] == "destroyed"


async def test_a_protected_node_stays() -> None:
    s = site(Machine("c-1"), replace(MADE, protected=True))
    with pytest.raises(Refused, match="c-1 is protected") as refused:
        await destroy(s, destroying())
    assert refused.value.hint == "phoenixctl nodes unprotect c-1"
    with pytest.raises(Refused):
        await Retire(s.work()).forget(trail(about(Action.FORGET, "c-1")))


async def test_what_the_provider_itself_refuses_is_told_and_nothing_is_forgotten() -> None:
    s = site(Machine("c-1"))
    s.provider.nodes[C1] = replace(s.provider.nodes[C1], protected=True)
    left = trail(destroying())
    with pytest.raises(Refused, match="protected by its provider"):
        await Retire(s.work()).destroy(left)
    assert left.patch.nodes == {}


async def test_a_node_that_is_gone_already_is_only_taken_out_of_the_record() -> None:
    s = site(Machine("c-1"), record=None)
    s.provider.nodes.clear()
    told, left = await destroy(s, destroying())
    assert told == "was gone"
    assert left.patch.nodes == {C1: None}


async def test_a_node_that_only_its_provider_knows_is_looked_at_before_it_is_destroyed() -> None:
    s = site(Machine("c-1").with_agent("web-0"), record=None)
    with pytest.raises(CommandFailed, match="still needed"):
        await destroy(s, destroying())
    s.machines["c-1"] = Machine("c-1")
    assert (await destroy(s, destroying()))[0] == "destroyed"


async def test_a_node_of_another_record_is_not_taken_for_it() -> None:
    s = site(Machine("c-1"), record=None)
    s.provider.nodes[C1] = Instance(MADE.node, "i-1", lineage="beef")
    assert (await destroy(s, destroying()))[0] == "was gone"
    assert C1 in s.provider.nodes


async def test_a_host_that_exists_loses_our_marks_and_its_place_in_the_record() -> None:
    machine = Machine("a", joined="none", cordon="{}")
    s = site(machine, HOST)
    left = trail(about(Action.FORGET, "a"))
    assert await Retire(s.work()).forget(left) == "forgotten"
    assert (machine.joined, machine.cordon) == ("", "")
    assert left.patch.nodes == {A: None}


async def test_a_silent_host_is_forgotten_when_the_plan_knew_and_that_is_said() -> None:
    s = site(Unreachable("a is silent"), HOST)
    known = about(Action.FORGET, "a", relies_on={"node.a": "recorded=a; answers=no"})
    told = await Retire(s.work()).forget(trail(known))
    assert told == "forgotten; it does not answer, so its marks stay"
    with pytest.raises(Unreachable):
        await Retire(s.work()).forget(trail(about(Action.FORGET, "a")))


async def test_a_host_that_was_forgotten_is_forgotten_again_without_a_word_to_it() -> None:
    s = site(Machine("a"), record=None)
    assert await Retire(s.work()).forget(trail(about(Action.FORGET, "a"))) == "was forgotten"
    assert s.machine("a").ran == []


@pytest.mark.parametrize("action", [Action.PROTECT, Action.UNPROTECT])
async def test_protection_is_kept_in_the_record_and_at_the_provider(action: Action) -> None:
    on = action is Action.PROTECT
    s = site(Machine("c-1"), replace(MADE, protected=not on))
    left = trail(about(action, "c-1", "cloud"))
    await Retire(s.work()).protect(left)
    assert s.provider.nodes[C1].protected is on
    assert left.patch.nodes == {C1: replace(MADE, protected=on)}


async def test_a_host_that_exists_is_protected_by_the_record_alone() -> None:
    s = site(Machine("a"), HOST)
    left = trail(about(Action.PROTECT, "a"))
    assert await Retire(s.work()).protect(left) == "protected"
    assert left.patch.nodes == {A: replace(HOST, protected=True)}


async def test_only_recorded_nodes_can_be_protected() -> None:
    with pytest.raises(CommandFailed, match="c-1 is not recorded"):
        await Retire(site(Machine("c-1"), None).work()).protect(
            trail(about(Action.PROTECT, "c-1", "cloud"))
        )
