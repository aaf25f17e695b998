"""EC2 as a provider of nodes."""

from __future__ import annotations

from collections.abc import Sequence

from phoenixctl.model.errors import Refused
from phoenixctl.model.fleet import Pool
from phoenixctl.model.instance import Instance
from phoenixctl.ports.clock import Clock
from phoenixctl.ports.provider import NodeRequest, Note, Provider
from phoenixctl.providers.aws import launch, listing
from phoenixctl.providers.aws.attempts import Attempts
from phoenixctl.providers.aws.client import Regions
from phoenixctl.providers.aws.cooldown import Cooldowns
from phoenixctl.providers.aws.creation import create
from phoenixctl.providers.aws.ending import end
from phoenixctl.providers.aws.faults import in_our_words
from phoenixctl.providers.aws.tokens import SPOT, last_ask


class AwsProvider(Provider):
    """The nodes of one fleet's aws pools. It remembers what had no capacity as long as it lives."""

    def __init__(self, fleet: str, clock: Clock, *, regions: Regions | None = None) -> None:
        self._fleet = fleet
        self._regions = regions or Regions(clock)
        self._cooldowns = Cooldowns(clock)

    async def list(self, pool: Pool) -> Sequence[Instance]:
        """The pool's instances that are there or can be again, by name.

        Host keys are in the record alone: the ones that instances are made with last until the
        first login.
        """
        tags = {launch.FLEET: self._fleet, launch.POOL: pool.name}
        with in_our_words(f"EC2 does not tell the nodes of pool {pool.name}"):
            ec2 = await self._regions.of(launch.settings_of(pool))
            live = [raw for raw in await listing.by_tags(ec2, tags) if listing.is_live(raw)]
        found = [listing.instance_of(pool, raw) for raw in live]
        return sorted((i for i in found if i is not None), key=lambda i: i.node.name)

    async def create(self, request: NodeRequest, *, note: Note) -> Instance:
        """The instance, running, with the host key it was made with.

        NoCapacity says what was tried; QuotaExceeded; Refused when another request's instance has
        the name. OutcomeUnknown when there may be an instance: called again with the notes, it
        goes on from there.
        """
        pending, doing = last_ask(request.notes), f"EC2 cannot make {request.name}"
        with in_our_words(doing, in_doubt=pending is not None):
            ec2 = await self._regions.of(launch.settings_of(request.pool))
        with in_our_words(doing):
            attempts = Attempts(ec2, self._fleet, request, note, pending)
            return await create(attempts, self._cooldowns)

    async def destroy(self, pool: Pool, instance: Instance) -> None:
        """Terminated, and seen to be so.

        Refused for one that EC2 protects or that is another fleet's.
        """
        name = instance.node.name
        with in_our_words(f"EC2 cannot terminate {instance.id} ({name})"):
            ec2 = await self._regions.of(launch.settings_of(pool))
            raw = await listing.by_id(ec2, instance.id)
            if raw is not None and listing.tags_of(raw).get(launch.FLEET) != self._fleet:
                raise Refused(f"{instance.id} ({name}) is not tagged as a node of {self._fleet}")
            await end(ec2, instance.id, name)

    async def protect(self, pool: Pool, instance: Instance, *, on: bool) -> None:
        """Termination protection, and a tag that tells of it. EC2 has none for spot instances."""
        with in_our_words(f"EC2 cannot change the protection of {instance.node.name}"):
            ec2 = await self._regions.of(launch.settings_of(pool))
            if instance.market != SPOT:
                await ec2.call_when_shown(
                    "modify_instance_attribute",
                    InstanceId=instance.id,
                    DisableApiTermination={"Value": on},
                )
            tag = {"Key": launch.PROTECTED, "Value": "yes"}
            if on:
                await ec2.call_when_shown("create_tags", Resources=[instance.id], Tags=[tag])
            else:
                bare = {"Key": launch.PROTECTED}
                await ec2.call_when_shown("delete_tags", Resources=[instance.id], Tags=[bare])
