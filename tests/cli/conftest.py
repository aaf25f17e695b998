"""One embedded fleet for all tests of the command line."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.cli.demo_fleet import DemoFleet, processes
from tests.cli.pane import Pane, a_pane


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoFleet]:
    """Three nodes with an agent on each; nothing of them is left at the end."""
    fleet = DemoFleet(tmp_path_factory.mktemp("cli"))
    (fleet.root / "operator").mkdir()
    try:
        fleet.up()
        yield fleet
    finally:
        down = fleet.down()
    assert down.code == 0
    assert processes(str(fleet.root)) == set()
    assert processes(str(fleet.root), where="environ") == set()
    assert not fleet.state.exists()
    assert not fleet.config.exists()


@pytest.fixture
def pane(fleet: DemoFleet) -> Iterator[Pane]:
    """A terminal, gone after the test with all that runs in it."""
    with a_pane(fleet) as pane:
        yield pane


@pytest.fixture
def fleet(demo: DemoFleet) -> Iterator[DemoFleet]:
    """The fleet, which a test leaves as it found it."""
    yield demo
    demo.end_what_was_started()
