"""The kinds of scalar that AWS gave us: regions, ids, machine types, buckets."""

from __future__ import annotations

from typing import Annotated, Final

from phoenixctl.settings.kinds import Expected, Lenient, choice, text

_TYPE: Final = r"[a-z0-9-]+\.[a-z0-9-]+"
_ZONE: Final = r"[a-z0-9]+(?:-[a-z0-9]+)+"
_ZONE_TEXT: Final = "a zone such as eu-central-1a"


def _zone(value: object) -> object:
    if isinstance(value, str):
        return {"zone": value}
    if isinstance(value, dict):
        return value
    raise Expected(f"{_ZONE_TEXT}, or {{zone: …, subnet: …}}")


# Of stores and clouds that only speak AWS's language, too: no list of known regions.
Region = Annotated[str, text("a region such as eu-central-1", r"[a-z0-9]+(?:-[a-z0-9]+)*")]
Zone = Annotated[str, text(_ZONE_TEXT, _ZONE)]
ZONE_ALONE: Final = Lenient(_zone, {"type": "string", "pattern": f"^{_ZONE}$"})
InstanceType = Annotated[str, text("an EC2 type such as m6i.large", _TYPE)]
PricedKind = Annotated[
    str, text("an EC2 type such as m6i.large or, for spot, spot:m6i.large", f"(?:spot:)?{_TYPE}")
]
ImageId = Annotated[str, text("the id of an AMI, as ami-0abc", "ami-[0-9A-Za-z]+")]
SubnetId = Annotated[str, text("the id of a subnet, as subnet-0abc", "subnet-[0-9A-Za-z]+")]
SecurityGroupId = Annotated[str, text("the id of a security group, as sg-0abc", "sg-[0-9A-Za-z]+")]
LaunchTemplate = Annotated[
    str,
    text(
        "the id or name of a launch template, with a version if need be: lt-0abc:3",
        r"[A-Za-z0-9()./_-]+(?::(?:\d+|\$Latest|\$Default))?",
    ),
]
InstanceProfile = Annotated[
    str, text("the name or ARN of an instance profile", r"[A-Za-z0-9_+=,.@/:-]+")
]
Market = Annotated[str, choice("on_demand", "spot")]
AddressKind = Annotated[str, choice("private", "public")]
TagName = Annotated[
    str,
    text(
        "a tag's name that begins neither with aws: nor with phoenix:",
        r"(?!aws:|phoenix:)[A-Za-z0-9 _.:/=+@-]{1,128}",
    ),
]
BucketName = Annotated[str, text("the name of a bucket", r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")]
ObjectPrefix = Annotated[
    str,
    text("names parted by slashes, as team/phoenixctl", r"[A-Za-z0-9_.-]+(?:/[A-Za-z0-9_.-]+)*"),
]
