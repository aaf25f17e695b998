"""A secret reaches its agent, and nothing else gets to see it."""

from __future__ import annotations

import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.cli.demo_fleet import DemoFleet, another_config, processes

CANARY = "canary-7f3d9b-do-not-leak"
SAID = "canary-51c0aa-in-an-argument"  # its own: the other one is watched for by another test
VAULT = """\
    command: [sh, -c, 'echo started; printf "%s" "$TOKEN" > token; exec sleep 1000']
    nodes: [demo-1]
    secrets: {TOKEN: {env: VAULT_TOKEN}}
"""


@contextmanager
def watched(text: str) -> Iterator[list[int]]:
    """The processes that showed the text in their command line in the meantime."""
    over = threading.Event()
    caught: list[int] = []

    def watch() -> None:
        while not over.wait(0.05):
            caught.extend(processes(text))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield caught
    finally:
        over.set()
        thread.join()


def holding(text: str, folder: Path) -> list[Path]:
    files = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return [path for path in files if text.encode() in path.read_bytes()]


def test_a_secret_is_seen_nowhere_but_in_the_agent_and_a_private_file(fleet: DemoFleet) -> None:
    environ = {"VAULT_TOKEN": CANARY}
    said = []
    with another_config(fleet, "vault", VAULT) as config, watched(CANARY) as caught:
        own = ("--config", str(config), "agents")
        said.append(fleet.ok(*own, "start", "-vvv", environ=environ))
        said.append(fleet.ok(*own, "restart", "vault", "-vvv", "-o", "json", environ=environ))
        said.append(fleet.ok(*own, "describe", "vault-0", "-vvv", environ=environ))
        said.append(fleet.ok(*own, "logs", "vault-0", "-vvv", environ=environ))
        said.append(fleet.ok("--config", str(config), "config", "show", "-vvv", environ=environ))
        found = holding(CANARY, fleet.root)
        assert caught == []
        assert [path for path in found if not path.is_relative_to(fleet.home("demo-1"))] == []
        # The agent has had it: it wrote its own copy; the other is the one for its starts.
        assert {"token"} < {path.name for path in found}
        for path in found:
            assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    assert [done for done in said if CANARY in done.out + done.err] == []
    assert "started" in said[3].out
    assert holding(CANARY, fleet.root) == []  # purged with the agent


def test_a_missing_secret_is_named_before_anything_changes(fleet: DemoFleet) -> None:
    with another_config(fleet, "vault", VAULT) as config:
        journal = (fleet.state / "journal.jsonl").read_bytes()
        done = fleet.run("--config", str(config), "agents", "start")
        assert done.code in (1, 2)
        assert "VAULT_TOKEN" in done.err
        assert (fleet.state / "journal.jsonl").read_bytes() == journal
        check = fleet.run("--config", str(config), "doctor", "-n", "demo-1")
        assert check.code == 1
        assert "VAULT_TOKEN" in check.out


def test_the_audit_log_has_who_what_and_how_it_ended_but_no_arguments(fleet: DemoFleet) -> None:
    fleet.ok("exec", "-n", "demo-1", "--", "echo", SAID)
    assert holding(SAID, fleet.state) == []
    last = (fleet.state / "audit.jsonl").read_text().splitlines()[-1]
    assert '"operation": "exec"' in last
    assert '"program": "echo"' in last


def test_what_the_operator_keeps_is_private(fleet: DemoFleet) -> None:
    kept = [p for p in fleet.state.glob("*") if p.is_file()]
    assert {p.name for p in kept} >= {"journal.jsonl", "audit.jsonl", "lock", "sightings.json"}
    assert {stat.S_IMODE(p.stat().st_mode) for p in kept} == {0o600}
    assert stat.S_IMODE(fleet.state.stat().st_mode) == 0o700
    assert stat.S_IMODE((fleet.state / "local" / "id_ed25519").stat().st_mode) == 0o600
