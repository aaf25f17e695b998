"""The options that every change has."""

from __future__ import annotations

from typing import Annotated

import typer

DryRun = Annotated[bool, typer.Option("--dry-run", help="Show the plan and change nothing.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
LockWait = Annotated[
    str | None,
    typer.Option("--lock-wait", metavar="TIME", help="Wait so long for another run: 30s, 5m."),
]
