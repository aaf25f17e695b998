"""Whether a copy of an agent may run on its node: its fence, and for singletons their permit.

In the agent's folder, each one line:

    fence     an epoch: no copy with an epoch below it may start or take over there
    permit    `EPOCH BOOT_ID EXPIRY`: a singleton may run with this epoch, in this boot of the node,
              until /proc/uptime has that many seconds; `-` for as long as the boot lasts

A fence that cannot be read forbids, and a permit that cannot be read permits nothing. A standby
does no work, so it needs no permit; it is given one when it is promoted.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from phoenixctl.model.command import Command, Completed
from phoenixctl.model.errors import CommandFailed
from phoenixctl.model.fleet import Agent, Node
from phoenixctl.model.names import AgentId
from phoenixctl.remote.change_script import FILES, LOCK, RUNNING
from phoenixctl.remote.layout import LAYOUT, NAMES, TAKE, node_command
from phoenixctl.remote.meta import Meta
from phoenixctl.remote.units import signal_name

WAITS: Final = "waits for permission"  # of a copy that has no valid permit
_BOOT_ID: Final = re.compile(r"[0-9a-f-]{36}", re.ASCII)
_RENEWED: Final = re.compile(
    r"agent ([a-z0-9-]{1,80}) (renewed|started|down|stopped|absent|other|fenced|busy|rebooted"
    r"|failed)(?: (.*))?",
    re.ASCII,
)

# Behind TAKE. `read_marks` sets what the copy was started with ($digest, $epoch, $role, $singleton,
# $lease)
# and what it may do ($fence, $permit).
MARKS: Final = r"""
read_marks() {
    digest= epoch= role= singleton= lease=
    while IFS='=' read -r key value; do
        case $key in
            digest) digest=$value ;; epoch) epoch=$value ;;
            role) role=$value ;; singleton) singleton=$value ;; lease) lease=$value ;;
        esac
    done < "$dir/meta"
    take "$dir/fence"; fence=$value
    take "$dir/permit"; permit=$value
} 2>/dev/null
is_fenced() { [ -e "$dir/fence" ] && ! [ "$fence" -le "$epoch" ]; } 2>/dev/null
is_permitted() {
    if [ "$singleton" != yes ] || [ "$role" = standby ]; then return 0; fi
    of= boot= until=
    IFS=' ' read -r of boot until <<END
$permit
END
    take /proc/sys/kernel/random/boot_id
    [ "$of" = "$epoch" ] && [ "$boot" = "$value" ] || return 1
    if [ "$until" = - ]; then return 0; fi
    take /proc/uptime
    [ "${value%%.*}" -lt "$until" ]
} 2>/dev/null
"""

# Behind MARKS and FILES: an active singleton may run from now on, with the epoch that it has.
GRANT: Final = r"""
grant() {
    if [ "$singleton" != yes ]; then rm -f "$dir/permit"; return; fi
    until=-
    if [ -n "$lease" ]; then take /proc/uptime; until=$((${value%%.*} + lease)); fi
    stage "$dir/permit" "$epoch $booted $until$newline"
    commit "$dir/permit"
}
"""

# Before every start by the supervisor: 1 when the copy is stopped or fenced, 2 when a singleton has
# no permission.
GUARD: Final = (
    """\
# Written by phoenixctl: may this copy start? sh guard FOLDER
dir=$1
"""
    + TAKE
    + MARKS
    + r"""
if [ -e "$dir/stopped" ]; then exit 1; fi
read_marks
if is_fenced; then echo "fenced at epoch $fence: another copy takes over" >&2; exit 1; fi
if ! is_permitted; then echo "waits for permission: phoenixctl agents renew" >&2; exit 2; fi
"""
)


def held_by(meta: Meta, fence: str | None, permit: str, boot_id: str, uptime: float | None) -> str:
    """Why its guard would not let a copy start, empty when it would; as `MARKS` has it.

    `fence` is None without one; without an uptime (seconds), a permit that ends counts as over.
    """
    if fence is not None and not (_is_number(fence) and int(fence) <= meta.epoch):
        return f"fenced at epoch {fence if _is_number(fence) else 'unknown'}"
    if not meta.singleton or meta.role == "standby":
        return ""
    of, boot, until = (*permit.split(), "", "", "")[:3]
    now = uptime is not None and _is_number(until) and int(uptime) < int(until)
    if of == str(meta.epoch) and boot == boot_id and (until == "-" or now):
        return ""
    return WAITS


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 18


_WATCH_UNIT: Final = (
    """\
# Written by phoenixctl: ends when the agent's permit has run out. sh watch FOLDER
dir=$1
"""
    + TAKE
    + MARKS
    + r"""
while sleep 1; do read_marks; is_permitted || exit 0; done
"""
)

_WATCH_PROCESS: Final = r"""
# Beside the supervisor, and on its own when that was killed.
fail() { exit 1; }
while sleep 1; do
    read_run
    case $keeper in "$own"|'') ;; *) exit 0 ;; esac
    if ! start_of "$own" && ! is_main_there; then exit 0; fi
    read_marks
    if is_permitted || ! is_main_there; then continue; fi
    signal_main "$signal"
    clock; began=$now
    while is_main_there && [ $((now - began)) -lt "$grace" ]; do nap; clock; done
    signal_main KILL
    kill_left
