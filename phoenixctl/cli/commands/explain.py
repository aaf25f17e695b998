"""`phoenixctl explain`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from phoenixctl.cli.command import command, single
from phoenixctl.cli.run import Run
from phoenixctl.model.errors import ExitCode

if TYPE_CHECKING:
    from rich.console import Console

    from phoenixctl.model.fleet import Agent, Fleet

app = single()

Prove = Annotated[
    bool,
    typer.Option(
        "--prove", help="If there is no place: is there none at all? Needs phoenixctl[opt]."
    ),
]


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
    proof: Prove = False,
) -> ExitCode:
    from phoenixctl.cli.placing import seen_in_full
    from phoenixctl.cli.select import choose_node
    from phoenixctl.placement.exact import check_installed
    from phoenixctl.placement.explain import explain as explained
    from phoenixctl.placement.prove import prove
    from phoenixctl.render.explain import (
        explanation_document,
        print_explanation,
        print_ruling,
        print_why_not,
    )
    from phoenixctl.render.output import Output

    if proof:
        check_installed()
    fleet, snapshot = run.within(seen_in_full)
    node = choose_node(fleet, why_not) if why_not is not None else None
    one = _agent(fleet, agent)
    found = explained(one, fleet, snapshot)
    ruling = prove([one], fleet, snapshot) if proof and not found.open else None

    def show(console: Console) -> None:
        if node is None:
            print_explanation(found, console, wide=run.output is Output.WIDE)
        else:
            print_why_not(found, node, console)
        if ruling is not None:
            print_ruling(ruling, console)

    run.emit("explanation", lambda: explanation_document(found, ruling), show)
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
