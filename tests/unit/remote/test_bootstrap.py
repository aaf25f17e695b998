"""What a node is given before it takes agents is put right once, and then left alone."""

from __future__ import annotations

import os
import pwd
import shutil
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from phoenixctl.model.bootstrap import Bootstrap, BootstrapCommand, BootstrapFile
from phoenixctl.model.command import Command, Completed
from phoenixctl.model.errors import CommandFailed
from phoenixctl.model.hooks import ExecHook
from phoenixctl.remote.bootstrap import (
    bootstrap_digest,
    file_command,
    packages_command,
    parse_file,
    parse_packages,
)
from phoenixctl.remote.joined import mark_command, parse_mark, read_joined, unmark_command
from tests.unit.remote.machine import FLEET, NODE, Machine

# A package manager that keeps its packages as files below $HOME/packages.
ASKS = {
    "dpkg-query": 'status=$(cat "$HOME/packages/$4") || exit 1; echo " ${status:-installed} 1.2 "',
    "dpkg": ":",
    "rpm": 'for last; do :; done; [ -e "$HOME/packages/$last" ]',
}
INSTALLS = """
for last; do :; done
case $* in
    *update*) exit 0 ;;
    *-e*) [ -e "$HOME/packages/$last" ]; exit ;;
    *broken*) echo "E: cannot find broken" >&2; exit 100 ;;
    *forgotten*) exit 0 ;;
esac
echo "$@" >> "$HOME/ran"
for word; do case $word in -*|install|add|*:*) ;; *) : > "$HOME/packages/$word" ;; esac; done
"""
MANAGERS = {
    "apt-get": ("dpkg-query", "dpkg"),
    "dnf": ("rpm",),
    "yum": ("rpm",),
    "zypper": ("rpm",),
    "apk": (),
}


def with_manager(name: str, root: Path) -> Machine:
    """A machine with hardly more than this package manager."""
    tools = root / "bin"
    tools.mkdir()
    (root / "packages").mkdir()
    for tool in ("sh", "cat", "tail", "sleep"):
        (tools / tool).symlink_to(shutil.which(tool) or "")
    scripts = {name: INSTALLS, **{asked: ASKS[asked] for asked in MANAGERS.get(name, ())}}
    for script, text in scripts.items():
        (tools / script).write_text(f"#!{shutil.which('sh')}\n{text}\n")
        (tools / script).chmod(0o755)
    return Machine(root, f"{tools}:/nowhere")


@pytest.mark.parametrize("name", MANAGERS)
def test_packages_are_installed_once_by_the_manager_that_the_node_has(
    name: str, tmp_path: Path
) -> None:
    machine = with_manager(name, tmp_path)
    (tmp_path / "packages" / "curl").touch()
    command = packages_command(("curl", "jq", "htop"))
    assert parse_packages(machine.run(command)) == ("jq", "htop")
    assert "curl" not in (tmp_path / "ran").read_text()
    assert parse_packages(machine.run(command)) == ()
    assert len((tmp_path / "ran").read_text().splitlines()) == 1


def test_a_package_that_cannot_be_installed_is_told_in_the_managers_words(tmp_path: Path) -> None:
    machine = with_manager("apt-get", tmp_path)
    with pytest.raises(CommandFailed, match="apt-get cannot install broken\nE: cannot find broken"):
        parse_packages(machine.run(packages_command(("broken",))))


def test_a_manager_that_says_yes_and_does_nothing_is_not_believed(tmp_path: Path) -> None:
    machine = with_manager("dnf", tmp_path)
    with pytest.raises(CommandFailed, match="forgotten, and it is not there"):
        parse_packages(machine.run(packages_command(("forgotten",))))


@pytest.mark.parametrize("status", ["config-files", "half-installed", "not-installed"])
def test_a_package_that_is_only_half_there_is_installed(status: str, tmp_path: Path) -> None:
    machine = with_manager("apt-get", tmp_path)
    (tmp_path / "packages" / "jq").write_text(status)
    assert parse_packages(machine.run(packages_command(("jq",)))) == ("jq",)


def test_a_version_that_is_asked_for_counts_with_apt(tmp_path: Path) -> None:
    machine = with_manager("apt-get", tmp_path)
    (tmp_path / "packages" / "jq").touch()
    assert parse_packages(machine.run(packages_command(("jq=1.2",)))) == ()
    with pytest.raises(CommandFailed, match="it is not there"):  # the stand-in has only 1.2
        parse_packages(machine.run(packages_command(("jq=1.3",))))


def test_what_is_no_packages_name_never_reaches_the_manager(tmp_path: Path) -> None:
    machine = with_manager("apk", tmp_path)
    with pytest.raises(CommandFailed, match="--root is not a package's name"):
        parse_packages(machine.run(packages_command(("jq", "--root"))))
    assert not (tmp_path / "ran").exists()


def test_a_node_without_a_package_manager_says_so(tmp_path: Path) -> None:
    machine = with_manager("nothing", tmp_path)
    with pytest.raises(CommandFailed, match="none of apt-get, dnf, yum, zypper and apk"):
        parse_packages(machine.run(packages_command(("jq",))))


def test_a_file_is_put_in_its_place_once(any_machine: Machine, tmp_path: Path) -> None:
    target = tmp_path / "deep" / "er" / "motd file"
    file = BootstrapFile("motd", str(target), "0640")
    content = b"hello\0\n$HOME 'quoted'\n"
    assert parse_file(any_machine.run(file_command(file, content)))
    assert target.read_bytes() == content
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    before = target.stat()
    assert not parse_file(any_machine.run(file_command(file, content)))
    assert target.stat() == before
    assert list(target.parent.iterdir()) == [target]


