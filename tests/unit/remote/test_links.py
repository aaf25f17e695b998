"""Whom a node reaches: the script that runs there, run here."""

from __future__ import annotations

import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from phoenixctl.model.command import Completed
from phoenixctl.model.names import NodeName
from phoenixctl.remote.links import Target, links_command, parse_links


def run(targets: list[Target], *, path: str | None = None) -> dict[str, bool | None]:
    command = links_command(targets, timeout_seconds=1)
    sh = shutil.which("sh") or "sh"
    done = subprocess.run(
        [sh, *command.argv[1:]], capture_output=True, check=True, env=path and {"PATH": path}
    )
    return dict(parse_links(Completed(0, done.stdout, done.stderr, 0.1), targets))


def test_who_accepts_or_refuses_is_reached_and_who_says_nothing_is_not() -> None:
    with socket.socket() as listening, socket.socket() as full:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        full.bind(("127.0.0.1", 0))  # bound without listening: it refuses
        found = run(
            [
                Target(NodeName("there"), "127.0.0.1", listening.getsockname()[1]),
                Target(NodeName("closed"), "127.0.0.1", full.getsockname()[1]),
                Target(NodeName("nameless"), "a..b", 22),
            ]
        )
    assert found == {"there": True, "closed": True, "nameless": None}


def test_who_lets_connections_wait_for_ever_is_not_reached() -> None:
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen(0)
        port = busy.getsockname()[1]
        waiting = [socket.socket() for _ in range(4)]
        try:
            for one in waiting:  # until its queue is full, and the kernel answers no more
                one.setblocking(False)
                one.connect_ex(("127.0.0.1", port))
            found = run([Target(NodeName("busy"), "127.0.0.1", port)])
        finally:
            for one in waiting:
                one.close()
    assert found == {"busy": False}


def test_a_node_without_tools_cannot_tell(tmp_path: Path) -> None:
    assert run([Target(NodeName("a"), "127.0.0.1", 1)], path=str(tmp_path)) == {"a": None}


@pytest.mark.parametrize("out", [b"", b"yes\n", b"yes other\n", b"maybe a\n", b"\xff\n"])
def test_what_was_not_said_is_unknown(out: bytes) -> None:
    targets = [Target(NodeName("a"), "h", 1)]
    assert parse_links(Completed(0, out, b"", 0.1), targets) == {"a": None}
