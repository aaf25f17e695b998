"""Nodes come: they are made by their provider, and join when they are ready for agents."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import Final

from phoenixctl.model.bootstrap import Bootstrap
from phoenixctl.model.errors import CommandFailed, ConfigError, Unreachable
from phoenixctl.model.fleet import Pool
from phoenixctl.model.plan import Step
from phoenixctl.model.state import NodeRecord, Patch
from phoenixctl.planning.known import STATIC
from phoenixctl.ports.provider import NodeRequest, Provider
from phoenixctl.ports.reach import Session
from phoenixctl.remote.bootstrap import bootstrap_digest
from phoenixctl.remote.joined import mark_command, parse_mark
from phoenixctl.remote.spot_watch import needs_spot_watch, parse_spot_watch, spot_watch_command
from phoenixctl.workflows.bootstrap import contents, prepare
from phoenixctl.workflows.renew import renew_host_key, with_noted_keys
from phoenixctl.workflows.work import Trail, Work

_KNOCK_EVERY_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Provision:
    """Does the steps that bring nodes into the fleet."""

    work: Work

    async def create(self, trail: Trail) -> str:
        """Have the node made by its provider; asked again, it gives the one it has made."""
        step, work = trail.step, self.work
        pool, provider = pool_of(work, step), provider_of(work, step)
        operation = f"{trail.operation} {step.key}"
        known = work.state.nodes.get(step.node)
        recovering = trail.operation != work.operation.id
        if recovering and known is not None and known.operation != operation:
            raise CommandFailed(f"{step.node} was made by a later run", hint="phoenixctl plan")
        request = NodeRequest(pool, step.node, work.state.lineage, operation, trail.notes)
        made = await provider.create(request, note=trail.note)
        record = NodeRecord(
            made.node,
            pool.provider,
            made.id,
            zone=made.zone,
            kind=made.kind,
            market=made.market,
            protected=made.protected,
            joined=known.joined if known else "",
            operation=operation,
        )
        trail.changed(Patch(nodes={step.node: record}))
        work.know(made.node)
        if pool.protected and not record.protected:
            await provider.protect(pool, made, on=True)
            trail.changed(Patch(nodes={step.node: replace(record, protected=True)}))
        what = " ".join(word for word in (made.id, made.kind, made.market, made.zone) if word)
        return f"created {what}"

    async def join(self, trail: Trail) -> str:
        """Wait until the node answers, give it what its pool says, prove that it takes agents."""
        step, work = trail.step, self.work
        pool, record = pool_of(work, step), self._record(step)
        bootstrap = pool.bootstrap or Bootstrap()
        new = not record.joined
        work.know(with_noted_keys(record.node, trail))
        # A host that exists is up, or it is not; one that was made just now is on its way.
        await self._knock(step, bootstrap.within_seconds if new and _made(record) else 0.0)
        said = []
        if new and _made(record) and record.node.host_keys:
            record = await renew_host_key(work, trail, record)
            said.append("has a host key of its own")
        files = contents(pool.bootstrap, work.means.read)
        digest, fleet = bootstrap_digest(pool.bootstrap, files), work.fleet.name

        async def make_ready(session: Session) -> str:
            did = ""
            if pool.bootstrap is not None:
                did = await prepare(session, pool.bootstrap, files, work.means.clock)
            if needs_spot_watch(record.market):
                parse_spot_watch(await session.run(spot_watch_command(record.node, fleet)))
            mark = mark_command(record.node, fleet, digest)
            parse_mark(await session.run(mark))
            return did

        said.append(await work.on(step.node, make_ready))
        trail.changed(Patch(nodes={step.node: replace(record, joined=digest)}))
        return ", ".join(("joined", *filter(None, said)))

    async def _knock(self, step: Step, within_seconds: float) -> None:
        """See that it can be logged in to. Only silence is waited out: a key that is not trusted
        or does not let us in is not tried again."""
        clock = self.work.means.clock
        deadline = clock.monotonic() + within_seconds

        async def nothing(_session: Session) -> None:
            pass

        while True:
            try:
                await self.work.on(step.node, nothing)
            except Unreachable:
                if clock.monotonic() >= deadline:
                    raise
                await asyncio.sleep(_KNOCK_EVERY_SECONDS)
            else:
                return

    def _record(self, step: Step) -> NodeRecord:
        """The node as recorded, reached as is known now; a host that exists may be new to us."""
        record = self.work.state.nodes.get(step.node)
        node = self.work.fleet.nodes.get(step.node)
        if record is not None:
            return record if node is None else replace(record, node=node)
        if node is None or pool_of(self.work, step).provider != STATIC:
            raise CommandFailed(
                f"{step.node} is not recorded", hint="phoenixctl refresh --adopt, then plan again"
            )
        return NodeRecord(node, STATIC, node.name)


def pool_of(work: Work, step: Step) -> Pool:
    """The pool that a step about a node names; ConfigError when it left the configuration."""
    pool = work.means.fleet.pools.get(step.pool)
    if pool is None:
        raise ConfigError(
            f"{step.node}: its pool {step.pool!r} is not in the configuration any more",
            hint="put it back until its nodes are gone",
        )
    return pool


def provider_of(work: Work, step: Step) -> Provider:
    """Who makes and removes the nodes of that pool."""
    provider = work.means.providers.get(pool_of(work, step).name)
    if provider is None:
        raise ConfigError(f"{step.node}: nobody provides the nodes of pool {step.pool!r}")
    return provider


def _made(record: NodeRecord) -> bool:
    return record.provider != STATIC
