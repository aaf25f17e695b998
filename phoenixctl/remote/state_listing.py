"""What is in an agent's state folder: a listing with checksums, made on the node, read here.

For each thing three fields, each ended by a NUL: `mode size sums`, its path, and where it points to
when it is a link. Paths may hold any byte but NUL. A file of more than one block has a checksum for
each. Behind all comes `found`, and in the end what the folder is and how much room there is:
`end|aside|none free-blocks block-size free-inodes inodes`.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from phoenixctl.model.command import Command
from phoenixctl.model.errors import CommandFailed
from phoenixctl.model.fleet import Node
from phoenixctl.model.names import AgentId
from phoenixctl.model.units import Bytes
from phoenixctl.remote.layout import agent_command

# A change in a large file costs the blocks that it touches.
BLOCK: Final = 4 * 1024**2
# What arrives waits in here, below the state folder: a rename cannot leave its file system.
ASIDE: Final = ".phoenixctl-copy"
# The agent's user reads and writes its state, so no link that it makes leads to anything else.
AS_USER: Final = r"""
as_user() { if [ -n "$user" ]; then runuser -u "$user" -- "$@"; else "$@"; fi; }
"""

# `look PATH…`: their records. What vanishes meanwhile has none.
_LOOK: Final = r"""
with_sums=$1 block=$2
shift 2
n='
'
count() { c_ifs=$IFS; IFS=$n; set -f; set -- $1; set +f; IFS=$c_ifs; lines=$#; }
record() { printf '%s\0%s\0%s\0' "$1" "$2" "$3"; }
# What cannot be read and is there may have been made anew meanwhile.
unread() {
    if [ -r "$1" ] || [ -L "$1" ]; then record unsteady "$1" ''
    elif [ -e "$1" ]; then record unreadable "$1" ''
    fi
}
large() {
    size=${1#* } at=0
    {
        printf '%s ' "$1"
        while [ "$at" -lt "$size" ]; do
            sum=$(dd bs="$block" count=1 iflag=fullblock 2>/dev/null | sha256sum)
            printf '%s,' "${sum%% *}"
            at=$((at + block))
        done
        printf '\0%s\0\0' "$2"
    } < "$2"
}
sum_one() {
    sum=$(exec 2>/dev/null; sha256sum < "$2")
    if [ -n "$sum" ]; then record "$1 ${sum%% *}" "$2" ''; else unread "$2"; fi
}
# Fails for a small file, whose checksum is made together with those of others.
tell() {
    case $1 in
        4*) if [ -r "$2" ] && [ -x "$2" ]; then record "$1" "$2" ''
            elif [ -d "$2" ]; then record unreadable "$2" ''
            fi ;;
        a*) target=$(readlink "$2" && echo .) && record "$1" "$2" "${target%"$n".}" ;;
        8*) if [ ! -r "$2" ]; then unread "$2"
            elif [ "$with_sums" = no ]; then record "$1" "$2" ''
            elif [ "${1#* }" -gt "$block" ]; then large "$1" "$2"
            else case $2 in *"$n"*) sum_one "$1" "$2" ;; *) return 1 ;; esac
            fi ;;
        *) record "$1" "$2" '' ;;
    esac
    return 0
}
sum_all() {
    sums=$(exec 2>/dev/null; sha256sum "$@")
    count "$sums"
    if [ "$lines" = $# ]; then
        while read -r sum rest <&3 && IFS= read -r told <&4; do
            record "$told ${sum#\\}" "$1" ''
            shift
        done 3<<SUMS 4<<KEPT
$sums
SUMS
$kept
KEPT
    else
        while IFS= read -r told <&4; do
            if [ $# -gt 0 ]; then sum_one "$told" "$1"; shift; fi
        done 4<<KEPT
$kept
KEPT
    fi
}
look() {
    stats=$(exec 2>/dev/null; stat -c '%f %s' "$@")
    count "$stats"
    if [ "$lines" != $# ]; then
        if [ $# -gt 1 ]; then for each; do look "$each"; done; else unread "$1"; fi
        return
    fi
    kept=
    while IFS= read -r told <&4; do
        path=$1
        shift
        tell "$told" "$path" || { kept=$kept${kept:+$n}$told; set -- "$@" "$path"; }
    done 4<<STATS
$stats
STATS
    if [ $# -gt 0 ]; then sum_all "$@"; fi
}
look "$@"
"""

# What vanishes meanwhile is no fault; anything else that `find` complains of is. Without `found`,
# nothing could also mean that `find` did not run. In brackets, busybox's forgets its `+`.
_FIND: Final = r"""
{
    told=$(find . -mindepth 1 -path "./$4" -prune -o -exec sh -c "$1" sh "$2" "$3" {} + 2>&1 >&3)
    status=$?
} 3>&1
if [ "$status" -gt 1 ]; then exit 1; fi
printf '%s\n' "$told" | while IFS= read -r line; do
    case $line in ''|*[Nn]'o such file'*) ;; *) printf 'unreadable\0%s\0\0' "$line" ;; esac
done
printf 'found\0\0\0'
"""

_LIST: Final = (
    AS_USER
    + r"""
user=$1 sums=$2 block=$3 aside=$4 find=$5 look=$6
LC_ALL=C; export LC_ALL
last=end where=$dir/state
if [ ! -d "$where" ]; then
    last=none
    while [ ! -d "${where:-/}" ]; do where=${where%/*}; done
fi
cd "${where:-/}" || fail "cannot enter $where"
if [ "$last" = end ] && [ -e "$aside" ]; then last=aside; fi
if [ "$last" != none ]; then as_user sh -c "$find" sh "$look" "$sums" "$block" "$aside"; fi
room=$(stat -f -c '%a %S %d %c' .) || fail "the node does not tell its free space"
printf '%s %s\0\0\0' "$last" "$room"
"""
)


class Kind(StrEnum):
    FILE = "file"
    FOLDER = "folder"
    LINK = "link"


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing in a state folder. `sums` has one checksum for each block of a file, `mode` the
    permissions (of a link: 0), `link` where a link points to."""

    kind: Kind
    mode: int
    size: Bytes
    sums: tuple[str, ...] = ()
    link: bytes = b""


@dataclass(frozen=True, slots=True)
class Listing:
    """A state folder. `special` are sockets, pipes and devices, which cannot be copied.

    `unsteady` was replaced while it was read. `free_files` is None where there is no limit.
    """

    entries: Mapping[bytes, Entry]
    special: tuple[bytes, ...]
    unsteady: tuple[bytes, ...]
    free: Bytes
    free_files: int | None
    exists: bool = True
    has_aside: bool = False  # something of a copy that was cut off waits in it

    @property
    def size(self) -> Bytes:
        """What its files take."""
        return Bytes(sum(entry.size for entry in self.entries.values()))


def listing_command(
    agent: AgentId, node: Node, fleet: str, *, user: str | None, sums: bool = True
) -> Command:
    """Lists an agent's state folder; without `sums` no file is read."""
    return agent_command(
        _LIST, agent, node, fleet,
        user or "", "yes" if sums else "no", str(BLOCK), ASIDE, _FIND, _LOOK,
    )  # fmt: skip


_HEAD: Final = re.compile(r"([0-9a-f]{4}) (\d{1,19})(?: ([0-9a-f,]*))?", re.ASCII)


class ListingReader:
    """Takes a listing in, piece by piece as it comes."""

    def __init__(self) -> None:
        self._rest = b""
        self._fields: list[bytes] = []
        self._entries: dict[bytes, Entry] = {}
        self._special: list[bytes] = []
        self._unread: list[bytes] = []
        self._unsteady: list[bytes] = []
        self._found = False
        self._last: tuple[str, ...] = ()

    def take(self, data: bytes) -> None:
        """CommandFailed for what no listing can hold."""
        *fields, self._rest = (self._rest + data).split(b"\0")
        self._fields += fields
        whole = len(self._fields) // 3 * 3
        for at in range(0, whole, 3):
            self._record(*self._fields[at : at + 3])
        del self._fields[:whole]

    def result(self) -> Listing:
        """CommandFailed when the end was not told, or a file cannot be read there."""
        if self._unread:
            raise CommandFailed(f"{shown(self._unread)} cannot be read there")
        if len(self._last) != 5 or not (self._found or self._last[0] == "none"):
            said = self._rest[-500:].decode("utf-8", "replace").strip()
            raise CommandFailed(f"the state folder was not listed: {said or 'it broke off'}")
        blocks, size, files, all_files = map(int, self._last[1:])
        return Listing(
            {path: e for path, e in sorted(self._entries.items()) if self._is_within(path)},
            tuple(sorted(self._special)),
            tuple(sorted(self._unsteady)),
            Bytes(blocks * size),
            files if all_files else None,
            exists=self._last[0] != "none",
            has_aside=self._last[0] == "aside",
        )

    def _record(self, head: bytes, path: bytes, link: bytes) -> None:
        text = head.decode("ascii", "replace")
        if not path and text == "found":
            self._found = True
        elif not path:
            self._last = tuple(text.split(" "))
        elif text in ("unreadable", "unsteady"):
            (self._unread if text == "unreadable" else self._unsteady).append(path)
        elif (match := _HEAD.fullmatch(text)) is None or not _stays_inside(path):
            raise CommandFailed(f"the node lists {path[:200]!r} as {text[:100]!r}")
        else:
            self._entry(int(match[1], 16), int(match[2]), match[3] or "", path, link)

    def _entry(self, mode: int, size: int, sums: str, path: bytes, link: bytes) -> None:
        permissions = mode & 0o777  # set-user-id and the like do not travel
        if stat.S_ISREG(mode):
            found = tuple(sums.rstrip(",").split(",")) if sums else ()
            entry = Entry(Kind.FILE, permissions, Bytes(size), found)
        elif stat.S_ISDIR(mode):
            entry = Entry(Kind.FOLDER, permissions, Bytes(0))
        elif stat.S_ISLNK(mode):
            entry = Entry(Kind.LINK, 0, Bytes(0), link=link)
        else:
            self._special.append(path)
            return
        self._entries[path] = entry

    def _is_within(self, path: bytes) -> bool:
        """Whether all above it are folders: nothing may be written through a link."""
        parent = path.rpartition(b"/")[0]
        while parent != b".":
            above = self._entries.get(parent)
            if above is None or above.kind is not Kind.FOLDER:
                return False
            parent = parent.rpartition(b"/")[0]
        return True


def shown(paths: list[bytes] | tuple[bytes, ...], most: int = 3) -> str:
    """The first of them by name, for people."""
    names = [path.removeprefix(b"./").decode("utf-8", "backslashreplace") for path in paths[:most]]
    more = f" and {len(paths) - most} more" if len(paths) > most else ""
    return ", ".join(names) + more


def _stays_inside(path: bytes) -> bool:
    """Whether it is below the state folder, by its name: a node is not to be trusted with that."""
    first, *parts = path.split(b"/")
    return first == b"." and bool(parts) and not {b"", b".", b".."} & set(parts)
