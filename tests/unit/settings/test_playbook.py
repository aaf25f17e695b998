"""Playbooks as they are written: what they mean, and what is wrong with them and where."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from phoenixctl.model.errors import ConfigError, UsageError
from phoenixctl.model.fleet import Share
from phoenixctl.model.playbook import (
    Batches,
    Choice,
    Copy,
    Drain,
    Exec,
    Notify,
    Playbook,
    Rebalance,
    Reboot,
    RotateHostKey,
    Uncordon,
    Wait,
)
from phoenixctl.settings import shape
from phoenixctl.settings.playbook import find_playbooks, read_playbook, read_written
from phoenixctl.settings.playbook_sections import PlaybookRoot
from phoenixctl.settings.schema import playbook_schema

ROOT = Path(__file__).parents[3]
ONE_STEP = "choose: {nodes: a}\nsteps:\n  - drain:\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def read(folder: Path, text: str, **values: str) -> Playbook:
    path = folder / "mine.yaml"
    path.write_text(text)
    return read_playbook(path, values)


def wrong(folder: Path, text: str, **values: str) -> list[str]:
    """What is said of each problem, without the folder."""
    with pytest.raises(ConfigError) as caught:
        read(folder, text, **values)
    return [line.replace(f"{folder}/mine.yaml:", "") for line in str(caught.value).splitlines()]


def test_every_kind_of_step_is_read_with_its_defaults(folder: Path) -> None:
    made = read(
        folder,
        "choose: {nodes: [web*, db1], pools: main, labels: zone=a}\n"
        "serial: [1, 25%]\n"
        "max_failures: 10%\n"
        "steps:\n"
        "  - exec: {run: [uptime, 5], timeout: 30s, sudo: true}\n"
        "  - copy: {from: motd, to: /etc/motd}\n"
        "  - drain:\n"
        "  - {name: hard, drain: {stop: all, deadline: 5s}, batch: first}\n"
        "  - reboot: {stop: unplaced}\n"
        "  - wait: {metric: cpu_utilization, below: 80%, within: 1m, every: 2s}\n"
        "  - uncordon:\n"
        "  - rebalance: {max_moves: 3}\n"
        "  - notify: {run: [logger], text: done}\n"
        "  - rotate_host_key:\n"
        "rollback:\n"
        "  - uncordon:\n",
    )
    assert made.on == Choice(("web*", "db1"), ("main",), ("zone=a",))
    assert made.serial == (Share(count=1), Share(ratio=0.25))
    assert made.max_failures == Share(ratio=0.1)
    assert [stage.name for stage in (*made.steps, *made.rollback)] == [
        "exec", "copy", "drain", "hard", "reboot", "wait", "uncordon", "rebalance", "notify",
        "rotate-host-key", "uncordon-2",
    ]  # fmt: skip
    assert [stage.do for stage in made.steps] == [
        Exec(("uptime", "5"), 30.0, True), Copy(str(folder / "motd"), "/etc/motd"), Drain(),
        Drain("all", 5.0), Reboot("unplaced"), Wait("cpu_utilization", 0.8, None, 60.0, 2.0),
        Uncordon(), Rebalance(max_moves=3), Notify(("logger",), "done"), RotateHostKey(),
    ]  # fmt: skip
    assert made.steps[3].batches is Batches.FIRST


def test_bounds_are_read_in_the_unit_of_the_metric(folder: Path) -> None:
    def bound(text: str) -> object:
        do = read(folder, f"choose: {{nodes: a}}\nsteps: [{{wait: {text}}}]\n").steps[0].do
        assert isinstance(do, Wait)
        return do.below if do.above is None else do.above

    assert bound("{metric: response_time_p95, below: 200ms}") == 0.2
    assert bound("{metric: memory_total, above: 2GiB}") == 2 * 1024**3
    assert bound("{metric: rss, agents: web, below: 1MiB}") == 1024**2
    assert bound("{metric: load_1m, below: 1.50}") == 1.5


def test_parameters_are_put_in_and_nothing_else(folder: Path) -> None:
    text = (
        "parameters: {who: {default: a*}, share: {default: 10%}, times: {}}\n"
        'choose: {nodes: "${who}"}\n'
        "serial: ${share}\n"
        'steps: [{exec: {run: [echo, "$${who} ${who}-${times}", $who, "${times}"]}}]\n'
    )
    made = read(folder, text, times="3")
    assert made.parameters == {"who": "a*", "share": "10%", "times": "3"}
    assert made.on.nodes == ("a*",)
    assert made.serial == (Share(ratio=0.1),)
    assert made.steps[0].do == Exec(("echo", "${who} a*-3", "$who", "3"))
    assert read(folder, text, times="2", share="2", who="${share}").on.nodes == ("${share}",)


def test_a_parameter_that_is_missing_or_not_there_is_named(folder: Path) -> None:
    text = f"parameters: {{nodes: {{}}}}\n{ONE_STEP}"
    with pytest.raises(UsageError, match="playbook mine needs a value for nodes"):
        read(folder, text)
    with pytest.raises(UsageError, match="has no parameter node; did you mean `nodes`"):
        read(folder, text, node="a")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('choose: {nodes: "${nods}"}\nparameters: {nodes: {default: a}}\nsteps: [drain: ]\n',
         "1:17: choose.nodes: no parameter `nods`; did you mean `nodes`?"),
        ('choose: {nodes: a}\nsteps: [{exec: {run: [echo, "${a b}"]}}]\n',
         "2:29: steps[0].exec.run[1]: ${a b}: only the name of a parameter may stand there"),
        ('choose: {nodes: a}\nsteps: [{exec: {run: [echo, "${a"]}}]\n',
         "2:29: steps[0].exec.run[1]: `${` without its `}`; $${ stands for ${ itself"),
        ("choose: {nodes: a}\nsteps:\n  - drian:\n",
         "3:5: steps[0].drian: unknown key; did you mean `drain`?"),
        ("choose: {nodes: a}\nsteps:\n  - drain:\n    reboot:\n",
         "4:12: steps[0].reboot: one thing is done in a step, and drain is there"),
        ("choose: {nodes: a}\nsteps:\n  - name: x\n",
         "3:5: steps[0]: missing: what is done, one of exec, copy, drain, uncordon, reboot,"),
        ("choose: {nodes: a, agents: b}\nsteps:\n  - drain:\n",
         "1:28: choose.agents: a playbook is about nodes or about agents, not both"),
        ("steps:\n  - drain:\n",
         "2:11: steps[0].drain: this is done on nodes, and the playbook chooses none"),
        ("steps:\n  - restart:\n",
         "2:13: steps[0].restart: this is done with agents, and the playbook chooses none"),
        ("choose: {nodes: a}\n", "1:1: steps: missing: what is done"),
        ("choose: {nodes: a}\nserial: []\nsteps:\n  - drain:\n",
         "2:9: serial: missing: how many at a time"),
        (f"{ONE_STEP}  - {{name: drain, uncordon: }}\n",
         "4:12: steps[1].name: another step is called drain"),
        (f"{ONE_STEP}rollback:\n  - approve: so?\n",
         "5:14: rollback[0].approve: nobody is asked while things are taken back"),
        ("choose: {agents: a}\nsteps:\n  - restart: {specification: former}\n",
         "3:30: steps[0].restart.specification: agents go back to their former one only under"),
        (f"{ONE_STEP}  - wait: {{metric: rss, below: 5}}\n",
         "4:20: steps[1].wait.metric: no metric of nodes"),
        (f"{ONE_STEP}  - wait: {{metric: cpu_utilization, below: 5s}}\n",
         "4:44: steps[1].wait.below: expected a value in ratio, found 5s"),
        (f"{ONE_STEP}  - wait: {{metric: cpu_utilization}}\n",
         "4:5: steps[1].wait: write below or above, one of them"),
        (f"{ONE_STEP}  - exec: {{run: uptime -p}}\n",
         "4:17: steps[1].exec.run: expected a list of the program and its arguments"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_its_place(folder: Path, text: str, said: str) -> None:
    assert said in wrong(folder, text)[0]


def test_a_playbook_beside_the_configuration_hides_a_shipped_one(tmp_path: Path) -> None:
    for name in ("mine", "shipped"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "both.yaml").write_text(f"description: {name}\n{ONE_STEP}")
    (tmp_path / "shipped" / "other.yaml").write_text(ONE_STEP)
    found = find_playbooks([tmp_path / "mine", tmp_path / "shipped", tmp_path / "none"])
    assert list(found) == ["both", "other"]
    assert read_written(found["both"]).description == "mine"


def test_the_documentation_names_every_key_and_no_other() -> None:
    described = (ROOT / "docs" / "playbooks.md").read_text()
    named = set(re.findall(r"^\| `([a-z_.\[\]]+)`", described, re.M))
    keys = {key for model in shape.models(PlaybookRoot) for key in shape.keys(model)}
    assert {name.rpartition(".")[2].removesuffix("[]") for name in named} == keys


def test_the_schema_lets_a_parameter_stand_for_any_value() -> None:
    schema = playbook_schema()
    size = schema["$defs"]["ScaleSection"]["properties"]["size"]
    assert {"type": "string", "pattern": r"\$\{[a-z][a-z0-9_]*\}"} in size["anyOf"]
    steps = schema["$defs"]["StepSection"]
    assert steps["additionalProperties"] is False
    assert {"exec", "copy", "drain", "rotate_host_key"} <= set(steps["properties"])
