"""Playbooks: which there are, what one would do, batch by batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.text import Text

from phoenixctl.model.playbook import Parameter, Playbook
from phoenixctl.planning.playbook import Chapter
from phoenixctl.planning.playbook_progress import Progress
from phoenixctl.render.neutral import neutralise, one_line
from phoenixctl.render.plans import plan_document, print_plan
from phoenixctl.render.tables import table

Listed = tuple[str, str, str, Sequence[Parameter]]
"""A playbook's name, path, description and parameters."""


def print_playbooks(listed: Sequence[Listed], console: Console) -> None:
    rows = [[name, _parameters(parameters), text] for name, _, text, parameters in listed]
    table(console, ("PLAYBOOK", "PARAMETERS", "WHAT IT DOES"), rows)


def _parameters(parameters: Sequence[Parameter]) -> str:
    return " ".join(
        p.name if p.default is None else f"{p.name}={one_line(p.default)}" for p in parameters
    )


def playbooks_document(listed: Sequence[Listed]) -> Mapping[str, Any]:
    return {"playbooks": [_listed(one) for one in listed]}


def _listed(one: Listed) -> Mapping[str, Any]:
    name, path, text, parameters = one
    return {
        "name": name,
        "path": path,
        "description": text,
        "parameters": [
            {"name": p.name, "default": p.default, "description": p.description} for p in parameters
        ],
    }


def playbook_document(one: Listed, text: str) -> Mapping[str, Any]:
    return {**_listed(one), "text": text}


def print_playbook(text: str, console: Console) -> None:
    console.print(Text(neutralise(text).rstrip("\n")), soft_wrap=True)


def print_outline(
    playbook: Playbook,
    stand: Progress,
    chapters: Sequence[Chapter],
    silent: Sequence[str],
    console: Console,
) -> None:
    """Every batch: the first as it is carried out, the others as they are foreseen."""
    count = len(stand.play.batches)
    values = ", ".join(f"{k}={v}" for k, v in playbook.parameters.items())
    head = f"playbook {playbook.name}{f' ({values})' if values else ''}: {_batches(count)}"
    console.print(Text(one_line(head), style="bold"), soft_wrap=True)
    if stand.over or stand.play.batch or stand.play.undoing:
        said = f"  goes on with the run of {stand.play.run}; to begin anew: --restart"
        console.print(Text(said, style="yellow"), soft_wrap=True)
    for name in silent:
        console.print(Text(f"! {name} does not answer and counts as failed", style="yellow"))
    for name in stand.play.failed:
        console.print(Text(f"! {name} has failed before and is left out", style="yellow"))
    for chapter in chapters:
        _print_chapter(chapter, count, chapter is chapters[0], console)


def _print_chapter(chapter: Chapter, count: int, exact: bool, console: Console) -> None:
    names = ", ".join(chapter.batch.names)
    head = f"batch {chapter.number + 1} of {count}{f' ({names})' if names else ''}"
    console.print(Text(head if exact else f"{head}, as foreseen now", style="bold"), soft_wrap=True)
    if chapter.plan is not None:
        print_plan(chapter.plan, console)
    if chapter.later:
        said = f"  then, planned when it is known what is there: {', '.join(chapter.later)}"
        console.print(Text(said, style="magenta"), soft_wrap=True)


def _batches(count: int) -> str:
    return f"{count} batch{'es' if count != 1 else ''}"


def outline_document(
    playbook: Playbook, stand: Progress, chapters: Sequence[Chapter], silent: Sequence[str]
) -> Mapping[str, Any]:
    return {
        "playbook": playbook.name,
        "parameters": dict(playbook.parameters),
        "digest": stand.play.digest,
        "run": stand.play.run,
        "goes_on": bool(stand.over or stand.play.batch or stand.play.undoing),
        "failed": list(stand.play.failed),
        "silent": list(silent),
        "batches": [
            {
                "number": chapter.number + 1,
                "names": list(chapter.batch.names),
                "foreseen": number > 0,
                "plan": chapter.plan and plan_document(chapter.plan),
                "later": list(chapter.later),
            }
            for number, chapter in enumerate(chapters)
        ],
    }
