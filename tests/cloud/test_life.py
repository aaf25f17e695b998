"""Nodes that are listed, protected and destroyed."""

from __future__ import annotations

import logging

import pytest

from phoenixctl.model.errors import OutcomeUnknown, Refused
from phoenixctl.model.fleet import Pool
from phoenixctl.model.instance import Phase
from phoenixctl.providers.aws import client
from phoenixctl.providers.aws.client import Regions
from phoenixctl.providers.aws.provider import AwsProvider
from tests.cloud.conftest import SOON, aws_pool
from tests.cloud.front import Answer, Call
from tests.cloud.masks import HIDDEN, Mask
from tests.cloud.server import Cloud
from tests.cloud.ticking import RealClock
from tests.conformance.requests import create, destroy


async def test_a_pools_nodes_are_listed_by_name_and_no_other_ones(
    cloud: Cloud, provider: AwsProvider, pool: Pool
) -> None:
    made = [await create(provider, pool, name) for name in ("web-2", "web-1")]
    await create(provider, aws_pool(cloud, "db"), "db-1")
    ended = await create(provider, pool, "web-3")
    await provider.destroy(pool, ended)
    listed = await provider.list(pool)
    assert [(i.node.name, i.id) for i in listed] == [("web-1", made[1].id), ("web-2", made[0].id)]
    assert [(i.lineage, i.operation, i.node.address) for i in listed] == [
        ("line-1", "1", i.node.address) for i in reversed(made)
    ]
    assert [i.node.host_keys for i in listed] == [(), ()]


async def test_a_list_goes_on_beyond_one_page(
    cloud: Cloud, provider: AwsProvider, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "_PAGE", 5)
    names = [f"web-{number:02}" for number in range(12)]
    for name in names:
        await create(provider, pool, name)
    cloud.front.calls.clear()
    assert [i.node.name for i in await provider.list(pool)] == names
    assert len(cloud.front.asked("DescribeInstances")) == 3


async def test_phases_are_told_and_one_that_shuts_down_for_good_is_none_any_more(
    cloud: Cloud, provider: AwsProvider, pool: Pool
) -> None:
    made = await create(provider, pool, "web-1")
    states = ("pending", "stopping", "stopped", "shutting-down", "running")
    cloud.front.masks.put(made.id, *map(Mask, states))
    shown = [[i.phase for i in await provider.list(pool)] for _ in states]
    assert shown == [[Phase.PENDING], [Phase.STOPPING], [Phase.STOPPED], [], [Phase.RUNNING]]


async def test_an_instance_whose_tags_name_no_node_is_not_taken_for_one(
    cloud: Cloud, provider: AwsProvider, pool: Pool
) -> None:
    made = await create(provider, pool, "web-1")
    cloud.truth.create_tags(
        Resources=[made.id], Tags=[{"Key": "phoenix:node", "Value": "../etc; rm -rf /"}]
    )
    assert list(await provider.list(pool)) == []


async def test_a_destroyed_node_is_gone_and_the_others_are_there(
    cloud: Cloud, provider: AwsProvider, pool: Pool
) -> None:
    kept, gone = [await create(provider, pool, name) for name in ("web-1", "web-2")]
    await provider.destroy(pool, gone)
    assert [raw["InstanceId"] for raw in cloud.instances("terminated")] == [gone.id]
    await provider.destroy(pool, gone)
    assert [raw["InstanceId"] for raw in cloud.instances()] == [kept.id]


async def test_of_two_with_one_name_the_one_with_that_id_goes(
    cloud: Cloud, provider: AwsProvider, pool: Pool
) -> None:
    made = await create(provider, pool, "web-1")
    [raw] = cloud.instances()
    listed = [{"ResourceType": "instance", "Tags": raw["Tags"]}]
    cloud.truth.run_instances(ImageId=cloud.image, MinCount=1, MaxCount=1, TagSpecifications=listed)
    both = await provider.list(pool)
    assert [i.node.name for i in both] == ["web-1", "web-1"]
    [double] = [i for i in both if i.id != made.id]
    await provider.destroy(pool, double)
    assert [raw["InstanceId"] for raw in cloud.instances()] == [made.id]


async def test_one_that_was_never_there_is_gone_already(provider: AwsProvider, pool: Pool) -> None:
    await destroy(provider, pool, "web-9")


async def test_one_that_ec2_does_not_show_yet_is_terminated_all_the_same(
    cloud: Cloud, provider: AwsProvider, pool: Pool
) -> None:
    made = await create(provider, pool, "web-1")
    cloud.front.masks.put(made.id, *[HIDDEN] * 4)
    await provider.destroy(pool, made)
    assert cloud.instances() == []


async def test_destroying_waits_for_the_end_and_says_when_it_does_not_come(
    cloud: Cloud, provider: AwsProvider, pool: Pool
) -> None:
    made = await create(provider, pool, "web-1")

    def linger(call: Call, answer: Answer) -> None:
        if call.action == "TerminateInstances":
            cloud.front.masks.put(made.id, Mask("shutting-down"), keep=True)

    cloud.front.after.append(linger)
    with pytest.raises(OutcomeUnknown, match="was told to terminate"):
        await provider.destroy(pool, made)
    assert len(cloud.front.asked("TerminateInstances")) == 1


async def test_a_lost_answer_to_a_termination_is_no_failure(
    cloud: Cloud, provider: AwsProvider, pool: Pool
) -> None:
    made = await create(provider, pool, "web-1")
    cloud.front.lose("TerminateInstances")
    await provider.destroy(pool, made)
    assert cloud.instances() == []


async def test_a_protected_node_is_not_destroyed_until_it_is_unprotected(
    cloud: Cloud, provider: AwsProvider, pool: Pool
) -> None:
    made = await create(provider, pool, "web-1")
    for _ in range(2):
        await provider.protect(pool, made, on=True)
    assert [i.protected for i in await provider.list(pool)] == [True]
    assert _is_protected(cloud, made.id)
    with pytest.raises(Refused, match="EC2 protects web-1") as raised:
        await provider.destroy(pool, made)
    assert raised.value.hint == "phoenixctl nodes unprotect web-1"
    assert len(cloud.instances()) == 1
    for _ in range(2):
        await provider.protect(pool, made, on=False)
    assert [i.protected for i in await provider.list(pool)] == [False]
    assert not _is_protected(cloud, made.id)
    await provider.destroy(pool, made)
    assert cloud.instances() == []


async def test_a_spot_node_which_ec2_cannot_protect_is_marked_only(
    cloud: Cloud, provider: AwsProvider
) -> None:
    pool = aws_pool(cloud, spot=True)
    made = await create(provider, pool, "web-1")
    await provider.protect(pool, made, on=True)
    assert cloud.front.asked("ModifyInstanceAttribute") == []
    assert [i.protected for i in await provider.list(pool)] == [True]


async def test_no_log_has_the_private_half_of_a_host_key(
    cloud: Cloud, pool: Pool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    clock = RealClock()
    regions = Regions(clock, SOON)
    await create(AwsProvider("shop", clock, regions=regions), pool, "web-1")
    regions.close()
    secret = cloud.front.asked()[0].parameters["UserData"]
    assert "botocore" in caplog.text  # else nothing is listened to
    assert secret not in caplog.text
    assert "PRIVATE KEY" not in caplog.text


def _is_protected(cloud: Cloud, instance: str) -> bool:
    seen = cloud.truth.describe_instance_attribute(
        InstanceId=instance, Attribute="disableApiTermination"
    )
    return bool(seen["DisableApiTermination"]["Value"])
