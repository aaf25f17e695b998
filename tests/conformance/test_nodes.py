"""Every kind of node runs commands, moves files and shows itself in the same way."""

from __future__ import annotations

import asyncio
import hashlib
import os
import time
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from phoenixctl.model.command import Command
from phoenixctl.model.errors import CommandFailed, CommandTimeout
from phoenixctl.model.reading import Metric
from phoenixctl.model.snapshot import Cordon
from phoenixctl.ports.reach import Chunk, HttpRequest, Session
from phoenixctl.remote.cordon import cordon_command, parse_cordon, uncordon_command
from tests.conformance.place import HOSTILE, Place


@pytest.fixture
def mark() -> str:
    """A text that only this test's processes carry: a number of seconds that `sleep` takes."""
    return f"9{uuid.uuid4().int % 10**9}.125"


# Commands


async def test_a_commands_status_and_both_outputs_come_back(place: Place) -> None:
    done = await place.run(Command("sh", "-c", "echo out; echo err >&2; exit 7"))
    assert (done.exit_status, done.stdout, done.stderr) == (7, b"out\n", b"err\n")
    assert not done.ok
    assert not done.stdout_truncated


@pytest.mark.parametrize("status", [0, 1, 124, 137, 255])
async def test_no_exit_status_is_taken_for_something_else(place: Place, status: int) -> None:
    done = await place.run(Command("sh", "-c", f"exit {status}"))
    assert done.exit_status == status


async def test_a_program_that_does_not_exist_is_a_status_and_no_exception(place: Place) -> None:
    done = await place.run(Command("no-such-program-here"))
    assert done.exit_status == 127
    assert b"no-such-program-here" in done.stderr


async def test_a_command_that_a_signal_ends_has_not_succeeded(place: Place) -> None:
    done = await place.run(Command("sh", "-c", "kill -KILL $$"))
    assert not done.ok
    assert done.exit_status == 137 or done.signal == "KILL"


async def test_every_byte_of_standard_input_arrives_and_then_its_end(place: Place) -> None:
    data = bytes(range(256)) * 8192
    done = await place.run(Command("sha256sum", stdin=data))
    assert done.stdout.split()[0].decode() == hashlib.sha256(data).hexdigest()


async def test_without_standard_input_a_reader_sees_its_end_at_once(place: Place) -> None:
    assert (await place.run(Command("cat"), timeout_seconds=5)).stdout == b""


async def test_a_command_that_does_not_read_its_input_is_no_failure(place: Place) -> None:
    done = await place.run(Command("sh", "-c", "exit 3", stdin=b"x" * 2_000_000))
    assert done.exit_status == 3


async def test_hostile_arguments_arrive_as_they_were_given(place: Place) -> None:
    done = await place.run(Command("printf", "%s\\0", *HOSTILE))
    assert done.stdout.decode().split("\0")[:-1] == list(HOSTILE)


async def test_arguments_that_are_not_utf8_arrive_as_they_were_given(place: Place) -> None:
    if place.kind == "local":
        pytest.skip("asyncssh's server takes command lines in UTF-8 only")
    raw = b"\xff\xfe caf\xe9 \x80"
    done = await place.run(Command("printf", "%s", os.fsdecode(raw)))
    assert done.stdout == raw


async def test_output_that_is_not_utf8_harms_no_command_beside_it(place: Place) -> None:
    async def both(session: Session) -> tuple[bytes, bytes]:
        bad, good = await asyncio.gather(
            session.run(Command("printf", "\\377\\376\\200\\0end")),
            session.run(Command("sh", "-c", "sleep 0.3; echo whole")),
        )
        return bad.stdout, good.stdout

    assert await place.do(both) == (b"\xff\xfe\x80\x00end", b"whole\n")


async def test_more_output_than_the_limit_is_cut_and_marked(place: Place) -> None:
    script = "head -c 3000000 /dev/zero; head -c 1000000 /dev/zero >&2; exit 5"
    done = await place.run(Command("sh", "-c", script))
    assert done.exit_status == 5
    assert len(done.stdout) == place.settings.output_limit == 1024**2
    assert (done.stdout_truncated, done.stderr_truncated) == (True, False)


async def test_endless_output_is_ended_on_the_node(place: Place, mark: str) -> None:
    started = time.monotonic()
    done = await place.run(Command("yes", mark), timeout_seconds=60)
    assert time.monotonic() - started < 30
    assert len(done.stdout) == place.settings.output_limit
    assert done.stdout_truncated
    assert await place.gone(mark)


async def test_past_its_deadline_a_command_and_its_children_are_ended(
    place: Place, mark: str
) -> None:
    with pytest.raises(CommandTimeout):
        await place.run(Command("sh", "-c", f"sleep {mark} & sleep {mark}"), timeout_seconds=1)
    assert await place.gone(mark)


