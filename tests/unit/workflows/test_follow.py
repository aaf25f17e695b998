"""Lines of several commands as they come; nothing a node prints makes the reader grow or hang."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from phoenixctl.model.command import Command
from phoenixctl.model.errors import PhoenixError, Unreachable
from phoenixctl.model.names import NodeName
from phoenixctl.ports.reach import Chunk
from phoenixctl.workflows.execute import LONGEST_LINE, follow
from tests.unit.workflows.fakes import FakeReach, FakeSession

A, B = NodeName("a"), NodeName("b")
TAIL = Command("tail")


@dataclass
class Speaking(FakeSession):
    """A node whose command prints these pieces, an error among them ends it."""

    pieces: Sequence[Chunk | Exception] = ()

    def stream(self, command: Command, *, sudo: bool | None = None) -> Any:
        return self._stream()

    @asynccontextmanager
    async def _stream(self) -> AsyncIterator[AsyncIterator[Chunk]]:
        async def chunks() -> AsyncIterator[Chunk]:
            for piece in self.pieces:
                if isinstance(piece, Exception):
                    raise piece
                yield piece

        yield chunks()


def out(data: bytes) -> Chunk:
    return Chunk("stdout", data)


def err(data: bytes) -> Chunk:
    return Chunk("stderr", data)


def speaking(name: NodeName, *pieces: Chunk | Exception) -> Speaking:
    return Speaking(name, pieces=pieces)


async def lines(**nodes: FakeSession | PhoenixError) -> list[tuple[str, bytes]]:
    sources = {name.upper(): (NodeName(name), TAIL) for name in nodes}
    return [line async for line in follow(sources, FakeReach(nodes))]


async def test_lines_are_put_together_per_stream_and_the_unended_last_one_is_given() -> None:
    said = await lines(a=speaking(A, out(b"on"), err(b"oh"), out(b"e\ntwo"), err(b"!\n")))
    assert said == [("A", b"one"), ("A", b"oh!"), ("A", b"two")]


async def test_a_source_that_fails_ends_only_itself() -> None:
    said = await lines(a=Unreachable("a is silent"), b=speaking(B, out(b"one\n")))
    assert sorted(said) == [("A", b"[unreachable] a is silent"), ("B", b"one")]


async def test_a_line_that_never_ends_is_given_in_pieces() -> None:
    piece = out(b"x" * 40_000)
    said = await lines(a=speaking(A, *[piece] * 10, out(b"\nlast")))
    assert max(len(line) for _, line in said) < LONGEST_LINE + 40_000
    assert b"".join(line for _, line in said) == b"x" * 400_000 + b"last"


async def test_a_defect_in_one_source_is_raised_and_nobody_waits_for_ever() -> None:
    with pytest.raises(ZeroDivisionError):
        await lines(a=speaking(A, ZeroDivisionError()), b=speaking(B, out(b"one\n")))
