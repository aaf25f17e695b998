"""Real OpenSSH servers for the faults, ended with the run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.sshd import Sshd

StartServer = Callable[..., Sshd]


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    """One healthy server that no test may change."""
    sshd = Sshd.start(tmp_path_factory.mktemp("sshd"))
    yield sshd
    sshd.stop()


@pytest.fixture
def start_server(tmp_path: Path) -> Iterator[StartServer]:
    """Start servers with options of the test's own."""
    started: list[Sshd] = []

    def start(**options: object) -> Sshd:
        sshd = Sshd.start(tmp_path / f"sshd-{len(started)}", **options)  # type: ignore[arg-type]
        started.append(sshd)
        return sshd

    yield start
    for sshd in started:
        sshd.stop()
