"""Receivers that are told by a program of the operator's machine."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Protocol

from phoenixctl.metrics.alert_words import Message, document
from phoenixctl.model import alerting
from phoenixctl.model.command import Command, Completed
from phoenixctl.model.errors import CommandFailed, CommandTimeout, NotDelivered


class Run(Protocol):
    """As ports.here.Here.run."""

    async def __call__(self, command: Command, *, timeout_seconds: float) -> Completed: ...


@dataclass(frozen=True, slots=True)
class Program:
    """Implements ports.notifier.Notifier: the document is its standard input, 0 is success."""

    way: alerting.Program
    run: Run
    timeout_seconds: float

    async def send(self, message: Message) -> None:
        if not message.says_something:
            return
        name = self.way.command[0]
        content = json.dumps(document(message)).encode() + b"\n"
        try:
            done = await self.run(
                Command(*self.way.command, stdin=content), timeout_seconds=self.timeout_seconds
            )
        except CommandFailed as error:
            raise NotDelivered(str(error)) from None
        except CommandTimeout as error:
            raise NotDelivered(str(error), passing=True) from None
        if done.exit_status != 0:
            ended = f"ended by {done.signal}" if done.signal else f"ended with {done.exit_status}"
            raise NotDelivered(f"{name} {ended}", passing=True)
