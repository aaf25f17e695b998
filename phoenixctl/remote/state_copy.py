"""Bytes of an agent's state from one node to another: a command that sends, one that takes.

What is sent has no frame: each part is exactly as long as was asked for, padded where the file has
become shorter meanwhile. Its checksum shows that at the target, and it is left to a later round.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from phoenixctl.model.command import Command, Completed
from phoenixctl.model.errors import CommandFailed
from phoenixctl.model.fleet import Node
from phoenixctl.model.names import AgentId
from phoenixctl.remote.change_script import LOCK, RUNNING
from phoenixctl.remote.layout import agent_command
from phoenixctl.remote.said import said
from phoenixctl.remote.state_delta import Batch, Part, encoded
from phoenixctl.remote.state_listing import AS_USER, ASIDE, BLOCK

# `name_of WORD`: its bytes in $name.
_NAME: Final = r"""
LC_ALL=C; export LC_ALL
name_of() {
    name=$1
    case $1 in *@*)
        name=$(printf '%s' "$1" | sed 's/@/\\0/g')
        name=$(printf '%b.' "$name")
        name=${name%.} ;;
    esac
}
newline='
'
"""

_SEND_PARTS: Final = (
    _NAME
    + r"""
block=$1
shift
exec 3>&1
# `sync` pads what is too short; an end at once, or no file at all, leaves nothing to pad.
read_part() {
    exec < "$name" || exit
    if [ "$2" != 0 ]; then dd bs="$block" skip="$2" count=0 || exit; fi 2>/dev/null
    dd bs="$1" count=1 iflag=fullblock conv=sync 2>&1 >&3
}
while [ $# -gt 2 ]; do
    name_of "$3"
    told=
    if [ -f "$name" ] && [ ! -L "$name" ]; then told=$(read_part "$1" "$2" 2>/dev/null); fi
    case $told in
        '1+0 records in'*|'0+1 records in'*) ;;
        *) dd if=/dev/zero bs="$1" count=1 2>/dev/null || exit 1 ;;
    esac
    shift 3
done
"""
)
# What is said goes aside: standard output is for the bytes.
_SEND: Final = (
    "exec 3>&1 1>&2\n"
    + AS_USER
    + r"""
user=$1 parts=$2
shift 2
cd "$dir/state" || fail "cannot enter $dir/state"
as_user sh -c "$parts" sh "$@" >&3
"""
)

_TAKE_ORDERS: Final = (
    _NAME
    + r"""
