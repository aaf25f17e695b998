"""Playbooks of one's own on real hosts: what fails is taken back, and a run that was cut off goes
on."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hosts.fleet import Hosts
from tests.hosts.playing import MOVING, NAMES, Scene, end, exists, units_of, until

pytestmark = pytest.mark.hosts

MOVE = """\
parameters: {agent: {}, to: {}}
choose: {agents: "${agent}"}
steps:
  - migrate: {to: "${to}", strategy: live}
"""
NOTE = "/etc/counter.conf"
CANARY = f"""\
choose: {{nodes: "*"}}
serial: [1, 100%]
steps:
  - drain:
  - name: install
    exec: {{run: [sh, -c, "echo new >{NOTE}"]}}
  - name: check
    exec: {{run: [test, -e, /var/tmp/fits]}}
  - uncordon:
rollback:
  - name: remove
    exec: {{run: [rm, -f, {NOTE}]}}
  - uncordon:
"""
GATE = "/var/tmp/gate"
WORDS = ("begun", "held", "finished")
HOLD = f"""\
choose: {{nodes: "*"}}
steps:
  - name: begin
    exec: {{run: [sh, -c, "echo x >>/var/tmp/begun"]}}
  - name: hold
    exec: {{run: [sh, -c, "echo x >>/var/tmp/held; until test -e {GATE}; do sleep 0.05; done"]}}
  - name: finish
    exec: {{run: [sh, -c, "echo x >>/var/tmp/finished"]}}
"""


@pytest.fixture
def scene(hosts: Hosts, tmp_path: Path) -> Iterator[Scene]:
    scene = Scene.of(hosts, tmp_path, more=MOVING)
    yield scene
    scene.close()
    for host in hosts:
        host.run("rm", "-f", NOTE, GATE, *(f"/var/tmp/{word}" for word in WORDS))


def done(scene: Scene, what: str) -> list[int]:
    """How many times each host was told to do it."""
    paths = [host.path(f"/var/tmp/{what}") for host in scene.hosts]
    return [len(path.read_text().splitlines()) if path.exists() else 0 for path in paths]


def test_an_agent_is_migrated_by_a_playbook_and_keeps_its_count(scene: Scene) -> None:
    scene.write("move", MOVE)
    scene.run("agents", "start", "counter", "--on", "host1")
    scene.send("counter-0", 5)
    told = scene.play("move", "-p", "agent=counter-0", "-p", "to=host4")
    [[step]] = [report["steps"] for report in told["reports"]]
    assert (step["action"], step["outcome"]) == ("migrate agent", "ok")
    assert step["detail"].startswith("live, down for ")
    assert scene.places() == {**dict.fromkeys(NAMES, "host1"), "counter-0": "host4"}
    assert scene.counts() == {**dict.fromkeys(NAMES, 0), "counter-0": 5}
    assert scene.ready() == set(NAMES)


def test_a_canary_that_fails_is_taken_back_and_no_other_host_is_touched(scene: Scene) -> None:
    scene.write("install", CANARY)
    scene.run("agents", "start")
    before = scene.units()
    told = scene.play("install", expect=3)
    assert told["batches"] == [["host1"], ["host2", "host3", "host4"]]
    assert [(r["batch"], r["undoing"], r["exit_code"]) for r in told["reports"]] == [
        (1, False, 3), (1, True, 0),
    ]  # fmt: skip
    assert not [host.name for host in scene.hosts if exists(host, NOTE)]
    assert scene.cordoned() == set()
    after = scene.units()
    assert {name for name in NAMES if after[name].pid != before[name].pid} == {
        name for name, unit in before.items() if unit.host == "host1"
    }
    assert scene.ready() == set(NAMES)


def test_an_evacuation_that_was_killed_goes_on_and_nothing_is_lost(scene: Scene) -> None:
    scene.run("agents", "start", "counter", "--on", "host1")
    for number, name in enumerate(NAMES):
        scene.send(name, number + 1)
    counted = scene.counts()
    run = scene.begin("evacuate-zone", "-p", "zone=a", "-p", "at_a_time=1")
    others = [scene.hosts["host3"], scene.hosts["host4"]]
    until(lambda: any(map(units_of, others)), run, "an agent to come")
    end(run, signal.SIGKILL)

    scene.play("evacuate-zone", "-p", "zone=a", "-p", "at_a_time=1")
    assert scene.cordoned() == {"host1", "host2"}
    assert scene.places().keys() == set(NAMES)
    assert set(scene.places().values()) <= {"host3", "host4"}
    assert scene.ready() == set(NAMES)
    assert scene.counts() == counted
    assert scene.play("evacuate-zone", "-p", "zone=a", "-p", "at_a_time=1")["reports"] == []


def test_one_run_at_a_time_and_ctrl_c_lets_the_step_end(scene: Scene) -> None:
    scene.write("hold", HOLD)
    scene.hosts["host1"].run("touch", GATE)
    run = scene.begin("hold")
    until(lambda: done(scene, "held") == [1, 1, 0, 0], run, "host2 to hold")
    refused = scene.play("hold", expect=6)
    assert "playbook hold: batch 2 of 4 (host2)" in refused["error"]["what"]
    run.send_signal(signal.SIGINT)
    for host in scene.hosts:
        host.run("touch", GATE)
    code, said = end(run)
    assert code == 130, said
    assert "finishing what is under way" in said
    assert [done(scene, what) for what in WORDS] == [[1, 1, 0, 0], [1, 1, 0, 0], [1, 0, 0, 0]]

    told = scene.play("hold")
    assert [report["batch"] for report in told["reports"]] == [2, 3, 4]
    assert [done(scene, what) for what in WORDS] == [[1] * 4] * 3
