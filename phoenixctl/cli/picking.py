"""Picks between calls, and who takes part in balancing: kept on the operator's side.

Without numpy, pydantic and SSH: a script asks for every request.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from random import SystemRandom
from typing import TYPE_CHECKING, Any

from phoenixctl.balancing.pool import Pool
from phoenixctl.balancing.strategies.every import started
from phoenixctl.cli.configuration import configuration, state_folder
from phoenixctl.model.balancing import (
    BalanceMemory,
    BalancingSettings,
    KeptBackend,
    PeerStatus,
    StrategyName,
)
from phoenixctl.model.errors import UsageError
from phoenixctl.model.names import AgentId
from phoenixctl.model.units import format_duration
from phoenixctl.store.balance import BalanceFile
from phoenixctl.store.picks import Picks, PicksFile

if TYPE_CHECKING:
    from phoenixctl.cli.compose import Parts
    from phoenixctl.cli.run import Run


_STALE_ROUNDS = 4  # without a new one, what is known of members is old


@dataclass(frozen=True, slots=True)
class Picked:
    backend: str
    name: str
    agent: AgentId
    node: str
    address: str
    port: int
    strategy: StrategyName
    open: int

    @property
    def place(self) -> str:
        host = f"[{self.address}]" if ":" in self.address else self.address
        return f"{host}:{self.port}"

    def document(self) -> Mapping[str, Any]:
        return {
            "backend": self.backend,
            "name": self.name,
            "agent": self.agent,
            "node": self.node,
            "address": self.address,
            "port": self.port,
            "strategy": self.strategy.value,
            "open": self.open,
        }


def picked(
    run: Run,
    backend: str,
    strategy: StrategyName | None,
    hold_seconds: float,
    *,
    dry_run: bool,
) -> Picked:
    """Pick by what the last round has seen and by what is open from earlier picks."""
    _, fleet = configuration(run.config, run.overrides)
    state = state_folder(fleet.name)
    memory = BalanceFile(state).read()
    settings = fleet.balancing or BalancingSettings()
    wanted = strategy or memory.strategy or settings.strategy
    of, kept = _backend(memory, backend)
    now = time.time()
    age = now - kept.at_seconds
    if age > _STALE_ROUNDS * settings.interval_seconds:
        run.note(f"the last round of weights was {format_duration(age)} ago: balance auto --once")
    with PicksFile(state).changing(keep=not dry_run) as picks:
        pool = _pool(kept, memory, settings, picks, of=of, now=now)
        peer = started(pool, wanted, SystemRandom(), now)
        picks.add(of, peer.name, until=now + hold_seconds, now=now)
        picks.turns[of] = {p.name: p.turn for p in pool.peers.values()}
    member = kept.members[peer.name]
    return Picked(
        of, peer.name, member.agent, member.node, member.address, member.port, wanted,
        peer.connections,
    )  # fmt: skip


def over(run: Run, backend: str, name: str, *, dry_run: bool) -> None:
    """One request of a member is over; UsageError when none was open."""
    _, fleet = configuration(run.config, run.overrides)
    state = state_folder(fleet.name)
    of, _ = _backend(BalanceFile(state).read(), backend)
    with PicksFile(state).changing(keep=not dry_run) as picks:
        if not picks.end(of, name, now=time.time()):
            raise UsageError(f"no request of {name} is open in {of}")


def _backend(memory: BalanceMemory, name: str) -> tuple[str, KeptBackend]:
    """By its own name, or by the spec of its agents where one alone has them."""
    if name in memory.backends:
        return name, memory.backends[name]
    of_spec = [
        (of, kept)
        for of, kept in memory.backends.items()
        if any(m.agent.rpartition("-")[0] == name for m in kept.members.values())
    ]
    if len(of_spec) == 1:
        return of_spec[0]
    if of_spec:
        names = ", ".join(of for of, _ in of_spec)
        raise UsageError(f"agents of {name} are behind several backends", hint=f"one of: {names}")
    known = ", ".join(memory.backends) or "none yet"
    raise UsageError(
        f"no round of weights has seen a backend {name}; known: {known}",
        hint="phoenixctl balance auto --once",
    )


def _pool(
    kept: KeptBackend,
    memory: BalanceMemory,
    settings: BalancingSettings,
    picks: Picks,
    *,
    of: str,
    now: float,
) -> Pool:
    pool = Pool(settings)
    turns = picks.turns.get(of, {})
    for name, member in kept.members.items():
        if member.agent in memory.out:
            continue
        peer = pool.add(name, weight=member.weight, since=member.since)
        peer.status = PeerStatus.HEALTHY if member.healthy else PeerStatus.UNHEALTHY
        peer.connections = picks.open(of, name, now=now)
        peer.last_use = picks.last_use(of, name)
        peer.turn = turns.get(name, 0.0)
    return pool


def changed(
    run: Run,
    title: str,
    change: Callable[[BalanceMemory], BalanceMemory],
    lock_wait: str | None,
    *,
    dry_run: bool,
) -> None:
    """Change what is set by command, under the fleet's lock and with a line in its history."""
    from phoenixctl.cli.durations import seconds_of
    from phoenixctl.model.plan import Plan

    file = BalanceFile(run.parts.state)
    before = file.read()
    after = change(before)
    if after == before:
        run.note("that is so already")
        return
    if dry_run:
        run.note(f"would be done: {title}; weights change with the next round")
        return
    wait = seconds_of("--lock-wait", lock_wait) or 0.0

    async def work(parts: Parts) -> None:
        async with parts.records.changing(title, wait_seconds=wait) as operation:
            await operation.open(Plan(title, ()))
            file.change(change)

    run.within(work)
    run.note("weights change with the next round: phoenixctl balance apply")


def choose(run: Run, strategy: StrategyName, lock_wait: str | None, *, dry_run: bool) -> None:
    """Say what weights are made of, before what the configuration says."""
    changed(
        run,
        f"balance set-strategy {strategy.value}",
        lambda memory: replace(memory, strategy=strategy),
        lock_wait,
        dry_run=dry_run,
    )


def put(run: Run, agent: str, lock_wait: str | None, *, inside: bool, dry_run: bool) -> None:
    """Take an agent out of balancing, or let it in again."""
    known = {
        member.agent
        for kept in BalanceFile(run.parts.state).read().backends.values()
        for member in kept.members.values()
    } | {one.id for one in run.parts.configured.instances()}
    if agent not in known:
        from phoenixctl.cli.select import no_such

        raise no_such("agent", agent, sorted(known), "phoenixctl balance status")
    name = AgentId(agent)

    def change(memory: BalanceMemory) -> BalanceMemory:
        left = tuple(one for one in memory.out if one != name)
        return replace(memory, out=left if inside else (*left, name))

    word = "add" if inside else "remove"
    changed(run, f"balance {word} {agent}", change, lock_wait, dry_run=dry_run)
