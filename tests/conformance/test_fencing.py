"""An agent is never active twice, on every kind of node: fences, promotions, permits, leases."""

from __future__ import annotations

import asyncio

import pytest

from phoenixctl.model.errors import CommandFailed
from phoenixctl.model.fleet import Agent
from phoenixctl.model.snapshot import AgentState
from phoenixctl.remote.agents import StartResult, parse_start, start_command
from phoenixctl.remote.fence import (
    Standing,
    fence_command,
    parse_fence,
    parse_promote,
    parse_standing,
    parse_unfence,
    promote_command,
    standing_command,
    unfence_command,
)
from phoenixctl.remote.renew import (
    Permit,
    Renewed,
    parse_renew,
    parse_uptime,
    renew_command,
    uptime_command,
)
from tests.conformance.place import Place, shell_agent

SLEEPER = 'echo "$PHOENIX_ROLE" >>roles; while :; do sleep 0.2; done'
WAITS = "waits for permission"


@pytest.fixture(
    params=[
        "local",
        pytest.param("systemd", marks=pytest.mark.hosts),
        pytest.param("busybox", marks=pytest.mark.hosts),
    ]
)
def kind(request: pytest.FixtureRequest) -> str:
    """A real host without systemd does as an embedded node does."""
    return str(request.param)


async def standing(place: Place, agent: Agent) -> Standing:
    return parse_standing(await place.run(standing_command(agent.id, place.node, place.fleet)))


async def fence(place: Place, agent: Agent, epoch: int) -> Standing:
    command = fence_command(agent.id, place.node, place.fleet, epoch=epoch)
    return parse_fence(await place.run(command))


async def promote(place: Place, agent: Agent, epoch: int) -> Standing:
    command = promote_command(agent.id, place.node, place.fleet, epoch=epoch)
    return parse_promote(await place.run(command))


async def start_standby(place: Place, agent: Agent, epoch: int) -> StartResult:
    command = start_command(
        agent, place.node, place.fleet, env={}, secrets={}, epoch=epoch, role="standby"
    )
    return parse_start(await place.run(command))


async def renew(place: Place, agent: Agent, epoch: int, seconds: int | None) -> Renewed:
    now = parse_uptime(await place.run(uptime_command()))
    until = None if seconds is None else now.seconds + seconds
    command = renew_command(
        [Permit(agent.id, epoch, until)], place.node, place.fleet, boot_id=now.boot_id
    )
    return parse_renew(await place.run(command))[agent.id][0]


async def test_a_fence_keeps_a_copy_down_that_crashes_until_it_is_taken_off(place: Place) -> None:
    agent = shell_agent("fenced", SLEEPER)
    started = await place.start(agent)
    fenced = await fence(place, agent, place.epoch + 1)
    assert (fenced.pid, fenced.fenced, fenced.guarded) == (started.pid, True, True)
    place.look("kill", "-KILL", str(started.pid))
    seen = await place.agent_when(agent, lambda a: a.state is AgentState.STOPPED)
    assert seen.held == f"fenced at epoch {place.epoch + 1}"
    assert (await standing(place, agent)).pid is None
    with pytest.raises(CommandFailed, match="not at"):
        parse_unfence(
            await place.run(
                unfence_command(agent.id, place.node, place.fleet, epoch=place.epoch + 2)
            )
        )
    command = unfence_command(agent.id, place.node, place.fleet, epoch=place.epoch + 1)
    assert parse_unfence(await place.run(command)).fence is None
    assert (await place.start(agent)).changed
    assert (await place.agent(agent)).held == ""


async def test_a_promoted_standby_comes_back_active(place: Place) -> None:
    agent = shell_agent("standby", SLEEPER)
    started = await start_standby(place, agent, 7)
    assert (await place.agent(agent)).role == "standby"
    with pytest.raises(CommandFailed, match="has epoch 7"):
        await promote(place, agent, 6)
    assert (await promote(place, agent, 7)).pid == started.pid
    place.look("kill", "-KILL", str(started.pid))
    await place.agent_when(
        agent, lambda a: a.state is AgentState.RUNNING and a.pid not in (None, started.pid)
    )
    assert (await place.agent(agent)).role == "active"
    async with asyncio.timeout(10):
        while (roles := await place.state_file(agent, "roles")).count(b"\n") < 2:
            await asyncio.sleep(0.1)
    assert roles.split() == [b"standby", b"active"]


