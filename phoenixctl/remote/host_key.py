"""A new host key for a node whose first one came by user-data, which can be read back.

Three commands, in this order; each may be repeated. Between the second and the third the node has
to be logged in to by its new key: until then the old one is kept.
"""

from __future__ import annotations

import re
from typing import Final

from phoenixctl.model.command import Command, Completed
from phoenixctl.model.errors import CommandFailed
from phoenixctl.remote.said import said

KEY_FILE: Final = "/etc/ssh/ssh_host_ed25519_key"
_PUBLIC: Final = re.compile(r"ssh-ed25519 [A-Za-z0-9+/]{60,80}={0,2}", re.ASCII)

_SETUP: Final = r"""
LC_ALL=C; export LC_ALL
PATH=${PATH:-/usr/local/bin:/usr/bin:/bin}:/usr/sbin:/sbin
say() { printf '%s\n' "$*"; }
fail() { say "error no new host key: $*"; exit 1; }
say 'phoenixctl host-key'
key=$1
shift
next=$key.phoenixctl-next former=$key.phoenixctl-former
# `public_of FILE`: the public half in $public, computed from the private one.
public_of() {
    public=
    set -- $(ssh-keygen -y -f "$1" < /dev/null 2>/dev/null)
    if [ "$1" = ssh-ed25519 ]; then public="$1 $2"; fi
}
"""

_PREPARE: Final = (
    _SETUP
    + r"""
if [ "$(id -u)" != 0 ]; then fail 'it needs root, or sudo on this node'; fi
sshd=$(command -v sshd) && command -v ssh-keygen > /dev/null || fail 'it has no OpenSSH server'
if ! "$sshd" -T 2>/dev/null | grep -q -x "hostkey $key"; then fail "its sshd does not use $key"; fi
public_of "$key"
if [ -n "$1" ] && [ "$public" = "$1" ]; then say "public $public"; exit 0; fi
public_of "$next"
if [ -z "$public" ]; then  # none yet, or one that is not whole
    rm -f "$next" "$next.pub"
    umask 077
    said=$(ssh-keygen -q -t ed25519 -N '' -C '' -f "$next" < /dev/null 2>&1) ||
        fail "ssh-keygen: $said"
    sync "$next" 2>/dev/null || sync
    public_of "$next"
fi
say "public $public"
"""
)

_INSTALL: Final = (
    _SETUP
    + r"""
sshd=$(command -v sshd) || fail 'it has no OpenSSH server'
# `show PUBLIC`: the public half beside the private one, for people and tools.
show() {
    printf '%s\n' "$1" > "$next.pub" && chmod 644 "$next.pub" && mv -f "$next.pub" "$key.pub"
}
public_of "$key"
if [ "$public" != "$1" ]; then
    old=$public
    public_of "$next"
    if [ "$public" != "$1" ]; then fail 'the one that was made is gone'; fi
    umask 077
    rm -f "$former" && cp "$key" "$former" && sync || fail "cannot keep $key"
    mv -f "$next" "$key" && show "$1" || fail "cannot write $key"
    if command -v restorecon > /dev/null; then restorecon "$key" "$key.pub"; fi
    if ! said=$("$sshd" -t 2>&1); then
        mv -f "$former" "$key" && show "$old"
        fail "its sshd does not take it: $said"
    fi
    sync
fi
# Whoever starts sshd, or sshd itself: the listener that all sessions descend from.
if [ -d /run/systemd/system ]; then
    for unit in ssh.service sshd.service; do
        if systemctl --quiet is-active "$unit"; then
            said=$(systemctl reload "$unit" 2>&1) || fail "$unit was not reloaded: $said"
            say "reloaded $unit"
            exit 0
        fi
    done
fi
listener= pid=$$
while [ "$pid" -gt 1 ]; do
    comm= stat=
    read -r comm < "/proc/$pid/comm"
    # A shell that runs this script has the word in its arguments too.
    if [ "$comm" = sshd ] && grep -q -s -a -F '[listener]' "/proc/$pid/cmdline"; then
        listener=$pid
    fi
    while IFS= read -r line; do stat=$stat$line; done < "/proc/$pid/stat"
    set -- ${stat##*) }
    pid=${2:-0}
done
# Without a listener sshd is started for each connection, and reads its key every time.
if [ -n "$listener" ]; then kill -s HUP "$listener" || fail 'its sshd was not reloaded'; fi
say "reloaded ${listener:-nothing}"
"""
)

_FINISH: Final = (
    _SETUP
    + r"""
rm -f "$former" "$next" "$next.pub" || fail 'the old one cannot be removed'
say 'changed yes'
"""
)


def prepare_command(noted: str, *, key_file: str = KEY_FILE) -> Command:
    """Makes a key beside the one that is in use, unless `noted`, an earlier one, is in use."""
    return Command("sh", "-c", _PREPARE, "phoenixctl", key_file, noted)


def parse_prepared(completed: Completed) -> str:
    """Its public half, `ssh-ed25519 AAAA…`; CommandFailed says why there can be none."""
    public = said(completed, "host-key").get("public", "")
    if not _PUBLIC.fullmatch(public):
        raise CommandFailed("no new host key: the node did not tell its public half")
    return public


def install_command(public: str, *, key_file: str = KEY_FILE) -> Command:
    """Puts the key that was made in the place of the one in use, and lets sshd read it."""
    return Command("sh", "-c", _INSTALL, "phoenixctl", key_file, public)


def parse_installed(completed: Completed) -> str:
    """What was reloaded; CommandFailed when the old key is in use still."""
    return said(completed, "host-key").get("reloaded", "")


def finish_command(*, key_file: str = KEY_FILE) -> Command:
    """Removes the old key."""
    return Command("sh", "-c", _FINISH, "phoenixctl", key_file)


def parse_finished(completed: Completed) -> None:
    said(completed, "host-key")
