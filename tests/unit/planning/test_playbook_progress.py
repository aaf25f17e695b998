"""How far a run of a playbook has come, and who has failed in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import pytest

from phoenixctl.model.fleet import AgentSpec
from phoenixctl.model.plan import Plan
from phoenixctl.model.playbook import Drain, Exec, Play, Restart, Specification, Uncordon, Wait
from phoenixctl.model.snapshot import AgentState
from phoenixctl.planning.playbook import plan_batch
from phoenixctl.planning.playbook_progress import fallen, former_specs, progress
from phoenixctl.remote.agents import spec_digest
from tests.builders import agent, fleet, node, seen, spec
from tests.unit.planning.playing import World, agents, nodes, playbook, stages

API = spec("api")
WORLD = World(
    fleet(node("a"), node("b"), node("c"), agents=[API]),
    (seen("a", agent("api-0", of=API)), seen("b"), seen("c")),
)
STEPS = stages(Drain(), Exec(("update",)), Wait("cpu_utilization", below=0.9), Uncordon())
BOOK = playbook(*STEPS, rollback=stages(Uncordon()))
PLAY = Play("test", "digest", "run-1", (("a", "b"), ("c",)))
AB = nodes("ab")


@dataclass(frozen=True)
class End:
    key: str
    outcome: str


@dataclass(frozen=True)
class Named:
    id: str = "1"


@dataclass(frozen=True)
class Past:
    """An operation of the run: its plan, and how its steps ended."""

    plan: Plan
    ends: tuple[End, ...]
    entry: Named = Named()
    specs: Mapping[str, AgentSpec] = None  # type: ignore[assignment]


def past(play: Play, plan: Plan, **bad: str) -> Past:
    """Every step has ended well but for the bad ones, by the word that their keys hold."""
    ends = {step.key: "ok" for step in plan.steps}
    for word, outcome in bad.items():
        ends |= {key: outcome for key in ends if word in key}
    written = tuple(End(key, outcome) for key, outcome in ends.items() if outcome != "none")
    return Past(replace(plan, play=play), written)


FIRST = WORLD.batch(STEPS, AB)


def test_without_a_run_there_is_nothing_to_go_on_with() -> None:
    assert progress(BOOK, "digest", []) is None
    assert progress(BOOK, "another", [past(PLAY, FIRST)]) is None
    ended = past(replace(PLAY, ended=True), Plan("done", ()))
    assert progress(BOOK, "digest", [ended, past(PLAY, FIRST)]) is None


def test_what_has_ended_well_is_over_node_by_node() -> None:
    stand = progress(BOOK, "digest", [past(PLAY, FIRST, command="none", metric="none",
                                           uncordon="none")])  # fmt: skip
    assert stand is not None
    assert stand.over == {("drain", "a"), ("drain", "b")}
    left = WORLD.batch(STEPS, AB, stand.over)
    assert [step.key for step in left.steps][:2] == ["run command exec@a", "run command exec@b"]


def test_a_step_is_over_when_a_later_one_has_begun() -> None:
    """Nothing was to be drained on b, so nothing of it is in the history."""
    stand = progress(BOOK, "digest", [past(PLAY, FIRST, uncordon="failed")])
    assert stand is not None
    assert {("drain", "b"), ("exec", "a"), ("exec", "b"), ("wait", "*")} <= stand.over
    assert {("drain", "*"), ("exec", "*")} <= stand.over
    assert ("uncordon", "a") not in stand.over


def test_a_drain_is_not_over_while_its_agent_is_not_there_again() -> None:
    stand = progress(BOOK, "digest", [past(PLAY, FIRST, start="failed", command="none",
                                           metric="none", uncordon="none")])  # fmt: skip
    assert stand is not None
    assert ("drain", "a") not in stand.over
    assert ("drain", "b") in stand.over


def test_the_latest_attempt_counts() -> None:
    rest = WORLD.batch(STEPS, AB, {("drain", "a"), ("drain", "b")})
    earlier = past(PLAY, FIRST, command="failed", metric="skipped", uncordon="skipped")
    later = past(PLAY, rest, metric="failed", uncordon="skipped")
    stand = progress(BOOK, "digest", [later, earlier])
    assert stand is not None
    assert {("exec", "a"), ("exec", "b")} <= stand.over
    assert ("wait", "*") not in stand.over


def test_a_batch_that_was_taken_back_begins_anew() -> None:
    failed = past(PLAY, FIRST, command="failed", metric="skipped", uncordon="skipped")
    back = WORLD.batch(BOOK.rollback, AB)
    undone = past(replace(PLAY, undoing=True, given_up=True), back)
    stand = progress(BOOK, "digest", [undone, failed])
    assert stand is not None
    assert (stand.over, stand.play) == (frozenset(), PLAY)


def test_taking_back_that_was_cut_off_is_gone_on_with() -> None:
    cordoned = World(WORLD.fleet, (seen("a", cordoned="x"), seen("b", cordoned="x"), seen("c")))
    back = cordoned.batch(BOOK.rollback, AB)
    undone = past(replace(PLAY, undoing=True, given_up=True), back, b="none")
    stand = progress(BOOK, "digest", [undone, past(PLAY, FIRST, command="failed")])
    assert stand is not None
    assert stand.play.undoing
    assert stand.undone == {("uncordon", "a")}


def test_a_run_that_was_begun_anew_hides_the_one_before() -> None:
    second = replace(PLAY, run="run-2")
    begun = past(second, FIRST, command="failed", metric="skipped", uncordon="skipped")
    stand = progress(BOOK, "digest", [begun, past(PLAY, FIRST)])
    assert stand is not None
    assert stand.play.run == "run-2"
    assert ("exec", "a") not in stand.over


def test_who_has_failed_before_stays_left_out() -> None:
    third = replace(PLAY, batch=1, failed=("a",))
    stand = progress(BOOK, "digest", [past(third, Plan("", ())), past(PLAY, FIRST)])
    assert stand is not None
    assert (stand.play.batch, stand.play.failed, stand.over) == (1, ("a",), frozenset())


@pytest.mark.parametrize(
    ("bad", "who"),
    [
        ({"command exec@a": "failed"}, {"a"}),
        ({"command exec@a": "unknown", "command exec@b": "failed"}, {"a", "b"}),
        ({"start agent": "failed"}, {"a"}),
        ({"metric": "failed"}, {"*"}),
        ({"command exec@a": "none"}, {"*"}),
        ({}, set()),
    ],
)
def test_who_has_failed_is_told_by_steps_that_failed(bad: dict[str, str], who: set[str]) -> None:
    """What was skipped because of another one has not failed."""
    found = past(PLAY, FIRST, **bad)
    ends = {end.key: end.outcome for end in found.ends}
    for step in FIRST.steps:
        if any(ends.get(key) != "ok" for key in step.after):
            ends[step.key] = "skipped"
    assert fallen(FIRST.steps, ends, STEPS, AB) == who


def test_agents_go_back_to_the_specification_that_they_had_before_the_run() -> None:
    back = stages(Restart(specification=Specification.FORMER))
    old, new = spec("api", command=("old",)), spec("api", command=("new",))
    newest = spec("api", command=("newest",))
    plans = []
    for before, now in ((old, new), (new, newest)):
        world = World(fleet(node("a"), agents=[now]), (seen("a", agent("api-0", of=before)),))
        plans.append(world.batch(stages(Restart()), agents("api-0")))
    earlier = past(replace(PLAY, run="run-0"), plans[1])
    former = former_specs([past(PLAY, plans[1]), past(PLAY, plans[0]), earlier], "run-1")
    assert former == {"api-0": spec_digest(old)}

    failed = World(
        fleet(node("a"), node("b"), agents=[replace(newest, replicas=2)]),
        (
            seen("a", agent("api-0", AgentState.FAILED, of=newest)),
            seen("b", agent("api-1", of=new)),
        ),
    )
    moves = replace(failed.moves, former=former)
    planned = plan_batch(back, agents("api-0", "api-1"), failed.snapshot, failed.fleet, moves)
    [step] = planned.plan.steps
    assert (step.key, step.spec_digest) == ("restart agent api-0@a", spec_digest(old))
    assert step.reason == "it had this spec before"
    assert planned.plan.unchanged == ("api-1 has the spec that it had",)