async def test_a_command_that_ignores_term_is_killed_at_its_deadline(
    place: Place, mark: str
) -> None:
    script = f"trap '' TERM HUP INT; while :; do sleep 0.1; : {mark}; done"
    with pytest.raises(CommandTimeout):
        await place.run(Command("sh", "-c", script), timeout_seconds=1)
    assert await place.gone(mark)


async def test_a_cancelled_command_is_ended_on_the_node(place: Place, mark: str) -> None:
    running = asyncio.create_task(place.run(Command("sleep", mark)))
    end = time.monotonic() + 5
    while not place.processes_with(mark) and time.monotonic() < end:
        await asyncio.sleep(0.05)
    assert place.processes_with(mark)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert await place.gone(mark)


async def test_a_stream_gives_output_as_it_comes_and_ends_when_it_is_left(
    place: Place, mark: str
) -> None:
    script = f"echo first; echo aside >&2; sleep {mark}"

    async def listen(session: Session) -> list[Chunk]:
        heard: list[Chunk] = []
        async with asyncio.timeout(10), session.stream(Command("sh", "-c", script)) as chunks:
            async for chunk in chunks:
                heard.append(chunk)
                if {c.stream for c in heard} == {"stdout", "stderr"}:
                    assert place.processes_with(mark)
                    break
        return heard

    heard = await place.do(listen)
    assert b"".join(c.data for c in heard if c.stream == "stdout") == b"first\n"
    assert b"".join(c.data for c in heard if c.stream == "stderr") == b"aside\n"
    assert await place.gone(mark)


async def test_a_stream_of_a_command_that_ends_has_an_end(place: Place) -> None:
    async def listen(session: Session) -> bytes:
        async with asyncio.timeout(10), session.stream(Command("seq", "20000")) as chunks:
            return b"".join([chunk.data async for chunk in chunks])

    assert await place.do(listen) == b"".join(b"%d\n" % n for n in range(1, 20001))


async def test_what_a_command_is_fed_arrives_with_its_end(place: Place) -> None:
    pieces = [os.urandom(300_000) for _ in range(20)]

    async def given() -> AsyncIterator[bytes]:
        for piece in pieces:
            yield piece

    done = await place.do(lambda s: s.feed(Command("sha256sum"), given(), timeout_seconds=30))
    assert done.stdout.split()[0].decode() == hashlib.sha256(b"".join(pieces)).hexdigest()


async def test_a_command_is_fed_no_faster_than_it_reads(place: Place) -> None:
    taken = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal taken
        while True:
            taken += 1
            yield bytes(1024**2)

    script = "head -c 5000000 >/dev/null; sleep 0.5; exit 3"
    command = Command("sh", "-c", script)
    done = await place.do(lambda s: s.feed(command, endless(), timeout_seconds=30))
    assert done.exit_status == 3
    assert 5 <= taken < 20


async def test_when_there_is_nothing_more_to_feed_it_with_a_command_is_ended(
    place: Place, mark: str
) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"some"
        while not place.processes_with(mark):
            await asyncio.sleep(0.05)
        raise CommandFailed("the other end broke off")

    command = Command("sh", "-c", f"cat; sleep {mark}")
    with pytest.raises(CommandFailed, match="the other end broke off"):
        await place.do(lambda s: s.feed(command, broken(), timeout_seconds=30))
    assert await place.gone(mark)


async def test_past_its_deadline_a_command_that_is_fed_is_ended(place: Place, mark: str) -> None:
    async def stuck() -> AsyncIterator[bytes]:
        yield b"some"
        await asyncio.Event().wait()

    command = Command("sh", "-c", f"cat >/dev/null; sleep {mark}")
    with pytest.raises(CommandTimeout):
        await place.do(lambda s: s.feed(command, stuck(), timeout_seconds=1))
    assert await place.gone(mark)


async def test_many_commands_at_once_share_the_connection(place: Place) -> None:
    async def eight(session: Session) -> list[bytes]:
        runs = (session.run(Command("sh", "-c", f"sleep 0.2; echo {n}")) for n in range(8))
        return [done.stdout for done in await asyncio.gather(*runs)]

    assert await place.do(eight) == [b"%d\n" % n for n in range(8)]


async def test_a_port_where_nothing_listens_is_a_failure_that_says_so(place: Place) -> None:
    with pytest.raises(CommandFailed, match=r"127\.0\.0\.1:1"):
        await place.do(lambda s: s.http(HttpRequest(1, "/")))
    assert not await place.do(lambda s: s.accepts(1, timeout_seconds=2))


# Files


