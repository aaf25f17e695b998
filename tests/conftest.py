"""Fixtures for every test folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from tests.hosts.fleet import Hosts
from tests.hosts.requirements import missing as lacking
from tests.needs import missing

if TYPE_CHECKING:
    from tests.cloud.server import Cloud


# CI judges a change by the same examples as the run before; a developer's run looks for new ones.
settings.register_profile("ci", derandomize=True)
if os.environ.get("CI") == "true":
    settings.load_profile("ci")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Where tests run side by side, those that share something costly stay together: the hosts and
    the command line's fleet are started once in a run, and what a file starts once in a file."""
    for item in items:
        names = getattr(item, "fixturenames", ())
        shared = next((name for name in ("booted_hosts", "demo") if name in names), None)
        if item.get_closest_marker("hosts"):
            shared = "booted_hosts"
        item.add_marker(pytest.mark.xdist_group(shared or item.path.name))


@pytest.fixture(scope="session")
def booted_hosts() -> Iterator[Hosts]:
    """Four real systemd hosts, booted once in a run; tests take `hosts`, where they are whole.

    Skipped with the reason where the machine cannot do it; under CI that is a failure.
    """
    if why := lacking():
        missing(why)
    with Hosts(4) as hosts:
        yield hosts


@pytest.fixture
def hosts(booted_hosts: Hosts) -> Hosts:
    """The four hosts, whole and with nothing of phoenixctl on them when the test begins."""
    booted_hosts.heal()
    booted_hosts.renew_used()
    return booted_hosts


@pytest.fixture(scope="session")
def running_cloud() -> Iterator[Cloud]:
    """One cloud on loopback for the whole run; who takes it begins with `reset`."""
    from tests.cloud.server import Cloud

    with Cloud() as cloud:
        yield cloud
