"""One offer, asked for until its outcome is known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from phoenixctl.model.aws import AwsPool
from phoenixctl.model.errors import ConfigError, OutcomeUnknown, PhoenixError
from phoenixctl.model.instance import Instance
from phoenixctl.ports.provider import NodeRequest, Note
from phoenixctl.providers.aws import launch, listing
from phoenixctl.providers.aws.arrival import NotToBeHad, arrived
from phoenixctl.providers.aws.asking import send, shown
from phoenixctl.providers.aws.client import Answer, Ec2
from phoenixctl.providers.aws.faults import Fault, code_of, fault_of, in_our_words
from phoenixctl.providers.aws.tokens import Ask, Offer, ask_for
from phoenixctl.providers.aws.user_data import HostKey, new_host_key, user_data

_ATTEMPTS: Final = 20


@dataclass(frozen=True, slots=True)
class Attempts:
    """`pending` is the last ask of an earlier call, whose outcome nobody has seen."""

    ec2: Ec2
    fleet: str
    request: NodeRequest
    note: Note
    pending: Ask | None

    @property
    def _settings(self) -> AwsPool:
        return launch.settings_of(self.request.pool)

    async def take(self, offer: Offer) -> Instance:
        """The offer's instance, running; NotToBeHad, or another error, and there is none."""
        first = self._first_attempt(offer)
        for attempt in range(first, first + _ATTEMPTS):
            ask = ask_for(self.request, offer, attempt, at=self.ec2.clock.epoch())
            if pending := self.pending is not None and self.pending.token == ask.token:
                ask = replace(ask, at=self.pending.at)
            with in_our_words(f"EC2 cannot make {self.request.name}", in_doubt=pending):
                made = await self._made(ask, pending)
            if made is not None:
                return await arrived(self.ec2, self.request, *made)
        raise PhoenixError(f"{_ATTEMPTS} instances for {self.request.name} ended one after another")

    def _first_attempt(self, offer: Offer) -> int:
        """1, or where the earlier call was. What was made so long ago that EC2 would show it for
        sure has ended, or was never made: its number is not used again."""
        if self.pending is None or self.pending.offer != offer:
            return 1
        age = self.ec2.clock.epoch() - self.pending.at
        return self.pending.attempt + (age > self.ec2.patience.certain)

    async def _made(self, ask: Ask, pending: bool) -> tuple[Answer, HostKey | None] | None:
        """The instance that stands for the token, with its key if this call gave it; None when
        that instance has ended."""
        key = new_host_key()
        parameters = await self._parameters(ask, key)
        await self.note(ask.facts())
        try:
            raw = await send(self.ec2, parameters, doing=f"EC2 cannot make {self.request.name}")
        except Exception as error:
            match fault_of(error):
                case Fault.ENDED:
                    return None
                case Fault.MISMATCH:
                    found = await self._made_before(error, pending)
                    return None if found is None else (found, None)
                case Fault.CAPACITY:
                    raise NotToBeHad(code_of(error)) from error
                case Fault.SPOT_QUOTA if self._settings.on_demand_fallback:
                    raise NotToBeHad(code_of(error), whole_market=True) from error
            raise
        # Should EC2 have taken a pending token without comparing, the key is the earlier one.
        return raw, None if pending else key

    async def _made_before(self, error: Exception, pending: bool) -> Answer | None:
        """The token was used with another host key: its instance, which exists; None when that
        has ended."""
        tags = launch.identity(self.fleet, self.request)
        found = await shown(self.ec2, tags, self.ec2.patience.show)
        if found:
            return found[0] if listing.is_live(found[0]) else None
        name = self.request.name
        what = f"EC2 has had another request with the token of {name} ({code_of(error)})"
        if pending:
            raise OutcomeUnknown(
                f"{what}; it does not show yet what it has made",
                hint="run the same command again in a minute: it goes on from here",
            ) from error
        raise PhoenixError(what, hint="run it again: each operation has tokens of its own")

    async def _parameters(self, ask: Ask, key: HostKey) -> Mapping[str, Any]:
        settings = self._settings
        return launch.parameters(
            self.fleet,
            self.request,
            ask,
            user_data=user_data(settings, key),
            root_device=await self._root_device(settings.image) if settings.root_volume else None,
        )

    async def _root_device(self, image: str | None) -> str:
        """The image's own name for its root disk."""
        if image is None:
            raise ConfigError(
                f"pool {self.request.pool.name}: `root_volume` needs `image`",
                hint="or set the size in the launch template",
            )
        answer = await self.ec2.call("describe_images", ImageIds=[image])
        if not answer["Images"]:
            raise ConfigError(f"pool {self.request.pool.name}: there is no image {image}")
        return str(answer["Images"][0]["RootDeviceName"])
