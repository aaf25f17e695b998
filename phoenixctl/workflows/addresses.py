"""Where routers reach agents: in numbers, for they take nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from contextlib import suppress
from ipaddress import ip_address

from phoenixctl.model.errors import CommandFailed
from phoenixctl.model.fleet import Fleet
from phoenixctl.model.names import NodeName
from phoenixctl.model.snapshot import AgentState, Snapshot
from phoenixctl.planning.routing import Spot, Spots


class Addresses:
    """The addresses of a fleet's nodes, each name looked up once."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._numbers: dict[str, str | None] = {}

    async def of(self, name: NodeName) -> str:
        """Where others reach the node's agents. CommandFailed where that is not known."""
        node = self._fleet.nodes.get(name)
        if node is None:
            raise CommandFailed(f"{name} is not in the fleet any more")
        address = node.agent_address or node.address
        if address not in self._numbers:
            self._numbers[address] = await _resolved(address)
        found = self._numbers[address]
        if found is None:
            raise CommandFailed(
                f"{name}: {address} is neither an address in numbers nor a name that resolves"
                " here, so no router can be told where its agents are",
                hint=f"give node {name} an `agent_address`",
            )
        return found

    async def spots(self, snapshot: Snapshot, specs: Collection[str]) -> Spots:
        """Where the agents of these specs are. One that starts, or is not ready just now, or is
        about to be replaced, stays what it is."""
        serve: list[Spot] = []
        unsure: list[Spot] = []
        for seen in snapshot.agents():
            if seen.spec_name not in specs or seen.port is None or seen.role != "active":
                continue
            kind = None
            if seen.state is AgentState.RUNNING and seen.ready is not False and not seen.held:
                kind = serve
            elif seen.state in (AgentState.RUNNING, AgentState.STARTING, AgentState.UNKNOWN):
                kind = unsure
            if kind is not None:
                address = await self.of(seen.node)
                kind.append(Spot(seen.id, seen.epoch, address, seen.port))
        dark = set()
        for node in snapshot.unobserved():
            with suppress(CommandFailed):
                dark.add(await self.of(node.name))
        return Spots(tuple(serve), tuple(unsure), frozenset(dark))


async def _resolved(address: str) -> str | None:
    """The address in numbers, always the same one of several; IPv4 before IPv6."""
    with suppress(ValueError):
        return str(ip_address(address))
    try:
        found = await asyncio.get_running_loop().getaddrinfo(address, None)
    except (OSError, UnicodeError):
        return None
    numbers = {ip_address(str(entry[4][0]).partition("%")[0]) for entry in found}
    return str(min(numbers, key=lambda one: (one.version, int(one)))) if numbers else None
