"""Who holds a lock, as it is written beside it and as others are told."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from phoenixctl.model.errors import Locked
from phoenixctl.ports.clock import Clock
from phoenixctl.ports.records import Holder
from phoenixctl.store.backing import OnWait
from phoenixctl.store.who import operator

SOMEBODY: Final = Holder("somebody", "", 0, "", "", "", live=True)
"""Holds the lock and has not said yet who it is."""


def this_process(title: str, clock: Clock) -> Holder:
    now = clock.utc()
    return Holder(operator(), socket.gethostname(), os.getpid(), title, now, now, live=True)


def holder_content(holder: Holder) -> dict[str, Any]:
    return {
        "by": holder.by,
        "host": holder.host,
        "pid": holder.pid,
        "operation": holder.operation,
        "since": holder.since,
        "renewed": holder.renewed,
    }


def read_holder(content: Mapping[str, Any], *, live: bool) -> Holder:
    """ValueError, KeyError or TypeError when it names nobody."""
    return Holder(
        by=str(content["by"]),
        host=str(content["host"]),
        pid=int(content["pid"]),
        operation=str(content["operation"]),
        since=str(content["since"]),
        renewed=str(content["renewed"]),
        live=live,
    )


def parse_holder(raw: bytes, *, live: bool) -> Holder | None:
    try:
        return read_holder(json.loads(raw), live=live)
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def locked_by(holder: Holder, *, hint: str) -> Locked:
    if holder == SOMEBODY:
        return Locked("the fleet is locked: another phoenixctl is changing it", hint=hint)
    return Locked(
        f"the fleet is locked: {holder.by} (pid {holder.pid} on {holder.host}) runs "
        f"`{holder.operation}` since {holder.since}, last sign of life {holder.renewed}",
        hint=hint,
    )


class Waiting:
    """Tells once of each holder that is waited for."""

    def __init__(self, on_wait: OnWait | None) -> None:
        self._on_wait = on_wait
        self._told: Holder | None = None

    def on(self, holder: Holder) -> None:
        lasting = replace(holder, renewed="")
        if self._on_wait is not None and holder != SOMEBODY and lasting != self._told:
            self._on_wait(holder)
            self._told = lasting
