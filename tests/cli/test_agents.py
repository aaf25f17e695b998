"""`agents` and `nodes`: every change may be repeated and changes nothing the second time."""

from __future__ import annotations

import json
import re
import signal
import time

from tests.cli.demo_fleet import DemoFleet, another_config, finish, interrupt, until


def where(fleet: DemoFleet, agent: str) -> list[tuple[str, str]]:
    """On which nodes an agent is, and in which state."""
    found = fleet.ok("agents", "ls", agent, "-o", "json").json["agents"]
    return [(a["node"], a["state"]) for a in found]


def counted(fleet: DemoFleet, agent: str) -> int:
    """The count in an agent's state, where it runs."""
    [node] = [node for node, state in where(fleet, agent) if state == "running"]
    [file] = fleet.home(node).glob(f".phoenixctl/*/agents/{agent}/state/counter")
    return int(file.read_text().splitlines()[-1].split()[0])


def test_agents_stop_and_start_and_doing_it_again_changes_nothing(fleet: DemoFleet) -> None:
    stopped = fleet.ok("agents", "stop", "counter-0", "-o", "json").json
    assert [(s["agent"], s["outcome"]) for s in stopped["steps"]] == [("counter-0", "ok")]
    assert "nothing left" in stopped["steps"][0]["detail"]
    again = fleet.ok("agents", "stop", "counter-0")
    assert again.out.endswith("nothing to do\n")
    started = fleet.ok("agents", "start")
    assert re.search(r"^ok +start agent counter-0 on demo-1: ready in ", started.err, re.M)
    again = fleet.ok("agents", "start")
    assert "counter-0 runs on demo-1" in again.out
    assert again.out.endswith("nothing to do\n")
    assert again.err == ""


def test_of_a_node_all_its_agents_are_stopped_and_no_other_is_spoken_of(fleet: DemoFleet) -> None:
    plan = fleet.ok("agents", "stop", "--nodes", "demo-2", "--dry-run", "-o", "json").json
    assert [(s["agent"], s["node"]) for s in plan["steps"]] == [("counter-1", "demo-2")]
    assert plan["unchanged"] == []


def test_a_restart_gives_a_new_process_and_the_next_epoch(fleet: DemoFleet) -> None:
    [before] = fleet.ok("agents", "ls", "counter-1", "-o", "json").json["agents"]
    fleet.ok("agents", "restart", "counter-1")
    [after] = fleet.ok("agents", "ls", "counter-1", "-o", "json").json["agents"]
    assert after["pid"] != before["pid"]
    assert after["epoch"] == before["epoch"] + 1
    assert after["ready"]


def test_a_dry_run_shows_the_plan_and_changes_nothing(fleet: DemoFleet) -> None:
    journal = (fleet.state / "journal.jsonl").read_bytes()
    for words in (["agents", "restart"], ["nodes", "drain", "demo-1"]):
        plan = fleet.ok(*words, "--dry-run", "-o", "json").json
        assert plan["schema"] == "phoenixctl.plan/1"
        assert plan["steps"]
    assert (fleet.state / "journal.jsonl").read_bytes() == journal


def test_what_disrupts_is_refused_when_nobody_said_yes_and_nobody_can_be_asked(
    fleet: DemoFleet,
) -> None:
    done = fleet.run("agents", "stop")
    assert done.code == 8
    assert "nobody can be asked" in done.err
    assert "--dry-run, then add --yes" in done.err
    done = fleet.run("nodes", "drain", "demo-1", "--stop", "all", "-o", "json")
    assert (done.code, done.json["error"]["kind"]) == (8, "refused")
    assert where(fleet, "counter-0") == [("demo-1", "running")]


def test_a_drained_node_keeps_its_cordon_and_its_agents_go_elsewhere_with_their_state(
    fleet: DemoFleet,
) -> None:
    try:
        sent = fleet.ok("demo", "load", "--agent", "counter-0", "--seconds", "0.2", "-o", "json")
        before = counted(fleet, "counter-0")
        assert before >= sent.json["acknowledged"] > 0
        done = fleet.ok("nodes", "drain", "demo-1", "--yes", "-o", "json").json
        assert [(s["action"], s["node"], s["outcome"]) for s in done["steps"]] == [
            ("cordon node", "demo-1", "ok"), ("migrate agent", "demo-2", "ok"),
        ]  # fmt: skip
        assert re.match(r"live, down for .* copied in \d+ rounds", done["steps"][1]["detail"])
        assert counted(fleet, "counter-0") == before
        assert fleet.ok("status").rows("NODE")["demo-1"][0] == "cordoned"
        assert sorted(where(fleet, "counter-0")) == [("demo-1", "stopped"), ("demo-2", "running")]
    finally:
        fleet.ok("agents", "stop", "counter-0", "--purge", "--yes")
        fleet.ok("nodes", "uncordon", "demo-1")
        fleet.ok("agents", "start")
    assert where(fleet, "counter-0") == [("demo-1", "running")]


