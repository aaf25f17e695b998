"""Errors, configuration and the first minutes: without any fleet."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from phoenixctl import __version__
from tests.cli.demo_fleet import DemoFleet, Done


@pytest.fixture
def nothing(tmp_path: Path) -> Iterator[DemoFleet]:
    """An empty folder and no fleet."""
    (tmp_path / "operator").mkdir()
    fleet = DemoFleet(tmp_path)
    yield fleet
    fleet.end_what_was_started()


def run(nothing: DemoFleet, *words: str, **environ: str) -> Done:
    environment = {"PHOENIXCTL_CONFIG": "", **environ}
    return nothing.run(*words, cwd=nothing.root, environ=environment)


def test_the_version_and_the_help_are_for_stdout(nothing: DemoFleet) -> None:
    assert run(nothing, "--version") == Done(0, f"phoenixctl {__version__}\n", "")
    bare, asked = run(nothing), run(nothing, "--help")
    assert bare == asked
    assert bare.err == ""
    assert "Exit codes: 0 ok, 1 error, 2 usage" in " ".join(bare.out.split())


@pytest.mark.parametrize(
    ("words", "error", "hint"),
    [
        (["frobnicate"], "there is no command frobnicate", "phoenixctl --help"),
        (["status", "--frobnicate"], "No such option: --frobnicate", "phoenixctl status --help"),
        (["nodes", "frob"], "No such command 'frob'.", "phoenixctl nodes --help"),
        (["nodes", "drain"], "Missing argument 'NODE...'.", "phoenixctl nodes drain --help"),
        (["status", "--set", "ssh.parallel"], "--set ssh.parallel has no value", "write it like"),
    ],
)
def test_a_slip_of_the_pen_is_one_error_and_the_next_command(
    nothing: DemoFleet, words: list[str], error: str, hint: str
) -> None:
    done = run(nothing, *words)
    assert (done.code, done.out) == (2, "")
    first, second = done.err.splitlines()
    assert first.startswith(f"error: {error}")
    assert second.startswith(f"  try: {hint}")


def test_without_a_configuration_the_way_to_one_is_shown(nothing: DemoFleet) -> None:
    done = run(nothing, "status", "-o", "json")
    assert done.code == 2
    assert done.json["error"]["kind"] == "configuration"
    assert "phoenixctl init" in done.json["error"]["hint"]
    assert done.err.startswith("error: no phoenixctl.yaml in ")


def test_init_writes_a_configuration_that_is_right_and_never_over_another(
    nothing: DemoFleet,
) -> None:
    path = nothing.root / "phoenixctl.yaml"
    assert run(nothing, "init", "web[01-03]", "--fleet", "shop").code == 0
    check = run(nothing, "config", "check", "-o", "json").json
    assert (check["fleet"], check["nodes"]) == ("shop", 3)
    written = path.read_bytes()
    again = run(nothing, "init", "other")
    assert again.code == 1
    assert again.err == (
        "error: phoenixctl.yaml exists and is left as it is\n  try: phoenixctl config check\n"
    )
    assert path.read_bytes() == written


def test_every_fault_of_a_configuration_is_told_with_its_place(nothing: DemoFleet) -> None:
    (nothing.root / "phoenixctl.yaml").write_text(
        "fleet: {name: shop}\n"
        "nodes:\n"
        "  - {name: a, adress: 10.0.0.1}\n"
        "ssh:\n"
        "  parallel: 012\n"
        "  parallel: 4\n"
    )
    done = run(nothing, "config", "check")
    assert (done.code, done.out) == (2, "")
    assert re.search(r"phoenixctl\.yaml:6:3: .*parallel", done.err)
    (nothing.root / "phoenixctl.yaml").write_text(
        "fleet: {name: shop}\nnodes:\n  - {name: a, adress: 10.0.0.1}\nssh: {parallel: -1}\n"
    )
    done = run(nothing, "config", "check")
    assert done.code == 2
    assert re.search(r"phoenixctl\.yaml:3:\d+: .*adress.*address", done.err)
    assert re.search(r"phoenixctl\.yaml:4:\d+: .*ssh\.parallel", done.err)


def test_a_full_disk_behind_stdout_is_an_error_and_not_a_traceback(nothing: DemoFleet) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "phoenixctl", "config", "schema"],
            stdout=full, stderr=subprocess.PIPE, env=nothing.environment(), timeout=20, check=False,
        )  # fmt: skip
    assert (done.returncode, done.stderr) == (1, b"error: No space left on device\n")


def test_output_that_nobody_wants_is_no_trouble(nothing: DemoFleet) -> None:
    done = subprocess.run(
        ["sh", "-c", f"{sys.executable} -m phoenixctl --version >&-"],
        stderr=subprocess.PIPE, env=nothing.environment(), timeout=20, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, b"")


def test_the_same_option_before_the_command_means_the_same(nothing: DemoFleet) -> None:
    (nothing.root / "other.yaml").write_text("fleet: {name: other}\n")
    for words in (
        ["--config", "other.yaml", "config", "check"],
        ["--config=other.yaml", "config", "check"],
        ["config", "check", "-c", "other.yaml"],
    ):
        assert "fleet other with" in run(nothing, *words).out
