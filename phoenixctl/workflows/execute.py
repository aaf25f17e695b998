"""Run one command on many nodes, copy files to and from many nodes, follow logs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from pathlib import Path
from typing import Final

from phoenixctl.model.command import Command, Completed
from phoenixctl.model.errors import PhoenixError
from phoenixctl.model.names import NodeName
from phoenixctl.model.outcome import Outcome
from phoenixctl.ports.reach import Chunk, Reach, Session, Transferred


async def execute(
    nodes: Iterable[NodeName],
    command: Command,
    reach: Reach,
    *,
    timeout_seconds: float | None = None,
    parallel: int | None = None,
    on_outcome: Callable[[NodeName, Outcome[Completed]], None] | None = None,
) -> dict[NodeName, Outcome[Completed]]:
    """The command's outcome on every node; a command that ends with 1 has run and is Succeeded."""

    async def job(session: Session) -> Completed:
        return await session.run(command, timeout_seconds=timeout_seconds)

    return await reach.each(nodes, job, on_outcome=on_outcome, parallel=parallel)


async def copy_to(
    nodes: Iterable[NodeName],
    source: Path,
    target: str,
    reach: Reach,
    *,
    on_outcome: Callable[[NodeName, Outcome[Transferred]], None] | None = None,
) -> dict[NodeName, Outcome[Transferred]]:
    """The same file or folder to every node."""

    async def job(session: Session) -> Transferred:
        return await session.upload(source, target)

    return await reach.each(nodes, job, on_outcome=on_outcome)


async def copy_from(
    targets: Mapping[NodeName, Path],
    source: str,
    reach: Reach,
    *,
    on_outcome: Callable[[NodeName, Outcome[Transferred]], None] | None = None,
) -> dict[NodeName, Outcome[Transferred]]:
    """The same path from every node, each into a place of its own."""

    async def job(session: Session) -> Transferred:
        return await session.download(source, targets[session.node])

    return await reach.each(targets, job, on_outcome=on_outcome)


LONGEST_LINE: Final = 64 * 1024  # bytes; what never breaks its line is given in such pieces

Line = tuple[str, bytes]
"""The source's label and one line of its output, without the line break."""


async def follow(
    sources: Mapping[str, tuple[NodeName, Command]], reach: Reach
) -> AsyncGenerator[Line, None]:
    """The lines of several long-running commands as they come, each with its label.

    A source that ends or fails ends only itself; its failure comes as a last line.
    """
    lines: asyncio.Queue[Line | None] = asyncio.Queue(maxsize=1000)

    async def one(label: str, node: NodeName, command: Command) -> None:
        async def job(session: Session) -> None:
            rest = {"stdout": b"", "stderr": b""}
            async with session.stream(command) as chunks:
                async for chunk in chunks:
                    rest[chunk.stream] = await _split(lines, label, rest, chunk)
            for unended in rest.values():
                if unended:
                    await lines.put((label, unended))

        outcome = (await reach.each((node,), job))[node]
        error: PhoenixError | None = getattr(outcome, "error", None)
        if error is not None:
            await lines.put((label, f"[{error.kind}] {error}".encode()))

    async def all_of_them() -> None:
        ended = await asyncio.gather(
            *(one(label, *source) for label, source in sources.items()), return_exceptions=True
        )
        await lines.put(None)  # also after a defect, or the reader would wait for ever
        for defect in ended:
            if defect is not None:
                raise defect

    task = asyncio.create_task(all_of_them())
    try:
        while (line := await lines.get()) is not None:
            yield line
        await task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _split(
    lines: asyncio.Queue[Line | None], label: str, rest: Mapping[str, bytes], chunk: Chunk
) -> bytes:
    *whole, last = (rest[chunk.stream] + chunk.data).split(b"\n")
    for line in whole:
        await lines.put((label, line))
    if len(last) < LONGEST_LINE:
        return last
    await lines.put((label, last))
    return b""
