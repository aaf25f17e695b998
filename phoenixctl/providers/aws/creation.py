"""From one request to one running instance, also when an earlier call was killed on the way."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from phoenixctl.model.errors import NoCapacity, Refused
from phoenixctl.model.instance import Instance
from phoenixctl.providers.aws import launch, listing
from phoenixctl.providers.aws.arrival import NotToBeHad, arrived
from phoenixctl.providers.aws.asking import shown
from phoenixctl.providers.aws.attempts import Attempts
from phoenixctl.providers.aws.client import Answer
from phoenixctl.providers.aws.cooldown import Cooldowns
from phoenixctl.providers.aws.faults import in_our_words
from phoenixctl.providers.aws.tokens import Offer, offer_of, offers


async def create(attempts: Attempts, cooldowns: Cooldowns) -> Instance:
    """The request's instance, running: the one that is there, or the first offer to be had."""
    request = attempts.request
    search = _Search(attempts, cooldowns)
    found = await _found(attempts)
    if found is not None:
        with search.trying(offer_of(found)):
            return await arrived(attempts.ec2, request, found, None)
    for offer in search.offers():
        with search.trying(offer):
            return await attempts.take(offer)
    raise NoCapacity(
        f"EC2 has no machine for {request.name}: {'; '.join(search.tried)}",
        hint="name more zones or types in the pool's `aws` section, or run it again later",
    )


@dataclass(slots=True)
class _Search:
    """Which offers are left, and in `tried` what became of the others."""

    attempts: Attempts
    cooldowns: Cooldowns
    tried: list[str] = field(default_factory=list)
    _full: set[str] = field(default_factory=set)  # markets

    @contextmanager
    def trying(self, offer: Offer) -> Iterator[None]:
        """Goes on behind the block when the offer is not to be had."""
        try:
            yield
        except NotToBeHad as none:
            settings = launch.settings_of(self.attempts.request.pool)
            self.cooldowns.begin(offer, settings.cooldown_seconds)
            self.tried.append(f"{offer}: {none.why}")
            if none.whole_market:
                self._full.add(offer.market)

    def offers(self) -> Iterator[Offer]:
        """Those that may be asked for; after a crash, from where the earlier call was."""
        wanted = list(offers(launch.settings_of(self.attempts.request.pool)))
        if self.attempts.pending is not None:
            # Even if the configuration names it no more: its token settles what became of it.
            at = self.attempts.pending.offer
            yield at
            wanted = wanted[wanted.index(at) + 1 :] if at in wanted else wanted
        for offer in wanted:
            if offer.market in self._full:
                continue
            if left := self.cooldowns.left(offer):
                self.tried.append(f"{offer}: had none, is asked again in {left:.0f} s")
                continue
            yield offer


async def _found(attempts: Attempts) -> Answer | None:
    """The request's instance, if EC2 shows a live one.

    Refused when another request's instance has the node's name.
    """
    request, pending = attempts.request, attempts.pending is not None
    mine = launch.identity(attempts.fleet, request)
    with in_our_words(f"EC2 cannot make {request.name}", in_doubt=pending):
        if pending:
            found = await shown(attempts.ec2, mine, attempts.ec2.patience.find)
        else:
            named = {launch.FLEET: attempts.fleet, launch.NODE: request.name}
            found = await listing.by_tags(attempts.ec2, named)
    live = [raw for raw in found if listing.is_live(raw)]
    for raw in live:
        if not mine.items() <= listing.tags_of(raw).items():
            raise _taken(attempts, raw)
    return live[0] if live else None


def _taken(attempts: Attempts, raw: Answer) -> Refused:
    name, tags = attempts.request.name, listing.tags_of(raw)
    return Refused(
        f"EC2 has a node {name} of fleet {attempts.fleet} already: {raw['InstanceId']}, made by"
        f" operation {tags.get(launch.OPERATION)} of record {tags.get(launch.LINEAGE)}",
        hint="take it into the record: phoenixctl refresh --adopt",
    )
