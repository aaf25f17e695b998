"""However often it is asked, and whatever gets lost: one request makes one instance."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any

import pytest

from phoenixctl.model.errors import OutcomeUnknown, PhoenixError, Refused
from phoenixctl.model.fleet import Pool
from phoenixctl.providers.aws.client import Regions
from phoenixctl.providers.aws.provider import AwsProvider
from phoenixctl.providers.aws.tokens import Offer, ask_for
from tests.cloud.conftest import SOON, aws_pool
from tests.cloud.masks import HIDDEN, Mask
from tests.cloud.server import REGION, Cloud
from tests.cloud.ticking import Clock, RealClock
from tests.conformance.requests import create, request

FIRST = Offer(f"{REGION}a", "m7i.large", "on-demand")


def noted(pool: Pool, name: str, *, attempt: int = 1, offer: Offer = FIRST) -> Mapping[str, str]:
    """What a run that was killed has left in the journal."""
    return ask_for(request(pool, name), offer, attempt, at=time.time()).facts()


async def test_200_lost_answers_make_200_instances(cloud: Cloud, provider: AwsProvider) -> None:
    made: set[str] = set()
    for first in range(0, 200, 20):
        cloud.reset()  # moto is slow with many instances
        cloud.front.lose("RunInstances", times=20)
        pool = aws_pool(cloud)
        names = [f"web-{number}" for number in range(first, first + 20)]
        batch = await asyncio.gather(*(create(provider, pool, name) for name in names))
        assert {raw["InstanceId"] for raw in cloud.instances()} == {i.id for i in batch}
        assert len(cloud.front.asked()) == 40
        assert all(instance.node.host_keys for instance in batch)
        made.update(instance.id for instance in batch)
    assert len(made) == 200


async def test_an_answer_that_is_lost_again_and_again_is_in_the_end_unknown(
    cloud: Cloud, provider: AwsProvider, pool: Pool
) -> None:
    cloud.front.lose("RunInstances", times=10**6)
    with pytest.raises(OutcomeUnknown, match="web-1") as raised:
        await create(provider, pool, "web-1")
    assert "again" in raised.value.hint
    [raw] = cloud.instances()
    cloud.front.reset()
    made = await create(provider, pool, "web-1", notes=(noted(pool, "web-1"),))
    assert made.id == raw["InstanceId"]
    assert cloud.front.asked() == []


async def test_the_note_is_kept_before_the_call_and_names_its_token(
    cloud: Cloud, provider: AwsProvider, pool: Pool
) -> None:
    notes: list[Mapping[str, str]] = []
    calls: list[int] = []

    async def note(facts: Mapping[str, str]) -> None:
        notes.append(facts)
        calls.append(len(cloud.front.asked()))

    cloud.front.refuse("InsufficientInstanceCapacity", zone=f"{REGION}a")
    await provider.create(request(pool, "web-1"), note=note)
    assert calls == [0, 1, 2]
    assert [facts["token"] for facts in notes] == [call.token for call in cloud.front.asked()]
    assert [(f["zone"], f["type"], f["market"], f["attempt"]) for f in notes] == [
        (f"{REGION}a", "m7i.large", "on-demand", "1"),
        (f"{REGION}a", "m6i.large", "on-demand", "1"),
        (f"{REGION}b", "m7i.large", "on-demand", "1"),
    ]


async def test_a_request_that_is_repeated_after_its_success_gives_the_same_node(
    cloud: Cloud, provider: AwsProvider, pool: Pool
) -> None:
    made = await create(provider, pool, "web-1")
    assert await create(provider, pool, "web-1") == made
    assert await create(provider, pool, "web-1", notes=(noted(pool, "web-1"),)) == made
    assert len(cloud.front.asked()) == 1


@pytest.mark.parametrize("stale", [0, 3])
async def test_after_a_crash_the_instance_is_found_and_its_host_key_read_back(
    cloud: Cloud, provider: AwsProvider, pool: Pool, stale: int
) -> None:
    before = await create(provider, pool, "web-1")
    cloud.front.masks.put(before.id, *[HIDDEN] * stale)
    after = await create(provider, pool, "web-1", notes=(noted(pool, "web-1"),))
    assert after == before
    assert after.node.host_keys == before.node.host_keys != ()
    assert len(cloud.front.asked()) == 1


async def test_one_that_stays_hidden_while_it_is_looked_for_is_found_by_its_token(
    cloud: Cloud, regions: Regions, provider: AwsProvider, pool: Pool
) -> None:
    before = await create(provider, pool, "web-1")
    [first] = cloud.front.asked()

    def show(call: Any) -> None:
        # EC2 goes on hiding it until its token was seen again, and then for two more looks.
        if call.action == "RunInstances":
            cloud.front.masks.put(before.id, HIDDEN, HIDDEN)

    cloud.front.before.append(show)
    cloud.front.masks.put(before.id, *[HIDDEN] * 1000)
    after = await create(provider, pool, "web-1", notes=(noted(pool, "web-1"),))
    assert after == before
    second = cloud.front.asked()[1]
    assert second.token == first.token
    assert second.parameters["UserData"] != first.parameters["UserData"]
    assert len(cloud.instances()) == 1


async def test_a_crash_before_the_call_makes_the_instance_with_the_noted_token(
    cloud: Cloud, provider: AwsProvider, pool: Pool
) -> None:
    note = noted(pool, "web-1")
    made = await create(provider, pool, "web-1", notes=({"other": "note"}, note))
    [call] = cloud.front.asked()
    assert call.token == note["token"]
    assert made.node.host_keys


async def test_what_ec2_has_and_never_shows_is_unknown_and_not_made_a_second_time(
    cloud: Cloud, provider: AwsProvider, pool: Pool
) -> None:
    made = await create(provider, pool, "web-1")
    cloud.front.masks.put(made.id, *[HIDDEN] * 10_000)
    with pytest.raises(OutcomeUnknown, match="does not show yet"):
        await create(provider, pool, "web-1", notes=(noted(pool, "web-1"),))
    assert len(cloud.instances()) == 1


async def test_a_refusal_proves_nothing_while_an_earlier_call_may_have_made_something(
    cloud: Cloud, provider: AwsProvider, pool: Pool
) -> None:
    cloud.front.refuse("UnauthorizedOperation", status=403)
    with pytest.raises(OutcomeUnknown):
        await create(provider, pool, "web-1", notes=(noted(pool, "web-1"),))


async def test_after_a_crash_it_goes_on_from_the_last_offer_even_one_that_is_configured_no_more(
    cloud: Cloud, provider: AwsProvider, pool: Pool
) -> None:
    cloud.front.refuse("InsufficientInstanceCapacity", kind="c5.large")
    cloud.front.refuse("InsufficientInstanceCapacity", kind="m6i.large")
    removed = noted(pool, "web-1", offer=Offer(f"{REGION}c", "c5.large", "on-demand"))
    second = noted(pool, "web-2", offer=Offer(f"{REGION}a", "m6i.large", "on-demand"))
    await create(provider, pool, "web-1", notes=(removed,))
    await create(provider, pool, "web-2", notes=(second,))
    assert [(call.zone.removeprefix(REGION), call.kind) for call in cloud.front.asked()] == [
        ("c", "c5.large"), ("a", "m7i.large"),
        ("a", "m6i.large"), ("b", "m7i.large"),
    ]  # fmt: skip


async def test_an_instance_that_was_terminated_meanwhile_is_replaced_by_the_next_attempt(
    cloud: Cloud, provider: AwsProvider, pool: Pool
) -> None:
    gone = await create(provider, pool, "web-1")
    await provider.destroy(pool, gone)
    made = await create(provider, pool, "web-1", notes=(noted(pool, "web-1"),))
    assert made.id != gone.id
    tokens = [call.token for call in cloud.front.asked()]
    assert tokens == [noted(pool, "web-1")["token"]] * 2 + [
        noted(pool, "web-1", attempt=2)["token"]
    ]
    assert [raw["InstanceId"] for raw in cloud.instances()] == [made.id]


async def test_a_noted_attempt_that_is_long_past_and_not_shown_was_for_nothing(
    cloud: Cloud, pool: Pool
) -> None:
    clock = Clock()
    regions = Regions(clock, SOON)
    clock.ahead = 4000
    provider = AwsProvider("shop", clock, regions=regions)
    await create(provider, pool, "web-1", notes=(noted(pool, "web-1"),))
    [call] = cloud.front.asked()
    assert call.token == noted(pool, "web-1", attempt=2)["token"]
    regions.close()


async def test_a_token_that_somebody_else_has_used_is_said_and_nothing_is_made(
    cloud: Cloud, provider: AwsProvider, pool: Pool
) -> None:
    cloud.front.refuse("IdempotentParameterMismatch")
    with pytest.raises(PhoenixError, match="IdempotentParameterMismatch") as raised:
        await create(provider, pool, "web-1")
    assert not isinstance(raised.value, OutcomeUnknown)
    assert "run it again" in raised.value.hint


async def test_a_name_that_another_request_has_taken_is_refused(
    cloud: Cloud, provider: AwsProvider, pool: Pool
) -> None:
    made = await create(provider, pool, "web-1", operation="3")
    with pytest.raises(Refused, match=rf"{made.id}.* operation 3 of record line-1") as raised:
        await create(provider, pool, "web-1", operation="4")
    assert "refresh --adopt" in raised.value.hint
    await provider.destroy(pool, made)
    await create(provider, pool, "web-1", operation="4")
    assert len(cloud.instances()) == 1


async def test_other_fleets_nodes_of_the_same_name_are_none_of_ours(
    cloud: Cloud, regions: Regions, provider: AwsProvider, pool: Pool
) -> None:
    other = AwsProvider("other", RealClock(), regions=regions)
    theirs = await create(other, pool, "web-1", lineage="line-2")
    ours = await create(provider, pool, "web-1")
    assert ours.id != theirs.id
    assert [i.id for i in await provider.list(pool)] == [ours.id]
    with pytest.raises(Refused, match="not tagged as a node of shop"):
        await provider.destroy(pool, theirs)
    assert len(cloud.instances()) == 2


async def test_nodes_of_one_operation_have_tokens_of_their_own(
    cloud: Cloud, provider: AwsProvider, pool: Pool
) -> None:
    await asyncio.gather(*(create(provider, pool, f"web-{n}") for n in range(8)))
    assert len({call.token for call in cloud.front.asked()}) == 8
    assert all(len(call.token) == 64 for call in cloud.front.asked())


async def test_a_look_that_is_late_does_not_hide_a_new_instance_from_its_maker(
    cloud: Cloud, provider: AwsProvider, pool: Pool
) -> None:
    cloud.front.stale, cloud.front.pending = 4, 2
    made = await create(provider, pool, "web-1")
    assert made.node.address
    assert len(cloud.instances()) == 1
    await provider.destroy(pool, made)
    assert cloud.instances() == []


async def test_a_mask_is_over_after_its_looks(cloud: Cloud, provider: AwsProvider) -> None:
    made = await create(provider, aws_pool(cloud), "web-1")
    cloud.front.masks.put(made.id, HIDDEN, Mask("stopped"))
    shown = [await provider.list(aws_pool(cloud)) for _ in range(3)]
    assert [[i.phase for i in each] for each in shown] == [[], ["stopped"], ["running"]]


async def test_what_keeps_us_from_asking_at_all_proves_nothing_either(
    cloud: Cloud, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody-has-it")
    provider = AwsProvider("shop", RealClock())
    with pytest.raises(PhoenixError, match="nobody-has-it") as raised:
        await create(provider, pool, "web-1")
    assert not isinstance(raised.value, OutcomeUnknown)
    with pytest.raises(OutcomeUnknown, match="nobody-has-it"):
        await create(provider, pool, "web-1", notes=(noted(pool, "web-1"),))
