"""Log lines of several agents, each with its agent's name in front."""

from __future__ import annotations

import sys
from contextlib import aclosing
from typing import TYPE_CHECKING

from phoenixctl.cli.observing import observed
from phoenixctl.cli.select import find_agents
from phoenixctl.model.errors import ExitCode, UsageError
from phoenixctl.remote.agents import logs_command
from phoenixctl.render.neutral import neutralise
from phoenixctl.workflows.execute import follow as follow_commands
from phoenixctl.workflows.observe import WHAT_RUNS

if TYPE_CHECKING:
    from phoenixctl.cli.compose import Parts
    from phoenixctl.cli.run import Run


async def show_logs(
    run: Run, parts: Parts, agents: list[str], lines: int, *, follow: bool
) -> ExitCode:
    """Print the lines as they come; with several agents each line names its own."""
    snapshot = await observed(parts, depth=WHAT_RUNS)
    wanted = set(find_agents(parts.fleet, snapshot, agents))
    found = [a for a in snapshot.agents() if a.id in wanted]
    if not found:
        raise UsageError("none of these agents was found on a node", hint="phoenixctl agents ls")
    sources = {
        f"{a.id}@{a.node}": (
            a.node,
            logs_command(a.id, parts.fleet.nodes[a.node], parts.fleet.name, lines=lines,
                         follow=follow),
        )
        for a in found
    }  # fmt: skip
    width = max(map(len, sources))
    async with aclosing(follow_commands(sources, parts.reach)) as output:
        async for label, line in output:
            _write(run, label, line, width=width, alone=len(sources) == 1)
    return ExitCode.OK


def _write(run: Run, label: str, line: bytes, *, width: int, alone: bool) -> None:
    text = neutralise(line)
    if run.output.for_programs:
        import json

        document = {"schema": "phoenixctl.log/1", "source": label, "line": text}
        sys.stdout.write(json.dumps(document) + "\n")
    else:
        sys.stdout.write(f"{text}\n" if alone else f"{label:{width}}  {text}\n")
    sys.stdout.flush()
