"""A few of the schedules; `python -m tests.faults.migration --seeds 0-199` plays all of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.migration.schedules import Place, Schedule, place, play


@pytest.fixture(scope="module")
def on(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with place(tmp_path_factory.mktemp("migrations")) as made:
        yield made


@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", [0, 1, 4])
def test_nothing_is_active_twice_or_lost_and_it_comes_to_an_end(on: Place, seed: int) -> None:
    assert play(on, Schedule.of(seed)) in ("finished", "taken back")
