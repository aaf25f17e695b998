"""Checkpoints on nodes: made of what an agent wrote, kept whole or not at all, laid ready."""

from __future__ import annotations

import hashlib
import stat
import tarfile
from pathlib import Path

import pytest

from phoenixctl.model.errors import CommandFailed
from phoenixctl.model.names import AgentId
from phoenixctl.model.units import Bytes
from phoenixctl.remote.agents import start_command
from phoenixctl.remote.checkpoints import (
    CheckpointId,
    Content,
    Kept,
    Shelf,
    drop_command,
    forget_command,
    keep_command,
    parse_drop,
    parse_keep,
    parse_receive,
    parse_shelf,
    part_of,
    receive_command,
    shelf_command,
)
from phoenixctl.remote.restoring import (
    Here,
    again_command,
    confirm_command,
    here_command,
    parse_confirm,
    parse_here,
    parse_place,
    place_command,
)
from phoenixctl.remote.taking import (
    Begun,
    Taken,
    begin_command,
    done_command,
    parse_begin,
    parse_take,
    take_command,
)
from tests.unit.remote.machine import FLEET, NODE, Machine, eventually, shell_agent, start
from tests.unit.workflows.fakes import completed

WORKER = AgentId("worker-0")
IDLE = shell_agent("sleep 1000")
AT = 1_764_550_000_000


def mark(data: bytes, *, epoch: int = 1, at: int = AT) -> CheckpointId:
    return CheckpointId(epoch, at, hashlib.sha256(data).hexdigest())


def content(data: bytes, *, file: str = "c.json", packed: bool = False) -> Content:
    return Content(Bytes(len(data)), "0123456789ab", file, packed)


def keep(machine: Machine, data: bytes, *, epoch: int = 1, at: int = AT, age: float = 0.0,
         token: str = "t", **more: object) -> CheckpointId:  # fmt: skip
    """Receive and keep a checkpoint as another node's copy does it."""
    one = mark(data, epoch=epoch, at=at)
    size = Bytes(len(data))
    into = parse_receive(
        machine.run(receive_command(WORKER, NODE, FLEET, one, token=token, size=size))
    ).path
    assert into is not None
    Path(into).write_bytes(data)
    command = keep_command(
        WORKER, NODE, FLEET, one, content(data, **more), token=token, age_seconds=age
    )
    assert parse_keep(machine.run(command))
    return one


def shelf(machine: Machine) -> Shelf:
    return parse_shelf(machine.run(shelf_command(NODE, FLEET)))


def begin(machine: Machine, token: str = "one", limit: float = 60) -> Begun:
    return parse_begin(
        machine.run(begin_command(WORKER, NODE, FLEET, token=token, limit_seconds=limit))
    )


def take(machine: Machine, token: str = "one", *, epoch: int = 1, at: int = AT, keep: int = 3) -> (
    Taken
):  # fmt: skip
    command = take_command(
        WORKER, NODE, FLEET, token=token, epoch=epoch, at=at, keep=keep, wait_seconds=1.0
    )
    return parse_take(machine.run(command))


def written(machine: Machine) -> Path:
    return machine.folder("worker-0") / "checkpoint"


def here(machine: Machine) -> Here:
    return parse_here(machine.run(here_command(WORKER, NODE, FLEET)))


def place(machine: Machine, one: CheckpointId, what: Content, *, epoch: int = 2) -> str | None:
    command = place_command(WORKER, NODE, FLEET, one, what, user=None, epoch=epoch)
    return parse_place(machine.run(command))


def test_what_a_hook_writes_is_kept_apart_with_its_checksum(machine: Machine) -> None:
    machine.start(IDLE)
    (written(machine) / "old.json").write_bytes(b"before")
    assert begin(machine) == Begun(False, 1, machine.agent("worker-0").spec_digest)
    (written(machine) / "new.json").write_bytes(b"seven")
    taken = take(machine)
    assert taken.checksum == hashlib.sha256(b"seven").hexdigest()
    assert (taken.content.file, taken.content.packed, taken.content.size) == ("new.json", False, 5)
    assert Path(taken.path).read_bytes() == b"seven"
    assert stat.S_IMODE(Path(taken.path).stat().st_mode) == 0o600
    machine.run(done_command(WORKER, NODE, FLEET, token="one"))
    assert not Path(taken.path).exists()


def test_a_file_written_anew_under_its_name_is_a_new_checkpoint(machine: Machine) -> None:
    machine.start(IDLE)
    file = written(machine) / "state.json"
    file.write_bytes(b"one")
    begin(machine)
    fresh = file.with_name(".state.new")
    fresh.write_bytes(b"one")
    fresh.replace(file)
    assert take(machine).content.size == 3


