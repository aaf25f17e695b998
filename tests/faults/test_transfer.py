"""Files to and from a node, with and without an SFTP server, and from a node that lies."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from phoenixctl.model.errors import CommandFailed
from phoenixctl.model.outcome import Failed, Outcome, Succeeded
from phoenixctl.ports.reach import Session, Transferred
from phoenixctl.ssh.files import Kind, RemoteEntry
from phoenixctl.ssh.transfer import download
from tests.faults.conftest import StartServer
from tests.sshd import Sshd, node_at, reaching

pytestmark = pytest.mark.sshd


@pytest.fixture(params=["sftp", "shell"])
def copying_server(request: pytest.FixtureRequest, server: Sshd, start_server: StartServer) -> Sshd:
    """A server with SFTP, and one whose SFTP server is not there."""
    if request.param == "sftp":
        return server
    return start_server(options=("Subsystem nothing /bin/false",))


async def transfer(
    server: Sshd, job: Callable[[Session], Awaitable[Transferred]]
) -> Outcome[Transferred]:
    node = node_at(server)
    async with reaching(node) as reach:
        return (await reach.each([node.name], job))[node.name]


def made_tree(root: Path) -> Path:
    (root / "deep" / "er").mkdir(parents=True)
    (root / "plain").write_bytes(bytes(range(256)) * 5000)
    (root / "empty").write_bytes(b"")
    (root / "deep" / "run me").write_bytes(b"#!/bin/sh\n")
    (root / "deep" / "run me").chmod(0o750)
    (root / "deep" / "er" / "-rf ünï\n'x").write_bytes(b"odd")
    (root / "deep" / "read-only").mkdir()
    (root / "deep" / "read-only" / "file").write_bytes(b"r")
    (root / "deep" / "read-only").chmod(0o555)
    (root / "link").symlink_to("deep/run me")
    return root


def seen(root: Path) -> dict[str, tuple[int, bytes | str]]:
    """Every file and link below a folder, with its mode and what it holds."""
    found: dict[str, tuple[int, bytes | str]] = {}
    for path in root.rglob("*"):
        name = str(path.relative_to(root))
        if path.is_symlink():
            found[name] = (0, str(path.readlink()))
        elif path.is_file():
            found[name] = (path.stat().st_mode & 0o777, path.read_bytes())
        else:
            found[name] = (0o555 & path.stat().st_mode, b"")
    return found


async def test_a_folder_arrives_as_it_is_and_comes_back_the_same(
    copying_server: Sshd, tmp_path: Path
) -> None:
    source = made_tree(tmp_path / "source")
    there, back = tmp_path / "there", tmp_path / "back"

    up = await transfer(copying_server, lambda session: session.upload(source, str(there)))
    again = await transfer(copying_server, lambda session: session.upload(source, str(there)))
    down = await transfer(copying_server, lambda session: session.download(str(there), back))

    size = sum(p.stat().st_size for p in source.rglob("*") if p.is_file() and not p.is_symlink())
    for outcome in (up, again, down):
        assert isinstance(outcome, Succeeded), outcome
        assert outcome.value == Transferred(files=5, bytes=size)
    assert seen(there) == seen(source)
    assert seen(back) == seen(source)


async def test_a_file_goes_into_a_folder_or_takes_the_name(
    copying_server: Sshd, tmp_path: Path
) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"content")
    source.chmod(0o640)
    folder = tmp_path / "folder"
    folder.mkdir()

    for target in (str(folder), str(tmp_path / "renamed")):
        outcome = await transfer(
            copying_server, lambda session, t=target: session.upload(source, t)
        )
        assert isinstance(outcome, Succeeded), outcome

    for copied in (folder / "source", tmp_path / "renamed"):
        assert copied.read_bytes() == b"content"
        assert copied.stat().st_mode & 0o777 == 0o640
    assert not list(tmp_path.rglob("*.part"))


async def test_a_large_file_is_whole(copying_server: Sshd, tmp_path: Path) -> None:
    source, there, back = tmp_path / "big", tmp_path / "there", tmp_path / "back"
    source.write_bytes(os.urandom(1024**2) * 9 + b"tail")

    await transfer(copying_server, lambda session: session.upload(source, str(there)))
    await transfer(copying_server, lambda session: session.download(str(there), back))

    assert there.read_bytes() == source.read_bytes()
    assert back.read_bytes() == source.read_bytes()


async def test_a_file_that_is_being_written_is_private_and_not_under_its_name(
    server: Sshd, tmp_path: Path
) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "secret").write_bytes(bytes(40 * 1024**2))
    (source / "secret").chmod(0o644)
    target = tmp_path / "target"
    modes: set[int] = set()
    half_way = False

    async def watch() -> None:
        nonlocal half_way
        while True:
            for path in target.glob(".secret.*.part"):
                modes.add(path.stat().st_mode & 0o777)
                half_way = half_way or not (target / "secret").exists()
            await asyncio.sleep(0)

    watcher = asyncio.ensure_future(watch())
    outcome = await transfer(server, lambda session: session.upload(source, str(target)))
    watcher.cancel()

    assert isinstance(outcome, Succeeded)
    assert half_way
    assert 0o600 in modes
    assert modes <= {0o600, 0o644}


async def test_a_failed_upload_leaves_the_old_file_and_no_trace(
    copying_server: Sshd, tmp_path: Path
) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"new")
    missing = tmp_path / "missing" / "folder"

    outcome = await transfer(
        copying_server, lambda session: session.upload(source, f"{missing}/file")
    )

    assert isinstance(outcome, Failed)
    assert isinstance(outcome.error, CommandFailed)
    assert "missing/folder" in outcome.error.what


async def test_what_is_not_there_is_said(copying_server: Sshd, tmp_path: Path) -> None:
    for job in (
        lambda session: session.download(str(tmp_path / "nothing"), tmp_path / "x"),
        lambda session: session.upload(tmp_path / "nothing", str(tmp_path / "x")),
    ):
        outcome = await transfer(copying_server, job)
        assert isinstance(outcome, Failed)
        assert isinstance(outcome.error, CommandFailed)
        assert "nothing" in outcome.error.what
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("link", ["/etc/passwd", "../outside", "deep/../../outside"])
async def test_links_out_of_the_folder_are_refused_both_ways(
    copying_server: Sshd, tmp_path: Path, link: str
) -> None:
    source = made_tree(tmp_path / "source")
    (source / "bad").symlink_to(link)

    up = await transfer(copying_server, lambda s: s.upload(source, str(tmp_path / "up")))
    down = await transfer(copying_server, lambda s: s.download(str(source), tmp_path / "down"))

    for outcome in (up, down):
        assert isinstance(outcome, Failed)
        assert "symbolic link out of the folder" in outcome.error.what
    assert not (tmp_path / "up").exists()
    assert not (tmp_path / "down" / "bad").is_symlink()


async def test_a_file_of_proc_that_says_it_is_empty_is_read(
    copying_server: Sshd, tmp_path: Path
) -> None:
    outcome = await transfer(
        copying_server, lambda session: session.download("/proc/version", tmp_path / "version")
    )

    assert isinstance(outcome, Succeeded), outcome
    assert (tmp_path / "version").read_bytes() == Path("/proc/version").read_bytes()


class LyingFiles:
    """A node that lists what it likes."""

    def __init__(self, *entries: RemoteEntry, link: str = "") -> None:
        self._entries = list(entries)
        self._link = link

    async def look(self, path: str) -> RemoteEntry | None:
        return RemoteEntry(path, Kind.FOLDER, 0o755, 0)

    async def entries(self, path: str) -> list[RemoteEntry]:
        return self._entries

    async def link_target(self, path: str) -> str:
        return self._link

    async def make_folder(self, path: str) -> None:
        raise AssertionError("nothing is written to the node")

    async def make_link(self, path: str, target: str) -> None:
        raise AssertionError("nothing is written to the node")

    async def set_mode(self, path: str, mode: int) -> None:
        raise AssertionError("nothing is written to the node")

    async def put(self, source: Path, path: str, mode: int) -> int:
        raise AssertionError("nothing is written to the node")

    async def get(self, path: str, _size: int) -> AsyncIterator[bytes]:
        yield b"evil"

    async def close(self) -> None:
        return None


@pytest.mark.parametrize("name", ["../evil", "/tmp/evil", "..", "", "a/b", "x\0y"])
async def test_a_name_that_leads_out_of_the_folder_is_refused(name: str, tmp_path: Path) -> None:
    files = LyingFiles(RemoteEntry(name, Kind.FILE, 0o644, 4))

    with pytest.raises(CommandFailed, match="leads out"):
        await download(files, "/srv", tmp_path / "into")

    assert list(tmp_path.rglob("*evil*")) == []


async def test_a_folder_in_the_place_of_a_link_is_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "into" / "inside"
    files = LyingFiles(
        RemoteEntry("door", Kind.LINK, 0o777, 0),
        RemoteEntry("door", Kind.FOLDER, 0o755, 0),
        link="inside",
    )

    with pytest.raises(CommandFailed, match="not a folder"):
        await download(files, "/srv", tmp_path / "into")

    assert not outside.exists()
