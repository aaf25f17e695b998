"""How EC2 makes the nodes of a pool."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from phoenixctl.model.fleet import NOTHING
from phoenixctl.model.units import Bytes


@dataclass(frozen=True, slots=True)
class AwsZone:
    """A place for instances: an availability zone, with the subnet if it is not the default one."""

    zone: str
    subnet: str | None = None


@dataclass(frozen=True, slots=True)
class AwsPool:
    """How EC2 makes the nodes of a pool. Zones and types are tried in the order given."""

    region: str
    zones: tuple[AwsZone, ...]
    types: tuple[str, ...]
    image: str | None = None  # AMI; may be left to the launch template
    launch_template: str | None = None  # id or name, `lt-0abc:3` for one version of it
    key_name: str | None = None
    authorized_keys: tuple[str, ...] = ()  # public keys that may log in, by user-data
    security_groups: tuple[str, ...] = ()
    instance_profile: str | None = None
    spot: bool = False  # ask for spot first
    on_demand_fallback: bool = True  # ... and for on-demand where no spot capacity is left
    user: str = "admin"  # who logs in
    private_address: bool = True  # reach it by its private address, else by the public one
    root_volume: Bytes | None = None
    tags: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    endpoint: str | None = None  # of the EC2 API; None: AWS's own
    cooldown_seconds: float = 300.0  # a zone and type without capacity is not asked again sooner
