"""Agents migrate between real systemd hosts, behind a real HAProxy and under load."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from phoenixctl.demo.load_report import LoadReport
from tests.hosts.fleet import Hosts
from tests.hosts.migrations import stage
from tests.hosts.test_status import phoenixctl

pytestmark = pytest.mark.hosts


def test_a_singleton_migrates_under_load_and_nothing_is_lost(hosts: Hosts, tmp_path: Path) -> None:
    ways = ("live", "checkpoint", "cold", "live")
    with stage(hosts, tmp_path) as on, on.load() as load:
        names = [host.name for host in hosts]
        first = names.index(on.places()["counter-0"])
        for number, strategy in enumerate(ways, start=1):
            to = names[(first + number) % len(names)]
            done = on.migrate("counter-0", to, strategy)
            assert done["downtime_seconds"] > 0
            assert on.places() == {"counter-0": to}
        report = load.end()
        counted = on.counts()
        told = json.loads(phoenixctl(on.config, "agents", "migrations", "-o", "json"))
    _nothing_is_lost(report, counted)
    assert [one["strategy"] for one in reversed(told["migrations"])] == list(ways)


def test_a_node_of_eight_agents_is_drained_under_load_and_no_request_fails(
    hosts: Hosts, tmp_path: Path
) -> None:
    with stage(hosts, tmp_path, replicas=8, on="host1") as on, on.load() as load:
        assert set(on.places().values()) == {"host1"}
        phoenixctl(on.config, "nodes", "drain", "host1", "--yes", within_seconds=240)
        report = load.end()
        places, counted = on.places(), on.counts()
    assert len(places) == 8
    assert "host1" not in places.values()
    _nothing_is_lost(report, counted)


def _nothing_is_lost(report: LoadReport, counted: Mapping[str, int]) -> None:
    """Every request was acknowledged, and is counted once."""
    assert report.failed == 0, report.failures
    assert report.acknowledged == sum(counted.values()) == report.sent
