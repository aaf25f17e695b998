"""`phoenixctl config`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from phoenixctl.cli.command import command, group
from phoenixctl.cli.run import Run

if TYPE_CHECKING:
    from phoenixctl.settings.load import LoadedConfig

app = group("Check and show the configuration.")


@command(app, "check", help="Read the configuration and say all that is wrong with it.")
def check(run: Run) -> None:
    loaded = _load(run)
    fleet = loaded.fleet
    counts = {
        "pools": len(fleet.pools),
        "nodes": len(fleet.nodes) + sum(pool.size or 0 for pool in fleet.pools.values()),
        "agents": len(fleet.instances()),
    }
    words = ", ".join(
        f"{count} {name.removesuffix('s') if count == 1 else name}"
        for name, count in counts.items()
    )
    run.emit(
        "config-check",
        lambda: {"path": str(loaded.path), "fleet": fleet.name, "digest": loaded.digest, **counts},
        lambda console: console.print(
            f"{loaded.path}: fleet {fleet.name} with {words}", soft_wrap=True
        ),
    )


@command(app, "show", help="Show the configuration in effect, defaults included.")
def show(
    run: Run,
    *,
    where: Annotated[
        bool, typer.Option("--origin", help="Say where each value comes from.")
    ] = False,
) -> None:
    from phoenixctl.render.tables import table
    from phoenixctl.settings.show import effective, origins, to_yaml

    loaded = _load(run)
    if where:
        found = origins(loaded)
        rows = [[key, origin.kind, origin.place] for key, origin in found.items()]
        run.emit(
            "config-origins",
            lambda: {"values": {k: {"kind": o.kind, "place": o.place} for k, o in found.items()}},
            lambda console: table(console, ("KEY", "FROM", "PLACE"), rows),
        )
        return
    run.emit(
        "config",
        lambda: {"path": str(loaded.path), "config": effective(loaded)},
        lambda _console: _write(to_yaml(effective(loaded))),
    )


@command(app, "schema", help="Write the JSON Schema of phoenixctl.yaml, for editors.")
def schema(_run: Run) -> None:
    import json

    from phoenixctl.settings.schema import json_schema

    _write(json.dumps(json_schema(), indent=2) + "\n")


def _write(text: str) -> None:
    sys.stdout.write(text)


def _load(run: Run) -> LoadedConfig:
    from phoenixctl.settings.find import find_config
    from phoenixctl.settings.load import load

    path = find_config(run.config, os.environ, Path.cwd())
    return load(path, environ=os.environ, overrides=run.overrides)
