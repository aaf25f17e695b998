"""One embedded node: an SSH server on loopback over a folder.

<folder>/
  host_key         0600, made at the first start
  authorized_keys  who may log in
  home/            where commands run
  node.json        written once the server listens: whose node this is and how to reach it, and
                   at which address its agents listen
"""

from __future__ import annotations

import asyncio
import json
import os
import pwd
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, Final

import asyncssh
import psutil

from phoenixctl.ssh.embedded_address import own_address
from phoenixctl.ssh.embedded_session import CommandSession, Workplace
from phoenixctl.ssh.embedded_sftp import HomeFiles

ADDRESS: Final = "127.0.0.1"
_LOOPBACK: Final = frozenset(("127.0.0.1", "localhost"))
_OWNERSHIP_CHECK_SECONDS: Final = 1.0
_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def make_key(path: Path) -> asyncssh.SSHKey:
    """The Ed25519 key at `path`, made with its `.pub` when it is not there; 0600 from the start."""
    if not path.exists():
        key = asyncssh.generate_private_key("ssh-ed25519", comment="phoenixctl")
        write_whole(path.with_name(path.name + ".pub"), key.export_public_key(), mode=0o644)
        write_whole(path, key.export_private_key(), mode=0o600)
    return asyncssh.read_private_key(path)


