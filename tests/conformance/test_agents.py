"""Agents live alike on every kind of node: under systemd and under the supervisor of our own."""

from __future__ import annotations

import asyncio
import stat
from dataclasses import replace

import pytest

from phoenixctl.model.command import Command
from phoenixctl.model.errors import CommandFailed
from phoenixctl.model.fleet import Agent, AgentSpec, Resources
from phoenixctl.model.hooks import ExecHook
from phoenixctl.model.reading import AgentMetric
from phoenixctl.model.snapshot import AgentState
from phoenixctl.model.units import Bytes
from phoenixctl.ports.reach import HttpRequest, Session
from phoenixctl.remote.agents import (
    alive_command,
    exec_hook_command,
    logs_command,
    parse_signal,
    signal_command,
    spec_digest,
    start_command,
)
from phoenixctl.remote.exposition import parse_samples
from tests.conformance.place import HOSTILE, Place, shell_agent

SLEEPER = "echo ready; while :; do sleep 0.2; done"
# Whole before it is there: the test reads it as soon as it is.
RECORDER = """
cp /proc/$$/cmdline c; cp /proc/$$/environ e; pwd >p; umask >u
mv c cmdline; mv e environ; mv p pwd; mv u umask
while :; do sleep 0.2; done
"""
SECRET = "canary-3f9a'\"$`\\ ü\nsecond line"


async def test_a_started_agent_is_seen_running_with_its_identity(place: Place) -> None:
    agent = shell_agent("sleeper", SLEEPER, port=9100, resources=Resources(0.5, Bytes(64 * 2**20)))
    result = await place.start(agent)
    seen = await place.agent(agent)
    assert result.changed
    assert seen.state is AgentState.RUNNING
    assert (seen.spec_name, seen.ordinal, seen.port) == ("sleeper", 0, 9100)
    assert seen.epoch == result.epoch == place.epoch
    assert seen.spec_digest == result.digest == spec_digest(agent.spec)
    assert seen.pid == result.pid
    assert place.look("cat", f"/proc/{seen.pid}/cmdline").startswith(b"sh\0-c\0echo ready")
    limits = {"cpu": 0.5, "memory": 64 * 2**20}
    assert seen.limits == (limits if place.kind == "systemd" else dict.fromkeys(limits))


async def test_an_agents_processes_are_measured(place: Place) -> None:
    agent = shell_agent("sleeper", "while :; do :; done & while :; do sleep 1; done")
    await place.start(agent)
    metrics = (await place.agent(agent, interval_seconds=0.3)).metrics
    assert metrics[AgentMetric.PROCESSES].value == 3
    assert metrics[AgentMetric.THREADS].value == 3
    assert metrics[AgentMetric.RESTARTS].value == 0
    assert 2**18 < (metrics[AgentMetric.RSS].value or 0) < 2**26
    assert 0.05 < (metrics[AgentMetric.CPU].value or 0) < 1.5
    assert 0 <= (metrics[AgentMetric.UPTIME].value or 0) < 30


async def test_arguments_and_environment_reach_the_agent_as_they_were_given(place: Place) -> None:
    values = {f"HOSTILE_{n}": text for n, text in enumerate(HOSTILE)}
    agent = shell_agent("recorder", RECORDER, *HOSTILE, env=values, port=9101)
    await place.start(agent, secrets={"TOKEN": SECRET})
    cmdline = (await place.state_file(agent, "cmdline")).decode().split("\0")[:-1]
    assert cmdline[:3] == ["sh", "-c", RECORDER]
    assert cmdline[4:] == list(HOSTILE)
    lines = (await place.state_file(agent, "environ")).decode().split("\0")[:-1]
    environment = dict(line.split("=", 1) for line in lines)
    assert {name: environment.get(name) for name in values} == values
    assert environment["TOKEN"] == SECRET