async def test_what_is_stopped_is_not_promoted(place: Place) -> None:
    agent = shell_agent("standby", SLEEPER)
    await start_standby(place, agent, 7)
    await place.stop(agent)
    with pytest.raises(CommandFailed, match="stopped"):
        await promote(place, agent, 7)
    assert (await standing(place, agent)).role == "standby"


async def test_a_lease_that_ran_out_ends_a_singleton_until_it_is_renewed(place: Place) -> None:
    if place.kind == "busybox":
        pytest.skip("takes its time, and is the same as on an embedded node")
    script = "trap '' TERM; kill -STOP $$"
    agent = shell_agent("leased", script, singleton=True, lease_seconds=4.0, grace_seconds=0.3)
    await place.start(agent)
    seen = await place.agent_when(agent, lambda a: a.state is AgentState.STOPPED)
    assert (seen.detail, seen.pid) == (WAITS, None)
    assert place.processes_with(f"{place.fleet}/agents/leased-0/state") == ()
    assert await renew(place, agent, place.epoch + 1, 600) is Renewed.OTHER
    assert await renew(place, agent, place.epoch, 600) is Renewed.STARTED
    seen = await place.agent_when(agent, lambda a: a.state is AgentState.RUNNING)
    assert (await place.stop(agent)).changed
    assert (await place.agent(agent)).state is AgentState.STOPPED


async def test_a_leased_singleton_that_crashes_comes_back_within_its_lease(place: Place) -> None:
    agent = shell_agent("leased", SLEEPER, singleton=True, lease_seconds=600.0)
    first = await place.start(agent)
    place.look("kill", "-KILL", str(first.pid))
    await place.agent_when(agent, lambda a: a.pid not in (None, first.pid))
    assert await renew(place, agent, place.epoch, 900) is Renewed.RENEWED
    await place.stop(agent, purge=True)
    units = place.look("find", "/etc/systemd/system", "-name", f"*{place.fleet}*")
    assert units == b""


async def test_an_agent_of_another_user_is_guarded_too(place: Place) -> None:
    if place.kind != "systemd":
        pytest.skip("another user needs systemd")
    agent = shell_agent("other", SLEEPER, user="nobody", singleton=True, lease_seconds=600.0)
    started = await place.start(agent)
    place.look("kill", "-KILL", str(started.pid))
    seen = await place.agent_when(agent, lambda a: a.pid not in (None, started.pid))
    await fence(place, agent, place.epoch + 1)
    place.look("kill", "-KILL", str(seen.pid))
    seen = await place.agent_when(agent, lambda a: a.state is AgentState.STOPPED)
    assert seen.held.startswith("fenced")


async def test_after_a_reboot_a_singleton_waits_for_permission(place: Place) -> None:
    if place.kind != "systemd" or place.host is None:
        pytest.skip("only systemd starts agents when the node boots")
    plain = shell_agent("plain", SLEEPER)
    leased = shell_agent("leased", SLEEPER, singleton=True, lease_seconds=600.0)
    lasting = shell_agent("lasting", SLEEPER, singleton=True)
    epochs = {}
    for agent in (plain, leased, lasting):
        epochs[agent.id] = (await place.start(agent)).epoch
    fenced = shell_agent("fenced", SLEEPER)
    await place.start(fenced)
    await fence(place, fenced, place.epoch + 1)
    await place.reach.aclose()
    place.host.reboot()
    await place.agent_when(plain, lambda a: a.state is AgentState.RUNNING)
    for agent in (leased, lasting):
        seen = await place.agent(agent)
        assert (seen.state, seen.held) == (AgentState.STOPPED, WAITS)
    assert (await place.agent(fenced)).held.startswith("fenced")
    assert await renew(place, leased, epochs[leased.id], 600) is Renewed.STARTED
    assert await renew(place, lasting, epochs[lasting.id], None) is Renewed.STARTED
    for agent in (leased, lasting):
        await place.agent_when(agent, lambda a: a.state is AgentState.RUNNING)
