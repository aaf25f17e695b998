"""A node seen in one round trip: one command, and the pure function that parses what it printed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from phoenixctl.model.command import Command
from phoenixctl.model.errors import CommandFailed
from phoenixctl.model.fleet import Node, Supervisor
from phoenixctl.model.names import AgentId
from phoenixctl.model.reading import AgentMetric, Metric, Reading, unknown
from phoenixctl.model.snapshot import AgentObservation, AgentState, NodeObservation
from phoenixctl.remote.cordon import read_cordon
from phoenixctl.remote.joined import read_joined
from phoenixctl.remote.kernel import Link, NodeSample, memory_used, node_metrics
from phoenixctl.remote.layout import node_command, unit_name
from phoenixctl.remote.meta import read_meta
from phoenixctl.remote.processes import Census, Found, observe_agent
from phoenixctl.remote.procfs import NotKnown
from phoenixctl.remote.survey_script import SURVEY

_BOOT_ID: Final = re.compile(r"[0-9a-f-]{36}", re.ASCII)
_MEGABITS: Final = re.compile(r"[1-9]\d{0,8}", re.ASCII)


def survey_command(
    node: Node,
    fleet: str,
    *,
    interval_seconds: float = 0.25,
    proc_root: str = "/proc",
    sys_root: str = "/sys",
) -> Command:
    """Reads all of a node: twice, `interval_seconds` apart, what grows; changes nothing."""
    return node_command(SURVEY, node, fleet, f"{interval_seconds:g}", proc_root, sys_root)


def parse_survey(output: bytes, *, node: Node, at: float, seconds: float) -> NodeObservation:
    """What a survey printed, as an observation.

    A damaged part makes its metrics unknown. CommandFailed when the node's identity or the end is
    missing: with a part of the agents only, one of them could be started a second time.
    """
    lines = _read(output, node)
    boot_id = lines.fact("boot_id")
    if not _BOOT_ID.fullmatch(boot_id):
        raise _failed(node, "boot_id is missing or damaged")
    supervisor = _supervisor(lines, node)
    sample = NodeSample(
        first=lines.readings.get("first", {}),
        second=lines.readings.get("second", {}),
        links=[_link(text) for text in lines.links],
        online=lines.fact("online"),
        processes=lines.fact("processes"),
        df=lines.df,
        bits_per_second=node.network_bits_per_second,
    )
    warnings: list[str] = []
    census = Census.taken(sample, boot_id)
    agents = _agents(lines, census, node=node, supervisor=supervisor, at=at, warnings=warnings)
    return NodeObservation(
        name=node.name,
        at=at,
        seconds=seconds,
        boot_id=boot_id,
        hostname=lines.fact("hostname"),
        kernel=lines.fact("kernel"),
        supervisor=supervisor,
        base_dir=lines.fact("base"),
        cordon=read_cordon(lines.fact("cordon")) if "cordon" in lines.facts else None,
        metrics=_metrics(sample, agents, at=at),
        agents=agents,
        warnings=tuple(warnings),
        joined=read_joined(lines.fact("joined")),
    )


@dataclass(slots=True)
class _Lines:
    """A survey's lines by what they are about."""

    facts: dict[str, str] = field(default_factory=dict)
    links: list[str] = field(default_factory=list)
    readings: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    df: list[str] = field(default_factory=list)
    agents: dict[str, Found] = field(default_factory=dict)
    units: dict[str, dict[str, str]] = field(default_factory=dict)

    def fact(self, name: str) -> str:
        return self.facts.get(name, "")


def _failed(node: Node, what: str) -> CommandFailed:
    return CommandFailed(
        f"{node.name}: the survey's output cannot be used: {what}",
        hint=f"see what the node answers: phoenixctl exec -n {node.name} -- uname -a",
    )