in=$1 block=$2
shift 2
umask 077
say() { printf '%s\n' "$*"; }
fail() { say "error ${*%%"$newline"*}"; exit 1; }
get() {
    part=$((part + 1)) size=$2 file=$in/$part
    if [ "$1" = file ]; then file=$in/f$part; fi
    if [ "$size" = 0 ]; then : > "$file"; else
        told=$(dd bs="$size" count=1 iflag=fullblock of="$file" 2>&1) || fail "$told"
    fi
    printf '%s  %s\n' "$3" "${file##*/}" >> "$in/sums" || fail "cannot write to $in"
}
receive() {
    while [ $# -gt 4 ]; do
        case $1 in
            begin) rm -rf "$in" && mkdir "$in" || fail "cannot create $in" ;;
            file|grow|block) get "$@" ;;
        esac
        shift 5
    done
    if [ "$part" != 0 ] && [ "$(stat -c %s "$file")" != "$size" ]; then fail 'it broke off'; fi
}
# A part that is not what was asked for is marked.
check() {
    (
        cd "$in" && sha256sum -c sums 2>/dev/null | while IFS= read -r line; do
            case $line in *': OK') ;; *': '*) : > "${line%%: *}.bad" ;; esac
        done
        rm -f sums
    )
    set -- "$in"/f*
    if [ -e "$1" ]; then sync "$@" 2>/dev/null || sync; fi
}
later() { left="$left $order"; return 1; }
arrived() { part=$((part + 1)) file=$in/$1$part; [ ! -e "$file.bad" ] || later; }
renamed() {
    if [ "$2" != 600 ]; then chmod "$2" "$1" || fail "cannot set the mode of $name"; fi
    if [ -d "$name" ]; then later
    else mv -f "$1" "$name" || fail "cannot write $name"; files=$((files + 1))
    fi
}
remove() {
    rm -rf "$1" 2>/dev/null || {
        find "$1" -type d -exec chmod u+rwx {} \; 2>/dev/null
        rm -rf "$1" || fail "cannot remove $1"
    }
}
write_over() {
    if [ ! -f "$name" ] || [ -L "$name" ]; then later; return; fi
    told=$(dd if="$file" of="$name" bs="$block" seek="$1" conv=notrunc 2>&1) || fail "$told"
}
place() {
    while [ $# -gt 4 ]; do
        name_of "$5"
        case $1 in
            file) if arrived f; then renamed "$file" "$4"; fi ;;
            grow) arrived ''; cat "$file" >> "$in/g$4" || fail "no room for $name" ;;
            put)
                sync "$in/g$2" 2>/dev/null || sync
                renamed "$in/g$2" "$4" ;;
            block) if arrived ''; then write_over "$4"; fi ;;
            cut)
                if [ -f "$name" ] && [ ! -L "$name" ]; then
                    truncate -s "$2" "$name" || fail "cannot write $name"
                    sync "$name" 2>/dev/null || sync
                    files=$((files + 1))
                else later
                fi ;;
            gone) remove "$name" ;;
            folder) [ -d "$name" ] || { remove "$name"; mkdir "$name"; } ||
                fail "cannot create $name" ;;
            link)
                remove "$name"
                to=$name; name_of "$2"
                ln -s -- "$name" "$to" || fail "cannot create $to" ;;
            mode) if [ -L "$name" ] || ! chmod "$4" "$name" 2>/dev/null; then later; fi ;;
            end)
                rm -rf "$in"
                find . -type d -exec sync {} + 2>/dev/null || sync ;;
        esac
        case $1 in block|grow) rm -f "$file" "$file.bad" ;; esac
        order=$((order + 1))
        shift 5
    done
}
part=0 order=0 files=0 left=
receive "$@"
if [ "$part" != 0 ]; then check; fi
part=0
place "$@"
say "files $files"
say "left$left"
say 'whole yes'
"""
)

# The folders as the agent's start makes them; it is marked as stopped until then.
_TAKE: Final = (
    RUNNING
    + LOCK
    + AS_USER
    + r"""
say 'phoenixctl copy'
user=$1 orders=$2
shift 2
umask 077
if [ -n "$user" ]; then id -u "$user" > /dev/null 2>&1 || fail "no user $user on the node"; fi
if [ ! -d "$dir" ]; then
    mkdir -p "$dir" && : > "$dir/stopped" || fail "cannot create $dir"
