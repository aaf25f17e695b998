"""Provider `local`: nodes that are processes on this machine, each a real SSH server on loopback.

<root>/
  id_ed25519       0600: the one key that logs in to all of them
  <node>/          see `ssh.embedded_node`; and `pool`, `asked`, `known_hosts`, `node.log`
  .locks/<node>    held while a node is created or destroyed
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from phoenixctl.model.errors import Locked, PhoenixError
from phoenixctl.model.fleet import Node, Pool, Supervisor
from phoenixctl.model.instance import Instance, Phase
from phoenixctl.model.names import NodeName, check_node_name
from phoenixctl.ports.provider import NodeRequest, Note, Provider
from phoenixctl.providers.local_folder import NODE_MODULE, Asked, NodeFacts, NodeFolder

LOGIN: Final = "phoenix"  # the key decides; every name is accepted
_READY_SECONDS: Final = 20.0
_LOCK_SECONDS: Final = 60.0
_POLL_SECONDS: Final = 0.05
# What a Python needs to start as this one did. No secret of the operator's goes to a node.
_PASSED_ON: Final = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "LANG", "TMPDIR")


class LocalProvider(Provider):
    """Embedded nodes of one fleet below `root`. psutil is needed to change, not to list."""

    def __init__(self, root: Path, fleet: str) -> None:
        self._root = root.resolve()  # one spelling, for nodes are recognised by it
        self._fleet = fleet

    async def list(self, pool: Pool) -> Sequence[Instance]:
        """The pool's nodes by name; dead ones too, for they are not gone but unreachable."""
        found = []
        for path in sorted(self._root.glob("*/node.json")):
            folder = NodeFolder(path.parent)
            facts = folder.facts()
            if facts is not None and folder.pool() == pool.name:
                found.append(self._instance(pool, folder, facts))
        return found

    async def create(self, request: NodeRequest, *, note: Note) -> Instance:
        """The node, listening; one that has died comes back with its key and, if free, its port.

        It belongs to whoever asked last. PhoenixError when it does not listen in time, with the
        end of its log.
        """
        from phoenixctl.providers.local_processes import is_node

        pool, name = request.pool, request.name
        folder = self._folder(name)
        async with self._locked(name):
            owner = folder.pool()
            if owner not in (None, pool.name):
                raise PhoenixError(f"node {name} of fleet {self._fleet} is one of pool {owner}")
            facts = folder.facts()
            asked = Asked(request.lineage, request.operation)
            if facts is not None and is_node(facts, folder.path):
                folder.ask(asked)
            else:
                await note({"folder": str(folder.path)})
                folder.prepare(pool.name, await self._client_key())
                folder.ask(asked)
                facts = await self._start(name, folder)
            folder.trust(facts)
        return self._instance(pool, folder, facts)

    async def destroy(self, pool: Pool, instance: Instance) -> None:
        """End what runs on the node, then the node, and remove its folder.

        PhoenixError when a process will not die; the folder stays then.
        """
        from phoenixctl.providers.local_processes import end_agents, end_node

        name = instance.node.name
        folder = self._folder(name)
        async with self._locked(name):
            if folder.pool() not in (None, pool.name) or not folder.path.is_dir():
                return
            # Agents again at the end: one may have been started while the node still listened.
            for end in (end_agents, end_node, end_agents):
                left = await end(folder.path)
                if left:
                    raise PhoenixError(
                        f"processes of node {name} do not end: {', '.join(map(str, left))}",
                        hint="look at them with ps -p, then destroy the node again",
                    )
            await asyncio.to_thread(shutil.rmtree, folder.path)

    async def protect(self, pool: Pool, instance: Instance, *, on: bool) -> None:
        """Nothing but the record protects an embedded node."""

    def _folder(self, name: NodeName) -> NodeFolder:
        return NodeFolder(self._root / check_node_name(name))

    def _instance(self, pool: Pool, folder: NodeFolder, facts: NodeFacts) -> Instance:
        node = self._node(pool, folder, facts)
        asked = folder.asked()
        phase = Phase.RUNNING if _is_there(facts.pid) else Phase.STOPPED
        return Instance(node, node.name, phase, lineage=asked.lineage, operation=asked.operation)

    def _node(self, pool: Pool, folder: NodeFolder, facts: NodeFacts) -> Node:
        return Node(
            name=NodeName(folder.path.name),
            pool=pool.name,
            address=facts.address,
            port=facts.port,
            user=LOGIN,
            identity_files=(str(self._key_path),),
            known_hosts_files=(str(folder.known_hosts),),
            supervisor=Supervisor.PROCESS,
            labels=pool.labels,
            use_ssh_config=False,
            use_agent=False,
            agent_address=facts.agent_address,
        )

    @property
    def _key_path(self) -> Path:
        return self._root / "id_ed25519"

    async def _client_key(self) -> Path:
        async with self._locked(".client-key"):
            if not self._key_path.exists():
                await self._run_module("--keygen", str(self._key_path))
        return self._key_path

    async def _start(self, name: NodeName, folder: NodeFolder) -> NodeFacts:
        from phoenixctl.providers.local_processes import is_alive

        before = folder.facts()
        logged = folder.log_size()
        port = before.port if before else 0
        pid = int(await self._run_module(str(folder.path), "--port", str(port), "--detach"))
        for _ in range(int(_READY_SECONDS / _POLL_SECONDS)):
            facts = folder.facts()
            if facts is not None and facts.pid == pid:
                return facts
            if not is_alive(pid):
                break
            await asyncio.sleep(_POLL_SECONDS)
        raise PhoenixError(
            f"node {name} of fleet {self._fleet} did not start:"
            f" {folder.log_tail(logged) or 'it said nothing'}",
            hint=f"see {folder.log}",
        )

    async def _run_module(self, *arguments: str) -> bytes:
        """What a short run of the node's module prints; asyncssh is imported there, not here."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-P", "-m", NODE_MODULE, *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={name: os.environ[name] for name in _PASSED_ON if name in os.environ},
        )  # fmt: skip
        stdout, stderr = await process.communicate()
        if process.returncode != 0:
            said = stderr.decode(errors="replace").strip()
            raise PhoenixError(f"{NODE_MODULE} ended with {process.returncode}: {said}")
        return stdout

    @asynccontextmanager
    async def _locked(self, name: str) -> AsyncIterator[None]:
        """Hold a lock against other tasks and other phoenixctl runs. Descriptors close on exec."""
        locks = self._root / ".locks"
        locks.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(locks / name, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            for _ in range(int(_LOCK_SECONDS / _POLL_SECONDS)):
                if _try_lock(descriptor):
                    break
                await asyncio.sleep(_POLL_SECONDS)
            else:
                raise Locked(f"{name} of fleet {self._fleet} is being changed by another run")
            yield
        finally:
            os.close(descriptor)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_there(pid: int) -> bool:
    """Whether a process has this number: listing is part of every command and does without psutil,
    which would also tell whether it is the node's."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
