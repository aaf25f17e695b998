"""What a step takes for granted, written down, so that it can be looked at again before it is done.

A fingerprint is a line of words, `answers=yes; cordoned=no`, so that what has changed can be named.
Nothing in it changes by itself: no metrics, no ages, no process ids.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from phoenixctl.model.names import AgentId, NodeName
from phoenixctl.model.plan import Action, Plan, Step
from phoenixctl.model.playbook import EVERYWHERE
from phoenixctl.model.snapshot import AgentState, NodeObservation, Snapshot
from phoenixctl.model.state import State
from phoenixctl.planning.copies import ALIVE
from phoenixctl.planning.known import STATIC

_ABOUT_AGENTS: Final = frozenset({Action.STOP, Action.RESTART, Action.UPDATE, Action.DRAIN})
_GIVING_UP: Final = frozenset({Action.DESTROY, Action.FORGET})
_STATES: Final = {
    AgentState.RUNNING: "running",
    AgentState.FAILED: "failed",
    AgentState.STOPPED: "stopped",
}
_PASSING: Final = "passing"  # the next look may find anything
_SAID: Final = {
    ("answers", "yes"): "answers again",
    ("cordoned", "yes"): "is cordoned now",
    ("cordoned", "no"): "is not cordoned any more",
    ("protected", "yes"): "is protected now",
    ("protected", "no"): "is not protected any more",
    ("recorded", "no"): "is not in the record any more",
    ("state", "running"): "runs now",
    ("state", "failed"): "has failed",
    ("state", "stopped"): "is stopped now",
    ("state", "absent"): "is not there any more",
}
_SAID_OF_OTHERS: Final = {
    "recorded": "is recorded as another machine now",
    "taken_in": "is in the record now",
    "joined": "has another bootstrap now",
    "spec": "was started with another specification",
    "epoch": "was started anew",
}


def fingerprint(address: str, snapshot: Snapshot, state: State) -> str:
    """Of `node.web-1`, `agent.ingest-0@web-1` or `instance.i-0abc`, as they are now."""
    return "; ".join(f"{key}={value}" for key, value in _parts(address, snapshot, state).items())


def with_fingerprints(plan: Plan, snapshot: Snapshot, state: State) -> Plan:
    """The plan, with what each step relies on as it is now."""
    known: dict[str, str] = {}

    def look(address: str) -> str:
        if address not in known:
            known[address] = fingerprint(address, snapshot, state)
        return known[address]

    steps = (
        replace(
            step,
            relies_on=MappingProxyType(
                {**step.relies_on, **{a: look(a) for a in _relied_on(step, snapshot)}}
            ),
        )
        for step in plan.steps
    )
    return replace(plan, steps=tuple(steps))


def stale(steps: Iterable[Step], snapshot: Snapshot, state: State) -> tuple[str, ...]:
    """What is not as these steps rely on, a sentence each; nothing when they can be done.

    A node that does not answer now says nothing: the steps on it will fail by themselves.
    """
    found: dict[str, None] = {}
    for step in steps:
        for address, before in step.relies_on.items():
            now = _parts(address, snapshot, state)
            for key, value in _differing(_read(before), now, step.action):
                found[f"{_subject(address)} {_words(key, value)}"] = None
    return tuple(found)


def _relied_on(step: Step, snapshot: Snapshot) -> Iterator[str]:
    if step.instance:  # its node's name may be another machine's
        yield step.address
        return
    if step.node == EVERYWHERE:
        return
    if step.agent is not None:
        if step.action not in _ABOUT_AGENTS:
            yield f"node.{step.node}"
        yield f"agent.{step.agent}@{step.node}"
        if step.source is not None:
            yield f"agent.{step.agent}@{step.source}"
        return
    yield f"node.{step.node}"
    seen = snapshot.nodes.get(step.node)
    if step.action in _GIVING_UP and isinstance(seen, NodeObservation):
        for agent in seen.agents:
            if agent.state in ALIVE:
                yield f"agent.{agent.id}@{step.node}"


def _parts(address: str, snapshot: Snapshot, state: State) -> Mapping[str, str]:
    kind, _, name = address.partition(".")
    if kind == "node":
        return _of_node(NodeName(name), snapshot, state)
    if kind == "instance":
        return {"taken_in": holder(name, state) or "no"}
    if kind == "lease":  # neither the record nor a node tells; whoever starts the agent looks
        return {}
    agent, _, node = name.partition("@")
    return _of_agent(AgentId(agent), NodeName(node), snapshot)


def _of_node(name: NodeName, snapshot: Snapshot, state: State) -> Mapping[str, str]:
    record, seen = state.nodes.get(name), snapshot.nodes.get(name)
    parts = {"recorded": "no"}
    if record is not None:
        parts = {
            "recorded": record.id or "yes",
            "joined": record.joined or "no",
            "protected": _yes(record.protected),
        }
    if isinstance(seen, NodeObservation):
        return parts | {"answers": "yes", "cordoned": _yes(seen.cordon is not None)}
    return parts | ({"answers": "no"} if seen is not None else {})


def holder(instance: str, state: State) -> NodeName | None:
    """The node as which an instance is recorded."""
    made = (record for record in state.nodes.values() if record.provider != STATIC)
    return next((record.node.name for record in made if record.id == instance), None)


def _of_agent(agent: AgentId, node: NodeName, snapshot: Snapshot) -> Mapping[str, str]:
    """Nothing at all while its node does not answer."""
    seen = snapshot.nodes.get(node)
    if not isinstance(seen, NodeObservation):
        return {}
    found = next((a for a in seen.agents if a.id == agent), None)
    if found is None:
        return {"state": "absent"}
    state = _STATES.get(found.state, _PASSING)
    return {"state": state, "spec": found.spec_digest or "unknown", "epoch": str(found.epoch)}


def _differing(
    before: Mapping[str, str], now: Mapping[str, str], action: Action
) -> Iterator[tuple[str, str]]:
    """The parts that are other than before. What one of both does not know cannot differ."""
    if before.get("state") == "absent" != now.get("state", "absent"):
        yield "state", now["state"]
        return
    for key, value in now.items():
        was = before.get(key, value)
        if was == value or _PASSING in (was, value):
            continue
        if key == "answers" and (value == "no" or action not in _GIVING_UP):
            continue
        yield key, value
        if value == "absent":
            return


def _read(text: str) -> Mapping[str, str]:
    pairs = (part.partition("=") for part in text.split("; ") if part)
    return {key: value for key, _, value in pairs}


def _subject(address: str) -> str:
    return address.partition(".")[2].replace("@", " on ")


def _words(key: str, value: str) -> str:
    return _SAID.get((key, value)) or _SAID_OF_OTHERS.get(key) or f"has another {key} now"


def _yes(so: bool) -> str:
    return "yes" if so else "no"
