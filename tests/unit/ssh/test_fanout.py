import asyncio

import pytest

from phoenixctl.model.errors import PhoenixError
from phoenixctl.model.names import NodeName
from phoenixctl.model.outcome import Failed, Outcome, Succeeded
from phoenixctl.ssh.fanout import fan_out

NAMES = [NodeName(f"n{number}") for number in range(10)]


def cut_short(name: NodeName) -> Outcome[str]:
    return Failed(PhoenixError(f"{name} was cut short"), 0.0)


async def test_never_more_at_once_than_allowed_and_outcomes_in_the_order_given() -> None:
    running = most = 0

    async def work(name: NodeName) -> Outcome[str]:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.001 * (10 - NAMES.index(name)))
        running -= 1
        return Succeeded(name, 0.0)

    told: list[str] = []
    outcomes = await fan_out(
        NAMES, work, cut_short=cut_short, parallel=3, deadline_seconds=None,
        on_outcome=lambda name, _: told.append(name),
    )  # fmt: skip

    assert most == 3
    assert list(outcomes) == NAMES
    assert sorted(told) == NAMES


async def test_the_deadline_leaves_no_node_without_an_outcome() -> None:
    async def work(name: NodeName) -> Outcome[str]:
        await asyncio.sleep(0 if name == "n0" else 60)
        return Succeeded(name, 0.0)

    told: list[str] = []
    outcomes = await fan_out(
        NAMES, work, cut_short=cut_short, parallel=3, deadline_seconds=0.05,
        on_outcome=lambda name, _: told.append(name),
    )  # fmt: skip

    assert isinstance(outcomes[NAMES[0]], Succeeded)
    assert all(isinstance(outcomes[name], Failed) for name in NAMES[1:])
    assert sorted(told) == NAMES


async def test_cancelling_waits_until_every_node_has_tidied_up() -> None:
    tidied = 0

    async def work(name: NodeName) -> Outcome[str]:
        nonlocal tidied
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0.02)
            tidied += 1
        return Succeeded(name, 0.0)

    task = asyncio.ensure_future(
        fan_out(NAMES, work, cut_short=cut_short, parallel=4, deadline_seconds=None,
                on_outcome=None)
    )  # fmt: skip
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert tidied == 4


async def test_an_error_of_the_callback_is_not_swallowed() -> None:
    async def work(name: NodeName) -> Outcome[str]:
        return Succeeded(name, 0.0)

    def tell(name: NodeName, _: Outcome[str]) -> None:
        raise BrokenPipeError("the terminal has gone")

    with pytest.raises(BrokenPipeError):
        await fan_out(
            NAMES, work, cut_short=cut_short, parallel=4, deadline_seconds=None, on_outcome=tell
        )


async def test_no_nodes_are_no_outcomes() -> None:
    async def work(name: NodeName) -> Outcome[str]:
        raise AssertionError("there is nothing to do")

    assert not await fan_out(
        [], work, cut_short=cut_short, parallel=4, deadline_seconds=None, on_outcome=None
    )
