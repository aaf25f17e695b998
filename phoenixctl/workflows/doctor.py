"""Check every node, every hop, and what could go wrong there; each finding says what to do."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from phoenixctl.model.checks import Check, Grade
from phoenixctl.model.command import Command
from phoenixctl.model.errors import PhoenixError
from phoenixctl.model.fleet import Fleet
from phoenixctl.model.names import NodeName
from phoenixctl.model.outcome import Outcome, Succeeded
from phoenixctl.model.units import GIB, format_bytes, format_duration
from phoenixctl.ports.clock import Clock
from phoenixctl.ports.reach import Reach, Session
from phoenixctl.remote.doctor import NodeHealth, doctor_command, parse_doctor

CLOCK_LIMIT_SECONDS: Final = 2.0
SLOW_SHELL_SECONDS: Final = 0.5  # a login shell that does nothing takes a few milliseconds
DISK_LIMIT: Final = GIB
SESSIONS_NEEDED: Final = 10  # on one connection: commands, and those that end them


@dataclass(frozen=True, slots=True)
class Examined:
    """A node's own answer, with what only the operator's side can measure."""

    health: NodeHealth
    skew_seconds: float | None
    empty_command_seconds: float


async def examine(
    fleet: Fleet,
    nodes: Iterable[NodeName],
    reach: Reach,
    clock: Clock,
    *,
    on_node: Callable[[NodeName, Outcome[Examined]], None] | None = None,
) -> Mapping[NodeName, Outcome[Examined]]:
    """Ask every node: an empty command for the shell's start-up time, then its health."""

    async def job(session: Session) -> Examined:
        begun = clock.monotonic()
        await session.run(Command("true"), sudo=False)
        empty = clock.monotonic() - begun
        asked = clock.epoch()
        completed = await session.run(doctor_command(fleet.nodes[session.node], fleet.name))
        answered = clock.epoch()
        health = parse_doctor(completed)
        # Its clock was read somewhere in between; only what lies outside is a certain skew.
        skew = None
        if health.clock is not None:
            skew = max(0.0, asked - health.clock, health.clock - answered)
        return Examined(health, skew, empty)

    return await reach.each(nodes, job, on_outcome=on_node)


def node_checks(fleet: Fleet, outcomes: Mapping[NodeName, Outcome[Examined]]) -> Iterable[Check]:
    """Every check of every node, in the configuration's order."""
    usual = median(
        [o.value.empty_command_seconds for o in outcomes.values() if isinstance(o, Succeeded)]
        or [0.0]
    )
    for name, outcome in outcomes.items():
        if isinstance(outcome, Succeeded):
            yield from _checks(fleet, name, outcome.value, usual)
        else:
            yield _unreached(name, outcome.error)


def hop_checks(
    routes: Mapping[NodeName, tuple[str, ...]], outcomes: Mapping[NodeName, Outcome[Examined]]
) -> Iterable[Check]:
    """A check for each bastion: whether it carries connections, or where the way ends."""
    behind: dict[str, list[NodeName]] = {}
    for name, hops in routes.items():
        for bastion in hops[:-1]:
            behind.setdefault(bastion, []).append(name)
    for bastion, names in behind.items():
        yield _hop(bastion, [outcomes[name] for name in names])


def _hop(bastion: str, outcomes: Sequence[Outcome[Examined]]) -> Check:
    errors = [o.error for o in outcomes if not isinstance(o, Succeeded)]
    own = next((error for error in errors if error.hop == bastion), None)
    if own is not None:
        return Check(bastion, "hop", Grade.PROBLEM, str(own), own.hint)
    blocked = next((error.hop for error in errors if error.hop), None)
    if blocked is not None and len(errors) == len(outcomes):
        return Check(bastion, "hop", Grade.WARNING, f"not tried: {blocked} is before it")
    answered = len(outcomes) - len(errors)
    return Check(bastion, "hop", Grade.OK, f"{answered} of {len(outcomes)} nodes behind it answer")


