"""Whether a copy of an agent may run on its node: its fence, and for singletons their permit.

In the agent's folder, each one line:

    fence     an epoch: no copy with an epoch below it may start or take over there
    permit    `EPOCH BOOT_ID EXPIRY`: a singleton may run with this epoch, in this boot of the node,
              until /proc/uptime has that many seconds; `-` for as long as the boot lasts

A fence that cannot be read forbids, and a permit that cannot be read permits nothing. A standby
does no work, so it needs no permit; it is given one when it is promoted.
"""

from __future__ import annotations

from typing import Final

from phoenixctl.model.fleet import Agent
from phoenixctl.remote.change_script import RUNNING
from phoenixctl.remote.layout import TAKE
from phoenixctl.remote.meta import Meta
from phoenixctl.remote.units import signal_name

WAITS: Final = "waits for permission"  # of a copy that has no valid permit

# Behind TAKE. `read_marks` sets what the copy was started with ($digest, $epoch, $role, $singleton,
# $lease), and what it may do ($fence, $permit).
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
    if fence is not None and not (is_number(fence) and int(fence) <= meta.epoch):
        return f"fenced at epoch {fence if is_number(fence) else 'unknown'}"
    if not meta.singleton or meta.role == "standby":
        return ""
    of, boot, until = (*permit.split(), "", "", "")[:3]
    now = uptime is not None and is_number(until) and int(uptime) < int(until)
    if of == str(meta.epoch) and boot == boot_id and (until == "-" or now):
        return ""
    return WAITS


def is_number(text: str) -> bool:
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
