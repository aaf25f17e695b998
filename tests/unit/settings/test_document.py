from __future__ import annotations

import pytest

from phoenixctl.model.errors import ConfigError
from phoenixctl.settings.document import read_tree
from tests.unit.settings.loading import loaded, problems

HEAD = "fleet: {name: f}\n"


def refused(text: str | bytes) -> str:
    found: list[object] = []
    with pytest.raises(ConfigError) as caught:
        read_tree(text, "f.yaml", found)  # type: ignore[arg-type]
    return caught.value.what


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("012", "octal"),
        ("-007", "octal"),
        ("on", "boolean to some YAML readers"),
        ("Off", "boolean to some YAML readers"),
        ("yes", "boolean to some YAML readers"),
        ("NO", "boolean to some YAML readers"),
        ("True", "boolean to some YAML readers"),
        ("NULL", "write null"),
        ("12:30", "base 60"),
        ("1:2:3", "base 60"),
        ("0x1F", "plain decimal"),
        ("0o17", "plain decimal"),
        ("1_000", "plain decimal"),
        (".inf", "not a number"),
        ("-.Inf", "not a number"),
        (".nan", "not a number"),
        ("1e999", "too large"),
        ("9" * 60, "60 characters"),
    ],
)
def test_a_scalar_that_yaml_readers_disagree_about_is_refused_until_quoted(tmp_path, value, says):
    text = f"{HEAD}agents: {{a: {{command: [x], env: {{V: {value}}}}}}}\n"
    (line,) = problems(tmp_path, text)
    assert line.startswith("phoenixctl.yaml:2:37: agents.a.env.V: ")
    assert says in line
    quoted = loaded(tmp_path, text.replace(value, f'"{value}"'))
    assert quoted.fleet.agents["a"].env == {"V": value}


@pytest.mark.parametrize(
    "value", ["4", "1.10", "+5", "1e3", "true", "2024-01-31", "a:b", "fe80::1"]
)
def test_environment_values_are_kept_exactly_as_written(tmp_path, value):
    config = loaded(tmp_path, f"{HEAD}agents: {{a: {{command: [x], env: {{V: {value}}}}}}}\n")
    assert config.fleet.agents["a"].env == {"V": value}


def test_a_key_written_twice_is_refused_with_both_lines(tmp_path):
    lines = problems(tmp_path, "fleet: {name: f}\nssh:\n  parallel: 2\n  parallel: 3\n")
    assert lines == ["phoenixctl.yaml:4:3: ssh.parallel: written twice; first on line 3"]


def test_a_trap_as_a_key_is_refused(tmp_path):
    (line,) = problems(tmp_path, f"{HEAD}agents: {{a: {{command: [x], labels: {{no: 1}}}}}}\n")
    assert line.startswith("phoenixctl.yaml:2:37: agents.a.labels: `no` is a boolean")


def test_merge_keys_are_refused_as_such(tmp_path):
    text = """\
        fleet: {name: f}
        agents:
          a: &a {command: [x]}
          b: {<<: *a}
        """
    assert "merge keys (<<) are not supported" in "\n".join(problems(tmp_path, text))


def test_an_alias_may_stand_for_its_anchor(tmp_path):
    text = """\
        fleet: {name: f}
        agents:
          a: &same {command: [x]}
          b: *same
        """
    agents = loaded(tmp_path, text).fleet.agents
    assert agents["b"].command == agents["a"].command == ("x",)


def test_an_alias_bomb_is_refused_quickly():
    lines = ["a0: &a0 [x,x,x,x,x,x,x,x,x,x]"]
    lines += [f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    assert "aliases stand for more than" in refused("\n".join(lines))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: &x [*x]", "f.yaml:1:8: alias *x contains itself"),
        ("a: *nowhere", "f.yaml:1:4: "),
        ("[" * 100_000, "f.yaml:1:65: nested deeper than 64 levels"),
        ("a:\n\tb: 1", "f.yaml:2:1: a tab in the indentation; use spaces"),
        ("a: 1\n---\nb: 2", "f.yaml:2:1: a second document"),
        ("a: [1", "f.yaml:"),
        ("{[1]: 2}", "a key must be text"),
        (b"a: 1\nb: \xff", "f.yaml:2:4: byte 0xff is not UTF-8 text"),
        ("a: 1\nb: x\x01y", "f.yaml:2:5: "),
        (b"x" * (16 * 1024 * 1024 + 1), "larger than 16 MiB"),
    ],
)
def test_what_is_no_yaml_is_refused_with_its_place(text, says):
    assert says in refused(text)


@pytest.mark.parametrize(
    ("text", "found"),
    [("", "an empty file"), ("# only this\n", "an empty file"), ("- a\n", "something else")],
)
def test_a_file_that_is_no_mapping_is_refused(tmp_path, text, found):
    (line,) = problems(tmp_path, text)
    assert line.startswith("phoenixctl.yaml:1:1: expected a mapping")
    assert line.endswith(found)


def test_tags_are_refused(tmp_path):
    (line,) = problems(tmp_path, 'fleet: {name: !!python/name:os.system ""}\n')
    assert 'tag "tag:yaml.org,2002:python/name:os.system" is not supported' in line


def test_a_byte_order_mark_and_windows_line_ends_are_read(tmp_path):
    path = tmp_path / "phoenixctl.yaml"
    path.write_bytes("\ufefffleet:\r\n  name: f\r\n".encode())
    from phoenixctl.settings.load import load

    assert load(path, environ={}).fleet.name == "f"
