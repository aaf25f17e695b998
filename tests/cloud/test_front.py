"""The front does to clients what EC2 does, and what the tests here rely on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError

from tests.cloud.masks import HIDDEN, Mask
from tests.cloud.server import REGION, Cloud


@pytest.fixture
def ec2(cloud: Cloud) -> Iterator[Any]:
    """A client that repeats nothing."""
    once = Config(retries={"total_max_attempts": 1})
    client = boto3.client("ec2", region_name=REGION, endpoint_url=cloud.endpoint, config=once)
    yield client
    client.close()


def launch(ec2: Any, cloud: Cloud, token: str, **more: Any) -> str:
    made = ec2.run_instances(MinCount=1, MaxCount=1, ImageId=cloud.image, ClientToken=token, **more)
    return str(made["Instances"][0]["InstanceId"])


def shown(ec2: Any) -> list[str]:
    answer = ec2.describe_instances()
    return [i["State"]["Name"] for r in answer["Reservations"] for i in r["Instances"]]


def test_a_token_stands_for_one_request(cloud: Cloud, ec2: Any) -> None:
    first = launch(ec2, cloud, "t", InstanceType="m7i.large")
    assert launch(ec2, cloud, "t", InstanceType="m7i.large") == first
    assert launch(ec2, cloud, "u", InstanceType="m7i.large") != first
    with pytest.raises(ClientError, match="IdempotentParameterMismatch"):
        launch(ec2, cloud, "t", InstanceType="m6i.large")
    assert len(cloud.instances()) == 2
    ec2.terminate_instances(InstanceIds=[first])
    with pytest.raises(ClientError, match="IdempotentInstanceTerminated"):
        launch(ec2, cloud, "t", InstanceType="m7i.large")


def test_a_refused_request_leaves_its_token_free(cloud: Cloud, ec2: Any) -> None:
    cloud.front.refuse("InsufficientInstanceCapacity", times=1)
    with pytest.raises(ClientError, match="InsufficientInstanceCapacity"):
        launch(ec2, cloud, "t")
    launch(ec2, cloud, "t", InstanceType="m6i.large")
    assert len(cloud.instances()) == 1


def test_a_lost_answer_is_one_to_something_that_was_done(cloud: Cloud, ec2: Any) -> None:
    cloud.front.lose("RunInstances")
    with pytest.raises(ConnectionClosedError):
        launch(ec2, cloud, "t")
    [raw] = cloud.instances()
    assert launch(ec2, cloud, "t") == raw["InstanceId"]


def test_looks_are_behind_for_as_many_as_was_said(cloud: Cloud, ec2: Any) -> None:
    cloud.front.stale, cloud.front.pending = 1, 1
    instance = launch(ec2, cloud, "t")
    assert [shown(ec2) for _ in range(3)] == [[], ["pending"], ["running"]]
    ec2.terminate_instances(InstanceIds=[instance])
    assert [shown(ec2)[0] for _ in range(3)] == ["running", "shutting-down", "terminated"]


def test_an_id_that_is_not_shown_is_not_found(cloud: Cloud, ec2: Any) -> None:
    instance = launch(ec2, cloud, "t")
    cloud.front.masks.put(instance, HIDDEN, Mask("stopped"))
    with pytest.raises(ClientError, match=r"InvalidInstanceID\.NotFound"):
        ec2.describe_instances(InstanceIds=[instance])
    assert shown(ec2) == ["stopped"]
