from collections.abc import Callable
from pathlib import Path

import pytest

from phoenixctl.model.errors import ConfigError
from phoenixctl.ssh.ssh_config import SshConfig

Read = Callable[[str], SshConfig]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def read(text: str) -> SshConfig:
        path = tmp_path / ".ssh" / "config"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return SshConfig.read([path], home=tmp_path)

    return read


def value(config: SshConfig, host: str, keyword: str, user: str | None = None) -> str | None:
    found = config.lookup(host, user=user, local_user="me")
    return found[keyword][0] if keyword in found else None


def test_the_first_value_counts_and_identity_files_add_up(read: Read) -> None:
    config = read(
        "IdentityFile one\nHost web*\n  Port 1\n  IdentityFile two\n"
        'Host *\n  Port=2\n  User = root\n  IdentityFile "three 3"\n'
    )
    assert value(config, "web1", "port") == "1"
    assert value(config, "db", "port") == "2"
    assert value(config, "db", "user") == "root"
    found = config.lookup("web1", user=None, local_user="me")
    assert found["identityfile"] == ["one", "two", "three 3"]


def test_a_negated_pattern_takes_a_host_out(read: Read) -> None:
    config = read("Host *.example !db.example\n  Port 7\n")
    assert value(config, "web.example", "port") == "7"
    assert value(config, "db.example", "port") is None


@pytest.mark.parametrize(
    ("condition", "matches"),
    [
        ("all", True),
        ("host real.example", True),
        ("host web", False),
        ("originalhost web", True),
        ("!originalhost web", False),
        ("user deploy", True),
        ("user root,admin", False),
        ("localuser me", True),
        ("originalhost web user deploy", True),
        ("originalhost web !user deploy", False),
        ("final", False),
        ("canonical", False),
    ],
)
def test_the_conditions_of_match(read: Read, condition: str, matches: bool) -> None:
    config = read(f"Host web\n  HostName real.example\nMatch {condition}\n  Port 9\n")
    assert (value(config, "web", "port", user="deploy") == "9") is matches


@pytest.mark.parametrize("condition", ["exec true", "!exec false", "exec true all"])
def test_match_exec_runs_nothing_and_its_block_is_left_out(
    read: Read, condition: str, tmp_path: Path
) -> None:
    config = read(f"Match {condition}\n  Port 9\nHost *\n  User u\n")
    assert value(config, "web", "port") is None
    assert value(config, "web", "user") == "u"
    assert config.warnings == [
        f"{tmp_path}/.ssh/config:1: the block of `Match exec` runs a command and was left out"
    ]


def test_an_include_inside_a_block_counts_for_that_block_only(read: Read, tmp_path: Path) -> None:
    folder = tmp_path / ".ssh" / "more"
    folder.mkdir(parents=True)
    (folder / "a.conf").write_text("Port 1\nHost inner\n  User a\n")
    (folder / "b.conf").write_text("Host *\n  HostKeyAlias b\n")
    config = read("Host web\n  Include more/*.conf\n  User w\nHost *\n  Port 2\n")
    assert value(config, "web", "port") == "1"
    assert value(config, "web", "user") == "w"
    assert value(config, "web", "hostkeyalias") == "b"
    assert value(config, "inner", "port") == "2"
    assert value(config, "inner", "user") is None
    assert value(config, "inner", "hostkeyalias") is None


def test_an_include_of_itself_ends_with_an_error(read: Read, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nested"):
        read(f"Include {tmp_path}/.ssh/config\n")


@pytest.mark.parametrize("line", ['Host "web', "Port", "Match user"])
def test_a_broken_line_is_named(read: Read, line: str) -> None:
    with pytest.raises(ConfigError, match="config:2"):
        value(read(f"# first\n{line}\n"), "web", "port")


def test_a_command_keeps_its_quotes(read: Read) -> None:
    config = read("ProxyCommand nc -x 'a b' %h %p # not a comment\n")
    assert value(config, "web", "proxycommand") == "nc -x 'a b' %h %p # not a comment"


def test_what_is_not_supported_is_said_once(read: Read) -> None:
    config = read("CanonicalizeHostname yes\nPKCS11Provider none\n")
    value(config, "a", "port")
    value(config, "b", "port")
    assert [warning.split(": ")[1] for warning in config.warnings] == [
        "canonicalizehostname is not supported and was ignored"
    ]
