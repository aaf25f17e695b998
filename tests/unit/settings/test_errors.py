from __future__ import annotations

import pytest

from tests.unit.settings.loading import loaded, problems

HEAD = "fleet: {name: f}\n"


def test_every_problem_is_told_at_once_in_the_order_of_the_lines(tmp_path):
    text = """\
        fleet:
          name: Prod
        agents:
          ingest:
            command: [x]
            replica: 2
            grace: 30
        ssh:
          parallel: "many"
          paralel: 3
        """
    assert problems(tmp_path, text) == [
        (
            "phoenixctl.yaml:2:9: fleet.name: expected a name of lower-case letters, digits and "
            'hyphens, at most 63, found "Prod"'
        ),
        "phoenixctl.yaml:6:5: agents.ingest.replica: unknown key; did you mean `replicas`?",
        (
            "phoenixctl.yaml:7:12: agents.ingest.grace: expected a duration such as 500ms, 30s or "
            "1h30m, with its unit, found 30"
        ),
        (
            "phoenixctl.yaml:9:13: ssh.parallel: expected a whole number from 1 to 100000, found "
            '"many"'
        ),
        "phoenixctl.yaml:10:3: ssh.paralel: unknown key; did you mean `parallel`?",
    ]


def test_an_unknown_key_without_a_near_one_lists_those_that_are_known(tmp_path):
    (line,) = problems(tmp_path, "fleet: {name: f, zzz: 1}\n")
    assert line == "phoenixctl.yaml:1:18: fleet.zzz: unknown key; known: name"


def test_a_missing_key_says_what_it_is_for(tmp_path):
    assert problems(tmp_path, "ssh: {}\n") == [
        "phoenixctl.yaml:1:1: fleet: missing: The fleet as a whole."
    ]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("ssh: {sudo: 1}", "phoenixctl.yaml:2:13: ssh.sudo: expected true or false, found 1"),
        ("ssh: {parallel: true}", "found true"),
        ("ssh: {parallel: 2.5}", "found 2.5"),
        ("ssh: {parallel: 0}", "from 1 to 100000, found 0"),
        ("ssh: {parallel: }", "found nothing"),
        ("ssh: {user: 12}", "expected a login name, in quotes, found 12"),
        ("ssh: {connect_timeout: 0s}", "longer than nought"),
        ("ssh: {connect_timeout: 1000000h}", "longer than nought"),
        ("ssh: {output_limit: 3 parsecs}", 'size such as 256MiB or 2GiB, found "3 parsecs"'),
        ("ssh: []", "expected a mapping of keys, found a list"),
        ("nodes: {}", "expected a list, found a mapping"),
        ("targets: {resource_utilization: 110%}", "at most one"),
        ("agents: {a: {command: ls -l}}", 'as ["program", "argument"], found "ls -l"'),
        ("agents: {a: {command: []}}", "the program and its arguments, found a list"),
        ("agents: {a: {command: [x, [y]]}}", "agents.a.command[1]: expected text"),
        ("agents: {a: {command: [x], replicas: -1}}", "from 0 to 100000, found -1"),
        ("agents: {A_b: {command: [x]}}", "phoenixctl.yaml:2:10: agents.A_b: expected a name"),
        ("agents: {a: {command: [x], stop_signal: SIGTERM}}", "without SIG"),
        ("pools: {p: {provider: ec2}}", "expected one of static, local, aws"),
        ("nodes: [{name: a, address: -oProxyCommand=x}]", "expected an address or host name"),
        ("nodes: [{name: a, jump: -x}]", "user@host:port"),
        ("nodes: [{name: a, base_dir: here}]", "absolute path"),
        ("nodes: [{name: a, network_speed: 10}]", "bit rate"),
    ],
)
def test_a_wrong_value_says_what_was_expected_and_found(tmp_path, text, line):
    found = problems(tmp_path, f"{HEAD}{text}\n")
    assert len(found) == 1
    assert line in found[0]


def test_errors_repeat_no_value_of_secrets_and_env(tmp_path):
    text = """\
        fleet: {name: f}
        agents:
          a:
            command: [x]
            secrets: {TOKEN: hunter2, OTHER: {env: "hunter2 with spaces"}, THIRD: [hunter2]}
            env: {PASSWORD: [hunter2]}
        """
    found = problems(tmp_path, text)
    assert len(found) == 4
    assert "hunter2" not in "\n".join(found)


def test_hostile_text_cannot_reach_the_terminal_through_an_error(tmp_path):
    text = HEAD + r'ssh: {user: "\e]52;c;x\a\u202e", "k\e[31m": 1}' + "\n"
    found = "\n".join(problems(tmp_path, text))
    assert "\x1b" not in found
    assert "\u202e" not in found


def test_null_and_empty_sections_mean_their_defaults(tmp_path):
    config = loaded(
        tmp_path,
        "fleet: {name: f}\npools:\nnodes:\nagents:\nssh:\ntargets:\nguards:\nprices:\nstore:\n",
    )
    assert config.fleet == loaded(tmp_path, "fleet: {name: f}\n").fleet
