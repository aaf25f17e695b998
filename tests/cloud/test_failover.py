"""Where a node comes from when EC2 has no machine, no quota or no time."""

from __future__ import annotations

import pytest

from phoenixctl.model.errors import (
    AuthenticationFailed,
    NoCapacity,
    PhoenixError,
    QuotaExceeded,
    Unreachable,
)
from phoenixctl.model.fleet import Pool
from phoenixctl.providers.aws.client import Regions
from phoenixctl.providers.aws.provider import AwsProvider
from tests.cloud.conftest import SOON, aws_pool
from tests.cloud.front import Answer, Call, Front
from tests.cloud.masks import Mask
from tests.cloud.server import REGION, Cloud
from tests.cloud.ticking import Clock
from tests.conformance.requests import create

A, B = f"{REGION}a", f"{REGION}b"
NONE = "InsufficientInstanceCapacity"


def asked(front: Front) -> list[tuple[str, str, str]]:
    return [(call.zone.removeprefix(REGION), call.kind, call.market) for call in front.asked()]


async def test_zones_and_types_are_tried_in_their_order_each_once(
    cloud: Cloud, provider: AwsProvider, pool: Pool
) -> None:
    # botocore would take this 500 for a hiccup and ask three times in the same place.
    cloud.front.refuse(NONE, status=500, zone=A)
    cloud.front.refuse(NONE, status=500, kind="m7i.large")
    made = await create(provider, pool, "web-1")
    assert (made.zone, made.kind) == (B, "m6i.large")
    assert asked(cloud.front) == [
        ("a", "m7i.large", "on-demand"),
        ("a", "m6i.large", "on-demand"),
        ("b", "m7i.large", "on-demand"),
        ("b", "m6i.large", "on-demand"),
    ]
    assert len({call.token for call in cloud.front.asked()}) == 4


async def test_without_any_capacity_the_error_names_all_that_was_tried(
    cloud: Cloud, provider: AwsProvider, pool: Pool
) -> None:
    cloud.front.refuse(NONE, status=500)
    with pytest.raises(NoCapacity) as raised:
        await create(provider, pool, "web-1")
    for zone in (A, B):
        for kind in ("m7i.large", "m6i.large"):
            assert f"{kind} in {zone} (on-demand): {NONE}" in raised.value.what
    assert "zones or types" in raised.value.hint
    assert cloud.instances() == []


async def test_an_offer_without_capacity_is_left_alone_by_the_next_requests_until_it_cooled_down(
    cloud: Cloud, pool: Pool
) -> None:
    clock = Clock()
    regions = Regions(clock, SOON)
    provider = AwsProvider("shop", clock, regions=regions)
    cloud.front.refuse(NONE, zone=A)
    await create(provider, pool, "web-1")
    cloud.front.relent()
    made = await create(provider, pool, "web-2")
    assert made.zone == B
    assert [zone for zone, _, _ in asked(cloud.front)] == ["a", "a", "b", "b"]
    clock.ahead += 301
    assert (await create(provider, pool, "web-3")).zone == A
    regions.close()


async def test_when_everything_cools_down_that_is_said_without_asking(
    cloud: Cloud, provider: AwsProvider, pool: Pool
) -> None:
    cloud.front.refuse(NONE)
    for _ in range(2):
        with pytest.raises(NoCapacity) as raised:
            await create(provider, pool, "web-1")
    assert "is asked again in 300 s" in raised.value.what
    assert len(cloud.front.asked()) == 4


async def test_spot_comes_first_and_on_demand_where_no_spot_is_left(
    cloud: Cloud, provider: AwsProvider
) -> None:
    pool = aws_pool(cloud, spot=True)
    assert (await create(provider, pool, "web-1")).market == "spot"
    cloud.front.refuse(NONE, market="spot")
    made = await create(provider, pool, "web-2")
    assert (made.zone, made.kind, made.market) == (A, "m7i.large", "on-demand")
    markets = [market for _, _, market in asked(cloud.front)]
    assert markets == ["spot", "spot", "spot", "spot", "spot", "on-demand"]


async def test_a_spot_instance_is_asked_for_once_and_ends_when_it_is_interrupted(
    cloud: Cloud, provider: AwsProvider
) -> None:
    await create(provider, aws_pool(cloud, spot=True), "web-1")
    [call] = cloud.front.asked()
    options = {k: v for k, v in call.parameters.items() if k.startswith("InstanceMarketOptions.S")}
    assert options == {
        "InstanceMarketOptions.SpotOptions.InstanceInterruptionBehavior": "terminate",
        "InstanceMarketOptions.SpotOptions.SpotInstanceType": "one-time",
    }


async def test_without_fall_back_spot_is_all_there_is(cloud: Cloud, provider: AwsProvider) -> None:
    cloud.front.refuse(NONE, market="spot")
    pool = aws_pool(cloud, spot=True, on_demand_fallback=False)
    with pytest.raises(NoCapacity):
        await create(provider, pool, "web-1")
    assert {market for _, _, market in asked(cloud.front)} == {"spot"}


