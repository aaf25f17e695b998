"""sudo is asked without a password, and its refusal is told from the command's own failure."""

from __future__ import annotations

from pathlib import Path

import pytest

from phoenixctl.model.command import Command, Completed
from phoenixctl.model.errors import CommandFailed
from phoenixctl.model.outcome import Failed, Outcome
from phoenixctl.ports.reach import Session
from phoenixctl.ssh.session import SshSession
from tests.faults.conftest import StartServer
from tests.sshd import done, node_at, reaching

pytestmark = pytest.mark.sshd

WILLING = '#!/bin/sh\n[ "$1 $2" = "-n --" ]||exit 99\nshift 2\nAS_ROOT=yes exec "$@"\n'
REFUSING = "#!/bin/sh\necho 'sudo: a password is required' >&2\nexit 1\n"


async def run_with(
    start_server: StartServer, tmp_path: Path, sudo: str, *, wanted: bool | None
) -> Outcome[Completed]:
    """Run a command on a node whose sudo is this script, as if we were not root there."""
    program = tmp_path / "bin" / "sudo"
    program.parent.mkdir()
    program.write_text(sudo)
    program.chmod(0o755)
    path = f"{program.parent}:/usr/bin:/bin"
    server = start_server(options=(f"SetEnv SHLVL=2 PATH={path}",))
    node = node_at(server, sudo=True)

    async def job(session: Session) -> Completed:
        assert isinstance(session, SshSession)
        session._root = False
        return await session.run(Command("sh", "-c", 'echo "root: $AS_ROOT"'), sudo=wanted)

    async with reaching(node) as reach:
        return (await reach.each([node.name], job))[node.name]


@pytest.mark.parametrize(("wanted", "printed"), [(None, b"root: yes\n"), (False, b"root: \n")])
async def test_the_node_s_setting_counts_unless_the_caller_says_otherwise(
    start_server: StartServer, tmp_path: Path, wanted: bool | None, printed: bytes
) -> None:
    outcome = await run_with(start_server, tmp_path, WILLING, wanted=wanted)
    assert done(outcome).stdout == printed


async def test_a_refusal_is_an_error_and_not_the_command_s_status(
    start_server: StartServer, tmp_path: Path
) -> None:
    outcome = await run_with(start_server, tmp_path, REFUSING, wanted=None)

    assert isinstance(outcome, Failed)
    assert isinstance(outcome.error, CommandFailed)
    assert "a password is required" in outcome.error.what
    assert "NOPASSWD" in outcome.error.hint
