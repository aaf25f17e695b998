"""What a command imports is what it costs: the budgets of the design, by `sys.modules`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = {"asyncssh", "boto3", "numpy", "sklearn", "pydantic", "textual"}
LATER = {"boto3", "numpy", "sklearn", "textual"}
# Of clouds, bootstraps, agents' hooks, rules and S3, and what asyncssh can do without: some 80 ms.
NOT_FOR_PLAIN_NODES = {
    "phoenixctl.model.aws", "phoenixctl.model.bootstrap", "phoenixctl.model.hooks",
    "phoenixctl.model.routing", "phoenixctl.model.rules", "phoenixctl.model.s3",
    "phoenixctl.model.plan", "phoenixctl.model.state", "phoenixctl.remote.exposition",
    "phoenixctl.workflows.ask",
    "cryptography.x509", "statistics",
}  # fmt: skip

RUN = """
import json, os, sys
from phoenixctl.cli.app import run
try:
    code = run(sys.argv[1:])
except SystemExit as leaving:
    code = leaving.code
os.write(2, b"\\n" + json.dumps({"code": code, "modules": sorted(sys.modules)}).encode())
"""

FLEET = """
fleet: {name: imports}
ssh: {connect_timeout: 1s, config_file: null, use_agent: false, known_hosts_files: []}
nodes:
  - {name: nobody, address: 127.0.0.1, port: 1}
"""


def imported(tmp_path: Path, *arguments: str, code: int = 0, **environ: str) -> set[str]:
    """The modules that one command line has imported when it has ended."""
    done = subprocess.run(
        [sys.executable, "-c", RUN, *arguments],
        capture_output=True,
        timeout=60,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "XDG_STATE_HOME": str(tmp_path / "state"), **environ},
    )
    report = json.loads(done.stderr.splitlines()[-1])
    assert report["code"] == code, done
    return set(report["modules"])


@pytest.mark.parametrize("arguments", [("--help",), ("--version",), ()])
def test_the_front_door_imports_neither_heavy_libraries_nor_rich(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    assert imported(tmp_path, *arguments).isdisjoint({*HEAVY, "rich", "yaml", "psutil"})


@pytest.mark.parametrize(
    "words", ["status", "top", "exec", "agents start", "nodes drain", "cp", "demo", "alerts ls"]
)
def test_the_help_of_a_command_imports_no_heavy_library(tmp_path: Path, words: str) -> None:
    assert imported(tmp_path, *words.split(), "--help").isdisjoint(HEAVY)


@pytest.mark.parametrize("typed", ["", "sta", "status --", "agents "])
def test_completion_imports_no_heavy_library(tmp_path: Path, typed: str) -> None:
    modules = imported(
        tmp_path,
        _PHOENIXCTL_COMPLETE="complete_bash",
        COMP_WORDS=f"phoenixctl {typed}",
        COMP_CWORD=str(1 + typed.count(" ")),
    )
    assert modules.isdisjoint(HEAVY)


def test_status_of_a_fleet_imports_ssh_and_nothing_of_the_cloud_or_of_mathematics(
    tmp_path: Path,
) -> None:
    (tmp_path / "phoenixctl.yaml").write_text(FLEET)
    modules = imported(tmp_path, "status", code=4)
    assert "asyncssh" in modules  # else nothing was asked, and this test proves nothing
    assert modules.isdisjoint({*LATER, "psutil"})


def test_status_of_plain_nodes_imports_only_what_they_need(tmp_path: Path) -> None:
    (tmp_path / "phoenixctl.yaml").write_text(FLEET)
    imported(tmp_path, "status", code=4)  # what it reads is kept, so that the next run does not
    modules = imported(tmp_path, "status", code=4)
    assert modules.isdisjoint({*NOT_FOR_PLAIN_NODES, "pydantic", "yaml"})


def test_checking_the_configuration_opens_no_way_to_ssh(tmp_path: Path) -> None:
    (tmp_path / "phoenixctl.yaml").write_text(FLEET)
    assert imported(tmp_path, "config", "check").isdisjoint({"asyncssh", *LATER})
