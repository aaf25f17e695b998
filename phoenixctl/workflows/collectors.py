"""Ask collectors on their nodes; one that fails is reported and costs only itself."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from phoenixctl.model.command import Command
from phoenixctl.model.errors import CommandFailed, PhoenixError
from phoenixctl.model.fleet import Fleet, SecretRef
from phoenixctl.model.measuring import Asked, Collector, CollectorKind, Sample
from phoenixctl.model.names import NodeName
from phoenixctl.model.outcome import Succeeded
from phoenixctl.model.snapshot import AgentState, Snapshot
from phoenixctl.ports.reach import HttpRequest, Reach, Session
from phoenixctl.remote import consensus, haproxy_stats, postgresql, rabbitmq, redis
from phoenixctl.remote.page import parse_page
from phoenixctl.remote.statsd import parse_statsd

MOST_SAMPLES: Final = 5000  # of one collector on one node
_AT_ONCE: Final = 4  # collectors of one node, each of which takes a channel or two

Secret = Callable[[SecretRef], str]
Running = Mapping[NodeName, Collection[str]]  # the specs of the agents that run on each node
NOTHING_RUNS: Final[Running] = MappingProxyType({})


async def ask_collectors(
    fleet: Fleet,
    reach: Reach,
    secret: Secret,
    nodes: Iterable[NodeName],
    running: Running = NOTHING_RUNS,
) -> tuple[Asked, ...]:
    """All collectors of these nodes, over the connections that are open."""
    wanted = _wanted(fleet, nodes, running)
    passwords = _passwords({c for several in wanted.values() for c in several}, secret)

    async def job(session: Session) -> tuple[Asked, ...]:
        turns = asyncio.Semaphore(_AT_ONCE)

        async def one(collector: Collector) -> Asked:
            async with turns:
                return await _ask(session, collector, passwords[collector.name])

        return tuple(await asyncio.gather(*(one(c) for c in wanted[session.node])))

    outcomes = await reach.each(wanted, job)
    found: list[Asked] = []
    for node, outcome in outcomes.items():
        if isinstance(outcome, Succeeded):
            found += outcome.value
        else:
            found += (Asked(c, node, error=outcome.error) for c in wanted[node])
    return tuple(found)


def running_on(snapshot: Snapshot) -> Running:
    """Which specs have an agent that runs, on each node that answered."""
    return {
        node.name: frozenset(a.spec_name for a in node.agents if a.state is AgentState.RUNNING)
        for node in snapshot.observed()
    }


def _wanted(
    fleet: Fleet, nodes: Iterable[NodeName], running: Running
) -> dict[NodeName, tuple[Collector, ...]]:
    collectors = fleet.metrics.collectors if fleet.metrics is not None else ()
    chosen = {
        node: tuple(
            c for c in collectors if c.asks(node, fleet.nodes[node].pool, running.get(node, ()))
        )
        for node in nodes
    }
    return {node: several for node, several in chosen.items() if several}


def _passwords(
    collectors: Iterable[Collector], secret: Secret
) -> Mapping[str, str | PhoenixError | None]:
    """A secret that cannot be had costs only the collector that needs it."""
    found: dict[str, str | PhoenixError | None] = {}
    for collector in collectors:
        try:
            ref = collector.password
            found[collector.name] = None if ref is None else secret(ref)
        except PhoenixError as error:
            found[collector.name] = error
    return found


async def _ask(
    session: Session, collector: Collector, password: str | PhoenixError | None
) -> Asked:
    try:
        if isinstance(password, PhoenixError):
            raise password
        samples = await _ASKING[collector.kind](session, collector, password)
    except PhoenixError as failure:
        return Asked(collector, session.node, error=failure)
    wanted = tuple(sample for sample in samples if collector.keeps(sample.name))
    if len(wanted) > MOST_SAMPLES:
        error = CommandFailed(
            f"{collector.name} has more than {MOST_SAMPLES} values on {session.node}; "
            "the first ones were kept",
            hint="choose some of its metrics: metrics: [http_*]",
        )
        return Asked(collector, session.node, wanted[:MOST_SAMPLES], error)
    return Asked(collector, session.node, wanted)


async def _prometheus(session: Session, it: Collector, _password: str | None) -> Sequence[Sample]:
    body = await _page(session, it, it.port or 0, it.path or "/metrics")
    found = parse_page(body, it.metrics, most=MOST_SAMPLES)
    if not found:
        raise CommandFailed(f"{it.name} found no metrics of these names on its page")
    return found


async def _statsd(session: Session, it: Collector, _password: str | None) -> Sequence[Sample]:
    samples, refused = parse_statsd(await _output(session, it, Command(*it.command)))
    if refused and not samples:
        raise CommandFailed(f"{it.name} printed no line as statsd takes them, as jobs.done:1|c")
    return samples


async def _haproxy(session: Session, it: Collector, _password: str | None) -> Sequence[Sample]:
    path = it.path or ""
    answer = await session.ask_socket(
        path, haproxy_stats.QUESTION, timeout_seconds=it.timeout_seconds
    )
    return haproxy_stats.parse_statistics(answer, path)


async def _redis(session: Session, it: Collector, password: str | None) -> Sequence[Sample]:
    answer = await session.ask_port(
        it.port or redis.PORT, redis.question(password), timeout_seconds=it.timeout_seconds
    )
    return redis.parse_info(answer)


async def _postgresql(session: Session, it: Collector, _password: str | None) -> Sequence[Sample]:
    return postgresql.parse_rows(await _output(session, it, postgresql.asking(it.command, it.port)))


async def _rabbitmq(session: Session, it: Collector, _password: str | None) -> Sequence[Sample]:
    return rabbitmq.parse_queues(await _output(session, it, rabbitmq.asking(it.command)))


async def _etcd(session: Session, it: Collector, _password: str | None) -> Sequence[Sample]:
    port = it.port or consensus.ETCD_PORT
    health, metrics = consensus.ETCD_PAGES
    # A server that is not healthy says so with status 503.
    said = await _page(session, it, port, health, also=503)
    return consensus.parse_etcd(said, await _page(session, it, port, metrics))


async def _consul(session: Session, it: Collector, _password: str | None) -> Sequence[Sample]:
    port = it.port or consensus.CONSUL_PORT
    leader, peers = consensus.CONSUL_PAGES
    return consensus.parse_consul(
        await _page(session, it, port, leader), await _page(session, it, port, peers)
    )


_ASKING: Final[
    Mapping[
        CollectorKind,
        Callable[[Session, Collector, str | None], Awaitable[Sequence[Sample]]],
    ]
] = {
    CollectorKind.PROMETHEUS: _prometheus,
    CollectorKind.STATSD: _statsd,
    CollectorKind.HAPROXY: _haproxy,
    CollectorKind.REDIS: _redis,
    CollectorKind.POSTGRESQL: _postgresql,
    CollectorKind.RABBITMQ: _rabbitmq,
    CollectorKind.ETCD: _etcd,
    CollectorKind.CONSUL: _consul,
}


async def _page(
    session: Session, it: Collector, port: int, path: str, *, also: int | None = None
) -> bytes:
    response = await session.http(HttpRequest(port, path, timeout_seconds=it.timeout_seconds))
    if not response.ok and response.status != also:
        raise CommandFailed(f"{path} at port {port} answered with status {response.status}")
    return response.body


async def _output(session: Session, it: Collector, command: Command) -> bytes:
    completed = await session.run(command, timeout_seconds=it.timeout_seconds)
    if not completed.ok:
        words = completed.stderr.decode("utf-8", "replace").strip().splitlines()
        said = words[-1] if words else f"it ended with {completed.exit_status}"
        raise CommandFailed(f"{command.argv[0]} failed: {said}")
    return completed.stdout