async def test_a_file_goes_to_the_node_and_back_unchanged(place: Place, tmp_path: Path) -> None:
    source, back = tmp_path / "source", tmp_path / "back"
    source.write_bytes(os.urandom(300_000))
    source.chmod(0o640)
    target = f"{await _scratch(place)}/a file with 'quotes' $HOME"
    there = await place.do(lambda s: s.upload(source, target))
    assert (there.files, there.bytes) == (1, 300_000)
    assert place.look("cat", target) == source.read_bytes()
    assert place.look("stat", "-c", "%a", target) == b"640\n"
    here = await place.do(lambda s: s.download(target, back))
    assert (here.files, here.bytes) == (1, 300_000)
    assert back.read_bytes() == source.read_bytes()


async def test_a_folder_goes_to_the_node_and_back_unchanged(place: Place, tmp_path: Path) -> None:
    source, back = tmp_path / "tree", tmp_path / "back"
    (source / "deep" / "er").mkdir(parents=True)
    (source / "empty").mkdir()
    (source / "deep" / "er" / "-n\n$(id) ü").write_bytes(b"content")
    (source / "void").touch()
    target = f"{await _scratch(place)}/tree"
    there = await place.do(lambda s: s.upload(source, target))
    assert (there.files, there.bytes) == (2, 7)
    await place.do(lambda s: s.download(target, back))
    assert _tree(back) == _tree(source)


async def test_a_file_that_is_not_there_cannot_be_downloaded(place: Place, tmp_path: Path) -> None:
    with pytest.raises(CommandFailed, match="no-such-file"):
        await place.do(lambda s: s.download("/no-such-file", tmp_path / "back"))
    assert not (tmp_path / "back").exists()


async def test_an_upload_that_cannot_be_written_leaves_what_was_there(
    place: Place, tmp_path: Path
) -> None:
    if place.host is None:
        pytest.skip("an embedded node shares the disk of this machine, which is not filled")
    source = tmp_path / "source"
    source.write_bytes(os.urandom(3_000_000))
    folder = await _scratch(place)
    place.look("sh", "-c", 'echo old >"$1/file"', "sh", folder)
    place.host.fill_disk(folder)
    with pytest.raises(CommandFailed):
        await place.do(lambda s: s.upload(source, f"{folder}/file"))
    assert place.look("cat", f"{folder}/file") == b"old\n"
    assert place.look("ls", "-A", folder).split() == [b".full", b"file"]


# The node itself


async def test_a_survey_says_what_the_node_itself_says(place: Place) -> None:
    seen = await place.survey()
    assert seen.boot_id == _text(place, "/proc/sys/kernel/random/boot_id")
    assert seen.hostname == _text(place, "/proc/sys/kernel/hostname")
    assert seen.kernel == _text(place, "/proc/sys/kernel/osrelease")
    assert seen.supervisor is place.supervisor
    assert seen.base_dir.startswith("/")
    assert seen.agents == ()
    assert seen.cordon is None
    assert seen.warnings == ()


async def test_a_surveys_metrics_are_those_of_the_nodes_kernel(place: Place) -> None:
    metrics = {metric: reading.value for metric, reading in (await place.survey()).metrics.items()}
    memory = dict(line.split(":") for line in _text(place, "/proc/meminfo").splitlines())
    assert metrics[Metric.MEMORY_TOTAL] == int(memory["MemTotal"].split()[0]) * 1024
    assert metrics[Metric.CORES] == int(place.look("getconf", "_NPROCESSORS_ONLN"))
    uptime = float(_text(place, "/proc/uptime").split()[0])
    assert metrics[Metric.UPTIME] == pytest.approx(uptime, abs=5)
    processes = len(place.look("sh", "-c", "ls -d /proc/[0-9]*").split())
    assert metrics[Metric.PROCESSES] == pytest.approx(processes, abs=40)
    for share in (Metric.CPU, Metric.MEMORY, Metric.DISK):
        value = metrics[share]
        assert value is not None
        assert 0 <= value <= 1
    assert metrics[Metric.AGENTS] == 0
    assert (metrics[Metric.SCHEDULING_RATE] or 0) > 0
    assert metrics[Metric.RUN_QUEUE] is not None


async def test_a_cordon_stays_on_the_node_and_is_taken_off_again(place: Place) -> None:
    cordon = Cordon(by="tester", at="2026-01-02T03:04:05Z", reason='"hostile" \\ $(id) ü\n%s')
    put, off = (
        cordon_command(place.node, place.fleet, cordon),
        uncordon_command(place.node, place.fleet),
    )
    changed = [parse_cordon(await place.run(command)) for command in (put, put)]
    assert changed == [True, False]
    assert (await place.survey()).cordon == cordon
    changed = [parse_cordon(await place.run(command)) for command in (off, off)]
    assert changed == [True, False]
    assert (await place.survey()).cordon is None


async def _scratch(place: Place) -> str:
    done = await place.run(Command("sh", "-c", 'mktemp -d "$HOME/phoenix.XXXXXX"'))
    return done.stdout.decode().strip()


def _text(place: Place, path: str) -> str:
    return place.look("cat", path).decode().strip()


def _tree(folder: Path) -> dict[str, bytes | None]:
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
    }