def test_cordoning_twice_is_cordoning_once(fleet: DemoFleet) -> None:
    try:
        fleet.ok("nodes", "cordon", "demo-2", "--reason", "new disk\x1b[31m")
        again = fleet.ok("nodes", "cordon", "demo-[2-3]")
        assert re.match(r"demo-2 is cordoned by .*\nok +cordon node demo-3: cordoned\n", again.err)
        assert r"new disk\x1b[31m" in fleet.ok("nodes", "describe", "demo-2").out
    finally:
        fleet.ok("nodes", "uncordon", "demo-[2-3]")


def test_logs_show_what_agents_wrote_and_name_them_when_there_are_several(
    fleet: DemoFleet,
) -> None:
    alone = fleet.ok("agents", "logs", "counter-0", "--lines", "1")
    assert alone.out.startswith("counter-0 active on port ")
    several = fleet.ok("agents", "logs", "--lines", "1")
    assert {line.split()[0] for line in several.out.splitlines()} == {
        "counter-0@demo-1", "counter-1@demo-2", "counter-2@demo-3",
    }  # fmt: skip


def test_following_logs_ends_with_ctrl_c_and_leaves_nothing_on_the_node(fleet: DemoFleet) -> None:
    before = at_rest(fleet, "demo-1")
    following = fleet.start("agents", "logs", "-f", "counter-0")
    assert following.stdout is not None
    assert following.stdout.readline().startswith(b"counter-0 active")
    assert fleet.processes_on("demo-1") > before
    done = interrupt(following)
    assert (done.code, done.err) == (130, "interrupted\n")
    until(lambda: fleet.processes_on("demo-1") == before)


def at_rest(fleet: DemoFleet, node: str) -> set[int]:
    """What runs on a node when nothing of an earlier command is about to end there any more."""
    looks = [fleet.processes_on(node)]

    def settled() -> bool:
        time.sleep(0.2)
        looks.append(fleet.processes_on(node))
        return looks[-1] == looks[-2]

    until(settled)
    return looks[-1]


SLOWPOKE = """\
    command: [sleep, "1000"]
    nodes: [demo-2]
    ready: {{exec: {{command: [test, -e, {go}]}}, within: 20s}}
"""


def test_of_two_changes_at_once_one_wins_and_the_other_is_told_who(fleet: DemoFleet) -> None:
    go = fleet.root / "go"
    with another_config(fleet, "slowpoke", SLOWPOKE.format(go=go)) as config:
        first = fleet.start("--config", str(config), "agents", "start")
        until(lambda: b"slowpoke-0" in (fleet.state / "journal.jsonl").read_bytes())
        second = fleet.run("agents", "restart", "counter-0")
        looking = fleet.ok("agents", "ls")
        go.touch()
        assert second.code == 6
        assert f"(pid {first.pid} on " in second.err
        assert "runs `start agents`" in second.err
        assert "slowpoke-0" in looking.out
        assert finish(first).code == 0


def test_a_run_that_was_killed_needs_no_unlocking_and_is_finished_first(fleet: DemoFleet) -> None:
    go = fleet.root / "never"
    with another_config(fleet, "victim", SLOWPOKE.format(go=go)) as config:
        first = fleet.start("--config", str(config), "agents", "start")
        until(lambda: b'"victim-0"' in begun(fleet))
        first.kill()
        first.communicate()
        looking = fleet.ok("--config", str(config), "agents", "restart", "victim", "--dry-run")
        assert "an earlier run was cut off in: start agent victim-0@demo-2;" in looking.err
        go.touch()
        same = fleet.ok("--config", str(config), "agents", "stop", "victim-0")
        assert "an earlier run was cut off in: start agent victim-0@demo-2; finishing" in same.err
        assert re.search(r"^ok +stop agent victim-0 on demo-2", same.err, re.M)
        go.unlink()
        assert "cut off" not in fleet.ok("agents", "restart", "counter-0").err


def begun(fleet: DemoFleet) -> bytes:
    """The lines of the journal that say what was begun."""
    lines = (fleet.state / "journal.jsonl").read_bytes().splitlines()
    return b"\n".join(line for line in lines if json.loads(line).get("event") == "begin")


def test_ctrl_c_twice_in_a_change_leaves_the_lock_free_and_the_end_in_the_journal(
    fleet: DemoFleet,
) -> None:
    with another_config(fleet, "patient", SLOWPOKE.format(go=fleet.root / "never")) as config:
        first = fleet.start("--config", str(config), "agents", "start")
        until(lambda: b'"patient-0"' in begun(fleet))
        first.send_signal(signal.SIGINT)
        time.sleep(0.3)
        assert first.poll() is None  # what is under way may come to its end
        done = interrupt(first)
        assert (done.code, done.err.splitlines()[-1]) == (130, "interrupted")
        assert "Ctrl-C again cuts it off" in done.err
        events = [json.loads(x) for x in (fleet.state / "journal.jsonl").read_text().splitlines()]
        ended = [e for e in events if e["event"] == "end"][-1]
        assert (ended["key"], ended["outcome"]) == ("start agent patient-0@demo-2", "unknown")
        latest = fleet.ok("history", "-o", "json").json["operations"][0]
        assert latest["outcome"] == "interrupted"
        assert fleet.ok("lock").out == "nobody holds it\n"
