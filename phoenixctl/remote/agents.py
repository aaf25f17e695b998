"""The life of an agent on its node: commands to start, stop, ask and signal it; what they say.

Every command may be repeated: what is done already is left alone. One change to one agent runs at a
time, held by a lock on the node.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Final

from phoenixctl.model.command import Command, Completed
from phoenixctl.model.errors import CommandFailed
from phoenixctl.model.fleet import Agent, AgentSpec, Node, Resources, SecretRef
from phoenixctl.model.names import AgentId
from phoenixctl.model.snapshot import AgentState
from phoenixctl.remote.change_script import RUNNING
from phoenixctl.remote.environment import agent_environment
from phoenixctl.remote.layout import agent_command
from phoenixctl.remote.lease import GUARD, watch_text
from phoenixctl.remote.meta import write_meta
from phoenixctl.remote.quoting import to_shell
from phoenixctl.remote.said import said
from phoenixctl.remote.start_script import START
from phoenixctl.remote.stop_script import STOP
from phoenixctl.remote.supervise import SUPERVISE, launch_text
from phoenixctl.remote.units import lease_unit_text, signal_name, span, unit_text

if TYPE_CHECKING:  # made only for agents that have hooks
    from phoenixctl.model.hooks import ExecHook

# What a running process has from its specification. The rest (replicas, pools, labels, hooks)
# can change without touching it.
_STARTED_WITH: Final = (
    "command", "env", "open_files", "port", "port_step", "resources", "restart", "secrets",
    "stop_signal", "grace_seconds", "user",
)  # fmt: skip
# Only from those that have them: digests are older than these.
_STARTED_WITH_IF_ANY: Final = ("singleton", "lease_seconds")


@dataclass(frozen=True, slots=True)
class StartResult:
    """A running agent. `changed` is False when it ran already, with the same specification;
    `epoch` is the one it was started with."""

    changed: bool
    state: AgentState
    pid: int
    epoch: int
    digest: str


@dataclass(frozen=True, slots=True)
class StopResult:
    """An agent of which nothing is left.

    `how` is `exited` or, when its grace was over, `killed`; `swept` counts the processes that
    were killed after the main one; `seconds` is from the stop signal to the proof.
    """

    changed: bool
    how: str
    seconds: float
    swept: int
    left: int = 0


def spec_digest(spec: AgentSpec) -> str:
    """What an agent's process is started with, in 12 hexadecimal digits.

    Of secrets, only where they come from. Replicas, pools, labels and hooks are not in it.
    """
    everything = {name: getattr(spec, name) for name in _STARTED_WITH}
    for name in _STARTED_WITH_IF_ANY:
        if value := getattr(spec, name):
            everything[name] = value
    canonical = json.dumps(everything, sort_keys=True, default=_plain)
    return hashlib.sha256(canonical.encode()).hexdigest()[:12]


def start_command(
    agent: Agent,
    node: Node,
    fleet: str,
    *,
    env: Mapping[str, str],
    secrets: Mapping[str, str],
    epoch: int,
    role: str = "active",
    restore_from: str | None = None,
) -> Command:
    """Starts an agent, as a systemd unit or under our own supervisor.

    A fence that is not above the epoch is taken off, a higher one refuses the start; a singleton
    gets its permit. `env` is added to the spec's own. Files travel on stdin, for they hold the
    secrets. Takes up to 60 s when another change to the agent is under way. ValueError for what
    cannot be passed.
    """
    environment = agent_environment(
        agent, env=env, secrets=secrets, epoch=epoch, role=role, restore_from=restore_from,
        address=node.agent_address,
    )  # fmt: skip
    spec = agent.spec
    digest = spec_digest(spec)
    payload = {
        "wanted_digest": digest,
        "wanted_epoch": str(epoch),
        "wanted_role": role,
        "user": spec.user or "",
        "restart": "yes" if spec.restart else "no",
        "env_text": environment,
        "meta_text": write_meta(agent, digest=digest, epoch=epoch, role=role),
        "unit_text": unit_text(agent, fleet),
        "launch_text": launch_text(agent),
        "supervise_text": SUPERVISE,
        "guard_text": GUARD,
        "lease_text": lease_unit_text(agent, fleet),
        "watch_unit_text": watch_text(agent, unit=True),
        "watch_process_text": watch_text(agent, unit=False),
        "whole": "yes",  # the last one: what is cut off is not used
    }
    lines = "".join(f"{name}={to_shell((value,))}\n" for name, value in payload.items())
    stdin = lines.encode("utf-8", "surrogateescape")
    return agent_command(START, agent.id, node, fleet, stdin=stdin)


def parse_start(completed: Completed) -> StartResult:
    """CommandFailed has the supervisor's words and the agent's last lines."""
    words = said(completed, "start")
    try:
        return StartResult(
            changed=words["changed"] == "yes",
            state=AgentState.RUNNING,
            pid=int(words["pid"]),
            epoch=int(words["epoch"] or 0),
            digest=words["digest"],
        )
    except (KeyError, ValueError):
        raise CommandFailed("the start said nothing that can be read") from None


def stop_command(
    agent_id: AgentId,
    node: Node,
    fleet: str,
    *,
    stop_signal: str,
    grace_seconds: float,
    purge: bool = False,
    fence: int | None = None,
) -> Command:
    """Stops an agent and proves that nothing of it is left; it stays stopped over a reboot.

    Takes up to the grace and 10 s more; 60 s more when another change to it is under way. Its
    state and checkpoints stay, unless `purge`. One that is not there counts as stopped. With
    `fence`, no copy with an epoch below it can be started there any more.
    """
    arguments = (
        signal_name(stop_signal),
        str(max(0, round(grace_seconds * 100))),
        span(grace_seconds),
        "purge" if purge else "keep",
        "" if fence is None else str(fence),
    )
    return agent_command(STOP, agent_id, node, fleet, *arguments)


def parse_stop(completed: Completed) -> StopResult:
    """CommandFailed when anything is left, naming the pids, or when it is not known."""
    words = said(completed, "stop", failing_is_told=True)
    try:
        left = words["left"].split()
        result = StopResult(
            changed=words["changed"] == "yes",
            how=words["how"],
            seconds=int(words["centiseconds"]) / 100,
            swept=int(words["swept"]),
        )
    except (KeyError, ValueError):
        raise CommandFailed("the stop said nothing that can be read") from None
    if left:
        raise CommandFailed(
            f"{len(left)} processes are left and cannot be killed: {' '.join(left)}",
            hint="a process in state D waits for a disk or a network file system",
        )
    return result


_LOGS: Final = r"""
lines=$1 follow=$2
if [ ! -d "$dir" ]; then echo "no agent $id on this node" >&2; exit 1; fi
if [ "$supervisor" = systemd ]; then
    if [ "$follow" = follow ]; then set -- --follow; else set --; fi
    exec journalctl --quiet --no-pager --output=short-iso --unit="$unit" --lines="$lines" "$@"
