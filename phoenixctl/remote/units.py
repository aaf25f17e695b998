"""systemd unit files of agents."""

from __future__ import annotations

import re
from typing import Final

from phoenixctl.model.fleet import Agent, AgentSpec
from phoenixctl.remote.layout import lease_unit_name

# `exec "$@"` finds the program by the agent's own PATH and takes any name for it; as the first
# word of ExecStart, systemd would use its own PATH and read `@`, `-`, `:`, `+`, `!` as its own.
_EXEC: Final = '/bin/sh -c "exec \\"$$@\\"" sh'

_UNIT: Final = """\
# Written by phoenixctl; `phoenixctl agents start {id}` writes it again.
[Unit]
Description=phoenixctl agent {id} of fleet {fleet}
After=network.target
{lease}StartLimitIntervalSec=60
StartLimitBurst=10

[Install]
WantedBy=multi-user.target

[Service]
Type=simple
ExecStart={exec}
SyslogIdentifier={id}
Restart={restart}
RestartSec=1
KillMode=mixed
KillSignal=SIG{signal}
TimeoutStopSec={grace}
UMask=0077
"""

_LEASE: Final = """\
# Written by phoenixctl: {id} ends with it.
[Unit]
Description=phoenixctl lease of agent {id} of fleet {fleet}
StopWhenUnneeded=yes

[Service]
Type=simple
"""

_SIGNAL: Final = re.compile(r"(?:SIG)?([A-Z]+[12]?)", re.ASCII)


def unit_text(agent: Agent, fleet: str) -> str:
    """The unit, ending within [Service]: the node adds the lines with its own folders."""
    spec = agent.spec
    watch = lease_unit_name(agent.id, fleet)
    text = _UNIT.format(
        id=agent.id,
        fleet=fleet,
        lease="" if spec.lease_seconds is None else f"BindsTo={watch}\nAfter={watch}\n",
        exec=" ".join((_EXEC, *map(quote_exec, checked_program(spec)))),
        restart="on-failure" if spec.restart else "no",
        signal=signal_name(spec.stop_signal),
        grace=span(spec.grace_seconds),
    )
    limits = {
        "CPUQuota": f"{max(1, round(spec.resources.cpu * 100))}%" if spec.resources.cpu else None,
        "MemoryMax": spec.resources.memory,
        "LimitNOFILE": spec.open_files,
        "User": spec.user,
    }
    return text + "".join(f"{key}={value}\n" for key, value in limits.items() if value)


def lease_unit_text(agent: Agent, fleet: str) -> str:
    """The unit of the watch, ending as the agent's own does; empty without a lease.

    The agent's unit is bound to it: when the watch ends, for whatever reason, systemd stops the
    agent, which may neither delay nor prevent that.
    """
    if agent.spec.lease_seconds is None:
        return ""
    return _LEASE.format(id=agent.id, fleet=fleet)


def quote_exec(argument: str) -> str:
    """One argument of ExecStart=, which systemd gives to the program exactly as it is here.

    Source: systemd.service(5), command lines; systemd.unit(5), specifiers.
    ValueError for what is not UTF-8, which unit files cannot hold.
    """
    try:
        argument.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{argument!r} is not UTF-8, which a unit file cannot hold") from None
    escaped = re.sub(r'["\\]', r"\\\g<0>", argument).replace("%", "%%").replace("$", "$$")
    return '"' + re.sub(r"[\x01-\x1f\x7f]", _as_hex, escaped) + '"'


def checked_program(spec: AgentSpec) -> tuple[str, ...]:
    """The spec's command; ValueError when `exec` could take the program's name for an option."""
    if spec.command[0].startswith("-") or not spec.command[0]:
        raise ValueError(f"{spec.name}: {spec.command[0]!r} is not a program's name")
    return spec.command


def signal_name(signal: str) -> str:
    """`TERM` for `TERM` and `SIGTERM`; ValueError for what cannot be a signal's name."""
    match = _SIGNAL.fullmatch(signal.upper())
    if match is None:
        raise ValueError(f"{signal!r} is not a signal; write it like TERM, HUP or USR1")
    return match[1]


def span(seconds: float) -> str:
    """A duration in systemd's words; never 0, which would be for ever."""
    return f"{max(1, round(seconds * 1000))}ms"


def _as_hex(match: re.Match[str]) -> str:
    return f"\\x{ord(match[0]):02x}"
