"""Checkpoints are made, copied to other nodes and begun from, with the scripts that nodes run."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from phoenixctl.model.command import Command
from phoenixctl.model.errors import CommandFailed, Unreachable
from phoenixctl.model.fleet import Agent, AgentSpec, SecretRef
from phoenixctl.model.hooks import ExecHook, HttpHook, Readiness
from phoenixctl.model.moving import Checkpoints
from phoenixctl.model.names import AgentId, NodeName
from phoenixctl.model.plan import Action
from phoenixctl.model.state import State
from phoenixctl.ports.reach import HttpRequest, HttpResponse
from phoenixctl.workflows.agents import Lifecycle
from phoenixctl.workflows.checkpoints import Checkpointed, Checkpointing, Fate, running
from phoenixctl.workflows.means import Manner
from phoenixctl.workflows.observe import WHAT_RUNS, observe
from tests.builders import snapshot
from tests.unit.workflows.fakes import FakeClock, FakeRecords
from tests.unit.workflows.local_nodes import Killed, LocalNode, LocalNodes, local_nodes
from tests.unit.workflows.running import Site, step, trail

WORKER = AgentId("worker-0")
# Begins from a checkpoint once, as the contract says.
COUNTS = """
from=$PHOENIX_RESTORE_FROM
if [ -n "$from" ] && [ "$(cat from 2>/dev/null)" != "$from" ]; then
    cat "$from" > count && echo "$from" > from
