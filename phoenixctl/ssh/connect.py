"""Connections to hops: opened within a deadline, refused starts retried, bastions shared."""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from asyncssh import (
    ChannelOpenError,
    ConnectionLost,
    DisconnectError,
    KeyExchangeFailed,
    PermissionDenied,
    SSHClientConnectionOptions,
    SSHTCPSession,
)

from phoenixctl.model.errors import AuthenticationFailed, PhoenixError, Unreachable
from phoenixctl.model.fleet import SshSettings
from phoenixctl.ssh.identity import Keys, load_keys
from phoenixctl.ssh.known_hosts import KnownHosts
from phoenixctl.ssh.route import Hop, Login
from phoenixctl.ssh.trust import Trust
from phoenixctl.ssh.wire import Connection, connection_to, shared_options

# sshd's MaxStartups drops starts at random: many short waits beat a few long ones.
_ATTEMPTS: Final = 12
_FIRST_WAIT_SECONDS: Final = 0.1
_LONGEST_WAIT_SECONDS: Final = 2.0
_JITTER: Final = random.SystemRandom()


_Sources = tuple[tuple[Path, ...], tuple[str, ...], Path | None]
"""Where trusted and revoked host keys come from: known_hosts files or keys themselves."""


class _RefusedStart(Exception):
    """The server took the connection and closed it before it said that it speaks SSH."""


class Connections:
    """Opens connections; what they share is read once: keys, known_hosts, bastions."""

    def __init__(self, settings: SshSettings) -> None:
        self._settings = settings
        self._indexes: dict[_Sources, KnownHosts] = {}
        self._shared: dict[Login, tuple[Keys, SSHClientConnectionOptions]] = {}
        self._loading = asyncio.Lock()
        self._bastions: dict[Hop, asyncio.Task[Connection]] = {}
        self._gates: dict[Hop, asyncio.Semaphore] = {}
        self._proxies: dict[Connection, asyncio.subprocess.Process] = {}

    async def open(self, hop: Hop) -> Connection:
        """A new connection, authenticated. PhoenixError says why there is none."""
        keys, options = self._shared.get(hop.login) or await self._share(hop.login)
        if hop.via is None:
            return await self._start(hop, keys, options, None)
        bastion = await self._bastion(hop.via)
        gate = self._gates.setdefault(hop.via, asyncio.Semaphore(self._settings.starts_per_bastion))
        async with gate:
            return await self._start(hop, keys, options, bastion)

    def forget_failures(self) -> None:
        """Let a new run try bastions again that could not be reached before."""
        for hop, task in list(self._bastions.items()):
            if task.done() and (task.cancelled() or task.exception() is not None):
                del self._bastions[hop]

    def problems(self) -> list[str]:
        """Lines of known_hosts files, and host keys, that could not be read."""
        return [text for index in self._indexes.values() for text in index.problems]

    async def aclose(self) -> None:
        """Close the bastions, the furthest first, and what else was opened on the way."""
        tasks, self._bastions = list(self._bastions.values()), {}
        for task in tasks:
            task.cancel()
        for opened in reversed(await asyncio.gather(*tasks, return_exceptions=True)):
            if isinstance(opened, Connection):
                await close_all([opened])
        processes, self._proxies = list(self._proxies.values()), {}
        await asyncio.gather(*map(_reap, processes))
        for keys, _ in self._shared.values():
            if keys.agent is not None:
                keys.agent.close()
        self._shared.clear()

    async def _share(self, login: Login) -> tuple[Keys, SSHClientConnectionOptions]:
        async with self._loading:
            if login not in self._shared:
                keys = await load_keys(login)
                interval = self._settings.keepalive_seconds
                self._shared[login] = keys, shared_options(login, keepalive_seconds=interval)
            return self._shared[login]

    async def _bastion(self, hop: Hop) -> Connection:
        """The one connection to a bastion, for all that go through it."""
        task = self._bastions.get(hop)
        if task is not None and task.done() and not task.cancelled() and not task.exception():
            if not task.result().is_closed():
                return task.result()
            task = None
        if task is None or task.cancelled():
            task = self._bastions[hop] = asyncio.ensure_future(self.open(hop))
        try:
            # One waiter that is cancelled must not take the bastion from the others.
            return await asyncio.shield(task)
        except PhoenixError as error:
            told = type(error)(f"jump host {hop}: {error.what}", hint=error.hint)
            told.hop = error.hop or str(hop)  # in a chain, the first one that failed
            raise told from None

    async def _start(
        self,
        hop: Hop,
        keys: Keys,
        options: SSHClientConnectionOptions,
        bastion: Connection | None,
    ) -> Connection:
        """Attempts until one is not refused at the start; never a second login or host key."""
        wait = _FIRST_WAIT_SECONDS
        for attempt in range(1, _ATTEMPTS + 1):
            connection = connection_to(hop, keys, self._trust(hop), options)
            try:
                return await self._attempt(hop, connection, bastion)
            except _RefusedStart as refused:
                if attempt == _ATTEMPTS:
                    raise Unreachable(
                        f"{hop}: the server closed {attempt} connections before its greeting",
                        hint="it is overloaded or refuses us: look at MaxStartups and "
                        "PerSourcePenalties in its sshd_config",
                    ) from refused
            except (OSError, DisconnectError, ChannelOpenError, TimeoutError) as error:
                raise _explained(hop, connection, keys, error) from error
            await asyncio.sleep(wait * _JITTER.uniform(0.5, 1.5))
            wait = min(wait * 1.6, _LONGEST_WAIT_SECONDS)
        raise AssertionError("unreachable")

    async def _attempt(
        self, hop: Hop, connection: Connection, bastion: Connection | None
    ) -> Connection:
        complete = False
        try:
            async with asyncio.timeout(hop.connect_timeout_seconds):
                await self._attach(hop, connection, bastion)
                await connection.ready
            complete = True
            return connection
        except (ConnectionLost, ConnectionResetError, BrokenPipeError) as error:
            if connection.greeted:
                raise
            raise _RefusedStart from error
        finally:
            if not complete:
                self._drop(connection)

    async def _attach(self, hop: Hop, connection: Connection, bastion: Connection | None) -> None:
        """Give the connection its transport: a channel of the bastion, a command, or a socket."""
        loop = asyncio.get_running_loop()
        if bastion is not None:
            await bastion.create_connection(_carrying(connection), hop.host, hop.port)
        elif hop.proxy_command:
            ours, theirs = socket.socketpair()
            with theirs:
                process = await asyncio.create_subprocess_shell(
                    f"exec {hop.proxy_command}", stdin=theirs.fileno(), stdout=theirs.fileno(),
                    stderr=asyncio.subprocess.DEVNULL, start_new_session=True,
                )  # fmt: skip
            self._proxies[connection] = process
            await loop.create_connection(lambda: connection, sock=ours)
        else:
            local = (hop.bind_address, 0) if hop.bind_address else None
            await loop.create_connection(
                lambda: connection, hop.host, hop.port, family=hop.family, local_addr=local
            )

    def _drop(self, connection: Connection) -> None:
        connection.abort()
        if connection.ready.done() and not connection.ready.cancelled():
            connection.ready.exception()  # seen: the loop need not complain that nobody looked
        process = self._proxies.get(connection)
        if process is not None:
            _terminate(process)

    def trust(self, hop: Hop) -> Trust:
        """What is known about a host as its files are now, also for connections to come."""
        self._indexes.clear()
        return self._trust(hop)

    def _trust(self, hop: Hop) -> Trust:
        sources = (hop.known_hosts, hop.host_keys, hop.revoked_keys)
        index = self._indexes.get(sources)
        if index is None:
            index = (
                KnownHosts.of(hop.host_keys) if hop.host_keys else KnownHosts.read(hop.known_hosts)
            )
            if hop.revoked_keys is not None:
                index.revoke(hop.revoked_keys)
            self._indexes[sources] = index
        return Trust.of(index, host=hop.host, port=hop.port, alias=hop.alias)


