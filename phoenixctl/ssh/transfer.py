"""Copying files and folders to and from a node; a file appears whole or not at all."""

from __future__ import annotations

import os
import posixpath
import stat
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from typing import Final

from phoenixctl.model.errors import CommandFailed
from phoenixctl.ports.reach import Transferred
from phoenixctl.ssh.files import Kind, RemoteEntry, RemoteFiles

_PERMISSIONS: Final = 0o777  # set-user-id and the like do not travel
_DEEPEST: Final = 64


@dataclass
class _Copying:
    """One transfer: the node's files, and what has been copied."""

    remote: RemoteFiles
    files: int = 0
    bytes: int = 0

    def result(self) -> Transferred:
        return Transferred(self.files, self.bytes)


@dataclass(frozen=True, slots=True)
class _Local:
    """One thing to upload; `parts` is where it is below the source."""

    path: Path
    parts: tuple[str, ...]
    kind: Kind
    mode: int
    link: str = ""


async def upload(remote: RemoteFiles, source: Path, target: str) -> Transferred:
    """Copy a file to `target` (into it, if that is a folder), or what a folder holds into it."""
    everything = _look_through(source)  # what cannot be copied is found before anything changes
    copying = _Copying(remote)
    target = target if target == "/" else target.removesuffix("/") or "/"
    if everything[0].kind == Kind.FILE:
        there = await remote.look(target)
        if there is not None and there.kind == Kind.FOLDER:
            target = posixpath.join(target, source.name)
    for local in everything:
        await _upload_one(copying, local, posixpath.join(target, *local.parts))
    for folder in reversed(everything):
        # Last, for a folder that its owner may not write to must be filled first.
        if folder.kind == Kind.FOLDER:
            await remote.set_mode(posixpath.join(target, *folder.parts), folder.mode)
    return copying.result()


async def download(remote: RemoteFiles, source: str, target: Path) -> Transferred:
    """Copy a file to `target` (into it, if that is a folder), or what a folder holds into it."""
    copying = _Copying(remote)
    found = await remote.look(source)
    if found is None:
        raise CommandFailed(f"{source}: there is no such file on the node")
    if found.kind == Kind.FOLDER:
        folder = source.rstrip("/") or "/"
        await _download_folder(copying, folder, target, ())
        _set_local_mode(target, found.mode)
    elif found.kind == Kind.FILE:
        await _download_file(copying, source, _into(target, source), found)
    else:
        raise CommandFailed(f"{source} is a {found.kind}, which cannot be copied")
    return copying.result()


def _look_through(source: Path) -> list[_Local]:
    """The source and all below it, folders before what they hold. CommandFailed names a misfit."""
    try:
        found = [_local(source, (), source.stat())]
        for local in found:
            if local.kind == Kind.FOLDER:
                for path in sorted(local.path.iterdir()):
                    found.append(_local(path, (*local.parts, path.name), path.lstat()))
    except OSError as error:
        raise CommandFailed(f"{error.filename}: {error.strerror}") from error
    return found


def _local(path: Path, parts: tuple[str, ...], details: os.stat_result) -> _Local:
    mode = details.st_mode & _PERMISSIONS
    if stat.S_ISLNK(details.st_mode):
        link = str(path.readlink())
        _refuse_leaving(link, parts, str(path))
        return _Local(path, parts, Kind.LINK, mode, link)
    if stat.S_ISDIR(details.st_mode):
        return _Local(path, parts, Kind.FOLDER, mode)
    if stat.S_ISREG(details.st_mode):
        return _Local(path, parts, Kind.FILE, mode)
    raise CommandFailed(f"{path} is a {Kind.OTHER}, which cannot be copied")


async def _upload_one(copying: _Copying, local: _Local, target: str) -> None:
    if local.kind == Kind.FOLDER:
        await copying.remote.make_folder(target)
    elif local.kind == Kind.LINK:
        await copying.remote.make_link(target, local.link)
    else:
        try:
            copying.bytes += await copying.remote.put(local.path, target, local.mode)
        except OSError as error:
            raise CommandFailed(f"{local.path}: {error.strerror or error}") from error
        copying.files += 1


async def _download_folder(
    copying: _Copying, source: str, target: Path, inside: tuple[str, ...]
) -> None:
    """Copy a folder of the node; `inside` is where it is below the one that was asked for."""
    if len(inside) > _DEEPEST:
        raise CommandFailed(f"{source}: folders are nested more than {_DEEPEST} deep")
    _make_local_folder(target)
    for entry in await copying.remote.entries(source):
        name = _safe_name(entry.name, source)
        path, local = posixpath.join(source, name), target / name
        if entry.kind == Kind.FOLDER:
            await _download_folder(copying, path, local, (*inside, name))
            _set_local_mode(local, entry.mode)
        elif entry.kind == Kind.FILE:
            await _download_file(copying, path, local, entry)
        elif entry.kind == Kind.LINK:
            link = await copying.remote.link_target(path)
            _refuse_leaving(link, (*inside, name), path)
            _place_link(link, local)
        else:
            raise CommandFailed(f"{path} is a {entry.kind}, which cannot be copied")


async def _download_file(copying: _Copying, source: str, target: Path, entry: RemoteEntry) -> None:
    aside = target.with_name(f".{target.name[:200]}.{token_hex(6)}.part")
    try:
        handle = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        try:
            with os.fdopen(handle, "wb") as local:
                async for data in copying.remote.get(source, entry.size):
                    copying.bytes += local.write(data)
                os.fchmod(local.fileno(), entry.mode & _PERMISSIONS)
            aside.replace(target)
        finally:
            aside.unlink(missing_ok=True)
    except OSError as error:
        raise CommandFailed(f"{target}: {error.strerror or error}") from error
    copying.files += 1


def _safe_name(name: str, where: str) -> str:
    """A name that stays in its folder: what the node says is not to be trusted."""
    if name in {"", ".", ".."} or "/" in name or "\0" in name:
        raise CommandFailed(
            f"{where}: the node lists a file named {name!r}, which leads out of the folder",
            hint="nothing more was copied from it; do not trust this node",
        )
    return name


def _refuse_leaving(link: str, parts: tuple[str, ...], shown: str) -> None:
    """A link may point to its own tree only: it would be followed some day."""
    depth = len(parts) - 1
    for part in link.split("/"):
        depth += -1 if part == ".." else 0 if part in {"", "."} else 1
        if depth < 0 or link.startswith("/"):
            raise CommandFailed(
                f"{shown} is a symbolic link out of the folder (to {link!r})",
                hint="copy what it points to by its own name",
            )


def _into(target: Path, source: str) -> Path:
    """Where a single file goes."""
    if target.is_dir():
        return target / _safe_name(posixpath.basename(source), source)
    return target


def _set_local_mode(folder: Path, mode: int) -> None:
    folder.chmod((mode & _PERMISSIONS) | stat.S_IRWXU)


def _make_local_folder(path: Path) -> None:
    try:
        path.mkdir(mode=0o700)
    except FileExistsError:
        # A link here could have been placed by the same node a moment ago.
        if path.is_symlink() or not path.is_dir():
            raise CommandFailed(f"{path} exists and is not a folder") from None
    except OSError as error:
        raise CommandFailed(f"{path}: {error.strerror}") from error


def _place_link(link: str, path: Path) -> None:
    try:
        if path.is_dir() and not path.is_symlink():
            raise CommandFailed(f"{path} exists and is a folder")
        path.unlink(missing_ok=True)
        path.symlink_to(link)
    except OSError as error:
        raise CommandFailed(f"{path}: {error.strerror}") from error
