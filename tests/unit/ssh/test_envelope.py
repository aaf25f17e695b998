import subprocess

import pytest

from phoenixctl.model.errors import UsageError
from phoenixctl.ssh.envelope import timed, told, told_until


def test_a_command_tells_its_process_group_and_runs_with_a_deadline() -> None:
    line = timed(["sh", "-c", "echo out; echo err >&2; exit 7"], seconds=5, sudo=False)
    done = subprocess.run(["sh", "-c", line], capture_output=True, check=False)
    found = told(done.stderr)
    assert found is not None
    assert found.pid > 1
    assert found.stderr == b"err\n"
    assert done.returncode == 7
    assert done.stdout[told_until(done.stdout) :] == b"out\n"


def test_a_command_does_not_start_when_nobody_hears_it() -> None:
    line = timed(["echo", "started"], seconds=5, sudo=False)
    done = subprocess.run(["sh", "-c", f"exec 2>&-; {line}"], capture_output=True, check=False)
    assert done.stdout == b""


def test_what_was_printed_before_stays() -> None:
    found = told(b"noise of .bashrc\n@phoenix:42\nafter\n")
    assert found is not None
    assert (found.pid, found.stderr) == (42, b"noise of .bashrc\nafter\n")


@pytest.mark.parametrize("stderr", [b"", b"@phoenix:", b"@phoenix:12", b"@phoenix:1\n", b"x:9\n"])
def test_nothing_told_is_nothing_started(stderr: bytes) -> None:
    assert told(stderr) is None


def test_output_begins_behind_what_a_start_up_file_printed() -> None:
    assert told_until(b"no newline\xff@phoenix:42\nout\n") == 23
    assert told_until(b"no newline") is None


def test_sudo_never_asks() -> None:
    assert timed(["id"], seconds=5, sudo=True).startswith("exec sudo -n -- sh -c ")


def test_a_line_that_is_too_long_for_a_shell_is_refused() -> None:
    with pytest.raises(UsageError, match="can be sent"):
        timed(["echo", "x" * 200_000], seconds=5, sudo=False)
