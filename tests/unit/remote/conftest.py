from __future__ import annotations

import pytest

from tests.unit.remote.machine import SHELLS, Machine


@pytest.fixture(params=SHELLS)
def any_machine(request, tmp_path):
    """The machine once with each shell there is."""
    yield from _machine(request.param, tmp_path)


@pytest.fixture
def machine(tmp_path):
    yield from _machine(SHELLS[0], tmp_path)


def _machine(shell, tmp_path):
    machine = Machine.with_shell(shell, tmp_path)
    yield machine
    agents = machine.base / "agents"
    for folder in agents.iterdir() if agents.is_dir() else ():
        machine.stop(folder.name, grace=0)
