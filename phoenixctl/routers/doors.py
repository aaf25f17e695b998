"""How a router's runtime socket is reached: on this machine, or on a node."""

from __future__ import annotations

import asyncio
from typing import Final, Protocol

from phoenixctl.model.errors import CommandFailed, OutcomeUnknown, Unreachable
from phoenixctl.model.names import NodeName
from phoenixctl.model.outcome import Succeeded
from phoenixctl.ports.reach import Reach, Session

_LIMIT: Final = 4 * 1024**2  # bytes of an answer: some ten thousand servers


class Door(Protocol):
    """Asks a question and gives all that is said until the other side hangs up.

    Unreachable when nothing was asked, OutcomeUnknown when no whole answer came.
    """

    async def ask(self, question: bytes, *, timeout_seconds: float) -> bytes: ...


class LocalDoor:
    """A socket on the operator's own machine."""

    def __init__(self, path: str) -> None:
        self._path = path

    async def ask(self, question: bytes, *, timeout_seconds: float) -> bytes:
        sent = False
        try:
            async with asyncio.timeout(timeout_seconds):
                reader, writer = await asyncio.open_unix_connection(self._path)
                try:
                    sent = True
                    writer.write(question)
                    return await self._all_of(reader)
                finally:
                    writer.close()
        except TimeoutError:
            raise self._unanswered(f"it did not end within {timeout_seconds:g} s", sent) from None
        except OSError as error:
            raise self._unanswered(error.strerror or str(error), sent) from None

    async def _all_of(self, reader: asyncio.StreamReader) -> bytes:
        answer = bytearray()
        while data := await reader.read(65536):
            answer += data
            if len(answer) > _LIMIT:
                raise CommandFailed(f"{self._path}: the answer is longer than {_LIMIT} bytes")
        return bytes(answer)

    def _unanswered(self, why: str, sent: bool) -> OutcomeUnknown | Unreachable:
        if sent:
            return OutcomeUnknown(f"{self._path}: the answer was not seen: {why}")
        return Unreachable(
            f"{self._path}: nothing answers there ({why})",
            hint="see that the router runs and that you may write to its socket",
        )


class NodeDoor:
    """A socket on a node, through the fleet's connection to it."""

    def __init__(self, reach: Reach, node: NodeName, path: str) -> None:
        self._reach = reach
        self._node = node
        self._path = path

    async def ask(self, question: bytes, *, timeout_seconds: float) -> bytes:
        async def job(session: Session) -> bytes:
            return await session.ask_socket(self._path, question, timeout_seconds=timeout_seconds)

        outcome = (await self._reach.each([self._node], job))[self._node]
        if isinstance(outcome, Succeeded):
            return outcome.value
        raise outcome.error
