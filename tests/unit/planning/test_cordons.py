"""Plans that cordon and uncordon nodes."""

from __future__ import annotations

from phoenixctl.model.names import NodeName
from phoenixctl.planning.cordons import plan_cordon, plan_uncordon
from tests.builders import seen, silent, snapshot

A, B, C = NodeName("a"), NodeName("b"), NodeName("c")
MIXED = snapshot(seen("a"), seen("b", cordoned="new disk"), silent("c"))


def test_cordoning_changes_only_what_is_not_cordoned() -> None:
    plan = plan_cordon([A, B, C], MIXED)
    assert [step.key for step in plan.steps] == ["cordon node a"]
    assert plan.unchanged == ("b is cordoned by op@here",)
    assert plan.warnings == ("c does not answer (unreachable)",)


def test_uncordoning_changes_only_what_is_cordoned() -> None:
    plan = plan_uncordon([A, B, C], MIXED)
    assert [step.key for step in plan.steps] == ["uncordon node b"]
    assert plan.unchanged == ("a is not cordoned",)
    assert plan.warnings == ("c does not answer (unreachable)",)
