"""A node whose host key came by user-data makes one of its own and is known by that from then on.

User-data can be read back, so whoever can read it could stand in for the node until then. At any
moment both keys are trusted or only one of them can be in use, so a run may be cut off anywhere.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Final

from phoenixctl.model.errors import CommandFailed, HostKeyChanged, Unreachable
from phoenixctl.model.fleet import Node
from phoenixctl.model.state import NodeRecord, Patch
from phoenixctl.ports.reach import Session
from phoenixctl.remote.host_key import (
    finish_command,
    install_command,
    parse_finished,
    parse_installed,
    parse_prepared,
    prepare_command,
)
from phoenixctl.workflows.work import Trail, Work

_LOGINS: Final = 20
_EVERY_SECONDS: Final = 0.5


def with_noted_keys(node: Node, trail: Trail) -> Node:
    """The node as it may be after an earlier attempt: it shows its key or one that was noted."""
    noted = _noted(trail)
    return _trusting(node, *node.host_keys, *noted) if noted else node


async def renew_host_key(work: Work, trail: Trail, record: NodeRecord) -> NodeRecord:
    """The record of the node with its new key. CommandFailed when it cannot have one.

    The node is reached as `with_noted_keys` says.
    """
    node, noted = record.node, _noted(trail)

    async def prepare(session: Session) -> str:
        return parse_prepared(await session.run(prepare_command(noted[-1] if noted else "")))

    public = await work.on(node.name, prepare)
    if public not in noted:
        await trail.note({"host_key": public})
    # Whatever becomes of this step: from here on the node may show either.
    both = replace(record, node=_trusting(node, *node.host_keys, public))
    trail.changed(Patch(nodes={node.name: both}))

    async def install(session: Session) -> None:
        parse_installed(await session.run(install_command(public)))

    async def finish(session: Session) -> None:
        parse_finished(await session.run(finish_command()))

    await work.on(node.name, install)
    renewed = replace(record, node=_trusting(node, public))
    await _log_in(work, renewed.node)
    trail.changed(Patch(nodes={node.name: renewed}))
    await work.on(node.name, finish)
    return renewed


def _noted(trail: Trail) -> list[str]:
    return [note["host_key"] for note in trail.notes if "host_key" in note]


def _trusting(node: Node, *keys: str) -> Node:
    return replace(node, host_keys=tuple(dict.fromkeys(keys)))


async def _log_in(work: Work, node: Node) -> None:
    """Over a connection of its own, by the new key alone; sshd takes a moment to read it."""
    work.know(node)

    async def nothing(_session: Session) -> None:
        pass

    why = ""
    for _ in range(_LOGINS):
        try:
            await work.on(node.name, nothing)
        except (Unreachable, HostKeyChanged) as error:
            why = str(error)
            await asyncio.sleep(_EVERY_SECONDS)
        else:
            return
    raise CommandFailed(
        f"{node.name} was given a new host key and does not show it: {why}",
        hint=f"look at its sshd, then: phoenixctl plan --replace {node.name}",
    )
