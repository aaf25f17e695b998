"""One agent in full."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from phoenixctl.model.fleet import AgentSpec, Fleet
from phoenixctl.model.reading import AgentMetric
from phoenixctl.model.snapshot import AgentObservation
from phoenixctl.remote.agents import spec_digest
from phoenixctl.render.agents import limits_text, state_text
from phoenixctl.render.readings import print_readings
from phoenixctl.render.tables import Cell, pairs


def describe_agents(
    fleet: Fleet, agents: Sequence[AgentObservation], console: Console, *, now: float
) -> None:
    """Identity, spec, hooks, limits as read back, and every reading with its age."""
    for agent in agents:
        spec = fleet.agents.get(agent.spec_name)
        console.print(Text.assemble((agent.id, "bold"), " on ", (agent.node, "bold")))
        facts: list[tuple[str, Cell]] = [
            ("state", state_text(agent)),
            ("detail", agent.detail or "-"),
            ("pid", str(agent.pid or "-")),
            ("port", str(agent.port or "-")),
            ("supervisor", agent.supervisor.value),
            ("epoch", str(agent.epoch) + (f", {agent.held}" if agent.held else "")),
            ("spec", _spec_words(agent, spec)),
            ("limits read back", limits_text(agent)),
        ]
        if spec is not None:
            facts += [("command", " ".join(spec.command)), ("can", _abilities(spec))]
            facts += [("secrets", ", ".join(spec.secrets) or "-")]
        pairs(console, facts)
        console.print()
        print_readings(console, AgentMetric, agent.metrics, now=now)


def _spec_words(agent: AgentObservation, spec: AgentSpec | None) -> str:
    if spec is None:
        return f"{agent.spec_name} (not in the configuration)"
    same = agent.spec_digest == spec_digest(spec)
    return f"{agent.spec_name} {agent.spec_digest[:12]}" + ("" if same else " (older than config)")


def _abilities(spec: AgentSpec) -> str:
    """What its hooks allow, and what a missing one forbids."""
    has = {
        "ready": spec.ready, "metrics": spec.metrics, "drain": spec.drain,
        "checkpoint": spec.checkpoint, "restore": spec.restore, "activate": spec.activate,
        "reload": spec.reload,
    }  # fmt: skip
    can = ", ".join(name for name, hook in has.items() if hook is not None) or "nothing"
    lacks = ", ".join(name for name, hook in has.items() if hook is None)
    return can + (f"; no {lacks}" if lacks else "")
