"""Speak to an agent through its hooks: HTTP and TCP through the tunnel, commands, signals."""

from __future__ import annotations

from phoenixctl.model.errors import CommandFailed, CommandTimeout, PhoenixError
from phoenixctl.model.fleet import Fleet
from phoenixctl.model.hooks import ExecHook, Hook, HttpHook, ReadyCheck, SignalHook
from phoenixctl.model.names import AgentId
from phoenixctl.ports.reach import HttpRequest, Session
from phoenixctl.remote.agents import exec_hook_command, parse_signal, signal_command


async def passes(
    session: Session, check: ReadyCheck, agent: AgentId, port: int | None, fleet: Fleet
) -> bool:
    """Whether the check succeeds now. An agent that cannot be asked does not pass."""
    node = fleet.nodes[session.node]
    try:
        if isinstance(check, HttpHook):
            return (await session.http(_request(check, agent, port))).ok
        if isinstance(check, ExecHook):
            command = exec_hook_command(agent, node, fleet.name, check)
            return (await session.run(command, timeout_seconds=check.timeout_seconds)).ok
        return await session.accepts(
            _port(check.port, agent, port), timeout_seconds=check.timeout_seconds
        )
    except (CommandFailed, CommandTimeout):
        return False


async def call(
    session: Session, hook: Hook, agent: AgentId, port: int | None, fleet: Fleet
) -> None:
    """Do what the hook says; CommandFailed with the agent's own words when it refuses."""
    node = fleet.nodes[session.node]
    if isinstance(hook, HttpHook):
        response = await session.http(_request(hook, agent, port))
        if not response.ok:
            raise CommandFailed(
                f"{agent} answered {response.status} to {hook.method} {hook.path}"
                f"{_quote(response.body)}"
            )
        return
    if isinstance(hook, SignalHook):
        parse_signal(await session.run(signal_command(agent, node, fleet.name, signal=hook.signal)))
        return
    command = exec_hook_command(agent, node, fleet.name, hook)
    completed = await session.run(command, timeout_seconds=hook.timeout_seconds)
    if not completed.ok:
        raise CommandFailed(
            f"the hook of {agent} ended with {completed.exit_status}{_quote(completed.stderr)}"
        )


def _request(hook: HttpHook, agent: AgentId, port: int | None) -> HttpRequest:
    return HttpRequest(
        _port(hook.port, agent, port),
        hook.path,
        method=hook.method,
        timeout_seconds=hook.timeout_seconds,
    )


def _port(own: int | None, agent: AgentId, port: int | None) -> int:
    chosen = own or port
    if chosen is None:
        raise PhoenixError(
            f"{agent} has a hook over the network and no port",
            hint="give its spec a `port`",
        )
    return chosen


def _quote(output: bytes) -> str:
    words = output[:200].decode("utf-8", "replace").strip()
    return f": {words}" if words else ""
