"""Units and lines that gather metrics."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from phoenixctl.model.errors import UsageError
from phoenixctl.render.collector_units import cron_line, timer_files, watch_files
from tests.needs import program

PROGRAM = ("/bin/true", "--config", "/srv/my fleets/100%/a$b.yaml")
STATE = {"XDG_STATE_HOME": "/var/lib/x y"}


@pytest.mark.parametrize("kind", ["timer", "watch"])
def test_systemd_takes_the_units_whatever_is_in_a_path(tmp_path: Path, kind: str) -> None:
    files = (
        timer_files("web", PROGRAM, STATE, every_seconds=90)
        if kind == "timer"
        else watch_files("web", PROGRAM, STATE, every="1s", system=True)
    )
    paths = [tmp_path / name for name in files.texts]
    for path in paths:
        path.write_text(files.texts[path.name])
    done = subprocess.run(
        [program("systemd-analyze"), "verify", "--man=no", *paths], capture_output=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert files.enable in files.texts
    service = next(text for name, text in files.texts.items() if name.endswith(".service"))
    assert '"/srv/my fleets/100%%/a$$b.yaml"' in service
    assert 'Environment="XDG_STATE_HOME=/var/lib/x y"' in service


def test_a_timer_runs_a_collection_and_silent_nodes_are_no_failure() -> None:
    files = timer_files("web", ("/bin/p",), {}, every_seconds=90)
    service, timer = files.texts.values()
    assert 'ExecStart="/bin/p" "metrics" "collect" "--quiet"\n' in service
    assert "SuccessExitStatus=3 4 5\n" in service
    assert "Environment" not in service
    assert "OnUnitActiveSec=90000ms\n" in timer


@pytest.mark.parametrize(
    ("seconds", "when"),
    [(60, "* * * * *"), (300, "*/5 * * * *"), (3600, "0 * * * *"), (7200, "0 */2 * * *"),
     (86_400, "0 0 * * *")],
)  # fmt: skip
def test_a_line_for_cron(seconds: float, when: str) -> None:
    line = cron_line(("/bin/p",), {}, every_seconds=seconds)
    assert line == f"{when}  /bin/p metrics collect --quiet"


def test_cron_gets_quotes_and_no_sign_that_it_reads_itself() -> None:
    line = cron_line(PROGRAM, STATE, every_seconds=60)
    command = line.removeprefix("* * * * *  ")
    assert "%" not in command.replace("\\%", "")
    shown = command.replace("\\%", "%").replace("/bin/true", "printf '%s\\n'", 1)
    done = subprocess.run(["sh", "-c", shown], capture_output=True, check=True, text=True)
    assert done.stdout.splitlines() == [*PROGRAM[1:], "metrics", "collect", "--quiet"]


@pytest.mark.parametrize("seconds", [1, 30, 90, 7 * 60, 5 * 3600, 2 * 86_400])
def test_a_pace_that_cron_does_not_have_is_refused(seconds: float) -> None:
    with pytest.raises(UsageError, match="cron cannot do it every"):
        cron_line(("/bin/p",), {}, every_seconds=seconds)
