"""What `doctor` asks a node, in one command that changes nothing."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from phoenixctl.model.command import Command, Completed
from phoenixctl.model.errors import CommandFailed
from phoenixctl.model.fleet import Node, Supervisor
from phoenixctl.model.units import Bytes
from phoenixctl.remote.kernel import DF_NUMBERS
from phoenixctl.remote.layout import LAYOUT, node_command

# With systemd, `setsid` is not needed; `flock` has a replacement of ours.
TOOLS: Final = ("cat", "df", "env", "find", "flock", "grep", "head", "mkdir", "mv", "rm", "setsid",
                "sleep", "sync", "tail", "timeout")  # fmt: skip

_DOCTOR: Final = (
    LAYOUT
    + r"""
LC_ALL=C; export LC_ALL
echo 'doctor 1'
printf 'time %s\n' "$(date +%s.%N)"
uid=$(id -u)
printf 'uid %s\nuser %s\n' "$uid" "$(id -un)"
printf 'supervisor %s\nbase %s\n' "$supervisor" "$base"
place=$base
while [ -n "$place" ] && [ ! -d "$place" ]; do place=${place%/*}; done
if [ -w "${place:-/}" ]; then echo 'writable yes'; else echo 'writable no'; fi
df -P -k "${place:-/}" 2>/dev/null | while IFS= read -r line; do printf 'df %s\n' "$line"; done
for tool in "$@"; do
    if command -v "$tool" > /dev/null; then printf 'tool %s\n' "$tool"; fi
done
if printf 'a\0b\0' | grep -q -z -x -F b 2>/dev/null; then echo 'grep_z yes'; fi
if [ -d /run/systemd/system ]; then
    printf 'systemd %s\n' "$(systemctl --version 2>/dev/null | head -n 1)"
    printf 'system %s\n' "$(systemctl is-system-running 2>/dev/null)"
fi
if [ "$uid" = 0 ]; then
    sshd -T 2>/dev/null | grep -E '^(maxstartups|maxsessions|persourcepenalties) '
    echo 'sudo needless'
elif ! command -v sudo > /dev/null; then echo 'sudo missing'
elif sudo -n true 2>/dev/null; then echo 'sudo yes'
else echo 'sudo no'
fi
echo end
"""
)


@dataclass(frozen=True, slots=True)
class NodeHealth:
    """What a node says of itself; None is unknown.

    `clock` is its time in seconds since 1970, read at the start of the command. `max_startups`
    (as in sshd_config, `10:30:100`) and `max_sessions` are shown to root only. `sudo` is whether
    `sudo -n` works, None when it is needless. `proves_stop`: its grep can find left processes.
    """

    clock: float | None
    user: str
    root: bool
    supervisor: Supervisor
    base_dir: str
    base_writable: bool
    disk_free: Bytes | None
    systemd_version: int | None  # None: does not run here
    systemd_state: str | None  # running, degraded, starting …
    max_startups: str | None
    max_sessions: int | None
    sudo: bool | None
    missing_tools: tuple[str, ...]
    proves_stop: bool


def doctor_command(node: Node, fleet: str) -> Command:
    """Asks for clock, user, folder, disk, tools, systemd, sshd's limits and sudo."""
    return node_command(_DOCTOR, node, fleet, *TOOLS)


def parse_doctor(completed: Completed) -> NodeHealth:
    """CommandFailed when the answer is cut off or says nothing of the supervisor."""
    said = _facts(completed.stdout.decode("utf-8", "replace").split("\n"))
    supervisor = said.get("supervisor", "")
    if "end" not in said or supervisor not in (Supervisor.SYSTEMD, Supervisor.PROCESS):
        raise CommandFailed("the node's answer is cut off or damaged")
    df = DF_NUMBERS.search(said.get("df", "") + " ")
    present = said.get("tool", "").split()
    max_sessions = said.get("maxsessions", "")
    version = re.match(r"systemd (\d{1,6})\b", said.get("systemd", ""))
    return NodeHealth(
        clock=_clock(said.get("time", "")),
        user=said.get("user", ""),
        root=said.get("uid") == "0",
        supervisor=Supervisor(supervisor),
        base_dir=said.get("base", ""),
        base_writable=said.get("writable") == "yes",
        disk_free=Bytes(int(df[3]) * 1024) if df else None,
        systemd_version=int(version[1]) if version else None,
        systemd_state=said.get("system") or None,
        max_startups=said.get("maxstartups"),
        max_sessions=int(max_sessions) if re.fullmatch(r"[0-9]{1,9}", max_sessions) else None,
        sudo={"yes": True, "no": False, "missing": False}.get(said.get("sudo", "")),
        missing_tools=tuple(tool for tool in TOOLS if tool not in present),
        proves_stop=said.get("grep_z") == "yes",
    )


def _facts(lines: Iterable[str]) -> Mapping[str, str]:
    """By keyword, after the first line; tools together, and of `df` the last line."""
    facts: dict[str, str] = {}
    for line in lines:
        keyword, _, rest = line.partition(" ")
        if keyword == "doctor":
            facts.clear()
        elif keyword == "tool":
            facts["tool"] = f"{facts.get('tool', '')} {rest}"
        else:
            facts[keyword] = rest
    return facts


def _clock(text: str) -> float | None:
    """`date` of busybox knows no `%N`: whole seconds then."""
    match = re.match(r"\d{1,12}(?:\.\d{1,9})?", text, re.ASCII)
    return float(match[0]) if match else None