def _read(output: bytes, node: Node) -> _Lines:
    """Sort the lines; what a start-up file of the shell printed before them is left out."""
    text = output.decode("utf-8", "replace")
    start = 0 if text.startswith("survey 1\n") else text.find("\nsurvey 1\n") + 1
    if not text.startswith("survey 1\n", start):
        raise _failed(node, "its first line is missing")
    lines = _Lines()
    reading: dict[str, list[str]] = {}
    agent = Found()
    unit: dict[str, str] = {}
    in_agents = False
    for line in text[start:].split("\n"):
        file, colon, rest = line.partition(":")
        if colon and " " not in file:
            reading.setdefault(file, []).append(rest)
            continue
        keyword, _, rest = line.partition(" ")
        if keyword == "end" and in_agents:
            return lines
        if keyword == "reading":
            reading = lines.readings.setdefault(rest, {})
        elif keyword == "agents":
            in_agents = True
        elif in_agents:
            agent, unit = _agent_line(lines, keyword, rest, agent, unit)
        elif keyword == "link":
            lines.links.append(rest)
        elif keyword == "df":
            lines.df.append(rest)
        else:
            lines.facts.setdefault(keyword, rest)
    raise _failed(node, "its end is missing")


def _agent_line(
    lines: _Lines, keyword: str, rest: str, agent: Found, unit: dict[str, str]
) -> tuple[Found, dict[str, str]]:
    """Take in one line about agents; returns the agent and the unit that the next is about."""
    if keyword == "agent":
        agent = lines.agents.setdefault(rest, Found())
    elif keyword == "meta":
        agent.meta.append(rest)
    elif keyword == "run":
        agent.run = rest
    elif keyword == "fence":
        agent.fence = rest
    elif keyword == "permit":
        agent.permit = rest
    elif keyword == "stopped":
        agent.stopped = True
    elif keyword == "members":
        agent_id, *pids = rest.split() or [""]
        if agent_id in lines.agents:
            lines.agents[agent_id].members = pids
    elif keyword == "unit":
        key, equals, value = rest.partition("=")
        if not equals:  # an empty line parts two units
            return agent, {}
        unit[key] = value
        if key == "Id":
            lines.units[value] = unit
    return agent, unit


def _supervisor(lines: _Lines, node: Node) -> Supervisor:
    if not lines.fact("base").startswith("/"):
        raise _failed(node, "base is missing or damaged")
    try:
        return Supervisor(lines.fact("supervisor"))
    except ValueError:
        raise _failed(node, "supervisor is missing or damaged") from None


def _link(text: str) -> Link:
    name, _, speed = text.partition(" ")
    return Link(name, int(speed) if _MEGABITS.fullmatch(speed) else None)


def _agents(
    lines: _Lines,
    census: Census,
    *,
    node: Node,
    supervisor: Supervisor,
    at: float,
    warnings: list[str],
) -> tuple[AgentObservation, ...]:
    agents = []
    for agent_id, found in lines.agents.items():
        meta = read_meta(agent_id, found.meta)
        if meta is None:
            warnings.append(f"agents/{agent_id} on the node is no agent's folder")
            continue
        if meta.damaged:
            warnings.append(f"{agent_id}: its meta file on the node is missing or damaged")
        found.unit = lines.units.get(unit_name(AgentId(agent_id), lines.fact("fleet")), {})
        agents.append(
            observe_agent(
                AgentId(agent_id), meta, found, census, node=node.name, supervisor=supervisor, at=at
            )
        )
    return tuple(agents)


def _metrics(
    sample: NodeSample, agents: Sequence[AgentObservation], *, at: float
) -> dict[Metric, Reading]:
    metrics = node_metrics(sample, at=at)
    running = [agent for agent in agents if agent.state is AgentState.RUNNING]
    metrics[Metric.AGENTS] = Reading(len(running), at)
    metrics[Metric.RUNTIME_PROCESSES] = _sum(running, AgentMetric.THREADS, at=at)
    held = _sum(running, AgentMetric.RSS, at=at)
    metrics[Metric.MEMORY_AGENTS] = held
    try:
        system = max(0.0, memory_used(sample) - held.value) if held.value is not None else None
        metrics[Metric.MEMORY_SYSTEM] = Reading(system, at, held.why)
    except NotKnown as why:
        metrics[Metric.MEMORY_SYSTEM] = unknown(str(why), at=at)
    not_asked = unknown("not asked for", at=at)
    return {metric: metrics.get(metric, not_asked) for metric in Metric}


def _sum(agents: Sequence[AgentObservation], metric: AgentMetric, *, at: float) -> Reading:
    total = 0.0
    for agent in agents:
        value = agent.metrics[metric].value
        if value is None:
            return unknown(f"{agent.id}: {agent.metrics[metric].why}", at=at)
        total += value
    return Reading(total, at)
