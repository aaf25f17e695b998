"""What of the fleet a plan is about, as options of `plan` and `apply`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Final

import typer

from phoenixctl.model.errors import UsageError
from phoenixctl.model.fleet import Guards, Share

if TYPE_CHECKING:
    from phoenixctl.cli.compose import Parts
    from phoenixctl.model.fleet import Fleet
    from phoenixctl.model.names import NodeName
    from phoenixctl.model.plan import Plan
    from phoenixctl.planning.difference import Scope

Target = Annotated[
    list[str] | None,
    typer.Option(
        "--target", metavar="ADDRESS", help="Only this: node.web-1, agent.ingest-*, pool.web."
    ),
]
Exclude = Annotated[
    list[str] | None,
    typer.Option("--exclude", metavar="ADDRESS", help="All but this and what depends on it."),
]
Replace = Annotated[
    list[str] | None,
    typer.Option("--replace", metavar="NODE", help="Make this node anew."),
]
Destroy = Annotated[
    bool, typer.Option("--destroy", help="Plan the end of everything: agents and created nodes.")
]
Reap = Annotated[
    bool,
    typer.Option(
        "--reap", help="Also destroy orphans: instances that this record has made and lost."
    ),
]
AssumeDead = Annotated[
    list[str] | None,
    typer.Option(
        "--assume-dead", metavar="NODE", help="This silent node is dead: nothing runs on it."
    ),
]
Fenced = Annotated[
    list[str] | None,
    typer.Option(
        "--fenced", metavar="NODE", help="This dead machine is surely off: singletons may start."
    ),
]
MaxDestroy = Annotated[
    str | None,
    typer.Option(
        "--max-destroy", metavar="N", help="Lift the guard: so many nodes may go, 3 or 25%."
    ),
]
MaxDisruption = Annotated[
    str | None,
    typer.Option(
        "--max-disruption", metavar="N", help="Lift the guard: so many agents may end, 3 or 25%."
    ),
]

_SHARE: Final = re.compile(r"(\d+)(?:\.(\d+))?(%?)")


@dataclass(frozen=True, slots=True)
class PlanOptions:
    """What `plan` and `apply` are asked to plan."""

    target: Target = None
    exclude: Exclude = None
    replace: Replace = None
    destroy: Destroy = False
    reap: Reap = False
    assume_dead: AssumeDead = None
    fenced: Fenced = None
    max_destroy: MaxDestroy = None
    max_disruption: MaxDisruption = None

    def scope(self, fleet: Fleet, certain: frozenset[NodeName] = frozenset()) -> Scope:
        """UsageError for a node that there is not. `certain`: nodes that were confirmed."""
        from phoenixctl.cli.select import choose_nodes
        from phoenixctl.planning.difference import Scope

        dead, fenced = dead_and_fenced(fleet, self.assume_dead, self.fenced)
        return Scope(
            targets=tuple(self.target or ()),
            excludes=tuple(self.exclude or ()),
            replace=tuple(choose_nodes(fleet, _bare(self.replace))) if self.replace else (),
            destroy=self.destroy,
            reap=self.reap,
            assume_dead=dead,
            fenced=fenced | certain,
        )

    async def planned(self, parts: Parts) -> Plan:
        """The plan that is due now."""
        from phoenixctl.cli.confirm import confirmed_off
        from phoenixctl.cli.planned import planned

        certain = confirmed_off(parts.configured, self.assume_dead, self.fenced)
        guards = guards_of(parts.configured, self.max_destroy, self.max_disruption)
        title = "destroy" if self.destroy else "apply"
        return await planned(parts, partial(self.scope, certain=certain), guards, title=title)


def dead_and_fenced(
    fleet: Fleet, assume_dead: list[str] | None, fenced: list[str] | None
) -> tuple[frozenset[NodeName], frozenset[NodeName]]:
    """The nodes that these options name; what is fenced is dead, too."""
    from phoenixctl.cli.select import choose_nodes

    off = frozenset(choose_nodes(fleet, fenced)) if fenced else frozenset()
    dead = frozenset(choose_nodes(fleet, assume_dead)) if assume_dead else frozenset()
    return dead | off, off


def guards_of(fleet: Fleet, max_destroy: str | None, max_disruption: str | None) -> Guards:
    """The configured guards, with those that this run lifts."""
    guards = fleet.guards
    return Guards(
        max_destroy=_share("--max-destroy", max_destroy) or guards.max_destroy,
        max_disruption=_share("--max-disruption", max_disruption) or guards.max_disruption,
    )


def _bare(addresses: list[str]) -> list[str]:
    return [text.removeprefix("node.") for text in addresses]


def _share(option: str, text: str | None) -> Share | None:
    if text is None:
        return None
    match = _SHARE.fullmatch(text.strip())
    if match is None or (match[2] and not match[3]):
        raise UsageError(f"{option} {text}: not a number or a share", hint="write 3 or 25%")
    if match[3]:
        return Share(ratio=float(text.strip()[:-1]) / 100)
    return Share(count=int(match[1]))
