"""Let nodes try to reach each other, within a budget."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from phoenixctl.model.fleet import Fleet, Node
from phoenixctl.model.names import NodeName
from phoenixctl.model.outcome import Succeeded
from phoenixctl.performance.partition import Links, probes
from phoenixctl.ports.reach import Reach, Session
from phoenixctl.remote.links import Target, links_command, parse_links

EACH: Final = 8  # probes from each node; they take place at once
MOST: Final = 4000  # probes in all, for each takes a socket of its target's sshd for a moment
WITHIN_SECONDS: Final = 3
_SSH_PORT: Final = 22


async def probe_links(
    fleet: Fleet, reach: Reach, answering: Iterable[NodeName], *, each: int = EACH
) -> Links:
    """Whom the answering nodes reach, of all nodes, at their SSH ports. A node whose answer did not
    come cannot tell.
    """
    sources = tuple(answering)
    fair = max(1, min(each, MOST // max(1, len(fleet.nodes))))
    wanted = {n: targets for n, targets in probes(fleet.nodes, each=fair).items() if n in sources}

    async def job(session: Session) -> dict[NodeName, bool | None]:
        targets = [_target(fleet, name) for name in wanted[session.node]]
        command = links_command(targets, timeout_seconds=WITHIN_SECONDS)
        completed = await session.run(command, timeout_seconds=WITHIN_SECONDS * 2 + 5, sudo=False)
        return dict(parse_links(completed, targets))

    outcomes = await reach.each([n for n, targets in wanted.items() if targets], job)
    return {
        name: outcome.value if isinstance(outcome, Succeeded) else dict.fromkeys(wanted[name], None)
        for name, outcome in outcomes.items()
    }


def _target(fleet: Fleet, name: NodeName) -> Target:
    node: Node = fleet.nodes[name]
    return Target(
        name, node.agent_address or node.address, node.port or fleet.ssh.port or _SSH_PORT
    )
