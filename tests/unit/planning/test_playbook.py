"""Playbooks as plans: what waits for what, what is foreseen, and what cannot be."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phoenixctl.model.codec import decode, encode
from phoenixctl.model.errors import UsageError
from phoenixctl.model.fleet import Share
from phoenixctl.model.moving import Way
from phoenixctl.model.names import AgentId
from phoenixctl.model.plan import OF_PLAYBOOKS, Action, Plan, Risk
from phoenixctl.model.playbook import (
    EVERYWHERE,
    Approve,
    Batch,
    Batches,
    Choice,
    Copy,
    Drain,
    Exec,
    Migrate,
    Move,
    Notify,
    Play,
    Rebalance,
    Reboot,
    Restart,
    RotateHostKey,
    Scale,
    Stage,
    Task,
    Uncordon,
    Wait,
)
from phoenixctl.model.snapshot import AgentState
from phoenixctl.planning.fingerprint import with_fingerprints
from phoenixctl.planning.playbook import batches_of, breaches_of, closing, stages_of
from tests.builders import agent, fleet, node, seen, spec
from tests.unit.planning.changing import after, keys, made
from tests.unit.planning.playing import World, agents, nodes, playbook, stages

API = spec("api", replicas=2)
DB = spec("db", nodes=["a"])
THREE = (node("a"), node("b"), node("c"))
RUN = Exec(("update", "--all"))
WORLD = World(
    fleet(*THREE, agents=[API]),
    (seen("a", agent("api-0", of=API)), seen("b", agent("api-1", of=API)), seen("c")),
)


@given(st.integers(0, 60), st.lists(st.integers(0, 9), min_size=1, max_size=3))
def test_batches_hold_everything_once_in_its_order_and_none_is_empty(
    count: int, sizes: list[int]
) -> None:
    names = [f"n{number}" for number in range(count)]
    batches = batches_of(names, [Share(count=size) for size in sizes])
    assert [name for names in batches for name in names] == names
    assert all(batches) == bool(names)
    for number, batch in enumerate(batches[:-1]):
        assert len(batch) == max(1, sizes[min(number, len(sizes) - 1)])


def test_a_part_is_one_of_all_that_were_chosen() -> None:
    names = [str(number) for number in range(20)]
    serial = (Share(count=1), Share(ratio=0.25))
    assert [len(batch) for batch in batches_of(names, serial)] == [1, 5, 5, 5, 4]


def test_a_step_may_be_for_the_first_or_the_last_batch_alone() -> None:
    steps = [Stage(when.value, RUN, when) for when in (Batches.FIRST, Batches.EACH, Batches.LAST)]
    book = playbook(*steps)
    named = [[stage.name for stage in stages_of(book, number, 3)] for number in range(3)]
    assert named == [["first", "each"], ["each"], ["each", "last"]]
    assert [stage.name for stage in stages_of(book, 0, 1)] == ["first", "each", "last"]


def test_each_step_is_planned_from_what_the_one_before_leaves() -> None:
    plan = WORLD.batch(stages(Drain(), RUN, Reboot(), Uncordon()), nodes("a"))
    assert keys(plan) == [
        "cordon node a", "drain agent api-0@a", "start agent api-0@c", "run command exec@a",
        "reboot node a", "uncordon node a",
    ]  # fmt: skip
    drained = {"cordon node a", "drain agent api-0@a", "start agent api-0@c"}
    assert after(plan, "run command exec@a") == drained
    assert after(plan, "reboot node a") == {"run command exec@a"}
    assert after(plan, "uncordon node a") == {"reboot node a"}
    assert {step.stage for step in plan.steps} == {"drain", "exec", "reboot", "uncordon"}


def test_a_reboot_alone_drains_and_lets_the_node_take_agents_again() -> None:
    plan = WORLD.batch(stages(Reboot()), nodes("a"))
    assert keys(plan)[0] == "cordon node a"
    assert keys(plan)[-2:] == ["reboot node a", "uncordon node a"]


def test_nodes_go_on_by_themselves_until_something_is_about_all_of_them() -> None:
    waiting = Wait("cpu_utilization", below=0.8)
    told = Notify(("tell",))
    plan = WORLD.batch(stages(RUN, Copy("/x", "/y"), waiting, Uncordon(), told), nodes("ab"))
    assert after(plan, "copy file copy@a") == {"run command exec@a"}
    assert after(plan, "await metric wait@*") == {"copy file copy@a", "copy file copy@b"}
    assert after(plan, "send notice notify@*") == {"await metric wait@*"}
    step = next(step for step in plan.steps if step.action is Action.WAIT)
    assert (step.node, step.address, step.risk) == (EVERYWHERE, "fleet", Risk.SAFE)
    assert step.task == replace(waiting, nodes=nodes("ab").nodes)


def test_a_wait_for_agents_is_about_them_wherever_they_are() -> None:
    waiting = Wait("response_time_p95", below=0.5, agents=("api",))
    plan = WORLD.batch(stages(Restart(), waiting), agents("api-0"))
    assert keys(plan) == ["restart agent api-0@a", "await metric wait@*"]
    assert plan.steps[1].task == waiting


def test_agents_of_a_node_are_restarted_where_they_run_then() -> None:
    restarted = WORLD.batch(stages(Restart()), nodes("b"))
    assert keys(restarted) == ["restart agent api-1@b"]
    moved = WORLD.batch(stages(Drain(), Restart()), nodes("b"))
    assert keys(moved)[:1] == ["cordon node b"]
    assert not any(step.action is Action.RESTART for step in moved.steps)


def test_what_is_over_is_not_planned_again() -> None:
    steps = stages(Drain(), RUN, Uncordon())
    over = {("drain", "a"), ("exec", "a"), ("drain", "b")}
    assert keys(WORLD.batch(steps, nodes("ab"), over)) == ["run command exec@b"]
    everybody = {("drain", "*"), ("exec", "*"), ("uncordon", "*")}
    assert WORLD.batch(steps, nodes("ab"), everybody).steps == ()


def test_a_step_that_would_be_there_twice_is_refused() -> None:
    twice = (Stage("one", Restart()), Stage("two", Restart()))
    with pytest.raises(UsageError, match="one and two would both restart agent api-0@a"):
        WORLD.batch(twice, nodes("a"))


def test_agents_come_to_another_node_with_their_state() -> None:
    there = WORLD.batch(stages(Migrate(to="c", way=Way.COLD), RUN), nodes("a"))
    assert keys(there) == ["migrate agent api-0@c", "run command exec@a"]
    assert after(there, "run command exec@a") == {"migrate agent api-0@c"}
    chapters = WORLD.outline(
        playbook(*stages(Migrate(way=Way.COLD)), on=Choice(agents=("api",))),
        [agents("api-0"), agents("api-1")],
    )
    shown = [keys(chapter.plan) for chapter in chapters if chapter.plan is not None]
    assert shown[0] == ["migrate agent api-0@c"]
    assert shown[1] == ["migrate agent api-1@a"]


def test_a_guard_of_any_batch_is_known_before_the_first_one_begins() -> None:
    world = World(
        fleet(*THREE, agents=[spec("api"), DB]),
        (seen("a", agent("db-0", of=DB)), seen("b", agent("api-0", of=API)), seen("c")),
    )
    chapters = world.outline(playbook(*stages(Drain(), Uncordon())), [nodes("b"), nodes("a")])
    assert [(number, breach.guard) for number, breach in breaches_of(chapters)] == [
        (1, "no_other_place")
    ]


def test_later_batches_are_foreseen_with_what_the_earlier_ones_leave() -> None:
    book = playbook(*stages(Drain(), Uncordon()))
    chapters = WORLD.outline(book, [nodes("a"), nodes("c"), nodes("b")])
    shown = [keys(chapter.plan) for chapter in chapters if chapter.plan is not None]
    assert shown[0][:3] == ["cordon node a", "drain agent api-0@a", "start agent api-0@c"]
    assert shown[1][:3] == ["cordon node c", "drain agent api-0@c", "start agent api-0@a"]
    assert shown[2][:3] == ["cordon node b", "drain agent api-1@b", "start agent api-1@c"]


def test_what_leaves_goes_to_no_node_that_is_left_later() -> None:
    world = World(
        fleet(*THREE, node("d"), agents=[API]),
        (
            seen("a", agent("api-0", of=API)),
            seen("b", agent("api-1", of=API)),
            seen("c"),
            seen("d"),
        ),
    )
    chapters = world.outline(playbook(*stages(Drain())), [nodes("a"), nodes("c"), nodes("b")])
    assert [keys(chapter.plan) for chapter in chapters if chapter.plan is not None] == [
        ["cordon node a", "drain agent api-0@a", "start agent api-0@d"],
        ["cordon node c"],
        ["cordon node b", "drain agent api-1@b", "start agent api-1@d"],
    ]


def test_that_there_is_nowhere_to_go_is_known_at_the_first_node_that_is_left() -> None:
    chapters = WORLD.outline(playbook(*stages(Drain())), [nodes("a"), nodes("b"), nodes("c")])
    found = list(breaches_of(chapters))
    assert [(number, breach.guard) for number, breach in found] == [
        (0, "no_other_place"), (1, "no_other_place"),
    ]  # fmt: skip
    assert "cordoned by this playbook" in found[0][1].what


@pytest.mark.parametrize(
    ("steps", "left"),
    [
        ((Drain(),), "ab"),
        ((Drain(), RUN, Reboot()), "ab"),
        ((Drain(), Uncordon()), ""),
        ((Uncordon(), Drain()), "ab"),
        ((Reboot(),), ""),
    ],
)
def test_a_node_is_left_when_nothing_opens_it_again(
    steps: tuple[Task | Move, ...], left: str
) -> None:
    assert closing(playbook(*stages(*steps)), [nodes("a"), nodes("b")]) == set(left)


def test_what_is_measured_cannot_be_foreseen() -> None:
    chapters = WORLD.outline(
        playbook(*stages(Drain(), Rebalance(), Uncordon())), [nodes("a"), nodes("b")]
    )
    assert chapters[0].plan is not None
    assert keys(chapters[0].plan) == ["cordon node a", "drain agent api-0@a", "start agent api-0@c"]
    assert chapters[0].later == ("rebalance", "uncordon")
    assert (chapters[1].plan, chapters[1].later) == (None, ("drain", "rebalance", "uncordon"))


def test_after_a_change_of_nodes_the_rest_is_planned_when_it_is_known_what_is_there() -> None:
    f = made(size=2, agents=[spec("web")])
    world = World(f, (seen("web-1"), seen("web-2")))
    planned = world.planned(stages(Scale("web", 3), Notify(("tell",))), Batch())
    assert any(step.action is Action.CREATE for step in planned.plan.steps)
    assert planned.later == ("notify",)
    assert planned.plan.sizes == {"web": 3}


def test_the_fleet_as_a_whole_is_one_batch() -> None:
    assert batches_of((), (Share(count=1),)) == ((),)
    plan = WORLD.batch(stages(Approve("so?"), Notify(("tell",), "it is done")), Batch())
    assert keys(plan) == ["give approval approve@*", "send notice notify@*"]
    assert after(plan, "send notice notify@*") == {"give approval approve@*"}
    assert [step.reason for step in plan.steps] == ["so?", "tell: it is done"]


def test_its_steps_rely_on_the_node_and_are_kept_as_they_are() -> None:
    steps = stages(RUN, RotateHostKey(), Wait("cpu_utilization", above=0.1), Notify(("tell",)))
    found = with_fingerprints(WORLD.batch(steps, nodes("a")), WORLD.snapshot, WORLD.state)
    play = Play("test", "0123", "2026-01-01T00:00:00Z", (("a",), ("b",)), failed=("c",))
    plan = replace(found, play=play)
    assert decode(Plan, encode(plan)) == plan
    assert {step.action for step in plan.steps} <= OF_PLAYBOOKS
    relied = [tuple(step.relies_on) for step in plan.steps]
    assert relied == [("node.a",), ("node.a",), (), ()]


def test_an_agent_that_starts_as_foreseen_is_as_it_was_elsewhere() -> None:
    planned = WORLD.planned(stages(Drain()), nodes("a"))
    assert planned.after is not None
    found = {(a.node, a.state) for a in planned.after.find(AgentId("api-0"))}
    assert found == {("a", AgentState.STOPPED), ("c", AgentState.RUNNING)}


def test_agents_that_a_playbook_is_about_may_be_anywhere() -> None:
    book = playbook(*stages(Restart()), on=Choice(agents=("api",)))
    chapters = WORLD.outline(book, [agents("api-1"), agents("api-0")])
    shown = [keys(chapter.plan) for chapter in chapters if chapter.plan is not None]
    assert shown == [["restart agent api-1@b"], ["restart agent api-0@a"]]
