"""What is asked of EC2, and the token that makes asking twice the same as asking once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any, Final

from phoenixctl.model.aws import AwsPool
from phoenixctl.ports.provider import NodeRequest

SPOT: Final = "spot"
ON_DEMAND: Final = "on-demand"


@dataclass(frozen=True, slots=True)
class Offer:
    """One type of machine in one zone, on one market (`spot` or `on-demand`)."""

    zone: str
    type: str
    market: str

    def __str__(self) -> str:
        return f"{self.type} in {self.zone} ({self.market})"


@dataclass(frozen=True, slots=True)
class Ask:
    """A numbered attempt to get an offer. `at`: when it was first made, in seconds since 1970."""

    offer: Offer
    attempt: int
    token: str
    at: float

    def facts(self) -> Mapping[str, str]:
        """For the journal."""
        return {
            "zone": self.offer.zone,
            "type": self.offer.type,
            "market": self.offer.market,
            "attempt": str(self.attempt),
            "token": self.token,
            "at": f"{self.at:.3f}",
        }


def offers(settings: AwsPool) -> Iterator[Offer]:
    """In the order in which they are tried: markets, zones, types."""
    markets = [SPOT] if settings.spot else []
    if not settings.spot or settings.on_demand_fallback:
        markets.append(ON_DEMAND)
    zones = [place.zone for place in settings.zones]
    for market, zone, kind in product(markets, zones, settings.types):
        yield Offer(zone, kind, market)


def offer_of(raw: Mapping[str, Any]) -> Offer:
    """What an instance is, as EC2 describes it."""
    market = SPOT if raw.get("InstanceLifecycle") == SPOT else ON_DEMAND
    return Offer(str(raw["Placement"]["AvailabilityZone"]), str(raw["InstanceType"]), market)


def ask_for(request: NodeRequest, offer: Offer, attempt: int, *, at: float) -> Ask:
    """The same request, offer and attempt have the same token: 64 hex digits, EC2's limit."""
    parts = [
        request.lineage, request.operation, request.name,
        offer.zone, offer.type, offer.market, attempt,
    ]  # fmt: skip
    return Ask(offer, attempt, hashlib.sha256(json.dumps(parts).encode()).hexdigest(), at)


def last_ask(notes: tuple[Mapping[str, str], ...]) -> Ask | None:
    """The latest of those that an earlier call has noted."""
    for facts in reversed(notes):
        try:
            offer = Offer(facts["zone"], facts["type"], facts["market"])
            return Ask(offer, int(facts["attempt"]), facts["token"], float(facts["at"]))
        except (KeyError, ValueError):
            continue
    return None
