"""A change of a fleet with everything that an operation can do, step by step, and what is to be
recorded after each."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from typing import Any

from phoenixctl.model.names import AgentId, NodeName
from phoenixctl.model.plan import Action, Inverse, Plan, Step
from phoenixctl.model.state import AgentRecord, Patch, PoolRecord, State
from phoenixctl.ports.records import Operation, Unfinished
from phoenixctl.store.records import StoredRecords
from tests.builders import spec

DIGEST = "0123456789ab"
SPECS = Patch(specs={DIGEST: spec("web")})


def start(agent: str, node: str = "a") -> Step:
    return Step(
        Action.START,
        NodeName(node),
        AgentId(agent),
        "it does not run anywhere",
        spec_digest=DIGEST,
        inverse=Inverse(Action.STOP),
    )


def runs(agent: str, node: str = "a", epoch: int = 1) -> Patch:
    found = AgentId(agent)
    return Patch(agents={found: AgentRecord(found, NodeName(node), DIGEST, epoch)})


ZERO, ONE, TWO, THREE = (start(f"web-{number}") for number in range(4))
POOLS = Patch(pools={"main": PoolRecord(3, 1, "op@here", "2026-01-01T00:00:00Z")})


@dataclass(frozen=True)
class Recorded:
    """What a test looks at."""

    agents: frozenset[str] = frozenset()
    pools: frozenset[str] = frozenset()
    unfinished: frozenset[tuple[str, str, int]] = frozenset()  # operation, agent, notes

    @classmethod
    def of(cls, state: State, unfinished: Any) -> Recorded:
        steps: list[Unfinished] = list(unfinished)
        return cls(
            frozenset(state.agents),
            frozenset(state.pools),
            frozenset((u.operation, str(u.step.agent), len(u.notes)) for u in steps),
        )

    def but(self, *, agents: str = "", pools: str = "", **more: Any) -> Recorded:
        return replace(
            self,
            agents=self.agents | ({agents} if agents else set()),
            pools=self.pools | ({pools} if pools else set()),
            **more,
        )


async def leave_unknown(records: StoredRecords) -> None:
    """Operation 1: a step whose end was not seen."""
    async with records.changing("first") as operation:
        await operation.open(Plan("first", (ZERO,)), SPECS)
        await operation.begin(ZERO)
        await operation.end(ZERO, outcome="unknown", detail="the connection broke")


async def story(operation: Operation) -> AsyncIterator[None]:
    """Operation 2, whose steps `EXPECTED` follows."""
    await operation.settle(
        operation.unfinished[0], outcome="ok", detail="it runs", patch=runs("web-0")
    )
    yield
    await operation.open(Plan("second", (ONE, TWO, THREE)), POOLS)
    yield
    await operation.begin(ONE)
    yield
    await operation.note(ONE, {"token": "one"})
    yield
    await operation.end(ONE, outcome="ok", detail="ready", patch=runs("web-1"))
    yield
    await operation.begin(TWO)
    yield
    await operation.end(TWO, outcome="unknown", detail="the connection broke")
    yield
    await operation.begin(THREE)
    yield
    await operation.end(THREE, outcome="failed", detail="it does not start")
    yield


def _expected() -> tuple[Recorded, ...]:
    before = Recorded(unfinished=frozenset({("1", "web-0", 0)}))
    settled = before.but(agents="web-0", unfinished=frozenset())
    opened = settled.but(pools="main")
    begun = opened.but(unfinished=frozenset({("2", "web-1", 0)}))
    noted = opened.but(unfinished=frozenset({("2", "web-1", 1)}))
    ended = opened.but(agents="web-1")
    second = ended.but(unfinished=frozenset({("2", "web-2", 0)}))
    third = ended.but(unfinished=frozenset({("2", "web-2", 0), ("2", "web-3", 0)}))
    return before, settled, opened, begun, noted, ended, second, second, third, second


EXPECTED = _expected()
"""After each `yield` of the story, beginning with what there was before it."""


async def play(records: StoredRecords, say: Callable[[str], None]) -> None:
    """The whole story, with a word after each step of it."""
    async with records.changing("second") as operation:
        async for _ in story(operation):
            say("done")


async def look(records: StoredRecords) -> Recorded:
    return Recorded.of(*await asyncio.gather(records.read(), records.unfinished()))


async def change(records: StoredRecords, agent: str, title: str = "start") -> str:
    """An operation that starts an agent; its id."""
    async with records.changing(title) as operation:
        await operation.open(Plan(title, (ONE,)), SPECS)
        await operation.begin(ONE)
        await operation.end(ONE, outcome="ok", detail="ready", patch=runs(agent))
    return operation.id