def test_several_files_are_one_tar(any_machine: Machine) -> None:
    any_machine.start(IDLE)
    begin(any_machine)
    (written(any_machine) / "parts").mkdir()
    (written(any_machine) / "parts" / "with a blank").write_bytes(b"a")
    (written(any_machine) / "index").write_bytes(b"b")
    (written(any_machine) / ".half-written").write_bytes(b"c")
    taken = take(any_machine)
    assert taken.content.packed
    with tarfile.open(taken.path) as tar:
        assert sorted(tar.getnames()) == ["./index", "./parts/with a blank"]


@pytest.mark.parametrize(
    ("name", "data", "why"),
    [
        ("", b"", "its hook has written no checkpoint"),
        ("empty", b"", "its checkpoint is empty"),
        ("line\nbreak", b"x", "a file's name has a line break"),
    ],
)
def test_what_is_no_checkpoint_is_refused_and_the_next_one_is_not(
    machine: Machine, name: str, data: bytes, why: str
) -> None:
    machine.start(IDLE)
    begin(machine)
    if name:
        (written(machine) / name).write_bytes(data)
    with pytest.raises(CommandFailed, match=why):
        take(machine)
    if name:
        (written(machine) / name).unlink()
    assert not begin(machine, "two").busy
    (written(machine) / "good").write_bytes(b"good")
    assert take(machine, "two").content.size == 4


def test_one_run_at_a_time_makes_a_checkpoint_and_a_dead_one_is_taken_over_from(
    machine: Machine,
) -> None:
    machine.start(IDLE)
    assert not begin(machine, "one").busy
    assert begin(machine, "two").busy
    assert not begin(machine, "three", limit=0.01).busy
    (written(machine) / "c").write_bytes(b"c")
    with pytest.raises(CommandFailed, match="another run makes one since"):
        take(machine, "one")
    assert take(machine, "three").content.size == 1
    assert not begin(machine, "four").busy


def test_one_that_was_started_anew_meanwhile_has_no_checkpoint(machine: Machine) -> None:
    machine.start(IDLE)
    begin(machine)
    machine.stop("worker-0")
    machine.start(IDLE, epoch=2)
    (written(machine) / "c").write_bytes(b"c")
    with pytest.raises(CommandFailed, match="it was started anew meanwhile"):
        take(machine)


def test_its_own_node_keeps_the_last_ones_and_touches_nothing_else(any_machine: Machine) -> None:
    any_machine.start(IDLE)
    (written(any_machine) / "its own").write_bytes(b"x")
    for number in range(4):
        begin(any_machine, f"run{number}")
        (written(any_machine) / f"c {number}").write_bytes(b"c%d" % number)
        (written(any_machine) / "shared").write_bytes(b"s%d" % number)
        take(any_machine, f"run{number}", at=AT + number, keep=2)
    left = sorted(path.name for path in written(any_machine).iterdir())
    assert left == ["c 2", "c 3", "its own", "shared"]


def test_a_kept_checkpoint_is_listed_with_its_age(any_machine: Machine) -> None:
    one = keep(any_machine, b"seven", age=30.0)
    [kept] = shelf(any_machine).kept[WORKER]
    assert (kept.agent, kept.id, kept.content) == (WORKER, one, content(b"seven"))
    assert 30.0 <= kept.age_seconds < 60.0
    path = Path(shelf(any_machine).path(WORKER, one))
    assert path.read_bytes() == b"seven"
    for file in (path, path.with_name("manifest")):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_what_arrives_damaged_leaves_nothing(machine: Machine) -> None:
    one = mark(b"sent")
    receive = receive_command(WORKER, NODE, FLEET, one, token="t", size=Bytes(4))
    into = parse_receive(machine.run(receive)).path
    assert into is not None
    Path(into).write_bytes(b"arrived")
    assert shelf(machine).kept == {}
    command = keep_command(WORKER, NODE, FLEET, one, content(b"sent"), token="t", age_seconds=0)
    with pytest.raises(CommandFailed, match="its checksum differs"):
        parse_keep(machine.run(command))
    assert not Path(into).parent.exists()
    assert shelf(machine).kept == {}


def test_a_full_disk_is_found_before_anything_is_sent(machine: Machine) -> None:
    command = receive_command(WORKER, NODE, FLEET, mark(b""), token="t", size=Bytes(1 << 60))
    with pytest.raises(CommandFailed, match="its disk is full"):
        parse_receive(machine.run(command))


def test_one_that_is_there_is_not_sent_again(machine: Machine) -> None:
    one = keep(machine, b"seven")
    command = receive_command(WORKER, NODE, FLEET, one, token="u", size=Bytes(5))
    assert parse_receive(machine.run(command)).path is None


