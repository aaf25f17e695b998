"""What is written as JSON reads back as it was."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from phoenixctl.model.codec import decode, encode
from phoenixctl.model.fleet import AgentSpec, Node, SecretRef
from phoenixctl.model.hooks import Drain, ExecHook, HttpHook, Readiness, SignalHook, TcpHook
from phoenixctl.model.names import AgentId, NodeName
from phoenixctl.model.plan import Action, Basis, Change, Inverse, Plan, Risk, Step
from phoenixctl.model.state import AgentRecord, NodeRecord, PoolRecord, State
from tests.builders import GiB, spec

FULL = replace(
    spec("web", cpu=0.5, memory=GiB(1), nodes=["a"]),
    secrets={"TOKEN": SecretRef("env", "WEB_TOKEN")},
    ready=Readiness(TcpHook(port=80)),
    drain=Drain(SignalHook("USR1"), until=ExecHook(("idle",))),
    checkpoint=HttpHook("/checkpoint"),
)
STATE = State(
    "shop", "0f", 7,
    nodes={NodeName("a"): NodeRecord(Node(NodeName("a"), "main", "10.0.0.1"), "static", "a")},
    agents={AgentId("web-0"): AgentRecord(AgentId("web-0"), NodeName("a"), "ab12", 3)},
    pools={"main": PoolRecord(4, None, "ada@laptop", "2026-01-01T00:00:00Z")},
    specs={"ab12": FULL},
)  # fmt: skip
STEP = Step(
    Action.UPDATE, NodeName("a"), AgentId("web-0"), "its spec has changed", Risk.DISRUPTIVE,
    after=("cordon node a",), grace_seconds=2.0, spec_digest="cd34",
    changes=(Change("env.LEVEL", "info", None), Change("zone", None, None, known=False)),
    relies_on={"node.a": "12"}, inverse=Inverse(Action.UPDATE, "ab12"),
)  # fmt: skip
PLAN = Plan("apply", (STEP,), warnings=("w",), basis=Basis("shop", "0f", 7, "ee"), sizes={"m": 3})


@pytest.mark.parametrize("value", [FULL, STATE, STEP, PLAN])
def test_what_is_written_reads_back_as_it_was(value: object) -> None:
    text = json.dumps(encode(value))
    again = decode(type(value), json.loads(text))
    assert again == value
    assert json.dumps(encode(again)) == text


def test_what_has_its_default_is_not_written() -> None:
    assert encode(AgentSpec("web", ("sleep", "1"))) == {"name": "web", "command": ["sleep", "1"]}


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"name": "web"}, "AgentSpec: .*command"),
        ({"name": "web", "command": "sleep"}, "AgentSpec.command: 'sleep' is not a list"),
        ({"name": "web", "command": [], "replicas": "6"}, "AgentSpec.replicas: '6' is not of type"),
        ({"name": "web", "command": [], "size": 6}, "AgentSpec has no field 'size'"),
        ({"name": "web", "command": [], "reload": {"is": "TcpHook"}}, "'TcpHook' is none of"),
        ([], r"\[\] is not a mapping"),
    ],
)
def test_what_does_not_fit_says_where(data: object, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        decode(AgentSpec, data)