def _unreached(name: NodeName, error: PhoenixError) -> Check:
    return Check(name, "connection", Grade.PROBLEM, f"{error.kind}: {error}", error.hint)


def _checks(fleet: Fleet, name: NodeName, seen: Examined, usual: float) -> Iterable[Check]:
    health, node = seen.health, fleet.nodes[name]
    found = f"as {health.user}, agents under {health.supervisor} in {health.base_dir}"
    yield Check(name, "connection", Grade.OK, found)
    yield _clock(name, seen.skew_seconds)
    yield _shell(name, seen.empty_command_seconds, usual)
    yield _disk(name, health)
    if health.missing_tools:
        yield Check(
            name, "tools", Grade.PROBLEM, f"missing: {', '.join(health.missing_tools)}",
            "install coreutils and util-linux, or busybox, on it",
        )  # fmt: skip
    if not health.proves_stop:
        yield Check(
            name, "tools", Grade.WARNING, "its grep has no -z: left processes cannot be found",
            "install grep on it",
        )  # fmt: skip
    if node.sudo and health.sudo is False:
        yield Check(
            name, "sudo", Grade.PROBLEM, f"`sudo -n` does not work for {health.user}",
            f"let {health.user} use sudo without a password, or take `sudo: true` away",
        )  # fmt: skip
    if health.systemd_state not in (None, "running"):
        yield Check(
            name, "systemd", Grade.WARNING, f"the system is {health.systemd_state}",
            f"phoenixctl exec -n {name} -- systemctl --failed",
        )  # fmt: skip
    yield from _sshd(name, health)


def _clock(name: NodeName, skew: float | None) -> Check:
    if skew is None:
        return Check(name, "clock", Grade.WARNING, "could not be read", "install date on it")
    if skew > CLOCK_LIMIT_SECONDS:
        return Check(
            name, "clock", Grade.WARNING, f"differs by {format_duration(skew)} from here",
            f"phoenixctl exec -n {name} -- timedatectl",
        )  # fmt: skip
    return Check(name, "clock", Grade.OK, "agrees with the one here")


def _shell(name: NodeName, seconds: float, usual: float) -> Check:
    words = f"an empty command takes {format_duration(seconds)}"
    if seconds > SLOW_SHELL_SECONDS and seconds > 2 * usual:
        return Check(
            name, "shell", Grade.WARNING, words,
            "the log-in shell's start-up file (.bashrc) is slow; every command pays for it",
        )  # fmt: skip
    return Check(name, "shell", Grade.OK, words)


def _disk(name: NodeName, health: NodeHealth) -> Check:
    if not health.base_writable:
        return Check(
            name, "disk", Grade.PROBLEM, f"{health.base_dir} cannot be written",
            "log in as another user, or set `base_dir` or `sudo: true`",
        )  # fmt: skip
    if health.disk_free is None:
        return Check(name, "disk", Grade.WARNING, "free space is unknown", "install df on it")
    free = f"{format_bytes(health.disk_free)} free for {health.base_dir}"
    if health.disk_free < DISK_LIMIT:
        hint = f"phoenixctl exec -n {name} -- df -h"
        return Check(name, "disk", Grade.WARNING, free, hint)
    return Check(name, "disk", Grade.OK, free)


def _sshd(name: NodeName, health: NodeHealth) -> Iterable[Check]:
    if health.max_sessions is not None and health.max_sessions < SESSIONS_NEEDED:
        yield Check(
            name, "sshd", Grade.PROBLEM, f"MaxSessions is {health.max_sessions}",
            f"set MaxSessions {SESSIONS_NEEDED} in its sshd_config, as it is by default:"
            " one connection carries several commands",
        )  # fmt: skip
    if health.max_startups is not None:
        found = f"MaxStartups {health.max_startups}; refused starts are tried again"
        yield Check(name, "sshd", Grade.OK, found)
