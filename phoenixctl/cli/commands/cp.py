"""`phoenixctl cp`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from phoenixctl.cli.command import command, single
from phoenixctl.cli.run import Run
from phoenixctl.cli.select import LabelOption, PoolOption, choose_nodes
from phoenixctl.model.errors import ExitCode, UsageError
from phoenixctl.model.units import format_bytes

if TYPE_CHECKING:
    from phoenixctl.cli.compose import Parts
    from phoenixctl.model.names import NodeName
    from phoenixctl.model.outcome import Outcome
    from phoenixctl.ports.reach import Transferred

app = single()

HELP = "Copy files to and from nodes.\n\nE.g. cp FILE web[1-9]:PATH, or cp web*:PATH DIR."


@command(app, "cp", help=HELP)
def cp(
    run: Run,
    *,
    source: Annotated[str, typer.Argument(metavar="[NODES:]SOURCE", help="A file or folder.")],
    target: Annotated[str, typer.Argument(metavar="[NODES:]TARGET", help="Where to.")],
    pool: PoolOption = None,
    label: LabelOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say where and what.")] = False,
) -> ExitCode:
    from_nodes, from_path = _split(source)
    to_nodes, to_path = _split(target)
    if (from_nodes is None) == (to_nodes is None):
        raise UsageError(
            "one side of cp is on nodes, the other is here",
            hint="phoenixctl cp app.conf web[01-20]:/etc/app.conf",
        )
    chosen = choose_nodes(run.parts.fleet, [from_nodes or to_nodes or ""], pool, label)
    if to_nodes is not None and not Path(from_path).exists():
        raise UsageError(f"{from_path} does not exist here")
    if dry_run:
        return _preview(run, chosen, source, target)
    run.parts.records.prepare()
    if to_nodes is not None:
        outcomes = run.within(lambda parts: _upload(parts, chosen, Path(from_path), to_path))
    else:
        places = _places(chosen, Path(to_path), from_path)
        outcomes = run.within(lambda parts: _download(parts, places, from_path))
    return _report(run, outcomes, f"{source} {target}")


def _split(text: str) -> tuple[str | None, str]:
    """`nodes:path`, where a path with a slash before its first colon is all path."""
    nodes, colon, path = text.partition(":")
    if not colon or "/" in nodes or not nodes:
        return None, text
    return nodes, path or "."


def _places(nodes: tuple[NodeName, ...], target: Path, source: str) -> dict[NodeName, Path]:
    """One node: the target itself; several: a folder for each in it."""
    name = Path(source).name or "root"
    if len(nodes) == 1:
        return {nodes[0]: target / name if target.is_dir() else target}
    for node in nodes:
        (target / node).mkdir(parents=True, exist_ok=True)
    return {node: target / node / name for node in nodes}


async def _upload(
    parts: Parts, nodes: tuple[NodeName, ...], source: Path, target: str
) -> dict[NodeName, Outcome[Transferred]]:
    from phoenixctl.cli.progress import Progress
    from phoenixctl.model.outcome import Succeeded
    from phoenixctl.workflows.execute import copy_to

    with Progress("copying", len(nodes)) as shown:
        return await copy_to(
            nodes,
            source,
            target,
            parts.reach,
            on_outcome=lambda _n, o: shown.step(failed=not isinstance(o, Succeeded)),
        )


async def _download(
    parts: Parts, places: Mapping[NodeName, Path], source: str
) -> dict[NodeName, Outcome[Transferred]]:
    from phoenixctl.cli.progress import Progress
    from phoenixctl.model.outcome import Succeeded
    from phoenixctl.workflows.execute import copy_from

    with Progress("copying", len(places)) as shown:
        return await copy_from(
            places,
            source,
            parts.reach,
            on_outcome=lambda _n, o: shown.step(failed=not isinstance(o, Succeeded)),
        )


def _preview(run: Run, nodes: tuple[NodeName, ...], source: str, target: str) -> ExitCode:
    from phoenixctl.render.gather import fold

    run.emit(
        "cp-plan",
        lambda: {"nodes": list(nodes), "source": source, "target": target},
        lambda console: console.print(f"would copy {source} to {target}: {fold(nodes)}"),
    )
    return ExitCode.OK


def _report(run: Run, outcomes: Mapping[NodeName, Outcome[Transferred]], what: str) -> ExitCode:
    from phoenixctl.model.outcome import Succeeded, exit_code_of
    from phoenixctl.render.gather import fold

    done = {name: o.value for name, o in outcomes.items() if isinstance(o, Succeeded)}
    size = sum(t.bytes for t in done.values())
    files = sum(t.files for t in done.values())

    def document() -> dict[str, Any]:
        return {
            "nodes": {
                name: {"files": o.value.files, "bytes": o.value.bytes}
                if isinstance(o, Succeeded)
                else {"error": {"kind": o.error.kind, "what": o.error.what, "hint": o.error.hint}}
                for name, o in outcomes.items()
            }
        }

    words = f"{files} files, {format_bytes(size)}: {fold(done) or 'no node'}"
    run.emit("cp", document, lambda console: console.print(words, soft_wrap=True))
    code = exit_code_of(outcomes.values())
    for name, outcome in outcomes.items():
        if not isinstance(outcome, Succeeded):
            run.note(f"{name}: {outcome.error.kind}: {outcome.error}")
    run.parts.records.audit(
        "cp", "ok" if code is ExitCode.OK else "some failed", nodes=list(outcomes), what=what
    )
    return code
