"""Weights of agents on real systemd hosts follow a host's agent that is slowed to half."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.hosts.balancing import balanced, share, under_load
from tests.hosts.fleet import Hosts

pytestmark = pytest.mark.hosts
_MOST_ROUNDS = 20  # six are enough on a machine that does nothing else


def test_a_slow_agent_gets_about_half_and_all_of_it_again_and_no_request_fails(
    hosts: Hosts, tmp_path: Path
) -> None:
    with balanced(hosts, tmp_path) as on:
        with under_load(on) as reports:
            on.round()
            on.slow(on=True)
            assert any(share(on.round()) < 0.7 for _ in range(_MOST_ROUNDS))
            on.slow(on=False)
            assert any(share(on.round()) > 0.8 for _ in range(_MOST_ROUNDS))
        assert [report.failed for report in reports] == [0]
