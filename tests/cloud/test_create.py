"""What is asked of EC2 for a node, and the node that comes of it."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
import yaml
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_ssh_private_key,
)

from phoenixctl.model.aws import AwsZone
from phoenixctl.model.errors import ConfigError, PhoenixError
from phoenixctl.model.fleet import Pool
from phoenixctl.model.instance import Phase
from phoenixctl.model.units import Bytes
from phoenixctl.providers.aws.provider import AwsProvider
from tests.cloud.conftest import aws_pool
from tests.cloud.server import REGION, Cloud, tags
from tests.conformance.requests import create


async def test_a_node_runs_and_has_all_that_is_needed_to_reach_it(
    cloud: Cloud, provider: AwsProvider, pool: Pool
) -> None:
    made = await create(provider, pool, "web-1")
    [raw] = cloud.instances()
    assert (made.id, made.phase) == (raw["InstanceId"], Phase.RUNNING)
    assert (made.zone, made.kind, made.market) == (f"{REGION}a", "m7i.large", "on-demand")
    assert (made.lineage, made.operation, made.protected) == ("line-1", "1", False)
    node = made.node
    assert (node.name, node.pool) == ("web-1", "web")
    assert (node.address, node.user, node.sudo) == (raw["PrivateIpAddress"], "admin", True)
    assert node.labels == {"tier": "front", "zone": f"{REGION}a", "type": "m7i.large"}


async def test_the_instance_and_its_disk_are_tagged_in_the_call_that_makes_them(
    cloud: Cloud, provider: AwsProvider
) -> None:
    pool = aws_pool(cloud, tags={"team": "search", "Name": "other", "phoenix:fleet": "forged"})
    await create(provider, pool, "web-1", operation="7")
    expected = {
        "phoenix:fleet": "shop", "phoenix:pool": "web", "phoenix:node": "web-1",
        "phoenix:op": "7", "phoenix:lineage": "line-1", "team": "search", "Name": "other",
    }  # fmt: skip
    [call] = cloud.front.asked()
    assert _given_tags(call.parameters) == {"instance": expected, "volume": expected}
    assert cloud.front.asked("CreateTags") == []
    [raw] = cloud.instances()
    assert tags(raw) == expected


async def test_metadata_needs_a_token_and_shutting_down_is_the_end(
    cloud: Cloud, provider: AwsProvider, pool: Pool
) -> None:
    await create(provider, pool, "web-1")
    [raw] = cloud.instances()
    assert raw["MetadataOptions"]["HttpTokens"] == "required"
    attribute = "instanceInitiatedShutdownBehavior"
    seen = cloud.truth.describe_instance_attribute(
        InstanceId=raw["InstanceId"], Attribute=attribute
    )
    assert seen["InstanceInitiatedShutdownBehavior"] == {"Value": "terminate"}
    [call] = cloud.front.asked()
    assert (call.parameters["MinCount"], call.parameters["MaxCount"]) == ("1", "1")


async def test_user_data_has_a_fresh_host_key_whose_public_half_the_node_has(
    cloud: Cloud, provider: AwsProvider, pool: Pool
) -> None:
    nodes = [(await create(provider, pool, f"web-{n}")).node for n in (1, 2)]
    documents = [_user_data(call.parameters) for call in cloud.front.asked()]
    for node, document in zip(nodes, documents, strict=True):
        keys = yaml.safe_load(document)["ssh_keys"]
        private = load_ssh_private_key(keys["ed25519_private"].encode(), password=None)
        public = private.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
        assert node.host_keys == (public,) == (keys["ed25519_public"],)
    assert nodes[0].host_keys != nodes[1].host_keys


async def test_user_data_lets_the_operator_in_and_keeps_no_key_of_the_image(
    cloud: Cloud, provider: AwsProvider, pool: Pool
) -> None:
    await create(provider, pool, "web-1")
    document = _user_data(cloud.front.asked()[0].parameters)
    assert document.startswith("#cloud-config\n")
    assert yaml.safe_load(document)["ssh_authorized_keys"] == ["ssh-ed25519 AAAAoperator operator"]
    assert yaml.safe_load(document)["ssh_deletekeys"] is True
    assert json.loads(document.removeprefix("#cloud-config\n")) == yaml.safe_load(document)


async def test_a_pool_whose_user_is_root_lets_root_in(cloud: Cloud, provider: AwsProvider) -> None:
    made = await create(provider, aws_pool(cloud, user="root"), "web-1")
    document = yaml.safe_load(_user_data(cloud.front.asked()[0].parameters))
    assert document["disable_root"] is False
    assert (made.node.user, made.node.sudo) == ("root", False)


async def test_a_version_of_a_launch_template_is_used(cloud: Cloud, provider: AwsProvider) -> None:
    template = cloud.truth.create_launch_template(
        LaunchTemplateName="nodes", LaunchTemplateData={"ImageId": cloud.image}
    )["LaunchTemplate"]
    by_id = f"{template['LaunchTemplateId']}:1"
    await create(provider, aws_pool(cloud, image=None, launch_template=by_id), "web-1")
    await create(provider, aws_pool(cloud, image=None, launch_template="nodes"), "web-2")
    named = [
        {
            key.partition(".")[2]: value
            for key, value in call.parameters.items()
            if "Template" in key
        }
        for call in cloud.front.asked()
    ]
    assert named == [
        {"LaunchTemplateId": template["LaunchTemplateId"], "Version": "1"},
        {"LaunchTemplateName": "nodes", "Version": "$Default"},
    ]
    assert {raw["ImageId"] for raw in cloud.instances()} == {cloud.image}


async def test_network_login_and_disk_are_those_of_the_pool(
    cloud: Cloud, provider: AwsProvider
) -> None:
    zone = f"{REGION}b"
    network = cloud.truth.create_vpc(CidrBlock="10.77.0.0/16")["Vpc"]["VpcId"]
    subnet = cloud.truth.create_subnet(
        VpcId=network, CidrBlock="10.77.9.0/24", AvailabilityZone=zone
    )["Subnet"]["SubnetId"]
    group = cloud.truth.create_security_group(GroupName="ssh", Description="ssh", VpcId=network)
    cloud.truth.create_key_pair(KeyName="ops")
    pool = aws_pool(
        cloud,
        zones=(AwsZone(zone, subnet),),
        security_groups=(group["GroupId"],),
        key_name="ops",
        root_volume=Bytes(20 * 1024**3 + 1),
    )
    made = await create(provider, pool, "web-1")
    [raw] = cloud.instances()
    assert made.node.address.startswith("10.77.9.")
    assert (raw["SubnetId"], raw["KeyName"]) == (subnet, "ops")
    assert [each["GroupId"] for each in raw["SecurityGroups"]] == [group["GroupId"]]
    [call] = cloud.front.asked()
    [image] = cloud.truth.describe_images(ImageIds=[cloud.image])["Images"]
    disk = {k: v for k, v in call.parameters.items() if k.startswith("BlockDeviceMapping")}
    assert disk == {
        "BlockDeviceMapping.1.DeviceName": image["RootDeviceName"],
        "BlockDeviceMapping.1.Ebs.DeleteOnTermination": "true",
        "BlockDeviceMapping.1.Ebs.VolumeSize": "21",
    }


async def test_a_profile_is_named_by_its_name_or_its_arn(
    cloud: Cloud, provider: AwsProvider
) -> None:
    cloud.front.refuse("InvalidParameterValue")
    for profile in ("nodes", "arn:aws:iam::123456789012:instance-profile/nodes"):
        with pytest.raises(PhoenixError, match="InvalidParameterValue"):
            await create(provider, aws_pool(cloud, instance_profile=profile), "web-1")
    first, second = (call.parameters for call in cloud.front.asked())
    assert first["IamInstanceProfile.Name"] == "nodes"
    assert second["IamInstanceProfile.Arn"].startswith("arn:")


async def test_a_public_address_is_waited_for_where_it_is_wanted(
    cloud: Cloud, provider: AwsProvider
) -> None:
    made = await create(provider, aws_pool(cloud, private_address=False), "web-1")
    [raw] = cloud.instances()
    assert made.node.address == raw["PublicIpAddress"] != raw["PrivateIpAddress"]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"image": None}, "`aws.image` or `aws.launch_template`"),
        ({"image": None, "launch_template": "t", "root_volume": Bytes(1)}, "needs `image`"),
    ],
)
async def test_what_cannot_be_asked_for_is_said_before_anything_is_made(
    cloud: Cloud, provider: AwsProvider, settings: dict[str, Any], words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        await create(provider, aws_pool(cloud, **settings), "web-1")
    assert cloud.front.asked() == []


def _user_data(parameters: dict[str, str]) -> str:
    return base64.b64decode(parameters["UserData"]).decode()


def _given_tags(parameters: dict[str, str]) -> dict[str, dict[str, str]]:
    """The tags of a RunInstances by kind of resource."""
    found: dict[str, dict[str, str]] = {}
    for key, kind in parameters.items():
        prefix, _, last = key.rpartition(".")
        if last == "ResourceType":
            numbers = {k.split(".")[3] for k in parameters if k.startswith(f"{prefix}.Tag.")}
            found[kind] = {
                parameters[f"{prefix}.Tag.{n}.Key"]: parameters[f"{prefix}.Tag.{n}.Value"]
                for n in numbers
            }
    return found
