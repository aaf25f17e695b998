"""Nodes that their provider has and that do not run."""

from __future__ import annotations

from dataclasses import replace

from phoenixctl.model.instance import Phase
from phoenixctl.model.plan import Action, Risk
from tests.builders import agent, seen, spec
from tests.unit.planning.changing import changes, instance, made, record, recorded

WEB = spec("web", replicas=2)
STATE = recorded(record("web-1"), record("web-2"), agents={"web-1": "web-2", "web-0": "web-1"})
LISTED = {"web": (instance("web-1"), instance("web-2", phase=Phase.STOPPED))}
UP = seen("web-1", agent("web-0", of=WEB))


def test_an_embedded_node_that_stopped_is_started_again_and_its_agents_are_left_alone() -> None:
    plan = changes(made(size=2, agents=[WEB]), UP, state=STATE, listed=LISTED)
    [step] = plan.steps
    assert (step.action, step.node, step.reason, step.risk) == (
        Action.CREATE, "web-2", "it is stopped", Risk.SAFE,
    )  # fmt: skip
    assert plan.warnings == ()
    assert plan.notes == ("web-1: looked at when web-2 is back",)


def test_a_stopped_node_of_a_cloud_is_a_warning() -> None:
    f = made(size=2, agents=[WEB])
    f = replace(f, pools={"web": replace(f.pools["web"], provider="aws")})
    cloud = recorded(record("web-1", provider="aws"), record("web-2", provider="aws"))
    plan = changes(f, UP, state=cloud, listed=LISTED)
    assert [s for s in plan.steps if s.action is Action.CREATE] == []
    assert any("web-2 is stopped at its provider" in warning for warning in plan.warnings)
