from __future__ import annotations

import pytest

from phoenixctl.model.fleet import Share
from phoenixctl.settings.show import Origin, origins
from tests.unit.settings.loading import loaded, problems

TEXT = """\
fleet: {name: f}
nodes: [{name: a, port: 22}]
agents:
  my-agent:
    command: [x]
    env: {LOG_LEVEL: info}
    labels: {app.example/name: a}
ssh: {parallel: 5, sudo: true}
"""


def _other(fleet):
    return fleet.agents["my-agent"].resources.other


def test_a_flag_wins_over_the_environment_and_that_over_the_file(tmp_path):
    environ = {"PHOENIXCTL_SSH__PARALLEL": "20", "PHOENIXCTL_SSH__KEEPALIVE": "9s"}
    config = loaded(tmp_path, TEXT, environ=environ, overrides={"ssh.parallel": "30"})
    assert config.fleet.ssh.parallel == 30
    assert config.fleet.ssh.keepalive_seconds == 9.0
    assert config.fleet.ssh.sudo is True
    found = origins(config)
    assert found["ssh.parallel"] == Origin("flag", "--set ssh.parallel")
    assert found["ssh.keepalive"] == Origin("environment", "PHOENIXCTL_SSH__KEEPALIVE")
    assert found["ssh.sudo"].kind == "file"
    assert found["ssh.sudo"].place.endswith("phoenixctl.yaml:8:20")
    assert found["ssh.port"] == Origin("default")


@pytest.mark.parametrize(
    ("path", "text", "read"),
    [
        ("nodes[0].port", "23", lambda fleet: fleet.nodes["a"].port == 23),
        ("nodes.0.labels.x", "1.10", lambda fleet: fleet.nodes["a"].labels == {"x": "1.10"}),
        ("agents.my-agent.replicas", "0", lambda f: f.agents["my-agent"].replicas == 0),
        ("agents.my-agent.command", "[y, 2]", lambda f: f.agents["my-agent"].command == ("y", "2")),
        (
            "agents.my-agent.env.NEW",
            "a: b #c",
            lambda f: f.agents["my-agent"].env["NEW"] == "a: b #c",
        ),
        ("agents.my-agent.env.NEW", '"012"', lambda f: f.agents["my-agent"].env["NEW"] == "012"),
        (
            "agents.my-agent.labels.app.example/name",
            "b",
            lambda f: f.agents["my-agent"].labels == {"app.example/name": "b"},
        ),
        ("targets.cluster_availability", "50%", lambda f: f.targets.cluster_availability == 0.5),
        ("ssh.config_file", "null", lambda f: f.ssh.config_file is None),
        ("pools.default.max", "7", lambda f: f.pools["default"].maximum == 7),
        (
            "pools.default.rollout.settle",
            "7s",
            lambda f: f.pools["default"].rollout.settle_seconds == 7,
        ),
        ("guards.max_destroy", "3", lambda f: f.guards.max_destroy == Share(count=3)),
        ("prices.m6i.large", "0.5", lambda f: f.prices == {"m6i.large": 0.5}),
        ("agents.my-agent.resources.other.a.b/c", "2", lambda f: _other(f) == {"a.b/c": 2}),
        ("store.s3.bucket", "ops", lambda f: f.store.bucket == "ops"),
    ],
)
def test_any_single_value_can_be_set_by_a_flag(tmp_path, path, text, read):
    assert read(loaded(tmp_path, TEXT, overrides={path: text}).fleet)


def test_a_variable_means_the_key_whatever_its_case_hyphens_and_dots(tmp_path):
    environ = {
        "PHOENIXCTL_AGENTS__MY_AGENT__REPLICAS": "3",
        "PHOENIXCTL_AGENTS__MY_AGENT__ENV__LOG_LEVEL": "debug",
        "PHOENIXCTL_AGENTS__MY_AGENT__LABELS__APP_EXAMPLE_NAME": "z",
        "PHOENIXCTL_NODES__0__PORT": "24",
    }
    fleet = loaded(tmp_path, TEXT, environ=environ).fleet
    spec = fleet.agents["my-agent"]
    assert spec.replicas == 3
    assert spec.env == {"LOG_LEVEL": "debug"}
    assert spec.labels == {"app.example/name": "z"}
    assert next(iter(fleet.nodes.values())).port == 24


def test_variables_without_two_underscores_are_not_settings(tmp_path):
    environ = {"PHOENIXCTL_CONFIG": "x", "PHOENIXCTL_DEBUG": "1", "PATH": "/bin"}
    assert loaded(tmp_path, TEXT, environ=environ).fleet == loaded(tmp_path, TEXT).fleet


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        ({"ssh.paralel": "1"}, "--set ssh.paralel: ssh: `paralel`: no such key; did you mean `par"),
        ({"ssh.parallel.x": "1"}, "`x`: no such key"),
        ({"nodes[3].port": "1"}, "--set nodes[3].port: nodes: `3`: no such key"),
        ({"ssh.parallel": "x"}, "--set ssh.parallel: ssh.parallel: expected a whole number"),
        ({"ssh.sudo": "on"}, "--set ssh.sudo: ssh.sudo: `on` is a boolean to some"),
        ({"": "1"}, "no such key"),
        ({"agents.my-agent.command": "[a"}, "--set agents.my-agent.command:"),
    ],
)
def test_a_wrong_override_names_the_flag(tmp_path, overrides, says):
    found = problems(tmp_path, TEXT, overrides=overrides)
    assert len(found) == 1
    assert says in found[0]


def test_a_wrong_variable_is_named(tmp_path):
    (line,) = problems(tmp_path, TEXT, environ={"PHOENIXCTL_SHS__PARALLEL": "1"})
    assert line == "PHOENIXCTL_SHS__PARALLEL: `SHS`: no such key; did you mean `ssh`?"


def test_an_environment_that_is_no_text_is_refused_not_crashed_on(tmp_path):
    found = problems(tmp_path, TEXT, environ={"PHOENIXCTL_SSH__USER": '"\udcff"'})
    assert "byte 0xff is not UTF-8 text" in found[0]