async def test_the_contract_is_in_the_agents_environment(place: Place) -> None:
    agent = shell_agent("recorder", RECORDER, port=9102)
    await place.start(agent)
    lines = (await place.state_file(agent, "environ")).decode().split("\0")[:-1]
    environment = dict(line.split("=", 1) for line in lines)
    home = f"{await place.base()}/agents/recorder-0"
    assert environment["PHOENIX_AGENT"] == "recorder-0"
    assert environment["PHOENIX_EPOCH"] == str(place.epoch)
    assert environment["PHOENIX_ROLE"] == "active"
    assert environment["PHOENIX_PORT"] == "9102"
    assert environment["PHOENIX_STATE_DIR"] == f"{home}/state"
    assert environment["PHOENIX_CHECKPOINT_DIR"] == f"{home}/checkpoint"
    assert await place.state_file(agent, "pwd") == f"{home}/state\n".encode()
    assert await place.state_file(agent, "umask") == b"0077\n"


async def test_a_secret_is_in_one_closed_file_and_in_no_argument(place: Place) -> None:
    agent = shell_agent("keeper", SLEEPER)
    command = start_command(
        agent, place.node, place.fleet, env={}, secrets={"TOKEN": "canary-77123"}, epoch=1
    )
    assert "canary" not in " ".join(command.argv) + repr(command)
    await place.start(agent, secrets={"TOKEN": "canary-77123"})
    base = str(await place.base())
    holders = place.look("grep", "-r", "-l", "canary-77123", base, "/etc/systemd/system")
    assert holders.decode().split() == [f"{base}/agents/keeper-0/env"]
    mode = place.look("stat", "-c", "%a", f"{base}/agents/keeper-0/env")
    assert int(mode, 8) == stat.S_IRUSR | stat.S_IWUSR
    assert place.look("stat", "-c", "%a", base) == b"700\n"
    arguments = "grep -l -s -a -F -f - /proc/[0-9]*/cmdline"
    assert place.look("sh", "-c", arguments, stdin=b"canary-77123") == b""


async def test_starting_again_changes_nothing_and_another_specification_is_refused(
    place: Place,
) -> None:
    agent = shell_agent("sleeper", SLEEPER)
    first = await place.start(agent)
    again = await place.start(agent)
    assert (again.changed, again.pid, again.epoch) == (False, first.pid, first.epoch)
    other = Agent(replace(agent.spec, env={"NEW": "1"}), 0)
    with pytest.raises(CommandFailed, match="restart"):
        await place.start(other)
    assert (await place.agent(agent)).pid == first.pid


async def test_two_starts_at_once_make_one_agent(place: Place) -> None:
    mark = f"twin-{place.fleet}"
    agent = shell_agent("twin", f": {mark}; while :; do sleep 0.2; done")
    results = await asyncio.gather(place.start(agent), place.start(agent))
    assert sorted(result.changed for result in results) == [False, True]
    assert len({result.pid for result in results}) == 1


async def test_an_agent_that_cannot_start_fails_with_its_own_words(place: Place) -> None:
    agent = shell_agent("broken", "echo cannot open the database >&2; exit 3", restart=False)
    with pytest.raises(CommandFailed, match="cannot open the database"):
        await place.start(agent)


async def test_a_program_that_is_not_there_fails_the_start(place: Place) -> None:
    agent = Agent(AgentSpec("absent", ("/no/such/program",), restart=False), 0)
    with pytest.raises(CommandFailed):
        await place.start(agent)
    assert (await place.agent(agent)).state is AgentState.FAILED


async def test_a_killed_agent_is_started_again_and_the_restart_is_counted(place: Place) -> None:
    agent = shell_agent("sleeper", SLEEPER)
    first = await place.start(agent)
    place.look("kill", "-KILL", str(first.pid))
    seen = await place.agent_when(
        agent, lambda a: a.state is AgentState.RUNNING and a.pid != first.pid
    )
    assert seen.metrics[AgentMetric.RESTARTS].value == 1


