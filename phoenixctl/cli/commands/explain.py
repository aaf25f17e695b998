"""`phoenixctl explain`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from phoenixctl.cli.command import command, single
from phoenixctl.cli.run import Run
from phoenixctl.model.errors import ExitCode

if TYPE_CHECKING:
    from phoenixctl.model.fleet import Agent, Fleet

app = single()


@command(app, "explain", help="Say why an agent goes where it goes, and why to no other node.")
def explain(
    run: Run,
    *,
    agent: Annotated[
        str, typer.Argument(metavar="AGENT", help="Its id, or a spec: one more agent of it.")
    ],
    why_not: Annotated[
        str | None,
        typer.Option("--why-not", metavar="NODE", help="All there is to say about this node."),
    ] = None,
) -> ExitCode:
    from phoenixctl.cli.placing import seen_in_full
    from phoenixctl.cli.select import choose_node
    from phoenixctl.placement.explain import explain as explained
    from phoenixctl.render.explain import explanation_document, print_explanation, print_why_not
    from phoenixctl.render.output import Output

    fleet, snapshot = run.within(seen_in_full)
    node = choose_node(fleet, why_not) if why_not is not None else None
    found = explained(_agent(fleet, agent), fleet, snapshot)
    wide = run.output is Output.WIDE
    run.emit(
        "explanation",
        lambda: explanation_document(found),
        lambda console: (
            print_explanation(found, console, wide=wide)
            if node is None
            else print_why_not(found, node, console)
        ),
    )
    return ExitCode.OK


def _agent(fleet: Fleet, name: str) -> Agent:
    from phoenixctl.cli.placing import one_more
    from phoenixctl.cli.select import no_such
    from phoenixctl.model.names import AgentId

    if name in fleet.agents:
        return one_more(fleet.agents[name])
    agents = {agent.id: agent for agent in fleet.instances()}
    found = agents.get(AgentId(name))
    if found is None:
        raise no_such("agent", name, [*fleet.agents, *agents], "phoenixctl agents ls")
    return found
