"""What may be written of a pool: its nodes, how they are prepared, how AWS makes them."""

from typing import Annotated, Any

from phoenixctl.model import aws, bootstrap, fleet
from phoenixctl.settings.aws_values import (
    ZONE_ALONE,
    AddressKind,
    ImageId,
    InstanceProfile,
    InstanceType,
    LaunchTemplate,
    Market,
    Region,
    SecurityGroupId,
    SubnetId,
    TagName,
    Zone,
)
from phoenixctl.settings.later import Taints
from phoenixctl.settings.sections import (
    ExecHook,
    ResourcesSection,
    RolloutSection,
    Section,
    items,
    key,
    mapping,
    required,
    section,
)
from phoenixctl.settings.values import (
    EMPTY_LIST,
    EMPTY_MAPPING,
    ONE_OR_MORE,
    Arguments,
    AsWritten,
    AtLeastOne,
    Count,
    Duration,
    DurationOrNought,
    FileMode,
    FileOwner,
    Flag,
    Labels,
    NodeFile,
    OrderName,
    PackageName,
    Path,
    ProviderName,
    Size,
    Text,
    Url,
    User,
)


class NodeRolloutSection(RolloutSection):
    order: OrderName = key(
        "What comes first, surge: the new node is ready; in_place: the old one goes.",
        default=fleet.Pool("").rollout.order,
    )


class BootstrapFileSection(Section):
    source: Path = required("The operator's file.")
    target: NodeFile = required("Where it goes on the node, an absolute path.")
    mode: FileMode = key("Its mode, in quotes.", like=(bootstrap.BootstrapFile, "mode"))
    owner: FileOwner | None = key(
        "Its owner, user or user:group; by default whoever puts it there."
    )


class BootstrapCommandSection(Section):
    run: Arguments = required("Program and arguments, run on the node; status 0 is success.")
    unless: Arguments | None = key("Run it only while this command fails.")
    timeout: Duration = key("Longest run.", like=(bootstrap.BootstrapCommand, "timeout_seconds"))


class BootstrapSection(Section):
    packages: Annotated[list[PackageName], ONE_OR_MORE] = items(
        "Packages of the node's system to install."
    )
    files: Annotated[list[BootstrapFileSection], EMPTY_LIST] = items("Files to put there.")
    commands: Annotated[list[BootstrapCommandSection], EMPTY_LIST] = items(
        "Commands to run after that, in this order."
    )
    ready: ExecHook | None = key("It must succeed at the end.")
    within: Duration = key(
        "Longest wait for a new node to answer over SSH.",
        like=(bootstrap.Bootstrap, "within_seconds"),
    )


class ZoneSection(Section):
    zone: Zone = required("The availability zone.")
    subnet: SubnetId | None = key("The subnet there; by default the zone's default one.")


def _aws(description: str, name: str) -> Any:
    return key(description, like=(aws.AwsPool, name))


class AwsSection(Section):
    region: Region = required("The region.")
    zones: Annotated[list[Annotated[ZoneSection, ZONE_ALONE]], ONE_OR_MORE] = required(
        "Zones in the order they are tried."
    )
    types: Annotated[list[InstanceType], ONE_OR_MORE] = required(
        "EC2 types in the order they are tried."
    )
    image: ImageId | None = key("The AMI; by default that of the launch template.")
    launch_template: LaunchTemplate | None = key(
        "Id or name of a launch template; lt-0abc:3 for its version 3."
    )
    key_name: Text | None = key("An EC2 key pair that may log in.")
    authorized_keys: Annotated[list[Text], ONE_OR_MORE] = items(
        "Public keys that may log in: files of them, or the keys themselves."
    )
    security_groups: Annotated[list[SecurityGroupId], ONE_OR_MORE] = items(
        "Security groups; empty: those of the launch template, else the default one."
    )
    instance_profile: InstanceProfile | None = key("Name or ARN of the instance profile.")
    market: Market = key("Ask for on_demand or spot instances.", default="on_demand")
    on_demand_fallback: Flag = _aws(
        "Take on-demand where there is no spot capacity.", "on_demand_fallback"
    )
    user: User = _aws("Who logs in.", "user")
    address: AddressKind = key("Reach it by its private or its public address.", default="private")
    root_volume: Size | None = key("Size of the root volume; by default that of the image.")
    tags: Annotated[dict[TagName, AsWritten], EMPTY_MAPPING] = mapping("Further tags.")
    endpoint: Url | None = key("Address of the EC2 API; by default AWS's own.")
    cooldown: DurationOrNought = _aws(
        "A zone and type without capacity is not asked again sooner.", "cooldown_seconds"
    )


class PoolSection(Section):
    provider: ProviderName = key(
        "Where its nodes come from: static (hosts that exist), local (embedded, for trying out) "
        "or aws.",
        like=(fleet.Pool, "provider"),
    )
    size: Count | None = key("Wanted nodes, of a provider that creates them.")
    minimum: Count = key("Fewest nodes.", like=(fleet.Pool, "minimum"), name="min")
    maximum: AtLeastOne = key("Most nodes.", like=(fleet.Pool, "maximum"), name="max")
    labels: Labels = mapping("Labels of the pool, for selecting nodes.")
    protected: Flag = key(
        "No plan destroys its nodes until they are unprotected.", like=(fleet.Pool, "protected")
    )
    rollout: NodeRolloutSection = section("How its nodes are replaced.")
    bootstrap: BootstrapSection | None = key("What a node gets before it takes agents.")
    capacity: ResourcesSection | None = key(
        "What a node is expected to have while none of the pool has been seen."
    )
    reserved: ResourcesSection | None = key("What of each node is not for agents.")
    taints: Taints = items("Marks on its nodes that keep agents off which do not tolerate them.")
    aws: AwsSection | None = key("How EC2 makes its nodes; only for provider aws, needed there.")
