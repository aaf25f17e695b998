"""The order to reboot, as this machine's own shell carries it out: never for real."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from phoenixctl.model.command import Completed
from phoenixctl.model.errors import CommandFailed
from phoenixctl.remote.reboot import BOOT, parse_boot, parse_reboot, reboot_command


def test_a_machine_that_runs_another_boot_already_is_left_alone() -> None:
    done = subprocess.run(reboot_command("another").argv, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert parse_reboot(Completed(0, done.stdout, b"", 0.1)) is False


def test_which_boot_runs_can_be_read() -> None:
    done = subprocess.run(BOOT.argv, capture_output=True, check=True)
    here = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert parse_boot(Completed(0, done.stdout, b"", 0.1)) == here
    assert parse_boot(Completed(1, b"", b"no such file", 0.1)) == ""


def test_why_it_cannot_be_ordered_is_told() -> None:
    said = Completed(1, b"phoenixctl reboot\nerror it needs root\n", b"", 0.1)
    with pytest.raises(CommandFailed, match="it needs root"):
        parse_reboot(said)
    assert parse_reboot(Completed(0, b"phoenixctl reboot\nordered yes\n", b"", 0.1)) is True
