"""The nodes of a fleet over SSH: work on all at once, an outcome for each."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final, TypeVar

from phoenixctl.model.errors import CommandTimeout, OutcomeUnknown, PhoenixError, UsageError
from phoenixctl.model.fleet import Node, SshSettings
from phoenixctl.model.names import NodeName
from phoenixctl.model.outcome import Failed, Outcome, Succeeded, Unknown
from phoenixctl.ports.reach import Job, Reach
from phoenixctl.ssh.connect import Connections, close_all
from phoenixctl.ssh.fanout import fan_out
from phoenixctl.ssh.learn import learn, unlearn_others
from phoenixctl.ssh.route import Hop, Routes
from phoenixctl.ssh.session import SshSession
from phoenixctl.ssh.ssh_config import SshConfig
from phoenixctl.ssh.wire import Connection

T = TypeVar("T")
SYSTEM_CONFIG: Final = Path("/etc/ssh/ssh_config")
_SETTLE_SECONDS: Final = 3.0


class SshReach(Reach):
    """Reaches nodes over SSH; connections stay open and are used again until `aclose`.

    `home` and `environ` stand for the operator's home folder and environment (SSH_AUTH_SOCK,
    LOGNAME). Nothing is connected or read before the first `each`, except the SSH configuration:
    ConfigError names its broken line.
    """

    def __init__(
        self,
        nodes: Mapping[NodeName, Node],
        settings: SshSettings,
        *,
        home: Path,
        environ: Mapping[str, str],
        system_config: Path = SYSTEM_CONFIG,
    ) -> None:
        self._nodes = dict(nodes)
        self._settings = settings
        self._config = _read_config(settings, home, system_config)
        self._routes = Routes(settings, self._config, home=home, environ=environ, nodes=self._nodes)
        self._connections = Connections(settings)
        self._open: dict[NodeName, Connection] = {}
        self._former: list[Connection] = []  # of nodes that are reached another way now
        self._opening: dict[NodeName, asyncio.Lock] = {}
        self._endings: set[asyncio.Task[bool]] = set()

    def add(self, node: Node) -> None:
        """A connection that was opened another way is not used for new work; what runs over it
        goes on."""
        before, self._nodes[node.name] = self._nodes.get(node.name), node
        connection = self._open.get(node.name)
        if connection is not None and before != node:
            self._former.append(self._open.pop(node.name))

    def warnings(self) -> tuple[str, ...]:
        """What was read and cannot be followed: lines of ssh_config and of known_hosts."""
        return (*self._config.warnings, *self._connections.problems())

    def route(self, name: NodeName) -> tuple[str, ...]:
        """The hops on the way to a node, bastions first, as `user@host:port`."""
        hop: Hop | None = self._routes.to(self._nodes[name])
        hops: list[str] = []
        while hop is not None:
            hops.insert(0, str(hop))
            hop = hop.via
        return tuple(hops)

    async def each(
        self,
        nodes: Iterable[NodeName],
        job: Job[T],
        *,
        on_outcome: Callable[[NodeName, Outcome[T]], None] | None = None,
        parallel: int | None = None,
    ) -> dict[NodeName, Outcome[T]]:
        self._connections.forget_failures()
        sessions: dict[NodeName, SshSession] = {}

        async def work(name: NodeName) -> Outcome[T]:
            return await self._outcome(name, job, sessions)

        def cut_short(name: NodeName) -> Outcome[T]:
            return self._cut_short(name, sessions.get(name))

        return await fan_out(
            nodes,
            work,
            cut_short=cut_short,
            parallel=parallel or self._settings.parallel,
            deadline_seconds=self._settings.run_timeout_seconds,
            on_outcome=on_outcome,
        )

    def learn(self, name: NodeName, public: str) -> None:
        """Also take this host key for the node's; it is written into its known_hosts file.

        CommandFailed when it cannot be: see `ssh.learn`.
        """
        hop = self._routes.to(self._nodes[name])
        learn(self._connections.trust(hop), public)
        self._connections.trust(hop)

    def unlearn_others(self, name: NodeName, public: str) -> int:
        """Take no other key of its type for the node's; how many lines were taken out."""
        hop = self._routes.to(self._nodes[name])
        gone = unlearn_others(self._connections.trust(hop), public)
        self._connections.trust(hop)
        return gone

    async def aclose(self) -> None:
        """Let commands that were cut short be ended, then close every connection."""
        if self._endings:
            await asyncio.wait(self._endings, timeout=_SETTLE_SECONDS)
        connections = [c for c in (*self._open.values(), *self._former) if not c.is_closed()]
        self._open.clear()
        self._former.clear()
        await close_all(connections)
        await self._connections.aclose()

    async def _outcome(
        self, name: NodeName, job: Job[T], sessions: dict[NodeName, SshSession]
    ) -> Outcome[T]:
        """The job's outcome; whatever it raises is one, save being cancelled."""
        start = time.monotonic()
        try:
            session = sessions[name] = await self._session(name)
            value = await job(session)
        except OutcomeUnknown as error:
            return Unknown(error, time.monotonic() - start)
        except PhoenixError as error:
            return Failed(error, time.monotonic() - start)
        except Exception as error:  # a bug in one job must not lose the other nodes' outcomes
            wrapped = PhoenixError(
                f"{name}: unexpected {type(error).__name__}: {error}",
                hint="this is a defect; please report it with the output of -vvv",
            )
            wrapped.__cause__ = error
            return Failed(wrapped, time.monotonic() - start)
        return Succeeded(value, time.monotonic() - start)

    async def _session(self, name: NodeName) -> SshSession:
        node = self._nodes.get(name)
        if node is None:
            raise UsageError(f"{name}: there is no such node", hint="see phoenixctl nodes ls")
        connection = self._open.get(name)
        if connection is None or connection.is_closed():
            async with self._opening.setdefault(name, asyncio.Lock()):
                connection = self._open.get(name)
                if connection is None or connection.is_closed():
                    node = self._nodes[name]
                    connection = await self._connections.open(self._routes.to(node))
                    if self._nodes[name] == node:
                        self._open[name] = connection
                    else:  # it is reached another way since
                        self._former.append(connection)
        return SshSession(node, connection, self._settings, self._endings)

    def _cut_short(self, name: NodeName, session: SshSession | None) -> Failed | Unknown:
        seconds = self._settings.run_timeout_seconds or 0.0
        if session is not None and session.unproven:
            error = OutcomeUnknown(
                f"{name}: the run's {seconds:g} s were over and the command may still be running",
                hint="look at the node before running it again",
            )
            return Unknown(error, seconds)
        state = "nothing was started" if session is None else "its command was ended on the node"
        return Failed(
            CommandTimeout(
                f"{name}: the run's {seconds:g} s were over; {state}",
                hint="allow the run more time (ssh.run_timeout)",
            ),
            seconds,
        )


def _read_config(settings: SshSettings, home: Path, system_config: Path) -> SshConfig:
    if settings.config_file is None:
        return SshConfig()
    name = settings.config_file
    user_config = home / name[2:] if name.startswith("~/") else Path(name)
    return SshConfig.read([user_config, system_config], home=home)
