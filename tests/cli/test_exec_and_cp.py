"""`exec` and `cp`."""

from __future__ import annotations

import os
import re
import stat
import time
from itertools import count

import pytest

from tests.cli.demo_fleet import CONTROL, NODES, PROGRESS, DemoFleet, interrupt, processes, until

_number = count()


def marker() -> str:
    """A number of seconds that no other `sleep` on this machine sleeps."""
    return f"100{os.getpid()}.{next(_number)}"


def test_equal_output_is_shown_once_under_the_names_of_all_that_gave_it(fleet: DemoFleet) -> None:
    script = 'case $HOME in *demo-2/*) echo other;; *) echo same; echo "two lines";; esac'
    done = fleet.ok("exec", "--all", "--shell", "--", script)
    rule = "-" * 15
    assert done.out == (
        f"{rule}\ndemo-[1,3] (2)\n{rule}\nsame\ntwo lines\n{rule}\ndemo-2\n{rule}\nother\n"
    )
    assert done.err == ""


def test_each_line_can_carry_the_name_of_its_node(fleet: DemoFleet) -> None:
    done = fleet.ok("exec", "-n", "demo-[1-2]", "--lines", "--", "printf", r"50%%\r100%%\nno end")
    assert sorted(done.out.splitlines()) == [
        f"demo-{n}: {line}" for n in (1, 2) for line in (r"50%\x0d100%", "no end")
    ]


def test_words_are_arguments_and_never_a_shells(fleet: DemoFleet) -> None:
    hostile = ["$(id)", "`id`", "; id", "a  b", "*", "'", '"', "\\", "-n", "", "~", "\n", "é 🦅"]
    done = fleet.ok("exec", "-n", "demo-1", "--raw", "--", "printf", "<%s>", *hostile)
    assert done.out.removesuffix("\n") == "".join(f"<{word}>" for word in hostile)


HOSTILE = rb"\033]52;c;cm0gLXJm\007 \033[2J \342\200\256 \302\233 \0 \377 [red]x[/]"


def test_hostile_output_is_harmless_unless_it_is_asked_for_raw(fleet: DemoFleet) -> None:
    words = ("exec", "-n", "demo-1", "--", "printf", HOSTILE.decode())
    done = fleet.ok(*words)
    assert done.out == r"\x1b]52;c;cm0gLXJm\x07 \x1b[2J \u202e \x9b \x00 \xff [red]x[/]" + "\n"
    raw = fleet.ok(*words[:3], "--raw", *words[3:])
    assert raw.out.startswith("\x1b]52;c;cm0gLXJm\x07 \x1b[2J \u202e ")
    assert not CONTROL.search(fleet.ok(*words[:3], "-o", "json", *words[3:]).out)


def test_a_command_that_fails_somewhere_is_3_and_says_where(fleet: DemoFleet) -> None:
    script = "case $HOME in *demo-2/*) echo oh >&2; exit 7;; esac; echo fine"
    done = fleet.run("exec", "--all", "-s", "-o", "json", "--", script)
    assert done.code == 3
    nodes = done.json["nodes"]
    assert list(nodes) == list(NODES)
    assert [nodes[n]["exit_status"] for n in NODES] == [0, 7, 0]
    assert (nodes["demo-2"]["stdout"], nodes["demo-2"]["stderr"]) == ("", "oh\n")
    plain = fleet.run("exec", "--all", "-s", "--", script)
    assert (plain.code, plain.err) == (3, "demo-2: exit status 7\n")


def test_a_command_that_takes_too_long_is_ended_on_the_node(fleet: DemoFleet) -> None:
    seconds = marker()
    begun = time.monotonic()
    done = fleet.run("exec", "-n", "demo-[1-2]", "--timeout", "1s", "--", "sleep", seconds)
    assert time.monotonic() - begun < 15
    assert done.code == 3
    assert re.search(
        r"^demo-\[1-2\]: time-out: .* was ended on the node after 1 s$", done.err, re.M
    )
    until(lambda: not processes(f"sleep\0{seconds}"))


