"""The fleet as a cluster: who answers, who reaches whom, whether it can decide."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from rich.console import Console
from rich.text import Text

from phoenixctl.model.names import NodeName
from phoenixctl.model.snapshot import Snapshot
from phoenixctl.model.units import format_ratio
from phoenixctl.performance.consensus import Consensus, Standing
from phoenixctl.performance.partition import Partition
from phoenixctl.render.gather import fold
from phoenixctl.render.tables import Cell, styled, table

_SHOWN: Final = 10
_STYLE: Final = {
    Standing.HEALTHY: "green",
    Standing.DEGRADED: "yellow",
    Standing.LOST: "red",
    Standing.UNKNOWN: "yellow",
}


@dataclass(frozen=True, slots=True)
class HealthView:
    """Everything `metrics health` shows, decided elsewhere.

    `availability`: by node the share of looks at which it answered; `serial` is their product, of
    a fleet that needs all of them.
    """

    snapshot: Snapshot
    availability: Mapping[NodeName, float]
    serial: float | None
    partition: Partition
    consensus: tuple[Consensus, ...]


def print_health(view: HealthView, console: Console) -> None:
    seen, total = len(view.snapshot.observed()), len(view.snapshot.nodes)
    serial = "?" if view.serial is None else format_ratio(view.serial)
    say = console.print
    say(f"{view.snapshot.fleet}: {seen} of {total} nodes answer; all at once {serial} of the time",
        soft_wrap=True)  # fmt: skip
    _print_partition(view.partition, console)
    rows: list[list[Cell]] = [
        [
            one.name,
            one.kind.value,
            styled(one.standing.value, _STYLE[one.standing]),
            f"{one.answered} of {one.members}",
            str(one.healthy),
            str(one.led),
        ]
        for one in view.consensus
    ]
    if rows:
        console.print()
        columns = ("CLUSTER", "KIND", "STANDING", "ANSWER", "HEALTHY", "LED")
        table(console, columns, rows, right=frozenset(("HEALTHY", "LED")))


def _print_partition(found: Partition, console: Console) -> None:
    def say(text: str, style: str = "") -> None:
        console.print(styled(text, style), soft_wrap=True)

    if not found.probes:
        say("nobody was asked whom it reaches", "dim")
        return
    if found.whole:
        say(f"no partition is seen, by {found.probes} probes between nodes")
    else:
        say(f"partition: {len(found.parts)} parts that do not reach each other", "bold red")
        for part in found.parts[:_SHOWN]:
            say(f"  {fold(part)}")
    if found.broken:
        say(f"{len(found.broken)} of {found.probes} ways are broken:", "yellow")
        for source, target in found.broken[:_SHOWN]:
            say(f"  {source} does not reach {target}")
        if len(found.broken) > _SHOWN:
            console.print(Text(f"  and {len(found.broken) - _SHOWN} more", style="dim"))
    for name, by in found.unseen.items():
        say(f"{name} gives us no answer, but {fold(by)} reach it: look at the way there", "yellow")
    if found.silent:
        say(f"reached by nobody: {fold(found.silent)}", "red")
    if found.unknown:
        say(f"cannot tell whom they reach, they need bash or nc: {fold(found.unknown)}", "dim")


def health_document(view: HealthView) -> Mapping[str, Any]:
    partition = view.partition
    return {
        "fleet": view.snapshot.fleet,
        "nodes": [
            {
                "name": name,
                "answers": name in {node.name for node in view.snapshot.observed()},
                "availability": view.availability.get(name),
            }
            for name in view.snapshot.nodes
        ],
        "serial_availability": view.serial,
        "partition": {
            "whole": partition.whole,
            "probes": partition.probes,
            "parts": [list(part) for part in partition.parts],
            "broken": [{"from": source, "to": target} for source, target in partition.broken],
            "unseen": {name: list(by) for name, by in partition.unseen.items()},
            "silent": list(partition.silent),
            "unknown": list(partition.unknown),
        },
        "consensus": [
            {
                "name": one.name,
                "kind": one.kind.value,
                "standing": one.standing.value,
                "members": one.members,
                "majority": one.majority,
                "answered": one.answered,
                "healthy": one.healthy,
                "led": one.led,
            }
            for one in view.consensus
        ],
    }
