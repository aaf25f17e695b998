"""By which names a step and what it is about can be called."""

from __future__ import annotations

from phoenixctl.model.plan import Step


def addresses(step: Step) -> tuple[str, ...]:
    """What it is about, and the pool or the spec that this belongs to."""
    if step.agent is None:
        return (step.address, f"pool.{step.pool}") if step.pool else (step.address,)
    return about(step.agent)


def about(agent: str) -> tuple[str, ...]:
    """The addresses of an agent."""
    return (f"agent.{agent}", f"agent.{spec_name(agent)}")


def spec_name(agent: str) -> str:
    return agent.rpartition("-")[0]
