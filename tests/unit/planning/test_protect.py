"""Plans that protect nodes."""

from __future__ import annotations

from phoenixctl.model.names import NodeName
from phoenixctl.model.plan import Action, Inverse
from phoenixctl.model.state import NodeRecord, State
from phoenixctl.planning.protect import plan_protect, plan_unprotect
from tests.builders import node

A, B, C = (NodeName(n) for n in "abc")
STATE = State(
    "test", "l", 1,
    nodes={
        A: NodeRecord(node("a"), "local", "a"),
        B: NodeRecord(node("b"), "local", "b", protected=True),
    },
)  # fmt: skip


def test_protecting_changes_only_what_is_not_protected() -> None:
    plan = plan_protect([A, B, C], STATE)
    [step] = plan.steps
    assert (step.key, step.pool) == ("protect node a", "main")
    assert step.inverse == Inverse(Action.UNPROTECT)
    assert plan.unchanged == ("b is protected",)
    assert plan.warnings == ("c is not in the record: `phoenixctl apply` takes it in first",)


def test_unprotecting_changes_only_what_is_protected() -> None:
    plan = plan_unprotect([A, B], STATE)
    assert [step.key for step in plan.steps] == ["unprotect node b"]
    assert plan.steps[0].inverse == Inverse(Action.PROTECT)
    assert plan.unchanged == ("a is not protected",)