fi
mkdir -p "$dir/state" "$dir/checkpoint" || fail "cannot create $dir/state"
if [ -n "$user" ]; then
    case $base in /var/lib/phoenixctl/*) chmod 711 /var/lib/phoenixctl ;; esac
    chmod 711 "$base" "$base/agents" "$dir" &&
        chown "$user" "$dir/state" "$dir/checkpoint" || fail "cannot give $user its folders"
fi
# An earlier one whose operator is gone may still put things in their place.
own=$id id=$id.copy
lock
id=$own
cd "$dir/state" || fail "cannot enter $dir/state"
as_user sh -c "$orders" sh "$@"
"""
)


@dataclass(frozen=True, slots=True)
class Taken:
    """What a batch has become at the target; `later` has the paths that did not arrive whole."""

    files: int
    later: tuple[bytes, ...]


def send_command(
    agent: AgentId, node: Node, fleet: str, parts: Sequence[Part], *, user: str | None
) -> Command:
    """Prints these parts of the agent's state, one after the other."""
    words = [word for p in parts for word in (str(p.size), str(p.block), encoded(p.path))]
    return agent_command(_SEND, agent, node, fleet, user or "", _SEND_PARTS, str(BLOCK), *words)


def take_command(
    agent: AgentId, node: Node, fleet: str, batch: Batch, *, user: str | None
) -> Command:
    """Carries out the orders of a batch, whose bytes come on standard input.

    Nothing is changed before all of them have arrived. It may be repeated, from the first batch on.
    """
    words = [word for order in batch.orders for word in order.words]
    return agent_command(
        _TAKE, agent, node, fleet, user or "", _TAKE_ORDERS, ASIDE, str(BLOCK), *words
    )


def parse_take(completed: Completed, batch: Batch) -> Taken:
    """CommandFailed when the bytes broke off, or the target could not write them."""
    words = said(completed, "copy")
    try:
        if words["whole"] != "yes":
            raise ValueError
        left = {int(number) for number in words["left"].split()}
        return Taken(
            int(words["files"]),
            tuple(order.path for at, order in enumerate(batch.orders) if at in left),
        )
    except (KeyError, ValueError):
        raise CommandFailed("the copy said nothing that can be read") from None


# One file

_READ_FILE: Final = r"""
if [ ! -f "$1" ]; then echo 'there is no such file' >&2; exit 1; fi
printf '%s %s\n' "$(stat -L -c %s "$1")" "$(sha256sum < "$1")"
"""
_SEND_FILE: Final = 'exec cat < "$1"'
_TAKE_FILE: Final = r"""
LC_ALL=C; export LC_ALL
say() { printf '%s\n' "$*"; }
fail() { say "error $*"; exit 1; }
say 'phoenixctl copy'
to=$1 size=$2 sum=$3 user=$4
folder=${to%/*}
if [ -d "$to" ]; then fail "$to is a folder"; fi
umask 077
mkdir -p "${folder:-/}" || fail "cannot create $folder"
# The same name every time: what a run leaves that is cut off, the next one takes over.
aside=$folder/.phoenixctl-$sum
trap 'rm -f "$aside"' EXIT
trap 'exit 1' HUP INT TERM
rm -f "$aside"
free=$(stat -f -c '%a * %S' "${folder:-/}") && [ $(($free)) -ge "$size" ] ||
    fail "$folder has no room for $size bytes"
cat > "$aside" || fail "cannot write to $folder"
if [ "$(stat -c %s "$aside")" != "$size" ]; then fail 'it broke off'; fi
found=$(sha256sum < "$aside")
if [ "${found%% *}" != "$sum" ]; then fail "$to did not arrive as it was sent"; fi
if [ -n "$user" ]; then chown "$user" "$aside" || fail "cannot give $to to $user"; fi
sync "$aside" 2>/dev/null || sync
mv -f "$aside" "$to" || fail "cannot write $to"
sync "${folder:-/}" 2>/dev/null || sync
say 'whole yes'
"""


@dataclass(frozen=True, slots=True)
class Content:
    """A file's size in bytes and the SHA-256 of what it holds."""

    size: int
    sum: str


def read_file_command(path: str) -> Command:
    return Command("sh", "-c", _READ_FILE, "phoenixctl", path)


def parse_read_file(completed: Completed, path: str) -> Content:
    """CommandFailed when there is no such file, or it cannot be read."""
    try:
        size, total, _ = completed.stdout.decode("ascii").split()
        return Content(int(size), total)
    except ValueError:
        words = completed.stderr.decode("utf-8", "replace").strip()
        raise CommandFailed(f"{path} cannot be read: {words or 'nothing was said'}") from None


def send_file_command(path: str) -> Command:
    return Command("sh", "-c", _SEND_FILE, "phoenixctl", path)


def take_file_command(to: str, content: Content, *, user: str | None) -> Command:
    """Puts what comes on standard input there, whole and checked, or leaves all as it is."""
    return Command(
        "sh", "-c", _TAKE_FILE, "phoenixctl", to, str(content.size), content.sum, user or ""
    )


def parse_take_file(completed: Completed) -> None:
    """CommandFailed unless it is in its place."""
    if said(completed, "copy").get("whole") != "yes":
        raise CommandFailed("the copy broke off")