fi
exec sleep 1000
"""
SPEC = AgentSpec(
    "worker",
    ("sh", "-c", COUNTS),
    port=9000,
    ready=Readiness(ExecHook(("true",))),
    checkpoint=HttpHook("/checkpoint"),
    checkpoints=Checkpoints(every_seconds=300, copies=1, keep=2),
)


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[LocalNodes]:
    made = local_nodes(tmp_path, "a", "b", "c", agents=(SPEC,))
    every = tuple(made)  # a test may let one fall silent
    yield made
    made.revive()
    for one in every:
        one.dead, one.dies_after = False, ""
        if one.machine.folder(WORKER).is_dir():
            one.machine.stop(WORKER, grace=0)


def site(nodes: LocalNodes) -> Site:
    made = Site(nodes.fleet, {}, FakeRecords(state=State(nodes.fleet.name, "f00d", 4)))
    made.reach.nodes = nodes.reach.nodes
    return made


def count(node: LocalNode) -> Path:
    return node.machine.folder(WORKER) / "state" / "count"


def has_hook(node: LocalNode) -> None:
    """The agent there writes its count to a checkpoint when it is asked to."""

    def page(request: HttpRequest) -> HttpResponse:
        assert (request.port, request.path, request.method) == (9000, "/checkpoint", "POST")
        value = count(node).read_text()
        folder = node.machine.folder(WORKER) / "checkpoint"
        (folder / f"checkpoint-{int(value):04d}").write_text(value)
        return HttpResponse(200, b"")

    node.page = page


def started(node: LocalNode, value: int = 7, *, epoch: int = 1) -> None:
    node.machine.start(Agent(SPEC, 0), epoch=epoch)
    count(node).write_text(str(value))
    has_hook(node)


async def checkpoint(
    nodes: LocalNodes, *, force: bool = True, dry_run: bool = False, spec: AgentSpec = SPEC
) -> Checkpointed:
    fleet = replace(nodes.fleet, agents={"worker": spec})
    clock = FakeClock()
    seen = await observe(fleet, nodes.reach, clock, FakeRecords(), depth=WHAT_RUNS)
    making = Checkpointing(fleet, seen, nodes.reach, clock, lambda _ref: "hunter2")
    [made] = await making(running([WORKER], fleet, seen), force=force, dry_run=dry_run)
    return made


def where(nodes: LocalNodes) -> dict[NodeName, int]:
    """How many checkpoints each node keeps, of those that keep any."""
    return {one.node: len(one.kept()) for one in nodes if one.kept()}


async def begin(nodes: LocalNodes, on: str, site: Site) -> str:
    """Start the agent there, as a step of a plan does."""
    work = site.work()
    work.saw(await work.look([NodeName(on)]))
    return await Lifecycle(work)(nodes[on], trail(step(Action.START, WORKER, on)))


async def test_a_checkpoint_is_made_when_the_last_one_is_old_enough(nodes: LocalNodes) -> None:
    started(nodes["a"])
    due = await checkpoint(nodes, force=False, dry_run=True)
    assert (due.fate, where(nodes)) == (Fate.DUE, {})
    made = await checkpoint(nodes, force=False)
    assert (made.fate, made.size, made.peers) == (Fate.COPIED, 1, due.peers)
    assert where(nodes) == {made.peers[0]: 1}
    assert (await checkpoint(nodes, force=False)).fate is Fate.NOT_DUE
    now = replace(SPEC, checkpoints=Checkpoints(every_seconds=0.001))
    assert (await checkpoint(nodes, force=False, spec=now)).fate is Fate.COPIED
    [kept, _] = nodes[made.peers[0]].kept()
    assert (kept.id.epoch, kept.content.file) == (1, "checkpoint-0007")
    assert not list((nodes["a"].machine.base / "checkpoints" / ".outgoing").iterdir())


async def test_the_last_ones_stay_on_the_peers_and_at_home(nodes: LocalNodes) -> None:
    started(nodes["a"])
    for value in range(4):
        count(nodes["a"]).write_text(str(value))
        await checkpoint(nodes)
    assert sum(where(nodes).values()) == 2
    home = nodes["a"].machine.folder(WORKER) / "checkpoint"
    assert sorted(path.name for path in home.iterdir()) == ["checkpoint-0002", "checkpoint-0003"]


async def test_the_next_node_keeps_it_when_the_best_one_cannot(nodes: LocalNodes) -> None:
    started(nodes["a"])
    best = (await checkpoint(nodes, dry_run=True)).peers[0]
    other = "c" if best == "b" else "b"
    nodes[best].odd["receive"] = CommandFailed("worker-0: its disk is full")
    made = await checkpoint(nodes)
    assert (made.fate, made.peers) == (Fate.COPIED, (other,))
    assert "its disk is full" in str(made.errors[best])
    nodes[other].odd["keep"] = Unreachable(f"{other} is silent")
    failed = await checkpoint(nodes)
    assert (failed.fate, set(failed.errors)) == (Fate.FAILED, {"b", "c"})
    parts = list((nodes[other].machine.base / "checkpoints" / WORKER).glob(".*.part"))
    assert parts == []


async def test_fewer_copies_than_asked_for_are_told(nodes: LocalNodes) -> None:
    started(nodes["a"])
    nodes["c"].odd["receive"] = CommandFailed("worker-0: its disk is full")
    made = await checkpoint(nodes, spec=replace(SPEC, checkpoints=Checkpoints(copies=2)))
    assert (made.fate, made.peers, set(made.errors)) == (Fate.SHORT, ("b",), {"c"})
    del nodes["c"].odd["receive"]
    made = await checkpoint(nodes, spec=replace(SPEC, checkpoints=Checkpoints(copies=3)))
    assert (made.fate, set(made.peers)) == (Fate.SHORT, {"b", "c"})
    assert "is to be kept on 3 other nodes, and 2 can" in str(made.errors[NodeName("a")])


async def test_a_hook_that_fails_leaves_nothing_behind(nodes: LocalNodes) -> None:
    started(nodes["a"])
    nodes["a"].page = lambda _request: HttpResponse(503, b"busy with hunter2")
    secretive = replace(SPEC, secrets={"TOKEN": SecretRef("env", "T")})
    failed = await checkpoint(nodes, spec=secretive)
    assert failed.fate is Fate.FAILED
    said = str(failed.errors[NodeName("a")])
    assert said.endswith("answered 503 to POST /checkpoint: busy with ***")
    has_hook(nodes["a"])
    assert (await checkpoint(nodes)).fate is Fate.COPIED


async def test_two_runs_at_once_make_one(nodes: LocalNodes) -> None:
    started(nodes["a"])
    both = await asyncio.gather(checkpoint(nodes), checkpoint(nodes))
    fates = {made.fate for made in both}
    assert Fate.COPIED in fates
    assert fates <= {Fate.COPIED, Fate.SKIPPED}  # the second one may come when the first is over
    copied = [made for made in both if made.fate is Fate.COPIED]
    assert sum(where(nodes).values()) == len(copied)


async def test_an_agent_begins_elsewhere_from_its_last_checkpoint_and_only_there(
    nodes: LocalNodes,
) -> None:
    started(nodes["a"], 7)
    made = await checkpoint(nodes)
    count(nodes["a"]).write_text("9")
    nodes["a"].machine.stop(WORKER, grace=0)

    # On its own node it has what it had.
    told = await begin(nodes, "a", site(nodes))
    assert "checkpoint" not in told
    assert count(nodes["a"]).read_text() == "9"

    nodes["a"].machine.stop(WORKER, grace=0)
    nodes.nodes["a"] = Unreachable("a is silent")
    [peer] = made.peers
    other = "c" if peer == "b" else "b"
    told = await begin(nodes, other, site(nodes))
    assert "from its checkpoint, " in told
    assert "old (of those that answer; not: a)" in told
    await counts(nodes[other], "7")
    environment = (nodes[other].machine.folder(WORKER) / "env").read_text()
    assert "PHOENIX_RESTORE_FROM" not in environment


async def test_a_damaged_checkpoint_is_passed_over_and_the_next_newest_is_taken(
    nodes: LocalNodes,
) -> None:
    started(nodes["a"], 1)
    await checkpoint(nodes)
    count(nodes["a"]).write_text("2")
    [peer] = (await checkpoint(nodes)).peers
    nodes.nodes["a"] = Unreachable("a is silent")
    shelf = nodes[peer].machine.base / "checkpoints" / WORKER
    old, new = sorted(shelf.glob("[0-9]*/data"))
    new.write_text("3")
    for target in ("b", "c"):  # one of them is the peer itself
        told = await begin(nodes, target, site(nodes))
        assert "passed over: epoch 1 on " in told
        await counts(nodes[target], "1")
        nodes[target].machine.stop(WORKER, purge=True)

    old.write_text("4")
    for one in nodes:
        if one.node != peer:
            one.machine.run(_no_shelf(one))
    with pytest.raises(CommandFailed, match="none of its checkpoints can be used") as failed:
        await begin(nodes, "c" if peer == "b" else "b", site(nodes))
    assert f"exec -n {peer} -- rm -r " in failed.value.hint


@pytest.mark.parametrize("script", ["receive", "keep", "place", "start"])
async def test_a_start_that_was_killed_anywhere_is_done_again_and_loses_nothing(
    nodes: LocalNodes, script: str
) -> None:
    started(nodes["a"], 7)
    [peer] = (await checkpoint(nodes)).peers
    target = nodes["c" if peer == "b" else "b"]
    nodes.nodes["a"] = Unreachable("a is silent")
    records, expected = site(nodes), "7"
    target.dies_after = script
    with pytest.raises(Killed):
        await begin(nodes, target.node, records)
    nodes.revive()
    if script == "start":  # it serves already, and counts on; then it crashes
        await counts(target, "7", noted=True)
        expected = "8"
        count(target).write_text(expected)
        target.machine.stop(WORKER, grace=0)
    again = await begin(nodes, target.node, records)
    assert "from " in again
    await counts(target, expected)
    assert "checkpoint" not in await begin(nodes, target.node, records)
    assert not list((target.machine.base / "checkpoints" / WORKER).glob(".*.part")) or (
        script == "receive"
    )


async def test_a_record_that_has_forgotten_gives_no_epoch_a_second_time(nodes: LocalNodes) -> None:
    started(nodes["a"], 7, epoch=5)
    [peer] = (await checkpoint(nodes)).peers
    nodes.nodes["a"] = Unreachable("a is silent")
    await begin(nodes, peer, site(nodes))
    await counts(nodes[peer], "7")
    count(nodes[peer]).write_text("8")
    has_hook(nodes[peer])
    made = (await checkpoint(nodes)).checkpoint
    assert made is not None
    assert made.epoch == 6


async def test_the_restore_hook_is_called_once_it_is_ready(nodes: LocalNodes) -> None:
    started(nodes["a"])
    [peer] = (await checkpoint(nodes)).peers
    nodes.nodes["a"] = Unreachable("a is silent")
    spec = replace(SPEC, restore=HttpHook("/restore"))
    f = replace(nodes.fleet, agents={"worker": spec})
    asked = []

    def page(request: HttpRequest) -> HttpResponse:
        asked.append(request.path)
        return HttpResponse(200 if len(asked) > 1 else 500, b"")

    nodes[peer].page = page
    records = site(replace(nodes, fleet=f))
    with pytest.raises(CommandFailed, match="answered 500 to POST /restore"):
        await begin(nodes, peer, records)
    told = await begin(nodes, peer, records)
    assert "was running, from the checkpoint that it was started from before" in told
    assert asked == ["/restore", "/restore"]


async def test_a_purge_takes_the_checkpoints_along(nodes: LocalNodes) -> None:
    started(nodes["a"])
    await checkpoint(nodes)
    work = site(nodes).work(Manner(purge=True))
    work.saw(await work.look([NodeName("a")]))
    told = await Lifecycle(work)(nodes["a"], trail(step(Action.STOP, WORKER, "a")))
    assert told.endswith("nothing left, 1 copy of its checkpoints removed")
    assert where(nodes) == {}


def test_an_agent_that_does_not_run_or_has_no_checkpoints_is_left_out(nodes: LocalNodes) -> None:
    assert list(running([WORKER, AgentId("other-0")], nodes.fleet, snapshot())) == []


def _no_shelf(node: LocalNode) -> Command:
    return Command("rm", "-rf", str(node.machine.base / "checkpoints"))


async def counts(node: LocalNode, value: str, *, noted: bool = False) -> None:
    """The agent there has come to count from this, and has noted from where."""
    file = count(node)
    async with asyncio.timeout(10):
        while not file.exists() or file.read_text() != value:
            await asyncio.sleep(0.02)
        while noted and not file.with_name("from").exists():
            await asyncio.sleep(0.02)