def test_checkpoints_and_what_is_left_of_them_are_dropped_by_name(machine: Machine) -> None:
    old, new = keep(machine, b"old"), keep(machine, b"new", at=AT + 1)
    command = receive_command(WORKER, NODE, FLEET, mark(b"x"), token="t", size=Bytes(1))
    into = parse_receive(machine.run(command)).path
    assert into is not None
    names = (str(old), part_of(mark(b"x"), "t"), str(mark(b"never there")))
    assert parse_drop(machine.run(drop_command(WORKER, NODE, FLEET, *names))) == 2
    assert [kept.id for kept in shelf(machine).kept[WORKER]] == [new]
    assert not Path(into).parent.exists()
    assert parse_drop(machine.run(forget_command(WORKER, NODE, FLEET))) == 1
    assert shelf(machine).kept == {}


def test_lines_that_no_shelf_would_print_are_left_out() -> None:
    good = f"kept worker-0 {mark(b'x')} 1 0123456789ab file 100 c.json"
    lines = (
        "phoenixctl checkpoints", "base /base", good,
        good.replace("c.json", "../../etc/passwd"), good.replace("worker-0", "../x-0"),
        good.replace(mark(b"x").checksum, "abc"), good.replace(" 1 ", " one "), "end", "",
    )  # fmt: skip
    found = parse_shelf(completed("\n".join(lines).encode()))
    assert found == Shelf("/base", {WORKER: (Kept(WORKER, mark(b"x"), content(b"x"), 1.0),)})
    with pytest.raises(CommandFailed, match="its end is missing"):
        parse_shelf(completed("\n".join(lines[:3]).encode()))


def test_an_agent_begins_from_what_was_laid_ready_until_it_serves(any_machine: Machine) -> None:
    one = keep(any_machine, b"seven")
    assert here(any_machine) == Here(0, None)
    path = place(any_machine, one, content(b"seven"))
    assert path is not None
    assert Path(path).read_bytes() == b"seven"
    assert Path(path).parent.parent == written(any_machine)

    agent = shell_agent('cat "${PHOENIX_RESTORE_FROM:-/dev/null}" >> got; echo . >> got; sleep 99')
    any_machine.start(agent, epoch=2, restore_from=path)
    got = any_machine.folder("worker-0") / "state" / "got"
    eventually(lambda: got.exists() and got.read_text() == "seven.\n")
    found = here(any_machine)
    assert found.epoch == 2
    assert found.pending is not None
    assert (found.pending.id, found.pending.path) == (one, path)

    parse_confirm(any_machine.run(confirm_command(WORKER, NODE, FLEET, path)))
    assert here(any_machine) == Here(2, None)
    environment = (any_machine.folder("worker-0") / "env").read_text()
    assert "PHOENIX_RESTORE_FROM" not in environment
    assert 'PHOENIX_AGENT="worker-0"' in environment


def test_a_start_that_was_cut_off_goes_on_from_the_same_checkpoint(machine: Machine) -> None:
    one = keep(machine, b"seven")
    path = place(machine, one, content(b"seven"), epoch=2)
    machine.start(IDLE, epoch=2, restore_from=path)
    machine.stop("worker-0")
    pending = here(machine).pending
    assert pending is not None
    again = again_command(WORKER, NODE, FLEET, pending, 3)
    assert parse_place(machine.run(again)) == path
    assert here(machine).pending == pending
    # Started since without it, elsewhere or by hand: what is there counts.
    machine.start(IDLE, epoch=4)
    assert here(machine) == Here(4, None)


def test_a_standby_has_no_state_of_its_own_yet(machine: Machine) -> None:
    machine.run(start(IDLE, epoch=5, role="standby"))
    assert here(machine).epoch == 0


def test_several_files_are_laid_ready_as_a_folder(any_machine: Machine, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_text(name)
    packed = tmp_path / "both.tar"
    with tarfile.open(packed, "w") as tar:
        for name in ("a", "b"):
            tar.add(tmp_path / name, f"./{name}")
    data = packed.read_bytes()
    one = keep(any_machine, data, packed=True)
    path = place(any_machine, one, content(data, packed=True))
    assert path is not None
    assert sorted(p.name for p in Path(path).iterdir()) == ["a", "b"]
    # What is laid ready is no checkpoint that the agent wrote.
    any_machine.run(start_command(IDLE, NODE, FLEET, env={}, secrets={}, epoch=2))
    begin(any_machine)
    (written(any_machine) / "fresh").write_bytes(b"fresh")
    assert take(any_machine, epoch=2).content.file == "fresh"


def test_a_damaged_checkpoint_is_not_laid_ready(machine: Machine) -> None:
    one = keep(machine, b"seven")
    Path(shelf(machine).path(WORKER, one)).write_bytes(b"eight")
    assert place(machine, one, content(b"seven")) is None
    assert here(machine).pending is None
