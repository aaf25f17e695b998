"""`phoenixctl init`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from phoenixctl.cli.command import command, single
from phoenixctl.cli.run import Run
from phoenixctl.model.errors import PhoenixError, UsageError

app = single()

FILE_NAME = "phoenixctl.yaml"


@command(app, "init", help="Write a first phoenixctl.yaml.")
def init(
    run: Run,
    *,
    nodes: Annotated[
        list[str] | None,
        typer.Argument(metavar="NODE...", help="Hosts: names, addresses or web[01-20]."),
    ] = None,
    fleet: Annotated[str | None, typer.Option("--fleet", metavar="NAME", help="Its name.")] = None,
) -> None:
    from phoenixctl.settings.starter import starter_text

    path = run.config or Path(FILE_NAME)
    name = fleet or re.sub(r"[^a-z0-9]+", "-", path.resolve().parent.name.lower()).strip("-")
    try:
        text = starter_text(name or "fleet", nodes or ())
    except ValueError as error:
        raise UsageError(str(error)) from None
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise PhoenixError(
            f"{path} exists and is left as it is", hint="phoenixctl config check"
        ) from None
    except OSError as error:
        raise PhoenixError(f"cannot write {path}: {error.strerror}") from None
    run.emit(
        "init",
        lambda: {"path": str(path), "fleet": name},
        lambda console: console.print(f"wrote {path}; next: phoenixctl doctor", soft_wrap=True),
    )
