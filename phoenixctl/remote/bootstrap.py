"""Getting a node ready for agents: packages and files, each put right only where it is not.

Every command may be repeated: what is as it should be is left alone, and the answer says so.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Final

from phoenixctl.model.bootstrap import Bootstrap, BootstrapFile
from phoenixctl.model.command import Command, Completed
from phoenixctl.remote.said import said

NOTHING_TO_DO: Final = "none"  # the digest of no bootstrap
# An installation with its downloads, and the wait for another one that holds the lock.
PACKAGES_SECONDS: Final = 900.0
FILE_SECONDS: Final = 60.0

_SAY: Final = r"""
LC_ALL=C; export LC_ALL
PATH=${PATH:-/usr/local/bin:/usr/bin:/bin}:/usr/sbin:/sbin
say() { printf '%s\n' "$*"; }
fail() { say "error $*"; exit 1; }
"""

_PACKAGES: Final = (
    _SAY
    + r"""
say 'phoenixctl packages'
manager=
for name in apt-get dnf yum zypper apk; do
    if command -v "$name" > /dev/null; then manager=$name; break; fi
done
if [ -z "$manager" ]; then fail 'the node has none of apt-get, dnf, yum, zypper and apk'; fi
is_installed() {
    case $manager in
        apt-get)  # `name=1.2` is that very version, as apt-get itself takes it
            found=$(dpkg-query -W -f ' ${db:Status-Status} ${Version} ' "${1%%=*}" 2>/dev/null)
            case $1 in
                *=*) case $found in *" installed ${1#*=} "*) return 0 ;; esac ;;
                *) case $found in *" installed "*) return 0 ;; esac ;;
            esac
            return 1 ;;
        apk) apk info -e "$1" > /dev/null 2>&1 ;;
        *) rpm -q --quiet "$1" 2>/dev/null || rpm -q --quiet --whatprovides "$1" 2>/dev/null ;;
    esac
}
wanted=$#
for package in "$@"; do
    case $package in ''|-*) fail "$package is not a package's name" ;; esac
    if ! is_installed "$package"; then set -- "$@" "$package"; fi
done
shift "$wanted"
if [ $# = 0 ]; then say 'changed no'; exit 0; fi
install() {
    case $manager in
        apt-get)
            export DEBIAN_FRONTEND=noninteractive
            dpkg --configure -a  # an installation may have been cut off
            # A new machine has no lists yet, and something of its own may be fetching them.
            tries=1
            until apt-get -q update || [ "$tries" = 3 ]; do tries=$((tries + 1)); sleep 3; done
            apt-get -q -y -o DPkg::Lock::Timeout=300 -o Dpkg::Options::=--force-confdef \
                -o Dpkg::Options::=--force-confold install "$@" ;;
        dnf|yum) "$manager" -q -y install "$@" ;;
        zypper) zypper --non-interactive --quiet install "$@" ;;
        apk) apk add --quiet "$@" ;;
    esac
}
output=$(install "$@" < /dev/null 2>&1) || {
    say "error $manager cannot install $*"
    printf '%s\n' "$output" | tail -n 8 | while IFS= read -r line; do say "log $line"; done
    exit 1
}
for package in "$@"; do
    is_installed "$package" || fail "$manager has installed $package, and it is not there"
done
say 'changed yes'
say "installed $*"
"""
)

_FILE: Final = (
    _SAY
    + r"""
say 'phoenixctl file'
target=$1 wanted=$2 mode=$3 owner=$4
command -v sha256sum > /dev/null || fail 'the node has no sha256sum'
has_content() { sum=$(sha256sum < "$1") && [ "${sum%% *}" = "$wanted" ]; } 2>/dev/null
is_right() {
    if [ -L "$target" ] || [ ! -f "$target" ] || ! has_content "$target"; then return 1; fi
    set -- $(stat -c '%a %U %G %u %g' "$target")
    if [ "$1" != "$mode" ]; then return 1; fi
    case $owner in ''|"$2"|"$2:$3"|"$4"|"$4:$5") return 0 ;; esac
    return 1
}
if is_right; then cat > /dev/null; say 'changed no'; exit 0; fi
if [ -d "$target" ]; then fail "$target is a folder"; fi
folder=${target%/*}
mkdir -p "${folder:-/}" || fail "cannot create $folder"
umask 077
# The same name every time: what a run leaves that is cut off, the next one takes over.
temporary=$folder/.phoenixctl-$wanted
trap 'rm -f "$temporary"' EXIT
rm -f "$temporary" && cat > "$temporary" || fail "cannot write to ${folder:-/}"
has_content "$temporary" || fail "the content of $target did not arrive whole"
if [ -n "$owner" ]; then
    said=$(chown -h "$owner" "$temporary" 2>&1) || fail "cannot give $target to $owner: $said"
fi
chmod "$mode" "$temporary" || fail "cannot set the mode of $target"
sync "$temporary" 2>/dev/null || sync
mv -f "$temporary" "$target" || fail "cannot write $target"
say 'changed yes'
"""
)


def packages_command(packages: Sequence[str]) -> Command:
    """Installs what is missing of these, with the package manager that the node has."""
    return Command("sh", "-c", _PACKAGES, "phoenixctl", *packages)


def parse_packages(completed: Completed) -> tuple[str, ...]:
    """What was installed, nothing when all was there; CommandFailed has the manager's words."""
    return tuple(said(completed, "packages").get("installed", "").split())


def file_command(file: BootstrapFile, content: bytes) -> Command:
    """Puts a file in its place, whole, unless it is there with the same content, mode and owner."""
    digest = hashlib.sha256(content).hexdigest()
    mode = format(int(file.mode, 8), "o")
    return Command(
        "sh", "-c", _FILE, "phoenixctl", file.target, digest, mode, file.owner or "", stdin=content
    )


def parse_file(completed: Completed) -> bool:
    """Whether it was changed."""
    return said(completed, "file").get("changed") == "yes"


def bootstrap_digest(bootstrap: Bootstrap | None, contents: Mapping[str, bytes]) -> str:
    """What a node gets, in 12 hexadecimal digits; `none` for nothing.

    `contents` has the files by their `source`. How long things may take is not in it.
    """
    if bootstrap is None:
        return NOTHING_TO_DO
    written = {
        "packages": bootstrap.packages,
        "files": [
            [file.target, file.mode, file.owner, hashlib.sha256(contents[file.source]).hexdigest()]
            for file in bootstrap.files
        ],
        "commands": [[command.run, command.unless] for command in bootstrap.commands],
        "ready": bootstrap.ready and bootstrap.ready.command,
    }
    canonical = json.dumps(written, sort_keys=True)
    return hashlib.sha256(canonical.encode("utf-8", "surrogateescape")).hexdigest()[:12]
