"""Fixtures for tests on real hosts."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.cloud.server import Cloud
from tests.hosts.cloud import HostCloud
from tests.hosts.requirements import missing as lacking
from tests.needs import missing


@pytest.fixture
def cloud(running_cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Iterator[HostCloud]:
    """A cloud without instances, whose instances will be real hosts; its credentials are set."""
    if why := lacking():
        missing(why)
    with HostCloud(running_cloud) as made:
        for name, value in made.environ.items():
            monkeypatch.setenv(name, value)
        yield made
