"""Somebody types the name of what is about to be given up."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer

from phoenixctl.model.names import NodeName

if TYPE_CHECKING:
    from phoenixctl.model.fleet import Fleet


def confirmed_off(
    fleet: Fleet, assume_dead: Sequence[str] | None, fenced: Sequence[str] | None
) -> frozenset[NodeName]:
    """Of the nodes that are taken for dead, those whose names are typed: these machines are surely
    off, so that singletons of theirs may start elsewhere.

    Nobody is asked without a terminal, or in a fleet without singletons: `--fenced` says the same.
    """
    singletons = [spec.name for spec in fleet.agents.values() if spec.singleton]
    if not singletons or not sys.stdin.isatty():
        return frozenset()
    certain = set()
    for name in assume_dead or ():
        if name in (fenced or ()):
            continue
        typed = typer.prompt(
            f"{', '.join(singletons)}: never active twice. If the machine of {name} is surely off,"
            " type its name; else press enter",
            default="",
            show_default=False,
            err=True,
        )
        if typed.strip() == name:
            certain.add(NodeName(name))
    return frozenset(certain)
