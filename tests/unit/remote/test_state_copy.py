"""An agent's state folder is listed, sent and taken in by the real scripts, with every shell."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from phoenixctl.model.command import Command, Completed
from phoenixctl.model.errors import CommandFailed
from phoenixctl.model.fleet import SshSettings
from phoenixctl.model.names import AgentId
from phoenixctl.model.snapshot import AgentState
from phoenixctl.remote.between import straight_command
from phoenixctl.remote.quoting import to_shell
from phoenixctl.remote.state_copy import (
    Taken,
    parse_take,
    send_command,
    take_command,
)
from phoenixctl.remote.state_delta import Batch, batches, differences, orders, room_needed
from phoenixctl.remote.state_listing import BLOCK, Kind, Listing, ListingReader, listing_command
from tests.unit.remote.machine import FLEET, NODE, SHELLS, Machine, eventually, shell_agent

ID = AgentId("worker-0")
HOSTILE = (
    b" ", b"two  blanks", b"tab\tand\nline\n\nbreaks\r\n", b"'single'", b'"double"', b"\\back\\n",
    b"$HOME $(id) `id`", b"*", b"?[a-z]", b"~", b"-n", b"--", b"-rf", b"%s %n", b"@101", b"a=b",
    b"\xff\xfe caf\xe9 \x80", bytes(range(1, 47)), bytes(range(48, 128)), bytes(range(128, 256)),
    "ünï©ödé 漢字".encode(), b"\n", b"end 1 2 3 4", b"#", b"!x!", b"state.phoenixctl-copy",
)  # fmt: skip


@dataclass(frozen=True)
class Two:
    """Two machines with the same agent."""

    source: Machine
    target: Machine

    def state(self, machine: Machine) -> Path:
        return machine.folder(ID) / "state"

    def write(self, name: bytes, content: bytes, mode: int = 0o600) -> Path:
        path = Path(os.fsdecode(os.fsencode(self.state(self.source)) + b"/" + name))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        path.chmod(mode)
        return path

    def both(self) -> tuple[Listing, Listing]:
        return listed(self.source), listed(self.target)

    def take(self, batch: Batch, data: bytes | None = None) -> Completed:
        if data is None and batch.parts:
            done = self.source.run(send_command(ID, NODE, FLEET, batch.parts, user=None))
            assert done.ok, done
            data = done.stdout
        command = take_command(ID, NODE, FLEET, batch, user=None)
        process = self.target.popen(command)
        out, err = process.communicate(data or b"", timeout=60)
        return Completed(process.returncode, out, err, 0.0)

    def round(self, between: Callable[[], object] = lambda: None) -> tuple[int, list[Taken]]:
        """Bytes that were sent, and what was said; `between` listing and sending."""
        source, target = self.both()
        between()
        found = list(batches(orders(source, target)))
        return sum(b.bytes for b in found), [parse_take(self.take(b), b) for b in found]

    def same(self) -> bool:
        return seen(self.state(self.source)) == seen(self.state(self.target))


def listed(machine: Machine, *, sums: bool = True) -> Listing:
    done = machine.run(listing_command(ID, NODE, FLEET, user=None, sums=sums))
    reader = ListingReader()
    for at in range(0, len(done.stdout), 1000):
        reader.take(done.stdout[at : at + 1000])
    return reader.result()


def seen(root: Path) -> dict[bytes, tuple[int, bytes]]:
    """All below a folder, read in a way that has nothing to do with ours."""
    found: dict[bytes, tuple[int, bytes]] = {}
    for path in root.rglob("*"):
        name = os.fsencode(path.relative_to(root))
        if path.is_symlink():
            found[name] = (0, os.fsencode(path.readlink()))
        else:
            found[name] = (path.stat().st_mode, path.read_bytes() if path.is_file() else b"")
    return found


@pytest.fixture(params=SHELLS)
def two(request: pytest.FixtureRequest, tmp_path: Path) -> Two:
    return made(request.param, request.param, tmp_path)


@pytest.fixture
def one_shell(tmp_path: Path) -> Two:
    return made(SHELLS[0], SHELLS[-1], tmp_path)


def made(source: str, target: str, root: Path) -> Two:
    machines = []
    for name, shell in (("source", source), ("target", target)):
        (root / name).mkdir()
        machines.append(Machine.with_shell(shell, root / name))
    two = Two(*machines)
    two.state(two.source).mkdir(parents=True)
    return two


def test_names_of_any_bytes_arrive_with_what_is_in_them(two: Two) -> None:
    for number, name in enumerate(HOSTILE):
        two.write(b"deep/" + name + b"/" + name, name * number, 0o640 if number % 2 else 0o600)
        two.write(name, b"%d" % number)
    (two.state(two.source) / "link\n").symlink_to(os.fsdecode(b"\xff\n'"))
    (two.state(two.source) / "-link").symlink_to("/nowhere/-x")
    two.write(b"empty", b"")
    (two.state(two.source) / "closed").mkdir(mode=0o500)
    sent, taken = two.round()
    assert sum(t.files for t in taken) == 2 * len(HOSTILE) + 1
    assert two.same()
    assert sent == sum(
        len(content) for mode, content in seen(two.state(two.source)).values() if mode
    )
    assert two.round() == (0, [])
    assert differences(*two.both()) == ()
    assert not (two.state(two.target) / ".phoenixctl-copy").exists()


def test_a_change_in_a_large_file_costs_its_block(two: Two) -> None:
    content = bytearray(os.urandom(2 * BLOCK + 1234))
    path = two.write(b"large file", content, 0o640)
    sent, _ = two.round()
    assert sent == len(content)
    assert two.same()
    content[BLOCK + 7] ^= 1
    path.write_bytes(content)
    assert two.round()[0] == BLOCK
    assert two.same()
    path.write_bytes(content + b"more")
    assert two.round()[0] == 1238
    path.write_bytes(content[: BLOCK + 5])
    path.chmod(0o400)
    assert two.round()[0] == 5
    assert two.same()


def test_what_is_gone_or_of_another_kind_at_the_source_is_replaced(two: Two) -> None:
    state, copy = two.state(two.source), two.state(two.target)
    two.write(b"file", b"1")
    two.write(b"folder/file", b"2")
    (state / "link").symlink_to("folder")
    two.write(b"gone/deep/file", b"3")
    two.round()
    shutil.rmtree(state / "gone")
    shutil.rmtree(state / "folder")
    (state / "folder").write_bytes(b"now a file")
    (state / "file").unlink()
    two.write(b"file/inside", b"4")
    (state / "link").unlink()
    two.write(b"link/inside", b"5")
    (copy / "of an earlier life").write_bytes(b"old")
    sent, _ = two.round()
    assert sent == len(b"now a file") + 2
    assert two.same()


def test_a_mode_alone_costs_no_bytes(two: Two) -> None:
    path = two.write(b"folder/file", b"content")
    two.round()
    path.chmod(0o640)
    path.parent.chmod(0o500)
    assert two.round()[0] == 0
    assert two.same()
    path.parent.chmod(0o700)
    two.write(b"folder/other", b"x")
    path.parent.chmod(0o500)
    two.round()
    assert two.same()
    path.parent.chmod(0o700)


def test_what_changes_while_it_is_read_is_left_to_the_next_round(two: Two) -> None:
    two.write(b"steady", b"s" * 100)
    shrinking, going = two.write(b"shrinking", b"a" * 5000), two.write(b"going", b"g" * 100)
    turning = two.write(b"turning", b"t" * 100)
    large = two.write(b"z-large", b"l" * (BLOCK + 100))

    def change() -> None:
        shrinking.write_bytes(b"b" * 10)
        going.unlink()
        turning.unlink()
        turning.symlink_to("/etc/passwd")
        with large.open("r+b") as file:
            file.write(b"changed")

    _, [taken] = two.round(change)
    assert set(taken.later) == {b"./going", b"./shrinking", b"./turning", b"./z-large"}
    copy = two.state(two.target)
    assert (copy / "steady").read_bytes() == b"s" * 100
    assert not any((copy / name).exists() for name in ("going", "shrinking", "turning"))
    two.round()
    assert two.same()


def test_bytes_that_break_off_change_nothing(two: Two) -> None:
    two.write(b"file", b"old")
    two.round()
    two.write(b"file", b"new content")
    two.write(b"other", b"o" * 5000)
    [batch] = batches(orders(*two.both()))
    for data in (b"", b"new", b"new content" + b"o" * 4999):
        with pytest.raises(CommandFailed, match="broke off"):
            parse_take(two.take(batch, data), batch)
        copy = two.state(two.target)
        assert (copy / "file").read_bytes() == b"old"
        assert not (copy / "other").exists()
    two.round()
    assert two.same()


@pytest.mark.parametrize("placed", [0, 1, 12])
def test_one_that_is_killed_leaves_each_file_old_or_new_and_the_next_one_repairs_it(
    one_shell: Two, placed: int
) -> None:
    two, names = one_shell, [b"file-%02d" % number for number in range(25)]
    for name in names:
        two.write(name, b"old " + name)
    two.write(b"large", bytes(BLOCK + 10))
    two.round()
    for name in names:
        two.write(name, b"new " + name)
    two.write(b"large", b"!" * (BLOCK + 10))
    [batch] = batches(orders(*two.both()))
    data = two.source.run(send_command(ID, NODE, FLEET, batch.parts, user=None)).stdout
    command = take_command(ID, NODE, FLEET, batch, user=None)
    process = two.target.popen(Command("setsid", *command.argv))
    assert process.stdin
    process.stdin.write(data)
    process.stdin.close()
    process.stdin = None
    copy = two.state(two.target)

    def those(word: bytes) -> list[bytes]:
        return [n for n in names if (copy / n.decode()).read_bytes() == word + b" " + n]

    eventually(lambda: len(those(b"new")) >= placed or process.poll() is not None)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert sorted(those(b"old") + those(b"new")) == names
    two.round()
    assert two.same()


def test_an_agent_starts_with_what_was_copied_to_where_it_never_was(any_machine: Machine) -> None:
    source = Machine.with_shell(SHELLS[0], any_machine.home)
    two = Two(source, any_machine)
    two.write(b"words", b"of an earlier life")
    two.round()
    assert any_machine.agent(ID).state is AgentState.STOPPED
    any_machine.start(shell_agent("cat words; exec sleep 1000"))
    log = any_machine.folder(ID) / "log"
    eventually(lambda: log.read_bytes() == b"of an earlier life")


def test_a_disk_that_is_full_keeps_what_was_there(one_shell: Two) -> None:
    two = one_shell
    two.write(b"file", b"old")
    two.round()
    two.write(b"file", b"n" * 100_000)
    [batch] = batches(orders(*two.both()))
    command = take_command(ID, NODE, FLEET, batch, user=None)
    limited = Command("sh", "-c", 'ulimit -f 100; exec "$@"', "sh", *command.argv)
    process = two.target.popen(limited)
    out, err = process.communicate(b"n" * 100_000, timeout=30)
    with pytest.raises(CommandFailed):
        parse_take(Completed(process.returncode, out, err, 0.0), batch)
    assert (two.state(two.target) / "file").read_bytes() == b"old"
    two.round()
    assert two.same()


def test_what_a_copy_left_that_was_cut_off_is_removed_by_the_next_one(two: Two) -> None:
    two.write(b"file", b"content")
    two.round()
    aside = two.state(two.target) / ".phoenixctl-copy"
    aside.mkdir()
    (aside / "g7").write_bytes(b"left")
    assert two.round()[0] == 0
    assert not aside.exists()
    assert two.same()
    assert two.round() == (0, [])


def test_a_file_that_differs_in_a_block_needs_room_for_that_block(one_shell: Two) -> None:
    content = os.urandom(2 * BLOCK + 10)
    path = one_shell.write(b"large", content)
    one_shell.write(b"small", b"s" * 100)
    one_shell.round()
    assert room_needed(*one_shell.both()) == (0, 0)
    path.write_bytes(b"!" + content[1:])
    assert room_needed(*one_shell.both()) == (BLOCK, 0)
    path.write_bytes(content + b"more")
    assert room_needed(*one_shell.both()) == (18, 0)


def test_a_flipped_byte_is_a_difference(two: Two) -> None:
    two.write(b"small", b"content")
    two.write(b"large", bytes(BLOCK + 1))
    two.round()
    for name, at in ((b"small", 3), (b"large", BLOCK)):
        path = two.state(two.target) / name.decode()
        good = path.read_bytes()
        path.write_bytes(good[:at] + b"!" + good[at + 1 :])
        assert differences(*two.both()) == (b"./" + name,)
        path.write_bytes(good)
    assert differences(*two.both()) == ()


def test_sockets_and_pipes_are_named_and_left_out(two: Two) -> None:
    state = two.state(two.source)
    two.write(b"file", b"x")
    os.mkfifo(state / "pipe")
    here = Path.cwd()
    os.chdir(state)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket")
    os.chdir(here)
    listing = listed(two.source)
    assert listing.special == (b"./pipe", b"./socket")
    assert set(listing.entries) == {b"./file"}
    two.round()
    assert set(seen(two.state(two.target))) == {b"file"}


def test_many_files_take_several_batches_and_all_arrive(one_shell: Two) -> None:
    for number in range(420):
        one_shell.write(b"folder/file-%d" % number, b"%d" % number)
    _, taken = one_shell.round()
    assert len(taken) > 1
    assert one_shell.same()


def test_a_listing_without_checksums_reads_nothing_and_tells_sizes(two: Two) -> None:
    two.write(b"a", b"x" * 10)
    two.write(b"b", bytes(BLOCK + 1))
    listing = listed(two.source, sums=False)
    assert {p: (e.kind, e.size, e.sums) for p, e in listing.entries.items()} == {
        b"./a": (Kind.FILE, 10, ()),
        b"./b": (Kind.FILE, BLOCK + 1, ()),
    }
    assert listing.size == BLOCK + 11
    assert listing.free > 0
    target = listed(two.target, sums=False)
    assert not target.exists
    need, files = room_needed(listing, target)
    assert need >= listing.size
    assert files == 2


def record(*records: tuple[bytes, bytes, bytes]) -> ListingReader:
    reader = ListingReader()
    for each in records:
        reader.take(b"\0".join(each) + b"\0")
    return reader


FOUND = (b"found", b"", b"")
END = (b"end 100 4096 50 100", b"", b"")
FILE = b"81a4 3 " + b"0" * 64


@pytest.mark.parametrize(
    "path", [b"/etc/passwd", b"../x", b"./../x", b"./a/../../x", b".", b"./a//b"]
)
def test_a_node_that_names_a_path_outside_is_refused(path: bytes) -> None:
    with pytest.raises(CommandFailed, match="the node lists"):
        record((FILE, path, b""), FOUND, END)


def test_what_is_below_a_link_or_below_nothing_is_not_taken() -> None:
    reader = record(
        (b"a1ff 4", b"./link", b"/etc"),
        (FILE, b"./link/passwd", b""),
        (FILE, b"./nothing/file", b""),
        (FILE, b"./file", b""),
        FOUND,
        END,
    )
    assert set(reader.result().entries) == {b"./link", b"./file"}


def test_a_listing_that_broke_off_is_no_listing() -> None:
    for records in ((FILE, b"./file", b""),), ((FILE, b"./file", b""), FOUND), (END,):
        with pytest.raises(CommandFailed, match="broke off"):
            record(*records).result()


def test_a_folder_that_nobody_could_look_into_is_not_an_empty_one(two: Two) -> None:
    two.write(b"file", b"x")
    done = two.source.run(listing_command(ID, NODE, FLEET, user="no-such-user-here"))
    reader = ListingReader()
    reader.take(done.stdout)
    with pytest.raises(CommandFailed, match="was not listed"):
        reader.result()


def test_a_file_that_was_made_anew_while_it_was_read_is_not_taken_for_gone() -> None:
    listing = record((b"unsteady", b"./busy", b""), FOUND, END).result()
    assert (listing.unsteady, dict(listing.entries)) == ((b"./busy",), {})


def test_a_file_that_cannot_be_read_is_named() -> None:
    with pytest.raises(CommandFailed, match="secret cannot be read"):
        record((b"unreadable", b"./secret", b""), FOUND, END).result()


# It leads to the other machine.
SSH = """#!/bin/sh
for last; do :; done
printf '%s\\n' "$@" >> "$LOG"
HOME=$THERE PATH=$THERE_PATH exec /bin/sh -c "$last"
"""
SUDO = '#!/bin/sh\n[ "$1 $2" = "-n --" ] || exit 9\nshift 2\nexec "$@"\n'


@pytest.mark.parametrize("sudo", [False, True])
def test_straight_from_node_to_node_all_arrives(two: Two, tmp_path: Path, sudo: bool) -> None:
    for number, name in enumerate(HOSTILE):
        two.write(name, name * number)
    two.write(b"large", os.urandom(BLOCK + 3))
    tools = tmp_path / "tools"
    tools.mkdir()
    for name, text in (("ssh", SSH), ("sudo", SUDO)):
        (tools / name).write_text(text)
        (tools / name).chmod(0o755)
    node = replace(NODE, sudo=sudo, port=2200, user="me", address="target.example")
    [batch] = batches(orders(*two.both()))
    command = straight_command(
        send_command(ID, node, FLEET, batch.parts, user=None),
        node,
        take_command(ID, node, FLEET, batch, user=None),
        node,
        SshSettings(),
    )
    assert len(to_shell(command.argv)) < 100_000
    done = subprocess.run(
        [shutil.which("sh", path=two.source.path) or "", *command.argv[1:]],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
        check=False,
        env={
            "HOME": str(two.source.home),
            "PATH": f"{tools}:{two.source.path}",
            "THERE": str(two.target.home),
            "THERE_PATH": f"{tools}:{two.target.path}",
            "LOG": str(tmp_path / "log"),
        },
    )
    taken = parse_take(Completed(done.returncode, done.stdout, done.stderr, 0.0), batch)
    assert (taken.files, taken.later) == (len(HOSTILE) + 1, ())
    assert two.same()
    said = (tmp_path / "log").read_text().split("\n")
    assert "StrictHostKeyChecking=yes" in said
    assert "BatchMode=yes" in said
    assert said[said.index("--") + 1] == "target.example"
    assert said[said.index("-p") + 1] == "2200"
    assert said[said.index("-l") + 1] == "me"
