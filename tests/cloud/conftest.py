"""The cloud on loopback, new for each test here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from phoenixctl.model.aws import AwsPool, AwsZone
from phoenixctl.model.fleet import Pool
from phoenixctl.providers.aws.client import Regions
from phoenixctl.providers.aws.patience import Patience
from phoenixctl.providers.aws.provider import AwsProvider
from tests.cloud.server import CREDENTIALS, REGION, Cloud
from tests.cloud.ticking import RealClock

# Everything is near: what takes seconds in AWS takes hundredths here.
SOON = Patience(
    first=0.005, longest=0.05, find=0.3, show=1.0, ask=2.0, run=2.0, end=2.0, absent=0.1
)


@pytest.fixture
def cloud(running_cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Cloud:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    running_cloud.reset()
    return running_cloud


@pytest.fixture(scope="session")
def regions() -> Iterator[Regions]:
    """Making boto3's clients takes as long as most tests; they hold nothing of a test."""
    shared = Regions(RealClock(), SOON)
    yield shared
    shared.close()


@pytest.fixture
def provider(cloud: Cloud, regions: Regions) -> AwsProvider:
    return AwsProvider("shop", RealClock(), regions=regions)


@pytest.fixture
def pool(cloud: Cloud) -> Pool:
    """Two zones and two types, inline, on demand."""
    return aws_pool(cloud)


def aws_pool(cloud: Cloud, name: str = "web", **more: Any) -> Pool:
    """A pool of the cloud; `more` are fields of AwsPool."""
    settings = AwsPool(
        region=REGION,
        zones=(AwsZone(f"{REGION}a"), AwsZone(f"{REGION}b")),
        types=("m7i.large", "m6i.large"),
        image=cloud.image,
        authorized_keys=("ssh-ed25519 AAAAoperator operator",),
        endpoint=cloud.endpoint,
    )
    return Pool(name, provider="aws", labels={"tier": "front"}, aws=replace(settings, **more))
