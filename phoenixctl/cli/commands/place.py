"""`phoenixctl place`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from phoenixctl.cli.command import command, single
from phoenixctl.cli.commands.explain import Prove
from phoenixctl.cli.run import Run
from phoenixctl.model.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from phoenixctl.model.fleet import Agent, Fleet
    from phoenixctl.model.snapshot import Snapshot

app = single()


@command(app, "place", help="Show where agents would go; each place counts for the next one.")
def place(
    run: Run,
    *,
    specs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="SPEC...", help="One more agent of each; none given: all that do not run."
        ),
    ] = None,
    count: Annotated[
        int, typer.Option("--count", "-k", metavar="N", min=1, help="So many more of each.")
    ] = 1,
    anew: Annotated[
        bool, typer.Option("--anew", help="Place the whole fleet as if nothing ran yet.")
    ] = False,
    on: Annotated[
        str | None, typer.Option("--on", metavar="NODE", help="Check this node: does it fit there?")
    ] = None,
    proof: Prove = False,
) -> ExitCode:
    from phoenixctl.cli.placing import seen_in_full
    from phoenixctl.cli.select import choose_node
    from phoenixctl.placement.exact import check_installed
    from phoenixctl.placement.place import place as placed
    from phoenixctl.placement.place import place_at
    from phoenixctl.placement.prove import prove
    from phoenixctl.render.explain import print_ruling
    from phoenixctl.render.placement import places_document, print_places

    if anew and (specs or on):
        raise UsageError("--anew is about the whole fleet", hint="phoenixctl place --anew")
    if on is not None and not specs:
        raise UsageError("--on needs a SPEC", hint=f"phoenixctl place SPEC --on {on}")
    if proof and on is not None:
        raise UsageError("--prove is about all nodes, --on about one", hint="phoenixctl place SPEC")
    if proof:
        check_installed()
    fleet, snapshot = run.within(seen_in_full)
    agents = _wanted(fleet, snapshot, specs or (), count, anew=anew)
    if on is None:
        found = placed(agents, fleet, snapshot)
    else:
        found = place_at(agents, choose_node(fleet, on), fleet, snapshot)
    ruling = prove(agents, fleet, snapshot) if proof and found.unplaced else None

    def show(console: Console) -> None:
        print_places(found, console)
        if ruling is not None:
            print_ruling(ruling, console)

    run.emit("placement", lambda: places_document(found, ruling), show)
    return ExitCode.SOME_FAILED if found.unplaced else ExitCode.OK


def _wanted(
    fleet: Fleet, snapshot: Snapshot, names: Sequence[str], count: int, *, anew: bool
) -> Sequence[Agent]:
    from phoenixctl.cli.placing import one_more
    from phoenixctl.cli.select import no_such
    from phoenixctl.model.snapshot import AgentState

    if anew:
        return fleet.instances()
    if not names:
        seen = {a.id for a in snapshot.agents() if a.state is not AgentState.STOPPED}
        return [agent for agent in fleet.instances() if agent.id not in seen]
    for name in names:
        if name not in fleet.agents:
            raise no_such("spec", name, fleet.agents, "phoenixctl config show")
    return [one_more(fleet.agents[name], number) for name in names for number in range(count)]
