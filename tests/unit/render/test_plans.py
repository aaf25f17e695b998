"""Plans as people read them, and as graphs."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from phoenixctl.model.names import AgentId, NodeName
from phoenixctl.model.plan import Action, Basis, Breach, Change, Cost, Drift, Plan, Risk, Step
from phoenixctl.model.playbook import EVERYWHERE
from phoenixctl.render.graph import dot, mermaid
from phoenixctl.render.plan_groups import depths, groups
from phoenixctl.render.plans import plan_document, print_plan, summary
from tests.unit.render.writing import written

CHANGES = (Change("env.LEVEL", "info", "debug"), Change("resources.memory", None, "256MiB"))


def update(number: int, *, at_once: int = 2, **more: object) -> Step:
    before = (f"update agent web-{number - at_once}@n{(number - at_once) % 3}",)
    step = Step(
        Action.UPDATE, NodeName(f"n{number % 3}"), AgentId(f"web-{number}"),
        "its spec has changed", Risk.DISRUPTIVE, before if number >= at_once else (),
        changes=CHANGES,
    )  # fmt: skip
    return replace(step, **more)  # type: ignore[arg-type]


ROLLING = Plan("apply", tuple(update(n) for n in range(6)))
CREATE = Step(
    Action.CREATE, NodeName("n3"), None, "the pool wants 4 nodes and has 3", pool="main",
    changes=(Change("type", None, "small"), Change("zone", None, None, known=False)),
)  # fmt: skip


def lines(plan: Plan, monkeypatch: pytest.MonkeyPatch, *, wide: bool = False) -> list[str]:
    return written(lambda c: print_plan(plan, c, wide=wide), monkeypatch).splitlines()


def test_steps_that_are_alike_are_said_once_with_their_waves_and_changes(monkeypatch) -> None:
    assert lines(ROLLING, monkeypatch) == [
        "~ update agent web-[0-5] on n[0-2] (6 in 3 waves): its spec has changed (disruptive)",
        "    env.LEVEL         info -> debug",
        "    resources.memory  (none) -> 256MiB",
        "update 6 agents",
    ]


def test_the_wide_form_has_a_line_and_the_changes_of_every_step(monkeypatch) -> None:
    wide = lines(ROLLING, monkeypatch, wide=True)
    assert sum(line.startswith("~ update agent web-") for line in wide) == 6
    assert sum("env.LEVEL" in line for line in wide) == 6


def test_few_steps_are_not_folded(monkeypatch) -> None:
    assert len(lines(Plan("apply", ROLLING.steps[:3]), monkeypatch)) == 3 + 2 + 1


def test_a_new_thing_shows_what_it_will_have_and_what_nobody_knows_yet(monkeypatch) -> None:
    assert lines(Plan("apply", (CREATE,)), monkeypatch)[:3] == [
        "+ create node n3 in pool main: the pool wants 4 nodes and has 3",
        "    type  small",
        "    zone  (known after apply)",
    ]


def test_drift_guards_and_cost_have_their_lines(monkeypatch) -> None:
    plan = Plan(
        "apply", (),
        drift=(Drift("agent.web-9", "runs on n2, recorded on n1"),),
        breaches=(Breach("max_destroy", "it destroys 3 of 4 nodes", "add --max-destroy 3"),),
        cost=Cost(0.288, 0.384, ("huge",)),
    )  # fmt: skip
    assert lines(plan, monkeypatch) == [
        "not as recorded:",
        "  agent.web-9: runs on n2, recorded on n1",
        "nothing to do",
        "cost: 0.384 per hour, was 0.288 (+0.096); without a price: huge",
        "forbidden by max_destroy: it destroys 3 of 4 nodes",
        "  try: add --max-destroy 3",
    ]


def test_what_is_to_be_done_about_drift_is_said_once_at_its_end(monkeypatch) -> None:
    hint = "phoenixctl plan --reap"
    orphans = (Drift("instance.i-1", "web-3", hint), Drift("instance.i-2", "web-4", hint))
    plan = Plan("apply", (), drift=(Drift("node.web-1", "gone"), *orphans))
    assert lines(plan, monkeypatch)[1:5] == [
        "  node.web-1: gone", "  instance.i-1: web-3", "  instance.i-2: web-4",
        "  try: phoenixctl plan --reap",
    ]  # fmt: skip
    assert [d["hint"] for d in plan_document(plan)["drift"]] == [None, hint, hint]


def test_every_instance_that_is_reaped_is_read_by_its_id(monkeypatch) -> None:
    reaped = tuple(
        Step(Action.DESTROY, NodeName("web-3"), None, "an orphan", Risk.DESTRUCTIVE,
             instance=f"i-{n}")
        for n in range(5)
    )  # fmt: skip
    assert lines(Plan("apply", reaped), monkeypatch) == [
        *(f"- destroy node web-3 (i-{n}): an orphan (destructive)" for n in range(5)),
        "destroy 5 nodes",
    ]
    assert "destroy node web-3 (i-4)" in mermaid(Plan("apply", reaped))


def test_a_cost_that_stays_is_said_without_a_change(monkeypatch) -> None:
    plan = Plan("apply", (), cost=Cost(0.5, 0.5))
    assert lines(plan, monkeypatch)[-1] == "cost: 0.500 per hour"


def test_hostile_values_do_not_reach_the_terminal(monkeypatch) -> None:
    evil = update(0, reason="x\x1b[2J", changes=(Change("env.\x1b]52;c;x\x07", "\u202e", "a\nb"),))
    text = "\n".join(lines(Plan("apply", (evil,)), monkeypatch))
    assert not re.search(r"[^\n -~]", text)


def test_a_step_is_as_deep_as_its_longest_chain() -> None:
    steps = (*ROLLING.steps, update(9, after=("update agent web-5@n2", "not in the plan")))
    assert depths(steps)[steps[-1].key] == 3
    assert depths(ROLLING.steps) == {s.key: n // 2 for n, s in enumerate(ROLLING.steps)}


def test_a_chain_of_ten_thousand_steps_has_its_depth() -> None:
    chain = tuple(update(n, at_once=1, node=NodeName("n0")) for n in range(10_000))
    linked = tuple(
        replace(step, after=(chain[n - 1].key,) if n else ()) for n, step in enumerate(chain)
    )
    assert depths(linked)[linked[-1].key] == 9_999


def test_groups_differ_by_action_risk_pool_reason_and_changes() -> None:
    others = (
        update(0, risk=Risk.SAFE, node=NodeName("a")),
        update(0, reason="asked for", node=NodeName("b")),
        update(0, changes=(), node=NodeName("c")),
        CREATE,
    )
    found = groups(Plan("apply", (*ROLLING.steps, *others)))
    assert [len(group.steps) for group in found] == [6, 1, 1, 1, 1]


def test_reasons_that_differ_only_in_the_nodes_name_are_one_group() -> None:
    steps = tuple(
        Step(Action.CORDON, NodeName(f"n{n}"), None, f"n{n} leaves the fleet") for n in range(5)
    )
    assert [len(group.steps) for group in groups(Plan("apply", steps))] == [5]


def test_a_document_has_every_key_and_counts_the_steps() -> None:
    document = plan_document(Plan("apply", (CREATE, *ROLLING.steps)))
    assert document["summary"] == {"create node": 1, "update agent": 6}
    first, second = document["steps"][:2]
    assert first.keys() == second.keys()
    assert first["changes"][1] == {"name": "zone", "before": None, "after": None, "known": False}
    assert (second["address"], second["pool"], second["inverse"]) == ("agent.web-0", None, None)


def test_what_is_about_all_members_is_counted_by_backends() -> None:
    weigh = [Step(Action.WEIGH, EVERYWHERE, None, "why", router=f"lb/{n}") for n in "ab"]
    assert summary(Plan("p", tuple(weigh))) == "set weights of 2 backends"
    assert summary(Plan("p", tuple(weigh[:1]))) == "set weights of 1 backend"


def test_the_document_is_described_whole() -> None:
    described = (Path(__file__).parents[3] / "docs" / "plan.md").read_text()
    basis = Basis("f", "l", 1, "c")
    plan = Plan("apply", ROLLING.steps, cost=Cost(1, 2), basis=basis)
    document = plan_document(plan)
    named = set(re.findall(r"`(?:steps\[\]\.|basis\.)?([a-z_]+)`", described))
    keys = {*document, *document["steps"][0], *document["basis"], *document["cost"]}
    assert keys - named == set()
    assert all(f"`{action}`" in described for action in Action)


def test_graphs_have_every_step_and_arrow_once() -> None:
    for text, arrow in ((mermaid(ROLLING), " --> "), (dot(ROLLING), " -> ")):
        assert text.count("update agent web-") == 6
        assert text.count(arrow) == 4
        assert f"s0{arrow}s2" in text


def test_names_in_graphs_are_quoted() -> None:
    odd = Plan("apply", (replace(CREATE, pool='a"b\\c'),))
    assert '[label="create node n3 in pool a\\"b\\\\c"' in dot(odd)
    assert '["create node n3 in pool a#quot;b\\c"]' in mermaid(odd)
