"""Playbooks as people run them, on an embedded fleet: batches, failures, and going on."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.demo_fleet import DemoFleet, Done, finish, until

COUNTERS = ["counter-0", "counter-1", "counter-2"]


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoFleet]:
    fleet = DemoFleet(tmp_path_factory.mktemp("playbook"))
    (fleet.root / "operator").mkdir()
    try:
        fleet.up()
        yield fleet
    finally:
        down = fleet.down()
    assert down.code == 0


@pytest.fixture
def fleet(played: DemoFleet) -> Iterator[DemoFleet]:
    """The fleet, without playbooks of its own and without what they have left."""
    folder(played).mkdir(exist_ok=True)
    yield played
    played.end_what_was_started()
    for path in (*folder(played).iterdir(), *played.root.glob("state/**/home/played-*")):
        path.unlink()
    folder(played).rmdir()


def folder(fleet: DemoFleet) -> Path:
    return fleet.config.parent / "playbooks"


def write(fleet: DemoFleet, text: str, name: str = "mine") -> None:
    (folder(fleet) / f"{name}.yaml").write_text(text)


def played_on(fleet: DemoFleet, name: str = "done") -> dict[str, int]:
    """How many times each node was told to write a line."""
    found = {}
    for node in ("demo-1", "demo-2", "demo-3"):
        path = fleet.home(node) / f"played-{name}"
        found[node] = len(path.read_text().splitlines()) if path.exists() else 0
    return found


def running(fleet: DemoFleet) -> list[tuple[str, str]]:
    agents = fleet.ok("agents", "ls", "-o", "json").json["agents"]
    return sorted((a["id"], a["node"]) for a in agents if a["state"] == "running")


def line(word: str = "done", then: str = "") -> str:
    """A command that leaves a line on its node."""
    return f"run: [sh, -c, 'echo x >> $HOME/played-{word}{then}']"


def titles(done: Done) -> list[str]:
    return [entry["title"] for entry in done.json["operations"]]


def test_playbooks_beside_the_configuration_and_shipped_ones_are_listed_and_shown(
    fleet: DemoFleet,
) -> None:
    write(fleet, "description: of mine\nsteps: [rebalance: ]\n")
    found = {p["name"]: p for p in fleet.ok("playbook", "ls", "-o", "json").json["playbooks"]}
    assert {"mine", "rolling-restart", "patch-and-reboot", "rotate-host-keys"} <= set(found)
    assert found["mine"]["description"] == "of mine"
    told = fleet.ok("playbook", "ls").out
    assert "evacuate-zone" in told
    assert "description: of mine" in fleet.ok("playbook", "show", "mine").out
    unknown = fleet.run("playbook", "show", "roling-restart")
    assert unknown.code == 2
    assert "did you mean rolling-restart?" in unknown.err
    assert "PlaybookRoot" not in fleet.ok("playbook", "schema").out


def test_what_is_wrong_in_a_playbook_is_said_with_file_line_and_column(fleet: DemoFleet) -> None:
    write(fleet, "choose: {nodes: demo-1}\nsteps:\n  - drian:\n")
    done = fleet.run("playbook", "plan", "mine")
    assert done.code == 2
    assert "playbooks/mine.yaml:3:5: steps[0].drian: unknown key; did you mean `drain`?" in done.err


def test_agents_are_restarted_in_batches_and_a_second_run_begins_anew(fleet: DemoFleet) -> None:
    before = running(fleet)
    shown = fleet.ok("playbook", "plan", "rolling-restart", "-p", "at_a_time=2")
    assert "batch 1 of 2 (counter-0, counter-1)" in shown.out
    assert "batch 2 of 2 (counter-2), as foreseen now" in shown.out
    told = fleet.ok("playbook", "run", "rolling-restart", "-p", "at_a_time=2", "--yes",
                    "-o", "json").json  # fmt: skip
    assert [report["exit_code"] for report in told["reports"]] == [0, 0]
    assert [len(report["steps"]) for report in told["reports"]] == [2, 1]
    assert running(fleet) == before
    again = fleet.ok("playbook", "plan", "rolling-restart", "-p", "at_a_time=2", "-o", "json").json
    assert not again["goes_on"]
    assert [len(batch["plan"]["steps"]) for batch in again["batches"]] == [2, 1]


def test_nobody_is_asked_without_a_terminal_and_nothing_is_done(fleet: DemoFleet) -> None:
    done = fleet.run("playbook", "run", "rolling-restart")
    assert done.code == 8
    assert "the playbook is not approved and nobody can be asked" in done.err
    dry = fleet.ok("playbook", "run", "rolling-restart", "--dry-run")
    assert "restart agent counter-0" in dry.out


def test_every_kind_of_step_and_then_a_rebalance_of_the_fleet_as_a_whole(
    fleet: DemoFleet,
) -> None:
    (folder(fleet) / "note.txt").write_text("hello\n")
    notes = fleet.root / "notes"
    target = fleet.root / "copied"
    write(
        fleet,
        "choose: {nodes: demo-*}\n"
        "serial: [1, 2]\n"
        "steps:\n"
        "  - {batch: first, drain: }\n"
        f"  - exec: {{{line()}}}\n"
        f"  - copy: {{from: note.txt, to: {target}}}\n"
        "  - wait: {metric: memory_utilization, below: 100%, within: 20s, every: 100ms}\n"
        "  - {batch: first, uncordon: }\n"
        f"  - notify: {{run: [sh, -c, 'cat >> {notes}'], text: done with it}}\n"
        "  - name: nobody\n"
        "    notify: {run: [/does/not/exist]}\n",
    )
    done = fleet.ok("playbook", "run", "mine", "--yes")
    assert "warning: nobody was told: /does/not/exist: No such file" in done.err
    assert played_on(fleet) == {"demo-1": 1, "demo-2": 1, "demo-3": 1}
    assert target.read_text() == "hello\n"
    told = [json.loads(text) for text in notes.read_text().splitlines()]
    assert [(t["batch"], t["of_batch"], t["text"]) for t in told] == [
        (1, ["demo-1"], "done with it"), (2, ["demo-2", "demo-3"], "done with it"),
    ]  # fmt: skip
    assert titles(fleet.ok("history", "-o", "json"))[:3] == [
        "playbook mine: done", "playbook mine: batch 2 of 2 (demo-2, demo-3)",
        "playbook mine: batch 1 of 2 (demo-1)",
    ]  # fmt: skip

    assert [agent for agent, _ in running(fleet)] == COUNTERS
    assert {node for _, node in running(fleet)} == {"demo-2", "demo-3"}
    even = fleet.ok("playbook", "run", "nightly-rebalance", "--yes", "-o", "json").json
    assert even["batches"] == [[]]
    assert {node for _, node in running(fleet)} == {"demo-1", "demo-2", "demo-3"}


FAILING = (
    "parameters: {most: {default: 0}}\n"
    "choose: {nodes: demo-*}\n"
    "max_failures: ${most}\n"
    "steps:\n"
    f"  - exec: {{{line(then='; test ! -e $HOME/played-broken')}}}\n"
    "rollback:\n"
    f"  - name: back\n    exec: {{{line('back')}}}\n"
)


def test_a_failure_is_taken_back_and_the_run_goes_on_with_that_batch(fleet: DemoFleet) -> None:
    write(fleet, FAILING)
    broken = fleet.home("demo-2") / "played-broken"
    broken.touch()
    done = fleet.run("playbook", "run", "mine", "--yes", "-o", "json")
    assert done.code == 3, done
    assert [(r["batch"], r["undoing"], r["exit_code"]) for r in done.json["reports"]] == [
        (1, False, 0), (2, False, 3), (2, True, 0),
    ]  # fmt: skip
    assert played_on(fleet) == {"demo-1": 1, "demo-2": 1, "demo-3": 0}
    assert played_on(fleet, "back") == {"demo-1": 0, "demo-2": 1, "demo-3": 0}

    broken.unlink()
    shown = fleet.ok("playbook", "plan", "mine", "-o", "json").json
    assert (shown["goes_on"], [batch["number"] for batch in shown["batches"]]) == (True, [2, 3])
    fleet.ok("playbook", "run", "mine", "--yes")
    assert played_on(fleet) == {"demo-1": 1, "demo-2": 2, "demo-3": 1}
    assert played_on(fleet, "back") == {"demo-1": 0, "demo-2": 1, "demo-3": 0}


def test_a_few_may_fail_and_are_left_out(fleet: DemoFleet) -> None:
    write(fleet, FAILING)
    (fleet.home("demo-1") / "played-broken").touch()
    done = fleet.run("playbook", "run", "mine", "-p", "most=1", "--yes")
    assert done.code == 3
    assert "going on without demo-1 (1 of 3 failed, 1 may)" in done.err
    assert played_on(fleet) == {"demo-1": 1, "demo-2": 1, "demo-3": 1}
    assert played_on(fleet, "back") == {"demo-1": 1, "demo-2": 0, "demo-3": 0}
    assert titles(fleet.ok("history", "-o", "json"))[0] == "playbook mine: done"


def test_nothing_is_begun_when_more_do_not_answer_than_may_fail(fleet: DemoFleet) -> None:
    write(fleet, FAILING)
    pid = fleet.node_pid("demo-3")
    os.kill(pid, signal.SIGSTOP)
    try:
        done = fleet.run("playbook", "run", "mine", "--yes", "--set", "ssh.connect_timeout=1s")
        assert done.code == 4
        assert "demo-3: no answer, and no more than 0 may fail" in done.err
        assert "! demo-3 does not answer and counts as failed" in done.out
        assert played_on(fleet) == {"demo-1": 0, "demo-2": 0, "demo-3": 0}
        some = fleet.run("playbook", "run", "mine", "-p", "most=1", "--yes",
                         "--set", "ssh.connect_timeout=1s")  # fmt: skip
        assert some.code == 4
        assert played_on(fleet) == {"demo-1": 1, "demo-2": 1, "demo-3": 0}
    finally:
        os.kill(pid, signal.SIGCONT)


def test_a_pause_waits_for_a_yes_and_what_was_done_is_not_done_again(fleet: DemoFleet) -> None:
    write(
        fleet,
        "choose: {nodes: 'demo-[1-2]'}\n"
        "steps:\n"
        f"  - exec: {{{line()}}}\n"
        "  - name: canary\n"
        "    batch: first\n"
        "    approve: Go on with the others?\n"
        f"  - name: after\n    exec: {{{line('after')}}}\n",
    )
    done = fleet.run("playbook", "run", "mine", "--yes")
    assert done.code == 8
    assert "waiting for a yes: batch 1 of 2 (demo-1): Go on with the others?" in done.err
    assert "phoenixctl playbook run mine --yes --approve canary" in done.err
    assert (played_on(fleet)["demo-1"], played_on(fleet, "after")["demo-1"]) == (1, 0)
    assert fleet.run("playbook", "run", "mine", "--yes", "--approve", "canry").code == 2
    fleet.ok("playbook", "run", "mine", "--yes", "--approve", "canary")
    assert played_on(fleet) == {"demo-1": 1, "demo-2": 1, "demo-3": 0}
    assert played_on(fleet, "after") == {"demo-1": 1, "demo-2": 1, "demo-3": 0}


def test_an_upgrade_begins_with_a_canary_that_has_to_last(fleet: DemoFleet) -> None:
    words = ("playbook", "run", "rolling-agent-upgrade", "-p", "agents=counter", "-p", "soak=200ms",
             "-p", "at_a_time=2", "--yes")  # fmt: skip
    text = fleet.config.read_text()
    fleet.config.write_text(text.replace("  counter:\n", "  counter:\n    grace: 4s\n", 1))
    try:
        assert fleet.run(*words).code == 8
        assert upgraded(fleet) == {"counter-0": True, "counter-1": False, "counter-2": False}
        fleet.ok(*words, "--approve", "canary")
        assert set(upgraded(fleet).values()) == {True}
    finally:
        fleet.config.write_text(text)


def upgraded(fleet: DemoFleet) -> dict[str, bool]:
    """Which agents run with the specification of now."""
    plan = fleet.ok("plan", "-o", "json").json
    old = {step["agent"] for step in plan["steps"] if step["action"] == "update agent"}
    return {agent: agent not in old for agent in COUNTERS}


def test_a_wait_for_what_does_not_come_is_a_failure(fleet: DemoFleet) -> None:
    write(
        fleet,
        "choose: {nodes: demo-1}\n"
        "steps:\n"
        "  - wait: {metric: memory_utilization, above: 100%, within: 300ms, every: 100ms}\n"
        f"  - exec: {{{line()}}}\n",
    )
    done = fleet.run("playbook", "run", "mine", "--yes")
    assert done.code == 3
    assert "not within 300ms: memory_utilization of demo-1 is" in done.err
    assert played_on(fleet)["demo-1"] == 0


def gate(fleet: DemoFleet) -> Path:
    """The second step ends on demo-2 when this is there."""
    return fleet.root / "gate"


def begun(fleet: DemoFleet) -> subprocess.Popen[bytes]:
    """A run that is at the last step of its second batch, for as long as there is no gate."""
    gate(fleet).unlink(missing_ok=True)
    hold = f"; case $HOME in */demo-2/*) while test ! -e {gate(fleet)}; do sleep 0.05; done; esac"
    write(
        fleet,
        "choose: {nodes: 'demo-[1-3]'}\n"
        "steps:\n"
        f"  - exec: {{{line()}}}\n"
        f"  - name: slow\n    exec: {{{line('slow', hold)}}}\n",
    )
    process = fleet.start("playbook", "run", "mine", "--yes")
    until((fleet.home("demo-2") / "played-slow").exists, seconds=60)
    return process


def test_a_killed_run_goes_on_and_repeats_only_the_step_that_was_cut_off(
    fleet: DemoFleet,
) -> None:
    process = begun(fleet)
    process.send_signal(signal.SIGKILL)
    process.wait(timeout=10)
    gate(fleet).touch()
    anew = fleet.ok("playbook", "plan", "mine", "--restart", "-o", "json").json
    assert (anew["goes_on"], len(anew["batches"])) == (False, 3)
    done = fleet.ok("playbook", "run", "mine", "--yes")
    assert "goes on with the run of" in done.out
    assert played_on(fleet) == {"demo-1": 1, "demo-2": 1, "demo-3": 1}
    assert played_on(fleet, "slow") == {"demo-1": 1, "demo-2": 2, "demo-3": 1}


def test_ctrl_c_lets_the_step_end_and_the_next_run_goes_on_after_it(fleet: DemoFleet) -> None:
    process = begun(fleet)
    process.send_signal(signal.SIGINT)
    gate(fleet).touch()
    assert finish(process).code == 130
    assert played_on(fleet)["demo-3"] == 0
    fleet.ok("playbook", "run", "mine", "--yes")
    assert played_on(fleet) == {"demo-1": 1, "demo-2": 1, "demo-3": 1}
    assert played_on(fleet, "slow") == {"demo-1": 1, "demo-2": 1, "demo-3": 1}


def test_only_one_of_two_runs_goes_on_and_nothing_is_done_twice(fleet: DemoFleet) -> None:
    first = begun(fleet)
    second = fleet.start("playbook", "run", "mine", "--yes", "--lock-wait", "60s")
    assert_said(second, "waiting for")
    gate(fleet).touch()
    ends = [finish(first), finish(second)]
    assert sorted(end.code for end in ends) == [0, 6], ends
    lost = next(end for end in ends if end.code == 6)
    assert "another `playbook run mine` goes on with this: operation" in lost.err
    assert played_on(fleet) == {"demo-1": 1, "demo-2": 1, "demo-3": 1}
    assert played_on(fleet, "slow") == {"demo-1": 1, "demo-2": 1, "demo-3": 1}


def test_a_run_that_has_begun_waits_for_others_and_plans_anew_what_they_have_changed(
    fleet: DemoFleet,
) -> None:
    process = begun(fleet)
    cordon = fleet.home("demo-3") / ".phoenixctl" / "phoenix-demo" / "cordon"
    with (fleet.state / "lock").open("r+b", buffering=0) as lock:
        somebody = threading.Thread(target=fcntl.flock, args=(lock, fcntl.LOCK_EX))
        somebody.start()
        gate(fleet).touch()
        somebody.join(timeout=60)
        lock.truncate(0)
        told = {
            "by": "ann",
            "host": "here",
            "pid": 1,
            "operation": "cordon",
            "since": "",
            "renewed": "",
        }
        lock.write(json.dumps(told).encode() + b"\n")
        assert_said(process, "waiting for ann (pid 1), who runs `cordon`")
        cordon.write_text('{"by": "ann", "at": "", "reason": "because"}')
        lock.truncate(0)
    try:
        done = finish(process)
    finally:
        cordon.unlink()
    assert done.code == 0, done
    assert "planned anew: the plan is stale: demo-3 is cordoned now" in done.err
    assert played_on(fleet) == {"demo-1": 1, "demo-2": 1, "demo-3": 1}


def assert_said(process: subprocess.Popen[bytes], words: str) -> None:
    """Read what it tells until it says so; it must not end before."""
    assert process.stderr is not None
    assert any(words in line.decode() for line in process.stderr), f"it never said: {words}"
