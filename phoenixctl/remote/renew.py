"""Permits of singletons are renewed: what a node is asked, and what it answers.

Two questions, for a permit ends at a time of the node's own clock: one that was held up on its way
permits nothing that was not meant.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from phoenixctl.model.command import Command, Completed
from phoenixctl.model.errors import CommandFailed, ExitCode, PhoenixError
from phoenixctl.model.fleet import Node
from phoenixctl.model.names import AgentId, NodeName
from phoenixctl.remote.change_script import FILES, LOCK, RUNNING
from phoenixctl.remote.layout import LAYOUT, NAMES, node_command
from phoenixctl.remote.lease import MARKS, is_number

_BOOT_ID: Final = re.compile(r"[0-9a-f-]{36}", re.ASCII)
_RENEWED: Final = re.compile(
    r"agent ([a-z0-9-]{1,80}) (renewed|started|down|stopped|absent|other|fenced|busy|rebooted"
    r"|failed)(?: (.*))?",
    re.ASCII,
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
    PLANNED = "planned"  # a dry run asked nobody


_GOOD: Final = frozenset({Renewed.RENEWED, Renewed.STARTED, Renewed.BUSY, Renewed.PLANNED})


@dataclass(frozen=True, slots=True)
class Permit:
    """What a singleton is permitted: to run with this epoch, until the node's uptime (seconds) is
    `until`; None for as long as the boot lasts."""

    agent: AgentId
    epoch: int
    until: int | None


@dataclass(frozen=True, slots=True)
class Renewal:
    """What became of one agent's permit. Without `how` it was not renewed: another run has begun to
    start it, or its node did not answer (`error`)."""

    agent: AgentId
    node: NodeName
    epoch: int
    how: Renewed | None
    detail: str = ""
    error: PhoenixError | None = None

    @property
    def exit_code(self) -> ExitCode:
        if self.error is not None:
            return self.error.exit_code
        return ExitCode.OK if self.how is None or self.how in _GOOD else ExitCode.SOME_FAILED


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
    if not completed.ok or not is_number(seconds) or not _BOOT_ID.fullmatch(words[-1]):
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
