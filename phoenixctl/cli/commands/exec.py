"""`phoenixctl exec`."""

from __future__ import annotations

import hashlib
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from phoenixctl.cli.command import command, single
from phoenixctl.cli.durations import seconds_of
from phoenixctl.cli.run import Run
from phoenixctl.cli.select import LabelOption, NodesOption, PoolOption, choose_nodes
from phoenixctl.model.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from phoenixctl.cli.compose import Parts
    from phoenixctl.model.command import Command, Completed
    from phoenixctl.model.names import NodeName
    from phoenixctl.model.outcome import Outcome

app = single()

Timeout = Annotated[
    str | None, typer.Option("--timeout", "-t", metavar="TIME", help="On each node: 30s, 5m.")
]


@command(
    app,
    "exec",
    help="Run a command on many nodes; equal output is shown once.",
    context_settings={"allow_interspersed_args": False},
)
def execute(
    run: Run,
    *,
    words: Annotated[list[str], typer.Argument(metavar="COMMAND [ARG]...", help="Not a shell.")],
    nodes: NodesOption = None,
    pool: PoolOption = None,
    label: LabelOption = None,
    everything: Annotated[bool, typer.Option("--all", "-a", help="On every node.")] = False,
    shell: Annotated[
        bool, typer.Option("--shell", "-s", help="Join the words and give them to sh -c.")
    ] = False,
    separate: Annotated[
        bool, typer.Option("--lines", help="Each line with its node's name.")
    ] = False,
    raw: Annotated[bool, typer.Option("--raw", help="Bytes as they came, not made safe.")] = False,
    timeout: Timeout = None,
    parallel: Annotated[
        int | None, typer.Option("--parallel", min=1, metavar="N", help="At once.")
    ] = None,
    stdin: Annotated[
        bool, typer.Option("--stdin", help="Give our standard input to every node.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say where and what.")] = False,
) -> ExitCode:
    from phoenixctl.cli.gathered import show_outputs
    from phoenixctl.render.gather import fold

    if not (nodes or pool or label or everything):
        raise UsageError("exec needs to know where", hint="add --all, or --nodes web[01-20]")
    chosen = choose_nodes(run.parts.fleet, nodes, pool, label)
    order = _command(words, shell=shell, stdin=stdin)
    if dry_run:
        argv = " ".join(order.argv)
        run.emit(
            "exec-plan",
            lambda: {"nodes": list(chosen), "argv": list(order.argv)},
            lambda console: console.print(f"would run on {fold(chosen)}: {argv}", soft_wrap=True),
        )
        return ExitCode.OK
    run.parts.records.prepare()
    outcomes = run.within(lambda parts: _execute(parts, chosen, order, timeout, parallel))
    show_outputs(run, outcomes, lines=separate, raw=raw)
    return _finish(run, order, outcomes)


def _command(words: list[str], *, shell: bool, stdin: bool) -> Command:
    from phoenixctl.model.command import Command

    content = sys.stdin.buffer.read() if stdin else None
    try:
        if shell:
            return Command("sh", "-c", " ".join(words), stdin=content)
        return Command(*words, stdin=content)
    except ValueError as error:
        raise UsageError(str(error)) from None


async def _execute(
    parts: Parts,
    nodes: tuple[NodeName, ...],
    order: Command,
    timeout: str | None,
    parallel: int | None,
) -> dict[NodeName, Outcome[Completed]]:
    from phoenixctl.cli.progress import Progress
    from phoenixctl.model.outcome import Succeeded
    from phoenixctl.workflows.execute import execute as execute_on

    with Progress("running", len(nodes)) as shown:
        return await execute_on(
            nodes,
            order,
            parts.reach,
            timeout_seconds=seconds_of("--timeout", timeout),
            parallel=parallel,
            on_outcome=lambda _name, outcome: shown.step(
                failed=not (isinstance(outcome, Succeeded) and outcome.value.ok)
            ),
        )


def _finish(run: Run, order: Command, outcomes: Mapping[NodeName, Outcome[Completed]]) -> ExitCode:
    """The exit code; and a line in the audit log, where arguments, which may hold secrets, are
    only a digest."""
    from phoenixctl.model.outcome import Succeeded, exit_code_of

    code = exit_code_of(outcomes.values())
    ended_badly = any(isinstance(o, Succeeded) and not o.value.ok for o in outcomes.values())
    if code is ExitCode.OK and ended_badly:
        code = ExitCode.SOME_FAILED
    run.parts.records.audit(
        "exec",
        "ok" if code is ExitCode.OK else "some failed",
        nodes=list(outcomes),
        program=order.argv[0],
        arguments_sha256=hashlib.sha256(
            "\0".join(order.argv).encode("utf-8", "replace")
        ).hexdigest(),
    )
    return code
