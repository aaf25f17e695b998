"""The `pools` section as Pool objects."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from phoenixctl.model.aws import AwsPool, AwsZone
from phoenixctl.model.bootstrap import Bootstrap, BootstrapCommand, BootstrapFile
from phoenixctl.model.fleet import Pool
from phoenixctl.model.units import GIB
from phoenixctl.settings.files import Surroundings, find_file
from phoenixctl.settings.models import Root
from phoenixctl.settings.nodes import DEFAULT_POOL, Report
from phoenixctl.settings.places import KeyPath
from phoenixctl.settings.pool_sections import AwsSection, BootstrapSection, PoolSection
from phoenixctl.settings.public_keys import read_keys
from phoenixctl.settings.sections import resources

_AWS: Final = "aws"


def read_pools(root: Root, surroundings: Surroundings, report: Report) -> dict[str, Pool]:
    """The pools written, or the one that needs no writing down; what is wrong goes to `report`."""
    if not root.pools:
        return {DEFAULT_POOL: Pool(DEFAULT_POOL)}
    return {
        name: Pool(name) if section is None else _pool(name, section, surroundings, report)
        for name, section in root.pools.items()
    }


def _pool(name: str, section: PoolSection, surroundings: Surroundings, report: Report) -> Pool:
    path: KeyPath = ("pools", name)
    pool = Pool(
        name=name,
        provider=section.provider,
        size=section.size,
        minimum=section.minimum,
        maximum=section.maximum,
        labels=section.labels,
        protected=section.protected,
        rollout=section.rollout.as_model(),
        bootstrap=_bootstrap(section.bootstrap, (*path, "bootstrap"), surroundings, report),
        capacity=resources(section.capacity),
        reserved=resources(section.reserved),
        taints=tuple(taint.as_model() for taint in section.taints),
        aws=_aws(section.aws, (*path, "aws"), surroundings, report),
    )
    _check_size(pool, path, report)
    if pool.provider == _AWS and section.aws is None:
        report(path, "missing: aws, how EC2 makes its nodes (region, zones, types, image)")
    elif pool.provider != _AWS and section.aws is not None:
        what = f"the provider of this pool is {pool.provider}; leave aws out"
        report((*path, "aws"), f"{what}, or write provider: aws")
    return pool


def _check_size(pool: Pool, path: KeyPath, report: Report) -> None:
    if pool.minimum > pool.maximum:
        report((*path, "min"), f"min {pool.minimum} is above max {pool.maximum}")
    elif pool.provider == "static":
        if pool.size is not None:
            report((*path, "size"), "a static pool has the nodes that are listed; leave size out")
    elif pool.size is None:
        report(path, f"missing: size, the nodes that provider {pool.provider} creates")
    elif not pool.minimum <= pool.size <= pool.maximum:
        report(
            (*path, "size"),
            f"size {pool.size} is not between min {pool.minimum} and max {pool.maximum}",
        )


def _bootstrap(
    section: BootstrapSection | None, path: KeyPath, surroundings: Surroundings, report: Report
) -> Bootstrap | None:
    if section is None:
        return None
    _check_files(section, (*path, "files"), surroundings, report)
    return Bootstrap(
        packages=tuple(section.packages),
        files=tuple(
            BootstrapFile(file.source, file.target, file.mode, file.owner) for file in section.files
        ),
        commands=tuple(
            BootstrapCommand(tuple(command.run), tuple(command.unless or ()), command.timeout)
            for command in section.commands
        ),
        ready=None if section.ready is None else section.ready.as_model(),
        within_seconds=section.within,
    )


def _check_files(
    section: BootstrapSection, path: KeyPath, surroundings: Surroundings, report: Report
) -> None:
    first: dict[str, int] = {}
    for index, file in enumerate(section.files):
        earlier = first.setdefault(file.target, index)
        if earlier != index:
            what = f"files[{earlier}] goes to {file.target} already"
            report((*path, index, "target"), what)
        try:
            find_file(surroundings.path(file.source))
        except ValueError as error:
            report((*path, index, "source"), str(error))


def _aws(
    section: AwsSection | None, path: KeyPath, surroundings: Surroundings, report: Report
) -> AwsPool | None:
    if section is None:
        return None
    _check_aws(section, path, report)
    return AwsPool(
        region=section.region,
        zones=tuple(AwsZone(place.zone, place.subnet) for place in section.zones),
        types=tuple(section.types),
        image=section.image,
        launch_template=section.launch_template,
        key_name=section.key_name,
        authorized_keys=_keys(section, (*path, "authorized_keys"), surroundings, report),
        security_groups=tuple(section.security_groups),
        instance_profile=section.instance_profile,
        spot=section.market == "spot",
        on_demand_fallback=section.on_demand_fallback,
        user=section.user,
        private_address=section.address == "private",
        root_volume=section.root_volume,
        tags=MappingProxyType(section.tags),
        endpoint=section.endpoint,
        cooldown_seconds=section.cooldown,
    )


def _check_aws(section: AwsSection, path: KeyPath, report: Report) -> None:
    if not section.zones:
        report((*path, "zones"), "name one zone at least")
    if not section.types:
        report((*path, "types"), "name one type at least")
    for index, place in enumerate(section.zones):
        if place.zone == section.region or not place.zone.startswith(section.region):
            report((*path, "zones", index), f"{place.zone} is no zone of region {section.region}")
    if section.image is None and section.launch_template is None:
        report(path, "missing: image, or a launch_template that has one")
    if section.root_volume is not None and section.root_volume % GIB:
        report((*path, "root_volume"), "a volume has whole GiB; write it like 20GiB")


def _keys(
    section: AwsSection, path: KeyPath, surroundings: Surroundings, report: Report
) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for index, written in enumerate(section.authorized_keys):
        try:
            found.update(dict.fromkeys(read_keys(written, surroundings)))
        except ValueError as error:
            report((*path, index), str(error))
    return tuple(found)
