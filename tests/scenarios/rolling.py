"""Carrying a plan out as apply does: steps side by side, in any order that the plan allows."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from phoenixctl.model.fleet import AgentSpec, Order
from phoenixctl.model.names import AgentId
from phoenixctl.model.plan import Plan
from phoenixctl.model.snapshot import AgentState
from phoenixctl.planning.rollout import allowance
from tests.scenarios.world import World


def in_any_order(
    w: World, plan: Plan, rng: Random, watch: Callable[[World], None], *, fail: float = 0.0
) -> None:
    """Begin and end steps as `rng` has it, `watch` after each; some never end well."""
    w.opened(plan)
    waiting = {step.key: step for step in plan.steps}
    done: set[str] = set()
    under_way: list[str] = []
    steps = dict(waiting)
    while True:
        ready = [key for key, step in waiting.items() if done.issuperset(step.after)]
        if not ready and not under_way:
            return
        number = rng.randrange(len(ready) + len(under_way))
        if number < len(ready):
            w.begin(waiting.pop(ready[number]))
            under_way.append(ready[number])
        else:
            key = under_way.pop(number - len(ready))
            if rng.random() >= fail:
                w.end(steps[key])
                done.add(key)
        watch(w)


class Watch:
    """That no spec has more agents down than its rollout allows, or than were down before; and that
    none runs twice that did not before, but to be there before its old copy goes.

    Agents on nodes that are about to be taken away, or cut off, count as down: nobody can help
    that.
    """

    def __init__(self, w: World) -> None:
        gone = w.taken_away | w.cut_off
        lost = {a for (a, n), _ in w.agents.items() if n in gone}
        self._twice = _twice(w) | _unknowable(w)
        self._limits = {
            spec.name: max(allowance(spec.rollout, spec.replicas), len(_down(w, spec, lost)))
            for spec in w.fleet.agents.values()
        }

    def __call__(self, w: World) -> None:
        assert _twice(w) <= self._twice, _twice(w) - self._twice
        for spec in w.fleet.agents.values():
            down = _down(w, spec, set())
            assert len(down) <= self._limits[spec.name], f"{spec.name}: {sorted(down)} are down"


def _twice(w: World) -> set[str]:
    surging = {s.name for s in w.fleet.agents.values() if s.rollout.order is Order.SURGE}
    running = w.running().items()
    return {a for a, nodes in running if len(nodes) > 1 and a.rpartition("-")[0] not in surging}


def _unknowable(w: World) -> set[str]:
    """Agents on nodes that are cut off, where they are not recorded."""
    recorded = {(a, record.node) for a, record in w.state.agents.items()}
    return {a for a, n in w.agents if n in w.cut_off and (a, n) not in recorded}


def _down(w: World, spec: AgentSpec, lost: set[AgentId]) -> set[str]:
    serving = {a for (a, _), state in w.agents.items() if state is AgentState.RUNNING}
    wanted = [AgentId(f"{spec.name}-{n}") for n in range(spec.replicas)]
    return {agent for agent in wanted if agent in lost or agent not in serving}