def test_ctrl_c_ends_the_command_on_every_node(fleet: DemoFleet) -> None:
    seconds = marker()
    running = fleet.start("exec", "--all", "--", "sleep", seconds)
    until(lambda: len(processes(f"\0sleep\0{seconds}")) + len(processes(f"sleep\0{seconds}")) >= 3)
    time.sleep(0.3)  # all three are under way
    done = interrupt(running)
    assert done.code == 130
    assert done.err.splitlines()[-1] == "interrupted"
    until(lambda: not processes(f"sleep\0{seconds}"))


def test_a_reader_that_leaves_early_is_no_error(fleet: DemoFleet) -> None:
    running = fleet.start("exec", "-n", "demo-1", "--", "seq", "100000")
    assert running.stdout is not None
    assert running.stdout.readline() == b"1\n"
    running.stdout.close()
    assert running.stderr is not None
    with running.stderr:
        err = running.stderr.read().decode()
    assert (running.wait(20), PROGRESS.sub("", err)) == (0, "")


@pytest.mark.parametrize("words", [("config", "schema"), ("--help",)], ids=["long", "short"])
def test_a_reader_that_never_came_is_no_error(fleet: DemoFleet, words: tuple[str, ...]) -> None:
    running = fleet.start(*words)
    assert running.stdout is not None
    running.stdout.close()
    assert running.stderr is not None
    with running.stderr:
        err = running.stderr.read().decode()
    assert (running.wait(20), err) == (0, "")


def test_standard_input_reaches_every_node(fleet: DemoFleet) -> None:
    done = fleet.ok("exec", "--all", "--stdin", "--raw", "--", "cat", input=b"\x00\xffhello\n")
    assert done.out.count("\x00\udcffhello\n") == 1  # equal, so shown once
    assert "demo-[1-3] (3)" in done.out


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["exec", "--", "true"], "exec needs to know where"),
        (["exec", "-n", "demo-1", "-t", "soon", "--", "true"], "--timeout: 'soon' is not a"),
        (["cp", "a", "b"], "one side of cp is on nodes"),
        (["cp", "/nowhere/at/all", "demo-1:/tmp"], "/nowhere/at/all does not exist here"),
    ],
)
def test_what_cannot_be_meant_is_a_usage_error(
    fleet: DemoFleet, words: list[str], error: str
) -> None:
    done = fleet.run(*words)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"error: {error}")


def test_a_folder_is_copied_to_all_nodes_and_back_from_each(fleet: DemoFleet) -> None:
    source = fleet.root / "app"
    (source / "sub").mkdir(parents=True)
    (source / "run.sh").write_bytes(b"#!/bin/sh\n\x00\xff")
    (source / "run.sh").chmod(0o750)
    (source / "sub" / "empty").touch()
    dry = fleet.ok("cp", "--dry-run", str(source), "demo-[1-3]:app")
    assert "demo-[1-3]" in dry.out
    assert not (fleet.home("demo-1") / "app").exists()
    sent = fleet.ok("cp", str(source), "demo-[1-3]:app", "-o", "json").json
    assert {n: r["files"] for n, r in sent["nodes"].items()} == dict.fromkeys(NODES, 2)
    for node in NODES:
        copied = fleet.home(node) / "app" / "run.sh"
        assert copied.read_bytes() == (source / "run.sh").read_bytes()
        assert stat.S_IMODE(copied.stat().st_mode) == 0o750
    back = fleet.root / "back"
    fleet.ok("cp", "demo-[1-2]:app", str(back))
    assert sorted(str(p.relative_to(back)) for p in back.rglob("*") if p.is_file()) == [
        f"demo-{n}/app/{name}" for n in (1, 2) for name in ("run.sh", "sub/empty")
    ]


def test_a_file_that_is_not_there_fails_on_its_node(fleet: DemoFleet) -> None:
    done = fleet.run("cp", "demo-1:nowhere", str(fleet.root / "x"))
    assert done.code == 3
    assert re.match(r"demo-1: failed: .*nowhere", done.err)
    assert not (fleet.root / "x").exists()
