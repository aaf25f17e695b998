"""Ways to log in: the agent's keys, keys locked in a file and open in the agent, certificates."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from phoenixctl.model.errors import AuthenticationFailed
from phoenixctl.model.outcome import Failed
from tests.faults.conftest import StartServer
from tests.sshd import Sshd, done, keygen, node_at, reaching, run_on, user

pytestmark = pytest.mark.sshd


@pytest.fixture
def agent() -> Iterator[Path]:
    """The socket of an agent that holds no key yet."""
    # In a folder of a short name: a socket's path has 108 bytes at most.
    with tempfile.TemporaryDirectory(prefix="agent-") as folder:
        socket = Path(folder) / "socket"
        process = subprocess.Popen(["ssh-agent", "-D", "-a", socket], stdout=subprocess.DEVNULL)
        while not socket.exists():
            time.sleep(0.01)
        yield socket
        process.terminate()
        process.wait()


def add(agent: Path, key: Path, **environ: str) -> None:
    own = os.environ | {"SSH_AUTH_SOCK": str(agent)} | environ
    subprocess.run(["ssh-add", "-q", key], check=True, env=own, stdin=subprocess.DEVNULL)


def allow(server: Sshd, key: Path) -> None:
    (server.folder / "authorized_keys").write_text(key.with_name(key.name + ".pub").read_text())


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
async def test_the_agent_s_keys_are_used(
    start_server: StartServer, agent: Path, tmp_path: Path, kind: str
) -> None:
    server = start_server()
    key = keygen(tmp_path / "key", kind)
    allow(server, key)
    add(agent, key)
    key.unlink()
    nodes = [node_at(server, name, use_agent=True, identity_files=()) for name in ("a", "b", "c")]
    async with reaching(*nodes, agent=agent) as reach:
        for node in nodes:
            assert done(await run_on(reach, node, "true")).ok


async def test_a_locked_key_that_the_agent_holds_is_used(
    start_server: StartServer, agent: Path, tmp_path: Path
) -> None:
    server = start_server()
    key = keygen(tmp_path / "key", passphrase="correct horse")
    allow(server, key)
    asker = tmp_path / "asker"
    asker.write_text("#!/bin/sh\necho correct horse\n")
    asker.chmod(0o755)
    add(agent, key, SSH_ASKPASS=str(asker), SSH_ASKPASS_REQUIRE="force", DISPLAY="none")
    node = node_at(server, use_agent=True, identity_files=(str(key),))
    async with reaching(node, agent=agent) as reach:
        assert done(await run_on(reach, node, "true")).ok


async def test_a_node_that_wants_no_agent_is_offered_none_of_its_keys(
    start_server: StartServer, agent: Path, tmp_path: Path
) -> None:
    server = start_server()
    key = keygen(tmp_path / "key")
    allow(server, key)
    add(agent, key)
    node = node_at(server, use_agent=False)
    async with reaching(node, agent=agent) as reach:
        outcome = await run_on(reach, node, "true")

    assert isinstance(outcome, Failed)
    assert type(outcome.error) is AuthenticationFailed


async def test_an_agent_that_is_not_there_is_mentioned_when_nothing_else_helps(
    server: Sshd, tmp_path: Path
) -> None:
    stranger = keygen(tmp_path / "stranger")
    node = node_at(server, use_agent=True, identity_files=(str(stranger),))
    async with reaching(node, agent=tmp_path / "no-agent") as reach:
        outcome = await run_on(reach, node, "true")

    assert isinstance(outcome, Failed)
    assert "no-agent does not answer" in outcome.error.hint


@pytest.mark.parametrize("kind", ["ed25519", "rsa"])
@pytest.mark.parametrize("in_agent", [False, True], ids=["key in a file", "key in the agent"])
async def test_a_certificate_beside_the_key_is_used(
    start_server: StartServer, agent: Path, tmp_path: Path, kind: str, in_agent: bool
) -> None:
    authority, key = keygen(tmp_path / "authority"), keygen(tmp_path / "key", kind)
    sign = ["ssh-keygen", "-q", "-s", authority, "-I", "us", "-n", user(), f"{key}.pub"]
    subprocess.run(sign, check=True, capture_output=True)
    server = start_server(options=(f"TrustedUserCAKeys {authority}.pub",))
    (server.folder / "authorized_keys").write_text("")
    if in_agent:
        add(agent, key)
        key.unlink()
    node = node_at(server, use_agent=True, identity_files=(str(key),))
    async with reaching(node, agent=agent) as reach:
        assert done(await run_on(reach, node, "true")).ok


async def test_without_any_key_the_server_is_asked_and_the_answer_told(
    server: Sshd, tmp_path: Path
) -> None:
    node = node_at(server, identity_files=(str(tmp_path / "missing"),))
    async with reaching(node) as reach:
        outcome = await run_on(reach, node, "true")

    assert isinstance(outcome, Failed)
    assert type(outcome.error) is AuthenticationFailed
    assert f"{tmp_path / 'missing'} does not exist" in outcome.error.hint
