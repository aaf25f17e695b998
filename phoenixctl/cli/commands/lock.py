"""`phoenixctl lock`."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from phoenixctl.cli.command import command, group
from phoenixctl.cli.run import Run

if TYPE_CHECKING:
    from phoenixctl.ports.records import Holder

app = group("Show who is changing the fleet; free a lock that was left behind.", default=True)


@command(app, "ls", help="Show who holds the fleet's lock.")
def ls(run: Run) -> None:
    holder = asyncio.run(run.parts.records.holder())
    run.emit(
        "lock",
        lambda: {"fleet": run.parts.fleet.name, "holder": _document(holder)},
        lambda console: console.print(_words(holder), soft_wrap=True),
    )


@command(app, "break", help="Free the lock of a run that is gone; one that lives keeps it.")
def break_lock(run: Run) -> None:
    broken = asyncio.run(run.parts.records.break_lock())
    run.emit(
        "lock",
        lambda: {"fleet": run.parts.fleet.name, "broken": _document(broken)},
        lambda console: console.print(
            f"freed: {_words(broken)}" if broken else "nobody holds it", soft_wrap=True
        ),
    )


def _words(holder: Holder | None) -> str:
    from phoenixctl.render.neutral import one_line

    if holder is None:
        return "nobody holds it"
    gone = "" if holder.live else "; it is gone"
    return one_line(
        f"{holder.by} on {holder.host} (pid {holder.pid}) runs `{holder.operation}`"
        f" since {holder.since}, last sign of life {holder.renewed}{gone}"
    )


def _document(holder: Holder | None) -> dict[str, Any] | None:
    if holder is None:
        return None
    return {
        "by": holder.by,
        "host": holder.host,
        "pid": holder.pid,
        "operation": holder.operation,
        "since": holder.since,
        "renewed": holder.renewed,
        "live": holder.live,
    }