async def test_an_agent_that_is_not_to_be_restarted_is_seen_failed(place: Place) -> None:
    agent = shell_agent("once", "sleep 1; exit 42", restart=False)
    await place.start(agent)
    seen = await place.agent_when(agent, lambda a: "42" in a.detail)
    assert (seen.state, seen.pid) == (AgentState.FAILED, None)


async def test_a_stopped_agent_leaves_nothing_and_stopping_again_changes_nothing(
    place: Place,
) -> None:
    agent = shell_agent("sleeper", SLEEPER)
    await place.start(agent)
    first = await place.stop(agent)
    assert (first.changed, first.how) == (True, "exited")
    assert first.seconds < 3
    assert place.processes_with(f"{place.fleet}/agents/") == ()
    seen = await place.agent(agent)
    assert (seen.state, seen.pid) == (AgentState.STOPPED, None)
    assert not (await place.stop(agent)).changed
    again = await place.start(agent)
    assert again.changed
    assert again.epoch == place.epoch


async def test_stopping_an_agent_that_never_was_changes_nothing(place: Place) -> None:
    assert not (await place.stop(shell_agent("never", SLEEPER))).changed


async def test_children_that_ignore_term_or_leave_the_session_are_swept(place: Place) -> None:
    script = """
    trap '' TERM
    sh -c "trap '' TERM; while :; do sleep 0.1; done" &
    setsid sh -c 'setsid sh -c "trap \\"\\" TERM; while :; do sleep 0.1; done" &' &
    while :; do sleep 0.1; done
    """
    agent = shell_agent("stubborn", script, grace_seconds=0.5)
    await place.start(agent)
    assert len(place.processes_with(f"{place.fleet}/agents/stubborn-0")) >= 3
    result = await place.stop(agent)
    assert result.how == "killed"
    assert place.processes_with(f"{place.fleet}/agents/") == ()


async def test_an_agent_gets_its_own_stop_signal_and_its_grace_to_finish(place: Place) -> None:
    script = """
    trap 'sleep 0.5; echo finished >end; exit 0' INT
    while :; do sleep 0.1; done
    """
    agent = shell_agent("polite", script, stop_signal="INT", grace_seconds=10)
    await place.start(agent)
    result = await place.stop(agent)
    assert result.how == "exited"
    assert 0.4 < result.seconds < 5
    assert await place.state_file(agent, "end") == b"finished\n"


async def test_purging_removes_the_agent_from_the_node(place: Place) -> None:
    agent = shell_agent("sleeper", SLEEPER)
    await place.start(agent)
    await place.stop(agent, purge=True)
    assert (await place.survey()).agents == ()
    left = place.look("find", str(await place.base()), "/etc/systemd/system", "-name", "*sleeper*")
    assert [p for p in left.decode().split() if place.fleet in p and "/locks/" not in p] == []


async def test_the_last_lines_of_the_log_are_there_and_following_gives_new_ones(
    place: Place,
) -> None:
    script = "seq 1 50; echo err >&2; n=0; while :; do n=$((n+1)); echo tick-$n; sleep 0.2; done"
    agent = shell_agent("talker", script)
    await place.start(agent)
    command = logs_command(agent.id, place.node, place.fleet, lines=1000, follow=False)
    lines = (await place.run(command)).stdout.decode().splitlines()
    words = [line.split(": ")[-1] for line in lines if "systemd" not in line]
    assert words[: words.index("tick-1")] == [*map(str, range(1, 51)), "err"]
    follow = logs_command(agent.id, place.node, place.fleet, lines=1, follow=True)

    async def listen(session: Session) -> bytes:
        heard = b""
        async with asyncio.timeout(10), session.stream(follow) as chunks:
            async for chunk in chunks:
                heard += chunk.data
                if heard.count(b"tick-") >= 4:
                    break
        return heard

    numbers = [int(part.split()[0]) for part in (await place.do(listen)).split(b"tick-")[1:]]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


