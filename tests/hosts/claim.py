"""Numbers for hosts, so that two runs on one machine never meet.

Number N owns the network 10.77.N.0/24, the link and namespace `phxN` and the folder RUN/N. It is
claimed by a lock held for the life of the run; a folder whose lock is free belongs to a run that
died, and what that run left is removed.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.hosts.process import HarnessError, Identity, call
from tests.hosts.requirements import cgroup_roots

RUN = Path("/run/phoenixctl-hosts")
_NUMBERS = range(1, 250)


class Claim:
    """One number, held until `release`."""

    def __init__(self, number: int, lock: int) -> None:
        self.number = number
        self._lock = lock

    @property
    def name(self) -> str:
        return f"phx{self.number}"

    @property
    def folder(self) -> Path:
        return RUN / str(self.number)

    @property
    def address(self) -> str:
        return f"10.77.{self.number}.2"

    @property
    def gateway(self) -> str:
        return f"10.77.{self.number}.1"

    def record(self, process: Identity) -> None:
        """Note a process of this host, so that whoever finds the wreck may end it."""
        with (self.folder / "processes").open("a") as file:
            file.write(f"{process}\n")

    def end_processes(self) -> None:
        """End what was recorded, the latest first, and forget it."""
        record = self.folder / "processes"
        if record.exists():
            for line in reversed(record.read_text().splitlines()):
                Identity.parse(line).kill()
            record.unlink()
        for root in cgroup_roots():
            _remove_cgroup(root / self.name)

    def release(self) -> None:
        """Remove everything that this number stands for, then the claim."""
        self.end_processes()
        call("ip", "link", "del", self.name, check=False)
        call("ip", "netns", "del", self.name, check=False)
        _unmount_below(self.folder)
        with suppress(FileNotFoundError):
            shutil.rmtree(self.folder)
        os.close(self._lock)


def claim(count: int) -> list[Claim]:
    """Take `count` free numbers; HarnessError when the machine has no more."""
    RUN.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _lock_all():
        sweep()
        taken = call("ip", "-o", "addr") + call("ip", "route") + call("ip", "netns")
        claims: list[Claim] = []
        for number in _NUMBERS:
            if len(claims) == count:
                break
            if f" 10.77.{number}." in taken or f"phx{number} " in taken:
                continue
            if (claimed := _try(number)) is not None:
                claims.append(claimed)
    if len(claims) < count:
        for each in claims:
            each.release()
        raise HarnessError(f"no {count} free networks in 10.77.0.0/16 on this machine")
    return claims


def sweep() -> None:
    """Remove what runs that died have left."""
    for folder in RUN.iterdir():
        if folder.name.isdigit() and (wreck := _try(int(folder.name))) is not None:
            wreck.release()


def _try(number: int) -> Claim | None:
    folder = RUN / str(number)
    folder.mkdir(mode=0o700, exist_ok=True)
    lock = os.open(folder / "owner", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Its owner may have removed the folder between our opening and our locking.
        ours = os.path.samestat(os.fstat(lock), (folder / "owner").stat())
    except (BlockingIOError, FileNotFoundError):
        ours = False
    if not ours:
        os.close(lock)
        return None
    return Claim(number, lock)


@contextmanager
def _lock_all() -> Iterator[None]:
    lock = os.open(RUN / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _unmount_below(folder: Path) -> None:
    mounted = [
        line.split()[4]
        for line in Path("/proc/self/mountinfo").read_text().splitlines()
        if line.split()[4].startswith(f"{folder}/")
    ]
    for point in reversed(mounted):
        # Lazy: a process of somebody else who looks into the folder must not keep us from going.
        call("umount", "--lazy", point, check=False)


def _remove_cgroup(group: Path) -> None:
    if group.is_dir():
        for inner in sorted((p for p in group.rglob("*") if p.is_dir()), reverse=True):
            inner.rmdir()
        group.rmdir()
