"""The playbooks that are shipped, planned for the example fleet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import pytest

from phoenixctl.cli.playbooks import chosen_names
from phoenixctl.model.fleet import Agent, Fleet, Guards, Share
from phoenixctl.model.names import NodeName
from phoenixctl.model.plan import Action
from phoenixctl.model.playbook import Playbook
from phoenixctl.model.reading import Metric
from phoenixctl.planning.foresee import foreseen
from phoenixctl.planning.playbook import Chapter, batch_of, batches_of, breaches_of
from phoenixctl.settings.load import load
from phoenixctl.settings.playbook import find_playbooks, read_playbook
from tests.builders import GiB, instances, seen
from tests.unit.planning.playing import World

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "config" / "examples" / "placement.yaml"
SHIPPED = find_playbooks([ROOT / "playbooks"])
GIVEN = {
    "evacuate-zone": {"zone": "b"},
    "rolling-agent-upgrade": {"agents": "web"},
    "patch-and-reboot": {"nodes": "a*,b*,c*"},  # with one node, half of all there is of gpu goes
}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> World:
    """The example with every agent where placement puts it, but two in zone b, and with less to be
    kept in each zone: as it is written, no zone can be left, and hardly a node of zone c."""
    text = EXAMPLE.read_text()
    for strict, lenient in (
        ("      spread: zone\n", ""),
        ("      redundancy: zone\n", ""),
        ("replicas: 6", "replicas: 4"),
    ):
        assert strict in text
        text = text.replace(strict, lenient)
    path = tmp_path_factory.mktemp("shop") / "phoenixctl.yaml"
    path.write_text(text)
    return running(unguarded(path), {"web-0": "b1", "web-1": "b2"})


def unguarded(path: Path) -> Fleet:
    most = Share(ratio=1.0)
    return replace(load(path, environ={}).fleet, guards=Guards(most, most))


def running(fleet: Fleet, there: Mapping[str, str] = MappingProxyType({})) -> World:
    """With these agents on these nodes, and all others where placement puts them."""
    quiet = {Metric.CPU: 0.1, Metric.MEMORY: 0.1, Metric.DISK: 0.1}
    world = World(
        fleet,
        tuple(seen(name, cores=8.0, memory=GiB(32), metrics=quiet) for name in fleet.nodes),
    )
    for agent, node in there.items():
        world = started(world, instances(fleet, agent), on=NodeName(node))
    return started(world, fleet.instances())


def started(world: World, agents: Sequence[Agent], *, on: NodeName | None = None) -> World:
    from phoenixctl.planning.lifecycle import plan_start

    plan = plan_start(agents, world.fleet, world.snapshot, on=on)
    assert not plan.warnings
    return World(world.fleet, foreseen(world.snapshot, plan.steps, world.fleet).observed())


def played(world: World, name: str) -> tuple[Playbook, tuple[Chapter, ...]]:
    book = read_playbook(SHIPPED[name], GIVEN.get(name, {}))
    names = chosen_names(world.fleet, book.on)
    batches = [batch_of(each, book) for each in batches_of(names, book.serial)]
    return book, world.outline(book, batches)


def actions(chapters: tuple[Chapter, ...]) -> Counter[Action]:
    return Counter(s.action for c in chapters if c.plan is not None for s in c.plan.steps)


def test_all_that_the_issue_asks_for_are_there() -> None:
    assert set(SHIPPED) == {
        "rolling-restart", "patch-and-reboot", "rolling-agent-upgrade", "evacuate-zone",
        "rotate-host-keys", "nightly-rebalance",
    }  # fmt: skip


@pytest.mark.parametrize("name", SHIPPED)
def test_each_is_planned_whole_and_no_guard_forbids_it(shop: World, name: str) -> None:
    book, chapters = played(shop, name)
    assert book.description
    assert list(breaches_of(chapters)) == []
    assert all(chapter.plan is not None and not chapter.later for chapter in chapters)
    assert actions(chapters) or name == "nightly-rebalance"


def test_a_rolling_restart_restarts_every_agent_once(shop: World) -> None:
    _, chapters = played(shop, "rolling-restart")
    assert actions(chapters) == {Action.RESTART: len(shop.fleet.instances())}
    assert len(chapters) == 4


def test_an_upgrade_waits_for_a_yes_after_the_canary_alone(shop: World) -> None:
    _, chapters = played(shop, "rolling-agent-upgrade")
    sizes = [len(chapter.batch.agents) for chapter in chapters]
    assert sizes == [1, 1, 1, 1]
    found = [actions((chapter,)) for chapter in chapters]
    assert [each[Action.APPROVE] for each in found] == [1, 0, 0, 0]
    assert [each[Action.WAIT] for each in found] == [1, 1, 1, 1]


def test_what_cannot_be_left_is_refused_before_anything_is_begun() -> None:
    _, chapters = played(running(unguarded(EXAMPLE)), "evacuate-zone")
    assert {breach.guard for _, breach in breaches_of(chapters)} == {"no_other_place"}


def test_patching_empties_every_node_before_its_reboot_and_opens_it_again(shop: World) -> None:
    _, chapters = played(shop, "patch-and-reboot")
    assert len(chapters) == len(shop.fleet.nodes) - 2
    for chapter in chapters:
        assert chapter.plan is not None
        [node] = chapter.batch.nodes
        order = [s.action for s in chapter.plan.steps if s.node == node and s.agent is None]
        assert order == [Action.CORDON, Action.EXEC, Action.REBOOT, Action.UNCORDON]
        reboot = next(s for s in chapter.plan.steps if s.action is Action.REBOOT)
        assert reboot.after == (f"run command updates@{node}",)


def test_a_zone_is_left_by_all_its_agents(shop: World) -> None:
    _, chapters = played(shop, "evacuate-zone")
    there = {name for name, node in shop.fleet.nodes.items() if node.labels.get("zone") == "b"}
    assert {name for chapter in chapters for name in chapter.batch.nodes} == there
    left = Counter(s.node for c in chapters if c.plan for s in c.plan.steps
                   if s.action is Action.CORDON)  # fmt: skip
    assert left == dict.fromkeys(there, 1)
    started = {s.node for c in chapters if c.plan for s in c.plan.steps
               if s.action is Action.START}  # fmt: skip
    ended = {s.node for c in chapters if c.plan for s in c.plan.steps
             if s.action is Action.DRAIN}  # fmt: skip
    assert ended & there
    assert started
    assert not started & there


def test_host_keys_are_rotated_on_one_node_before_the_others(shop: World) -> None:
    _, chapters = played(shop, "rotate-host-keys")
    assert len(chapters[0].batch.nodes) == 1
    assert actions(chapters) == {Action.ROTATE: len(shop.fleet.nodes)}
