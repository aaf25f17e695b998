"""The parameters of RunInstances: a pure function of what is wanted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from phoenixctl.model.aws import AwsPool
from phoenixctl.model.errors import ConfigError
from phoenixctl.model.fleet import Pool
from phoenixctl.ports.provider import NodeRequest
from phoenixctl.providers.aws.tokens import SPOT, Ask

FLEET: Final = "phoenix:fleet"
POOL: Final = "phoenix:pool"
NODE: Final = "phoenix:node"
OPERATION: Final = "phoenix:op"
LINEAGE: Final = "phoenix:lineage"
PROTECTED: Final = "phoenix:protected"

_GIB: Final = 1024**3


def settings_of(pool: Pool) -> AwsPool:
    if pool.aws is None:
        raise ConfigError(f"pool {pool.name} is of provider aws and has no section `aws`")
    return pool.aws


def identity(fleet: str, request: NodeRequest) -> Mapping[str, str]:
    """The tags by which exactly this request's instance is found again."""
    return {
        FLEET: fleet,
        NODE: request.name,
        LINEAGE: request.lineage,
        OPERATION: request.operation,
    }


def parameters(
    fleet: str, request: NodeRequest, ask: Ask, *, user_data: str, root_device: str | None
) -> dict[str, Any]:
    """One instance: tagged in the same call, IMDSv2 only, gone for good when it shuts down.

    `root_device` is the image's name for its disk, needed when `root_volume` is set.
    """
    settings = settings_of(request.pool)
    tags = {"Name": request.name, **settings.tags, **identity(fleet, request)}
    tags[POOL] = request.pool.name
    listed = [{"Key": key, "Value": value} for key, value in sorted(tags.items())]
    wanted: dict[str, Any] = {
        "MinCount": 1,
        "MaxCount": 1,
        "ClientToken": ask.token,
        "InstanceType": ask.offer.type,
        "Placement": {"AvailabilityZone": ask.offer.zone},
        "UserData": user_data,
        "MetadataOptions": {"HttpTokens": "required", "HttpEndpoint": "enabled"},
        "InstanceInitiatedShutdownBehavior": "terminate",
        "TagSpecifications": [
            {"ResourceType": kind, "Tags": listed} for kind in ("instance", "volume")
        ],
        **_image(settings),
        **_network(settings, ask.offer.zone),
        **_disk(settings, root_device),
    }
    if settings.key_name:
        wanted["KeyName"] = settings.key_name
    if profile := settings.instance_profile:
        wanted["IamInstanceProfile"] = {"Arn" if profile.startswith("arn:") else "Name": profile}
    if ask.offer.market == SPOT:
        once = {"SpotInstanceType": "one-time", "InstanceInterruptionBehavior": "terminate"}
        wanted["InstanceMarketOptions"] = {"MarketType": "spot", "SpotOptions": once}
    return wanted


def _image(settings: AwsPool) -> Mapping[str, Any]:
    wanted: dict[str, Any] = {}
    if settings.image:
        wanted["ImageId"] = settings.image
    if settings.launch_template:
        name, _, version = settings.launch_template.partition(":")
        key = "LaunchTemplateId" if name.startswith("lt-") else "LaunchTemplateName"
        wanted["LaunchTemplate"] = {key: name, "Version": version or "$Default"}
    if not wanted:
        raise ConfigError("an aws pool needs `aws.image` or `aws.launch_template`")
    return wanted


def _network(settings: AwsPool, zone: str) -> Mapping[str, Any]:
    wanted: dict[str, Any] = {}
    subnets = {place.zone: place.subnet for place in settings.zones}
    if subnet := subnets.get(zone):
        wanted["SubnetId"] = subnet
    if settings.security_groups:
        wanted["SecurityGroupIds"] = list(settings.security_groups)
    return wanted


def _disk(settings: AwsPool, root_device: str | None) -> Mapping[str, Any]:
    if settings.root_volume is None or root_device is None:
        return {}
    size = -(-settings.root_volume // _GIB)
    disk = {"VolumeSize": size, "DeleteOnTermination": True}
    return {"BlockDeviceMappings": [{"DeviceName": root_device, "Ebs": disk}]}
