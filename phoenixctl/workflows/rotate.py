"""A node gets a new host key, and nobody is locked out on the way.

The new key is known here before sshd is told of it, and the old one until the new one has proved
itself over a connection of its own. A run may be cut off anywhere: both keys are trusted until all
is over, and what was begun is gone on with.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Final

from phoenixctl.model.errors import CommandFailed, HostKeyError, Unreachable
from phoenixctl.model.fleet import Node
from phoenixctl.ports.here import Here
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


async def rotate_host_key(work: Work, here: Here, trail: Trail) -> str:
    """Do the step for the node of the trail. CommandFailed when it cannot have another one; what is
    trusted then is trusted still."""
    node = work.fleet.nodes[trail.step.node]
    if node.host_keys:
        raise CommandFailed(
            f"the host key of {node.name} is in the record, not in a known_hosts file",
            hint=f"its provider gives it another one: phoenixctl apply --replace {node.name}",
        )
    noted = [note["host_key"] for note in trail.notes if "host_key" in note]

    async def prepare(session: Session) -> str:
        return parse_prepared(await session.run(prepare_command(noted[-1] if noted else "")))

    async def install(session: Session) -> None:
        parse_installed(await session.run(install_command(public)))

    async def finish(session: Session) -> None:
        parse_finished(await session.run(finish_command()))

    public = await work.on(node.name, prepare)
    if public not in noted:
        await trail.note({"host_key": public})
    await here.trust(node.name, public)
    await work.on(node.name, install)
    await _proved(work, node, public)
    await work.on(node.name, finish)
    gone = await here.distrust_others(node.name, public)
    return f"shows {public.split()[1][-12:]} now; {gone} of the former are not trusted any more"


async def _proved(work: Work, node: Node, public: str) -> None:
    """Log in over a connection of its own that takes the new key alone; sshd needs a moment."""

    async def nothing(_session: Session) -> None:
        pass

    work.know(replace(node, host_keys=(public,)))
    why = ""
    try:
        for _ in range(_LOGINS):
            try:
                await work.on(node.name, nothing)
            except (Unreachable, HostKeyError) as error:
                why = str(error)
                await asyncio.sleep(_EVERY_SECONDS)
            else:
                return
    finally:
        work.know(node)  # from now on by the file again, which has both
    raise CommandFailed(
        f"{node.name} was given a new host key and does not show it: {why}",
        hint="both keys are trusted here; look at its sshd, then run the playbook again",
    )