async def test_a_full_quota_is_said_at_once_and_not_asked_for_again(
    cloud: Cloud, provider: AwsProvider, pool: Pool
) -> None:
    cloud.front.refuse("VcpuLimitExceeded")
    with pytest.raises(QuotaExceeded, match="web-1: VcpuLimitExceeded") as raised:
        await create(provider, pool, "web-1")
    assert "quota" in raised.value.hint
    assert len(cloud.front.asked()) == 1


async def test_the_quota_of_the_spot_market_ends_that_market_only(
    cloud: Cloud, provider: AwsProvider
) -> None:
    cloud.front.refuse("MaxSpotInstanceCountExceeded", market="spot")
    made = await create(provider, aws_pool(cloud, spot=True), "web-1")
    assert made.market == "on-demand"
    assert [market for _, _, market in asked(cloud.front)] == ["spot", "on-demand"]
    with pytest.raises(QuotaExceeded):
        await create(provider, aws_pool(cloud, spot=True, on_demand_fallback=False), "web-2")


async def test_a_throttled_creation_is_sent_again_with_its_token(
    cloud: Cloud, provider: AwsProvider, pool: Pool
) -> None:
    cloud.front.refuse("RequestLimitExceeded", status=503, times=3)
    await create(provider, pool, "web-1")
    tokens = [call.token for call in cloud.front.asked()]
    assert len(tokens) == 4
    assert len(set(tokens)) == 1
    assert len(cloud.instances()) == 1


async def test_a_throttled_look_is_repeated_by_botocore(
    cloud: Cloud, provider: AwsProvider, pool: Pool
) -> None:
    cloud.front.refuse("RequestLimitExceeded", action="DescribeInstances", status=503, times=1)
    await create(provider, pool, "web-1")
    assert [node.node.name for node in await provider.list(pool)] == ["web-1"]


async def test_throttling_without_end_leaves_nothing_and_says_to_wait(
    cloud: Cloud, provider: AwsProvider, pool: Pool
) -> None:
    cloud.front.refuse("RequestLimitExceeded", status=503)
    with pytest.raises(PhoenixError, match="RequestLimitExceeded") as raised:
        await create(provider, pool, "web-1")
    assert type(raised.value) is PhoenixError
    assert "wait" in raised.value.hint
    assert cloud.instances() == []


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("Server.InsufficientInstanceCapacity", NoCapacity),
        ("Client.VolumeLimitExceeded", QuotaExceeded),
        ("Client.InternalError", PhoenixError),
    ],
)
async def test_an_instance_that_ends_before_it_runs_says_why(
    cloud: Cloud, provider: AwsProvider, code: str, error: type[PhoenixError]
) -> None:
    def die(call: Call, answer: Answer) -> None:
        if call.action == "RunInstances":
            end = Mask("terminated", code=code, words="The disk's key cannot be used")
            cloud.front.masks.put(*answer.instances, Mask("pending"), end, keep=True)

    cloud.front.after.append(die)
    with pytest.raises(error, match=code.partition(".")[2]):
        await create(provider, aws_pool(cloud, types=("m7i.large",)), "web-1")
    expected = 2 if error is NoCapacity else 1
    assert len(cloud.front.asked()) == expected


async def test_one_that_never_runs_is_terminated_and_nothing_is_left(
    cloud: Cloud, provider: AwsProvider, pool: Pool
) -> None:
    cloud.front.pending = 10**4
    with pytest.raises(PhoenixError, match=r"did not run with a private address .* terminated"):
        await create(provider, pool, "web-1")
    assert cloud.instances() == []


async def test_who_may_not_do_it_is_told_so(
    cloud: Cloud, provider: AwsProvider, pool: Pool
) -> None:
    cloud.front.refuse("UnauthorizedOperation", status=403)
    with pytest.raises(AuthenticationFailed) as raised:
        await create(provider, pool, "web-1")
    assert "aws sts get-caller-identity" in raised.value.hint
    assert len(cloud.front.asked()) == 1


async def test_without_credentials_that_is_said(
    cloud: Cloud, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name)
    clock = Clock()
    regions = Regions(clock, SOON)
    with pytest.raises(AuthenticationFailed, match="credentials"):
        await create(AwsProvider("shop", clock, regions=regions), pool, "web-1")
    regions.close()


async def test_an_endpoint_where_nobody_listens_is_unreachable(
    cloud: Cloud, provider: AwsProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("phoenixctl.providers.aws.client._READ_ATTEMPTS", 1)
    with pytest.raises(Unreachable, match=r"127\.0\.0\.1:1"):
        await provider.list(aws_pool(cloud, endpoint="http://127.0.0.1:1"))
