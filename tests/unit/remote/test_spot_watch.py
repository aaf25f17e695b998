"""The watcher's script on this machine, with a metadata service on loopback; installing it needs
systemd and is in `tests/hosts`."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from phoenixctl.model.command import Command
from phoenixctl.model.errors import CommandFailed
from phoenixctl.model.snapshot import Cordon
from phoenixctl.remote.cordon import cordon_command, read_cordon
from phoenixctl.remote.spot_watch import (
    SCRIPT,
    needs_spot_watch,
    parse_spot_watch,
    spot_watch_command,
)
from tests.metadata import Metadata, notice
from tests.unit.remote.machine import FLEET, NODE, SHELLS, Machine, eventually

SYSTEMCTL = '#!/bin/sh\necho "$*" >> "$HOME/systemctl"\n'


@dataclass
class Watched:
    """A machine on which the watcher runs, and what its provider will say."""

    machine: Machine
    notice: Path
    metadata: Metadata

    def say(self, text: str) -> None:
        new = self.notice.with_suffix(".new")
        new.write_text(text)
        new.replace(self.notice)

    @property
    def cordon(self) -> Cordon | None:
        mark = self.machine.base / "cordon"
        return read_cordon(mark.read_text()) if mark.exists() else None

    @property
    def systemctl(self) -> list[str]:
        log = self.machine.home / "systemctl"
        return log.read_text().splitlines() if log.exists() else []


@pytest.fixture(params=[s for s in SHELLS if s != "busybox"])
def machine(request: pytest.FixtureRequest, tmp_path: Path) -> Machine:
    """With a stand-in for systemctl; busybox has no program that can ask with a method."""
    machine = Machine.with_shell(request.param, tmp_path)
    systemctl = tmp_path / "bin" / "systemctl"
    systemctl.write_text(SYSTEMCTL)
    systemctl.chmod(0o755)
    machine.base.mkdir(parents=True)
    return machine


@pytest.fixture(params=["curl", "wget"])
def watched(machine: Machine, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Watched]:
    """Asked every 0.1 s; agents are stopped two seconds before the end."""
    asking = shutil.which(request.param)
    if asking is None:
        pytest.skip(f"{request.param} is not installed")
    path = machine.path if request.param == "curl" else _without_curl(machine, tmp_path / "tools")
    told = tmp_path / "notice"
    with Metadata(told) as metadata:
        arguments = (FLEET, str(machine.base), metadata.url, "0.1", "2")
        command = Command("sh", "-c", SCRIPT, "spot-watch", *arguments)
        process = Machine(machine.home, path).popen(command)
        yield Watched(machine, told, metadata)
        process.kill()
        process.communicate()


def test_without_a_notice_nothing_happens(watched: Watched) -> None:
    watched.say("not a notice")
    with pytest.raises(AssertionError):
        eventually(lambda: watched.cordon, seconds=0.5)
    assert watched.metadata.refused == 0


def test_at_the_notice_the_node_is_cordoned_and_later_its_agents_are_stopped(
    watched: Watched,
) -> None:
    for agent in ("ingest-0", "web-12"):
        (watched.machine.base / "agents" / agent).mkdir(parents=True)
    told = notice(5)
    watched.say(told)
    eventually(lambda: watched.cordon)
    cordon = watched.cordon
    assert cordon is not None
    assert cordon.by == "spot-watch"
    assert cordon.at.endswith("Z")
    end = told.rpartition('"time": "')[2].rstrip('"}')
    assert cordon.reason == f"spot instance: terminate at {end}"
    assert watched.systemctl == []
    eventually(lambda: watched.systemctl)
    units = [f"phoenix-{FLEET}-{agent}.service" for agent in ("ingest-0", "web-12")]
    assert watched.systemctl == [f"stop {' '.join(units)}"]


def test_an_operators_mark_gives_way_and_what_the_service_says_cannot_break_out(
    watched: Watched,
) -> None:
    watched.machine.run(cordon_command(NODE, FLEET, Cordon("me", "now", "mine")))
    watched.say('{"action": "stop", "time": "$(id)"}\n{"action": "hiber\\"nate", "time": "x"}')
    with pytest.raises(AssertionError):
        eventually(lambda: watched.cordon and watched.cordon.by != "me", seconds=0.5)
    watched.say(notice(1, action="hibernate"))
    eventually(lambda: watched.cordon and watched.cordon.by == "spot-watch")
    assert watched.cordon is not None
    assert watched.cordon.reason.startswith("spot instance: hibernate at 2")


def test_only_spot_nodes_need_it() -> None:
    assert needs_spot_watch("spot")
    assert not needs_spot_watch("on-demand")
    assert not needs_spot_watch("")


def test_a_node_without_systemd_says_that_it_cannot_be_watched(machine: Machine) -> None:
    with pytest.raises(CommandFailed, match="spot-watch: it needs systemd"):
        parse_spot_watch(machine.run(spot_watch_command(NODE, FLEET)))
    assert list(machine.base.iterdir()) == []


def test_a_node_that_cannot_ask_says_so(tmp_path: Path) -> None:
    if "busybox" not in SHELLS:
        pytest.skip("busybox is not installed")
    busybox = Machine.with_shell("busybox", tmp_path)
    script = spot_watch_command(NODE, FLEET).argv[2]
    argv = ("sh", "-c", script, "phoenixctl", FLEET, "systemd", str(busybox.base), "", "", "")
    with pytest.raises(CommandFailed, match="curl or GNU wget"):
        parse_spot_watch(busybox.run(Command(*argv)))


def _without_curl(machine: Machine, tools: Path) -> str:
    """A PATH with all that the script uses but curl."""
    tools.mkdir()
    for name in ("sh", "wget", "sed", "date", "sleep", "sync", "mv", "systemctl"):
        found = shutil.which(name, path=machine.path)
        assert found
        (tools / name).symlink_to(found)
    assert shutil.which("curl", path=str(tools)) is None
    return str(tools)
