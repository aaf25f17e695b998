"""Places that records can be kept in, made anew for each test, and processes that use them."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import pytest

from phoenixctl.cli.compose import SystemClock
from phoenixctl.model.s3 import S3Store
from phoenixctl.ports.clock import Clock
from phoenixctl.store import s3_objects
from phoenixctl.store.local import LocalRecords
from phoenixctl.store.records import StoredRecords
from phoenixctl.store.s3 import S3Records
from phoenixctl.store.s3_objects import Objects
from tests.cloud.s3_server import S3Server

FLEET = "shop"


class RecordPlace(Protocol):
    """One fleet's records: through the front door, and as bytes behind its back."""

    def records(self, clock: Clock | None = None) -> StoredRecords: ...

    def beside(self, name: str) -> RecordPlace:
        """Another one, empty."""
        ...

    def get(self, name: str) -> bytes | None: ...

    def put(self, name: str, content: bytes) -> None: ...

    def remove(self, name: str) -> None: ...

    def names(self) -> list[str]: ...

    def die_at(self, number: int) -> None:
        """From now on this process kills itself right after so many of its writes."""
        ...


@dataclass(frozen=True)
class LocalPlace:
    folder: Path

    def records(self, clock: Clock | None = None) -> LocalRecords:
        return LocalRecords(self.folder, clock or SystemClock(), FLEET)

    def beside(self, name: str) -> LocalPlace:
        return LocalPlace(self.folder.parent / f"{self.folder.name}-{name}")

    def get(self, name: str) -> bytes | None:
        path = self.folder / name
        return path.read_bytes() if path.exists() else None

    def put(self, name: str, content: bytes) -> None:
        (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / name).write_bytes(content)

    def remove(self, name: str) -> None:
        (self.folder / name).unlink()

    def names(self) -> list[str]:
        files = (path for path in self.folder.rglob("*") if path.is_file())
        return sorted(str(path.relative_to(self.folder)) for path in files)

    def die_at(self, number: int) -> None:
        """Every second time a line is written only in half."""
        count = 0

        def counted(call: Callable[..., Any], *, tearing: bool) -> Callable[..., Any]:
            def counting(*arguments: Any, **more: Any) -> Any:
                nonlocal count
                count += 1
                if count < number:
                    return call(*arguments, **more)
                if tearing:
                    call(arguments[0], arguments[1][: len(arguments[1]) // 2], *arguments[2:])
                kill()
                return None

            return counting

        os.write = counted(os.write, tearing=True)
        os.pwrite = counted(os.pwrite, tearing=True)
        for module, name in ((os, "fsync"), (os, "ftruncate"), (Path, "replace"), (Path, "unlink")):
            setattr(module, name, counted(getattr(module, name), tearing=False))


@dataclass(frozen=True)
class S3Place:
    server: S3Server
    settings: S3Store
    folder: Path

    def records(self, clock: Clock | None = None) -> S3Records:
        return S3Records(self.settings, self.folder, clock or SystemClock(), FLEET)

    def beside(self, name: str) -> S3Place:
        prefix = f"{self.settings.prefix}-{name}"
        return replace(self, settings=replace(self.settings, prefix=prefix))

    def get(self, name: str) -> bytes | None:
        found = self._objects().get(name)
        return found.body if found else None

    def put(self, name: str, content: bytes) -> None:
        self._objects().put(name, content)

    def remove(self, name: str) -> None:
        self._objects().remove([name])

    def names(self) -> list[str]:
        return list(self._objects().names(""))

    def die_at(self, number: int) -> None:
        count = 0
        call = Objects._call

        def counting(objects: Objects, operation: str, *arguments: Any, **more: Any) -> Any:
            nonlocal count
            answer = call(objects, operation, *arguments, **more)
            count += operation in ("put_object", "delete_objects")
            if count >= number:
                kill()
            return answer

        pytest.MonkeyPatch().setattr(Objects, "_call", counting)  # this process dies with it

    def _objects(self) -> Objects:
        return Objects(self.settings, FLEET)


def share_clients(monkeypatch: pytest.MonkeyPatch) -> None:
    """One client of boto3 for all: making it takes longer than most tests.

    Forked processes use it too: moto closes each connection, so there is none to be shared.
    """
    made: dict[S3Store, Any] = {}
    make = s3_objects._client

    def shared(settings: S3Store) -> Any:
        key = replace(settings, prefix="")
        if key not in made:
            made[key] = make(settings)
        return made[key]

    monkeypatch.setattr(s3_objects, "_client", shared)


def kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


_write = os.write  # the real one, also where a test has put another in its place

Say = Callable[[str], None]


@dataclass
class Child:
    """A process of ours that a test has forked."""

    pid: int
    _output: int

    def line(self) -> str:
        """The next that it says, empty when it has ended."""
        found = b""
        while not found.endswith(b"\n") and (byte := os.read(self._output, 1)):
            found += byte
        return found.decode().strip()

    def lines(self) -> list[str]:
        """All that it says, to its end."""
        return list(iter(self.line, ""))

    def signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def close(self) -> None:
        self.signal(signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self._output)


@contextmanager
def forked(body: Callable[[Say], None]) -> Iterator[Child]:
    """Run `body` in another process, which is gone at the end. What it raises it says."""
    output, inner = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(output)

        def say(text: str) -> None:
            _write(inner, f"{text}\n".encode())

        try:
            body(say)
        except BaseException as error:
            say(f"{type(error).__name__}: {error}")
        finally:
            os._exit(0)
    os.close(inner)
    child = Child(pid, output)
    try:
        yield child
    finally:
        child.close()