done
"""


def watch_text(agent: Agent, *, unit: bool) -> str:
    """The script that watches over an agent's permit; empty without a lease.

    As a `unit`, it ends and systemd ends the agent; else it ends the agent itself: stop signal,
    grace, KILL. It counts the node's uptime and never looks at a clock that can be set.
    """
    spec = agent.spec
    if spec.lease_seconds is None:
        return ""
    if unit:
        return _WATCH_UNIT
    return (
        "# Written by phoenixctl: sh watch FOLDER SUPERVISOR\n"
        f"dir=$1 own=$2 signal={signal_name(spec.stop_signal)}"
        f" grace={max(0, round(spec.grace_seconds * 100))}\n"
        f"{RUNNING}{MARKS}{_WATCH_PROCESS}"
    )


class Renewed(StrEnum):
    """What became of one permit."""

    RENEWED = "renewed"
    STARTED = "started"  # it waited for permission, and its supervisor starts it now
    DOWN = "down"  # it may run, and does not
    STOPPED = "stopped"
    ABSENT = "absent"
    OTHER = "other"  # it has another epoch than the record
    FENCED = "fenced"
    BUSY = "busy"  # another change to it is under way
    REBOOTED = "rebooted"  # between both questions
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Permit:
    """What a singleton is permitted: to run with this epoch, until the node's uptime (seconds) is
    `until`; None for as long as the boot lasts."""

    agent: AgentId
    epoch: int
    until: int | None


@dataclass(frozen=True, slots=True)
class Uptime:
    """A moment on a node: seconds, rounded down, since the boot of that id."""

    seconds: int
    boot_id: str


def uptime_command() -> Command:
    """Asks what time it is on a node, by the clock that permits go by."""
    return Command("cat", "/proc/uptime", "/proc/sys/kernel/random/boot_id")


def parse_uptime(completed: Completed) -> Uptime:
    words = completed.stdout.decode("utf-8", "replace").split()
    seconds = words[-3].partition(".")[0] if len(words) >= 3 else ""
    if not completed.ok or not _is_number(seconds) or not _BOOT_ID.fullmatch(words[-1]):
        raise CommandFailed("the node does not tell its uptime")
    return Uptime(int(seconds), words[-1])


_RENEW: Final = r"""
say 'phoenixctl renew'
umask 077
wanted_boot=$1
shift
answer() { say "agent $id $*"; exit 0; }
fail() { answer "failed $*"; }
wait_for_lock() { answer busy; }
runs() {
    if [ "$supervisor" = systemd ]; then
        case $(systemctl show --property=ActiveState --value "$unit") in
            active|activating|reloading) ;;
            *) return 1 ;;
        esac
    else
        read_run
        is_main_there || { [ "$state" != ended ] && lives "$keeper" "$keeper_start" "$run_boot"; }
    fi
}
renew() {
    if [ ! -e "$dir/meta" ]; then answer absent; fi
    if [ "$booted" != "$wanted_boot" ]; then answer rebooted; fi
    lock
    read_marks
    if [ -e "$dir/stopped" ]; then answer stopped; fi
    if [ "$epoch" != "$1" ]; then answer "other ${epoch:-unknown}"; fi
    if is_fenced; then answer "fenced ${fence:-unknown}"; fi
    waited=no
    is_permitted || waited=yes
    # Whatever has held this up: it lasts as long as was meant when it was asked for, no longer.
    stage "$dir/permit" "$epoch $booted $2$newline"
    mv -f "$dir/permit.new" "$dir/permit" || fail "cannot write its permit"
    if [ "$waited,$supervisor" = yes,systemd ]; then
        said=$(systemctl start "$unit" 2>&1) || fail "systemctl: $said"
    fi
    if ! runs; then answer down; fi
    if [ "$waited" = yes ]; then answer started; fi
    answer renewed
}
while [ "$#" -gt 2 ]; do
    id=$1; name_agent
    (renew "$2" "$3")
    shift 3
done
say end
"""


def renew_command(permits: Sequence[Permit], node: Node, fleet: str, *, boot_id: str) -> Command:
    """Renews the permits of agents on one node, in the boot that was asked about.

    Only those of the recorded epoch get it, and what waits for it is started by its supervisor.
    Nothing is waited for: an agent to which something else is done just now is left to that.
    """
    arguments: list[str] = [boot_id]
    for permit in permits:
        until = "-" if permit.until is None else str(permit.until)
        arguments += [permit.agent, str(permit.epoch), until]
    script = LAYOUT + RUNNING + LOCK + FILES + MARKS + NAMES + _RENEW
    return node_command(script, node, fleet, *arguments)


def parse_renew(completed: Completed) -> Mapping[AgentId, tuple[Renewed, str]]:
    """By agent what became of its permit, with the epoch that it has, its fence, or what failed.

    CommandFailed when the command did not come to its end.
    """
    lines = completed.stdout.decode("utf-8", "replace").split("\n")
    if not completed.ok or "end" not in lines:
        words = completed.stderr.decode("utf-8", "replace").strip() or "it printed nothing"
        raise CommandFailed(f"the permits were not renewed: {words}")
    found = {}
    for line in lines:
        match = _RENEWED.fullmatch(line)
        if match is not None:
            found[AgentId(match[1])] = (Renewed(match[2]), match[3] or "")
    return found