async def test_a_signal_reaches_the_main_process(place: Place) -> None:
    script = "trap 'echo reloaded >hup' HUP; : >started; while :; do sleep 0.1; done"
    agent = shell_agent("reloader", script)
    started = await place.start(agent)
    command = signal_command(agent.id, place.node, place.fleet, signal="HUP")
    assert parse_signal(await place.run(command)) == started.pid
    assert await place.state_file(agent, "hup") == b"reloaded\n"
    await place.stop(agent)
    with pytest.raises(CommandFailed):
        parse_signal(await place.run(command))


async def test_an_exec_hook_runs_with_the_agents_environment(place: Place) -> None:
    agent = shell_agent("hooked", SLEEPER, env={"COLOUR": "gr$een"})
    await place.start(agent, secrets={"TOKEN": SECRET})
    hook = ExecHook(("sh", "-c", 'printf %s "$COLOUR $TOKEN $PHOENIX_AGENT"; exit 4'))
    done = await place.run(exec_hook_command(agent.id, place.node, place.fleet, hook))
    assert done.exit_status == 4
    assert done.stdout.decode() == f"gr$een {SECRET} hooked-0"


async def test_the_reference_agent_is_asked_through_the_tunnel(place: Place) -> None:
    port = 9710
    command = (place.python, "-m", "phoenixctl.demo.agent")
    agent = Agent(AgentSpec("reference", command, port=port), 0)
    await place.start(agent)

    async def ask(session: Session) -> bytes:
        async with asyncio.timeout(20):
            while not await session.accepts(port, timeout_seconds=1):
                await asyncio.sleep(0.1)
        return (await session.http(HttpRequest(port, "/metrics"))).body

    text = await place.do(ask)
    samples = parse_samples(text, {"phoenix_queue_length", "phoenix_messages_total"})
    assert samples["phoenix_queue_length"] == {(): 0.0}


async def test_agents_come_back_after_a_reboot(place: Place) -> None:
    if place.kind != "systemd" or place.host is None:
        pytest.skip("only systemd starts agents when the node boots")
    kept, stopped = shell_agent("kept", SLEEPER), shell_agent("stopped", SLEEPER)
    for agent in (kept, stopped):
        await place.start(agent)
    await place.stop(stopped)
    before = await place.survey()
    await place.reach.aclose()
    place.host.reboot()
    seen = await place.agent_when(kept, lambda a: a.state is AgentState.RUNNING)
    after = await place.survey()
    assert after.boot_id != before.boot_id
    assert seen.spec_digest == spec_digest(kept.spec)
    assert (await place.agent(stopped)).state is AgentState.STOPPED


async def test_after_a_power_loss_an_unsupervised_agent_is_seen_failed(place: Place) -> None:
    if place.kind != "process" or place.host is None:
        pytest.skip("about a machine without systemd that loses its power")
    agent = shell_agent("lost", SLEEPER)
    await place.start(agent)
    await place.reach.aclose()
    place.host.power_off()
    place.host.boot()
    seen = await place.agent(agent)
    assert (seen.state, seen.pid) == (AgentState.FAILED, None)
    assert "restarted" in seen.detail
    assert (await place.start(agent)).changed


async def test_alive_tells_whether_the_main_process_is_there(place: Place) -> None:
    agent = shell_agent("sleeper", SLEEPER)
    command = alive_command(agent.id, place.node, place.fleet)
    await place.start(agent)
    running = await place.run(command)
    await place.stop(agent)
    stopped = await place.run(command)
    assert running.ok
    assert stopped.ok
    assert running.stdout != stopped.stdout


async def test_the_node_counts_its_agents(place: Place) -> None:
    await place.start(shell_agent("one", SLEEPER))
    await place.start(shell_agent("two", SLEEPER))
    seen = await place.survey()
    assert [agent.id for agent in seen.agents] == ["one-0", "two-0"]
    missing = await place.run(Command("sh", "-c", f"ls -A {seen.base_dir}"))
    assert missing.ok