fi
if [ "$follow" = follow ]; then exec tail -n "$lines" -F "$dir/log" 2>/dev/null; fi
exec tail -n "$lines" "$dir/log"
"""


def logs_command(agent_id: AgentId, node: Node, fleet: str, *, lines: int, follow: bool) -> Command:
    """The agent's last lines, and with `follow` each new one until the command is ended."""
    return agent_command(_LOGS, agent_id, node, fleet, str(lines), "follow" if follow else "once")


_EXEC_HOOK: Final = r"""
if [ ! -r "$dir/env" ]; then echo "no agent $id on this node" >&2; exit 1; fi
user=
while IFS='=' read -r key value; do
    if [ "$key" = user ]; then user=$value; fi
done < "$dir/meta"
umask 077
cd "$dir/state" || exit 1
if [ -n "$user" ]; then set -- runuser -u "$user" -- "$@"; fi
set -a; . "$dir/env"; set +a
exec "$@"
"""


def exec_hook_command(agent_id: AgentId, node: Node, fleet: str, hook: ExecHook) -> Command:
    """Runs a hook's command as the agent would: its environment, its state folder, its user."""
    return agent_command(_EXEC_HOOK, agent_id, node, fleet, *hook.command)


# The agent's main process in $main, 0 when there is none.
_MAIN: Final = r"""
if [ "$supervisor" = systemd ]; then
    main=$(systemctl show --property=MainPID --value "$unit")
else
    read_run
    if ! is_main_there; then main=0; fi
fi
"""
_SIGNAL: Final = r"""
say 'phoenixctl signal'
if [ "${main:-0}" = 0 ]; then fail "it does not run"; fi
if [ "$supervisor" = systemd ]; then
    said=$(systemctl kill --kill-who=main --signal="$1" "$unit" 2>&1) || fail "systemctl: $said"
else
    signal_main "$1" || fail "the signal could not be sent"
fi
say "pid $main"
"""
_ALIVE: Final = r"""
say 'phoenixctl alive'
say "pid ${main:-0}"
"""


def signal_command(agent_id: AgentId, node: Node, fleet: str, *, signal: str) -> Command:
    """Sends a signal to the agent's main process, if it is still the very one that was started."""
    script = RUNNING + _MAIN + _SIGNAL
    return agent_command(script, agent_id, node, fleet, signal_name(signal))


def parse_signal(completed: Completed) -> int:
    """The pid that got the signal; CommandFailed when the agent does not run."""
    try:
        return int(said(completed, "signal")["pid"])
    except (KeyError, ValueError):
        raise CommandFailed("the signal said nothing that can be read") from None


def alive_command(agent_id: AgentId, node: Node, fleet: str) -> Command:
    """Asks whether the agent's main process is there, whatever its readiness."""
    return agent_command(RUNNING + _MAIN + _ALIVE, agent_id, node, fleet)


def parse_alive(completed: Completed) -> int | None:
    """The pid of the agent's main process, None when it has none."""
    try:
        return int(said(completed, "alive")["pid"]) or None
    except (KeyError, ValueError):
        raise CommandFailed("the question for a process was not answered") from None


def _plain(value: object) -> dict[str, object]:
    """Mappings and dataclasses as JSON has them."""
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, (SecretRef, Resources)):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    raise TypeError(f"{type(value).__name__} has no canonical form")