@pytest.mark.parametrize("drift", ["content", "mode", "link", "gone"])
def test_a_file_that_has_drifted_is_put_right(
    drift: str, any_machine: Machine, tmp_path: Path
) -> None:
    target = tmp_path / "motd"
    command = file_command(BootstrapFile("motd", str(target)), b"right")
    any_machine.run(command)
    match drift:
        case "content":
            target.write_bytes(b"wrong")
        case "mode":
            target.chmod(0o777)
        case "link":
            target.rename(tmp_path / "elsewhere")
            target.symlink_to(tmp_path / "elsewhere")
        case "gone":
            target.unlink()
    assert parse_file(any_machine.run(command))
    assert (target.read_bytes(), target.is_symlink()) == (b"right", False)
    assert stat.S_IMODE(target.stat().st_mode) == 0o644
    assert not parse_file(any_machine.run(command))


def test_a_files_owner_counts_by_name_and_by_number(machine: Machine, tmp_path: Path) -> None:
    me = pwd.getpwuid(os.getuid())
    file = BootstrapFile("motd", str(tmp_path / "motd"), owner=me.pw_name)
    assert parse_file(machine.run(file_command(file, b"x")))
    for same in (me.pw_name, str(me.pw_uid), f"{me.pw_uid}:{me.pw_gid}"):
        assert not parse_file(machine.run(file_command(replace(file, owner=same), b"x")))
    with pytest.raises(CommandFailed, match=r"cannot give .* to nobody-here"):
        parse_file(machine.run(file_command(replace(file, owner="nobody-here"), b"x")))
    assert list(tmp_path.glob(".phoenixctl*")) == []


def test_content_that_is_cut_off_never_takes_the_files_place(
    machine: Machine, tmp_path: Path
) -> None:
    target = tmp_path / "motd"
    target.write_bytes(b"before")
    command = file_command(BootstrapFile("motd", str(target)), b"the whole content")
    cut = Command(*command.argv, stdin=b"the whole")
    with pytest.raises(CommandFailed, match="did not arrive whole"):
        parse_file(machine.run(cut))
    assert target.read_bytes() == b"before"
    assert list(tmp_path.glob(".phoenixctl*")) == []


def test_a_folder_in_the_files_place_is_left_alone(machine: Machine, tmp_path: Path) -> None:
    with pytest.raises(CommandFailed, match="is a folder"):
        parse_file(machine.run(file_command(BootstrapFile("x", str(tmp_path)), b"x")))


def test_a_node_is_marked_once_and_a_survey_tells(any_machine: Machine) -> None:
    assert any_machine.survey().joined == ""
    assert parse_mark(any_machine.run(mark_command(NODE, FLEET, "ab12")))
    assert not parse_mark(any_machine.run(mark_command(NODE, FLEET, "ab12")))
    assert any_machine.survey().joined == "ab12"
    assert parse_mark(any_machine.run(mark_command(NODE, FLEET, "cd34")))
    assert any_machine.survey().joined == "cd34"
    assert parse_mark(any_machine.run(unmark_command(NODE, FLEET)))
    assert not parse_mark(any_machine.run(unmark_command(NODE, FLEET)))
    assert any_machine.survey().joined == ""


def test_a_base_folder_that_cannot_be_made_is_named(machine: Machine) -> None:
    machine.base.parent.parent.mkdir(exist_ok=True)
    (machine.home / ".phoenixctl").write_text("in the way")
    with pytest.raises(CommandFailed, match=f"{machine.base} cannot be written to"):
        parse_mark(machine.run(mark_command(NODE, FLEET, "ab12")))


@pytest.mark.parametrize("text", ["", "AB", "a b", "x" * 65, "\x1b[31m", "a\n"])
def test_a_mark_that_cannot_be_read_is_none(text: str) -> None:
    assert read_joined(text) == ""


def test_an_answer_that_says_nothing_is_a_failure() -> None:
    with pytest.raises(CommandFailed, match="the packages ended with 127: sh: not found"):
        parse_packages(Completed(127, b"", b"sh: not found", 0.1))


FULL = Bootstrap(
    packages=("curl",),
    files=(BootstrapFile("motd", "/etc/motd"),),
    commands=(BootstrapCommand(("sysctl", "-w", "a=1"), ("grep", "1", "/proc/sys/a")),),
    ready=ExecHook(("test", "-e", "/etc/motd")),
)
CONTENT = {"motd": b"hello", "copy": b"hello"}


@pytest.mark.parametrize(
    ("other", "same"),
    [
        (replace(FULL, within_seconds=5), True),
        (replace(FULL, files=(BootstrapFile("copy", "/etc/motd"),)), True),
        (replace(FULL, packages=("jq",)), False),
        (replace(FULL, packages=("curl", "jq")), False),
        (replace(FULL, files=(BootstrapFile("motd", "/etc/issue"),)), False),
        (replace(FULL, files=(BootstrapFile("motd", "/etc/motd", "0600"),)), False),
        (replace(FULL, files=(BootstrapFile("motd", "/etc/motd", owner="root"),)), False),
        (replace(FULL, commands=()), False),
        (replace(FULL, ready=None), False),
        (Bootstrap(), False),
    ],
)
def test_the_digest_tells_what_a_node_gets(other: Bootstrap, same: bool) -> None:
    digest = bootstrap_digest(FULL, CONTENT)
    assert len(digest) == 12
    assert (bootstrap_digest(other, CONTENT) == digest) is same


def test_the_digest_changes_with_a_files_content_and_is_none_for_nothing() -> None:
    assert bootstrap_digest(FULL, CONTENT) != bootstrap_digest(FULL, {"motd": b"other"})
    assert bootstrap_digest(None, {}) == "none"