async def close_all(connections: Sequence[Connection], *, within_seconds: float = 1.0) -> None:
    """Say goodbye; a peer that does not listen any more is left without."""
    for connection in connections:
        connection.close()
    try:
        async with asyncio.timeout(within_seconds):
            for connection in connections:
                await connection.wait_closed()
    except TimeoutError:
        for connection in connections:
            connection.abort()


def _terminate(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()


async def _reap(process: asyncio.subprocess.Process) -> None:
    """See the end of a ProxyCommand, which its closed connection should have brought about."""
    _terminate(process)
    try:
        async with asyncio.timeout(1):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


def _carrying(connection: Connection) -> Callable[[], SSHTCPSession[bytes]]:
    """asyncssh takes a connection as the session of a channel, as its own tunnels do."""
    return lambda: connection  # type: ignore[return-value]  # duck-typed there too


def _explained(hop: Hop, connection: Connection, keys: Keys, error: Exception) -> PhoenixError:
    """The error of a failed attempt in our words, by what it is and how far it came."""
    if connection.refusal is not None:
        return connection.refusal
    if isinstance(error, PermissionDenied) or (
        connection.logging_in and not isinstance(error, ConnectionLost | TimeoutError | OSError)
    ):
        return _not_let_in(hop, keys, error)
    if isinstance(error, TimeoutError):
        where = "after the greeting" if connection.greeted else "at all"
        return Unreachable(
            f"{hop}: no answer {where} within {hop.connect_timeout_seconds:g} s",
            hint=f"is the host up, and the port open from here? nc -vz {hop.host} {hop.port}",
        )
    if isinstance(error, KeyExchangeFailed):
        return Unreachable(
            f"{hop}: {error.reason}",
            hint="client and server share no algorithm; `ssh -vv` shows both lists",
        )
    if isinstance(error, ChannelOpenError):
        return Unreachable(f"{hop}: {hop.via} cannot connect to it: {error.reason}")
    if isinstance(error, socket.gaierror):
        return Unreachable(f"{hop}: {hop.host} is not a host name that is known here")
    if isinstance(error, OSError):
        return Unreachable(f"{hop}: {error.strerror or error}")
    return Unreachable(f"{hop}: the connection ended during the handshake: {error}")


def _not_let_in(hop: Hop, keys: Keys, error: Exception) -> AuthenticationFailed:
    tried = f"tried {keys.describe()}"
    if not isinstance(error, PermissionDenied):
        tried = f"{error}; {tried}"
    notes = "; ".join(keys.notes)
    return AuthenticationFailed(
        f"{hop}: the server lets none of our keys in ({tried})",
        hint=notes
        or f"put a public key there: ssh-copy-id -p {hop.port} {hop.login.user}@{hop.host}",
    )