def write_whole(path: Path, content: bytes, *, mode: int) -> None:
    """Write a file that appears whole or not at all."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


async def serve(folder: Path, port: int) -> None:
    """Be the node of `folder` until SIGTERM, or until its node.json is gone or another's.

    `port` 0, or one that is taken: a free one is chosen.
    """
    home = folder / "home"
    home.mkdir(mode=0o700, exist_ok=True)
    key = make_key(folder / "host_key")
    workplace = Workplace(home, environment_of(home))
    stop = asyncio.Event()
    with own_address(folder, _address_before(folder)) as agents, _ending_signals(stop):
        server = await _listen(folder, port, key, partial(_NodeServer, workplace, agents))
        try:
            _announce(folder, server.get_port(), key, agents)
            await _until_ended(stop, folder)
        finally:
            server.close()
            await workplace.end_all()
            await server.wait_closed()


def environment_of(home: Path) -> dict[str, str]:
    """All that a command on the node finds in its environment."""
    user = pwd.getpwuid(os.getuid()).pw_name
    return {
        "HOME": str(home), "USER": user, "LOGNAME": user, "SHELL": "/bin/sh", "PATH": _PATH,
        "LANG": "C.UTF-8",
    }  # fmt: skip


class _NodeServer(asyncssh.SSHServer):
    """Commands, SFTP and connections to the node's own loopback and sockets; nothing else.

    The node's own loopback is the address of its agents, and 127.0.0.1 for those that listen there
    whatever they are told.
    """

    def __init__(self, workplace: Workplace, agents: str | None) -> None:
        self._workplace = workplace
        self._agents = agents
        self._connection: asyncssh.SSHServerConnection | None = None

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connection = conn

    def session_requested(self) -> asyncssh.SSHServerSession[bytes]:
        return _Session(self._workplace)

    def connection_requested(
        self, dest_host: str, dest_port: int, orig_host: str, orig_port: int
    ) -> Any:
        del orig_host, orig_port
        connection = self._connection
        if connection is not None and (dest_host == self._agents or dest_host in _LOOPBACK):
            return self._forward(connection, dest_host, dest_port)
        raise asyncssh.ChannelOpenError(
            asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED, "only to the node's own loopback"
        )

    async def _forward(self, connection: asyncssh.SSHServerConnection, host: str, port: int) -> Any:
        if self._agents is not None:
            with suppress(asyncssh.ChannelOpenError):
                return await connection.forward_connection(self._agents, port)
        return await connection.forward_connection(host, port)

    def unix_connection_requested(self, dest_path: str) -> bool:
        del dest_path  # a command could open it as well
        return True


class _Session(asyncssh.SSHServerSession[bytes]):
    """A channel until it is known what for; then everything goes to who does that."""

    def __init__(self, workplace: Workplace) -> None:
        self._workplace = workplace
        self._channel: asyncssh.SSHServerChannel[bytes] | None = None
        self._inner: asyncssh.SSHServerSession[bytes] | None = None

    def connection_made(self, chan: asyncssh.SSHServerChannel[bytes]) -> None:
        self._channel = chan

    def exec_requested(self, command: str) -> bool:
        return self._hand_over(CommandSession(("/bin/sh", "-c", command), self._workplace))

    def shell_requested(self) -> bool:
        return self._hand_over(CommandSession(("/bin/sh",), self._workplace))

    def subsystem_requested(self, subsystem: str) -> bool:
        if subsystem != "sftp":
            return False
        files = partial(HomeFiles, home=self._workplace.folder)
        return self._hand_over(asyncssh.SSHServerProcess(_no_process, files, 3, False))

    def _hand_over(self, inner: asyncssh.SSHServerSession[bytes]) -> bool:
        if self._channel is None:
            return False
        self._inner = inner
        inner.connection_made(self._channel)
        return True

    def session_started(self) -> None:
        if self._inner is not None:
            self._inner.session_started()

    def data_received(self, data: bytes, datatype: int | None) -> None:
        if self._inner is not None:
            self._inner.data_received(data, datatype)

    def eof_received(self) -> bool:
        return bool(self._inner is not None and self._inner.eof_received())

    def signal_received(self, signal: str) -> None:
        if self._inner is not None:
            self._inner.signal_received(signal)

    def pause_writing(self) -> None:
        if self._inner is not None:
            self._inner.pause_writing()

    def resume_writing(self) -> None:
        if self._inner is not None:
            self._inner.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._inner is not None:
            self._inner.connection_lost(exc)


def _no_process(process: asyncssh.SSHServerProcess[Any]) -> None:
    """What SSHServerProcess would call for a command; it is only ever given SFTP."""
    process.exit(1)


async def _listen(
    folder: Path, port: int, key: asyncssh.SSHKey, server: Callable[[], _NodeServer]
) -> asyncssh.SSHAcceptor:
    options = asyncssh.SSHServerConnectionOptions(
        server_factory=server,
        server_host_keys=[key],
        authorized_client_keys=str(folder / "authorized_keys"),
        password_auth=False,
        kbdint_auth=False,
        host_based_auth=False,
        gss_host=None,
        agent_forwarding=False,
        allow_pty=False,
        line_editor=False,
        compression_algs=None,
        encoding=None,
        keepalive_interval=10,
        server_version="phoenixctl-embedded",
    )
    try:
        return await asyncssh.listen(ADDRESS, port, options=options)
    except OSError:
        if port == 0:
            raise
        return await asyncssh.listen(ADDRESS, 0, options=options)


def _announce(folder: Path, port: int, key: asyncssh.SSHKey, agents: str | None) -> None:
    public = key.export_public_key().decode().split()
    facts = {
        "pid": os.getpid(),
        "started_at": psutil.Process().create_time(),
        "address": ADDRESS,
        "port": port,
        "agent_address": agents,
        "host_key": " ".join(public[:2]),
        "fingerprint": key.get_fingerprint(),
    }
    write_whole(folder / "node.json", json.dumps(facts).encode(), mode=0o600)


def _address_before(folder: Path) -> str | None:
    """Where the agents of an earlier process of this node listen."""
    found = _facts(folder).get("agent_address")
    return found if isinstance(found, str) else None


async def _until_ended(stop: asyncio.Event, folder: Path) -> None:
    while not stop.is_set() and _is_ours(folder):
        try:
            await asyncio.wait_for(stop.wait(), _OWNERSHIP_CHECK_SECONDS)
        except TimeoutError:
            continue


def _is_ours(folder: Path) -> bool:
    return _facts(folder).get("pid") == os.getpid()


def _facts(folder: Path) -> Mapping[str, object]:
    """What was announced; nothing when that cannot be read."""
    try:
        facts = json.loads((folder / "node.json").read_bytes())
    except (OSError, ValueError):
        return {}
    return facts if isinstance(facts, dict) else {}


@contextmanager
def _ending_signals(stop: asyncio.Event) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    yield
