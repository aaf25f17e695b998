"""A node's host key is replaced step by step; whatever is cut off, one of both is in use."""

from __future__ import annotations

import shutil
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from phoenixctl.model.command import Completed
from phoenixctl.model.errors import CommandFailed
from phoenixctl.remote.host_key import (
    finish_command,
    install_command,
    parse_finished,
    parse_installed,
    parse_prepared,
    prepare_command,
)
from tests.needs import program
from tests.sshd import keygen, public_key
from tests.unit.remote.machine import SHELLS, Machine

SSHD = """
if [ "$1" = -T ]; then echo "port 22"; echo "hostkey $KEY"; exit 0; fi
if [ "$1" = -t ] && [ -e "$HOME/refuses" ]; then echo "bad key" >&2; exit 1; fi
"""


@dataclass
class Server:
    """A machine with a stand-in for sshd, and its host key."""

    machine: Machine
    key: Path

    def prepare(self, noted: str = "") -> str:
        command = prepare_command(noted, key_file=str(self.key))
        return parse_prepared(self.machine.run(command))

    def install(self, public: str) -> str:
        return parse_installed(self.machine.run(install_command(public, key_file=str(self.key))))

    def finish(self) -> None:
        parse_finished(self.machine.run(finish_command(key_file=str(self.key))))

    @property
    def public(self) -> str:
        """Of the private key that is in its place."""
        made = subprocess.run(
            ["ssh-keygen", "-y", "-f", self.key], check=True, capture_output=True, text=True
        )
        return " ".join(made.stdout.split()[:2])

    def files(self) -> list[str]:
        return sorted(path.name for path in self.key.parent.iterdir())


@pytest.fixture(params=SHELLS)
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Server:
    program("ssh-keygen")
    machine = Machine.with_shell(request.param, tmp_path)
    tools = Path(machine.path.partition(":")[0])
    (tmp_path / "ssh").mkdir()
    key = keygen(tmp_path / "ssh" / "ssh_host_ed25519_key", comment="first")
    scripts = {"sshd": SSHD.replace("$KEY", str(key)), "id": "echo 0", "systemctl": "exit 3"}
    for name, text in scripts.items():
        (tools / name).unlink(missing_ok=True)
        (tools / name).write_text(f"#!/bin/sh\n{text}\n")
        (tools / name).chmod(0o755)
    if not (tools / "ssh-keygen").exists():
        (tools / "ssh-keygen").symlink_to(shutil.which("ssh-keygen") or "")
    return Server(machine, key)


def test_a_node_gets_a_key_of_its_own_and_keeps_nothing_of_the_old_one(server: Server) -> None:
    old = server.public
    new = server.prepare()
    assert server.public == old != new
    server.install(new)
    assert server.public == new == public_key(server.key)
    assert stat.S_IMODE(server.key.stat().st_mode) == 0o600
    assert stat.S_IMODE(Path(f"{server.key}.pub").stat().st_mode) == 0o644
    assert (Path(f"{server.key}.phoenixctl-former")).exists()
    server.finish()
    assert server.files() == ["ssh_host_ed25519_key", "ssh_host_ed25519_key.pub"]


def test_every_step_can_be_repeated_and_gives_the_same_key(server: Server) -> None:
    new = server.prepare()
    assert server.prepare() == new  # killed before it was noted
    assert server.prepare(new) == new
    server.install(new)
    assert server.prepare(new) == new  # killed before it was logged in to
    server.install(new)
    assert server.public == new
    server.finish()
    server.finish()
    assert server.prepare(new) == new
    assert server.public == new


def test_a_key_that_was_not_written_whole_is_made_again(server: Server) -> None:
    server.prepare()
    pending = Path(f"{server.key}.phoenixctl-next")
    pending.write_bytes(pending.read_bytes()[:100])
    new = server.prepare()
    server.install(new)
    assert server.public == new


def test_a_key_that_sshd_refuses_is_taken_back(server: Server) -> None:
    old = server.public
    new = server.prepare()
    (server.machine.home / "refuses").touch()
    with pytest.raises(CommandFailed, match="its sshd does not take it: bad key"):
        server.install(new)
    assert server.public == old == public_key(server.key)


def test_a_server_that_uses_another_key_is_left_alone(server: Server) -> None:
    other = server.key.with_name("ssh_host_rsa_key")
    command = prepare_command("", key_file=str(other))
    with pytest.raises(CommandFailed, match=f"its sshd does not use {other}"):
        parse_prepared(server.machine.run(command))


def test_an_install_of_a_key_that_is_gone_changes_nothing(server: Server) -> None:
    old = server.public
    with pytest.raises(CommandFailed, match="the one that was made is gone"):
        server.install("ssh-ed25519 AAAA")
    assert server.public == old


@pytest.mark.parametrize("public", ["", "ssh-rsa AAAA", "ssh-ed25519 \x1b[31m", "ssh-ed25519 AA"])
def test_what_is_no_public_key_is_not_recorded(public: str) -> None:
    said = Completed(0, f"phoenixctl host-key\npublic {public}\n".encode(), b"", 0.1)
    with pytest.raises(CommandFailed, match="did not tell its public half"):
        parse_prepared(said)
