"""Reboot a node once: only while it still runs the boot that is to end."""

from __future__ import annotations

from typing import Final

from phoenixctl.model.command import Command, Completed
from phoenixctl.remote.said import said

# The answer has to be on its way before the connection goes, so the reboot comes a second later.
_REBOOT: Final = r"""
LC_ALL=C; export LC_ALL
PATH=${PATH:-/usr/local/bin:/usr/bin:/bin}:/usr/sbin:/sbin
say() { printf '%s\n' "$*"; }
fail() { say "error $*"; exit 1; }
say 'phoenixctl reboot'
IFS= read -r boot < /proc/sys/kernel/random/boot_id || fail 'its boot cannot be told'
if [ "$boot" != "$1" ]; then say 'ordered no'; exit 0; fi
if [ "$(id -u)" != 0 ]; then fail 'to reboot it needs root, or sudo on this node'; fi
if [ -d /run/systemd/system ]; then set -- systemctl reboot
elif command -v reboot > /dev/null; then set -- reboot
else fail 'it has neither systemd nor reboot'
fi
command -v setsid > /dev/null || fail 'it has no setsid'
setsid sh -c 'sleep 1; exec "$@"' sh "$@" < /dev/null > /dev/null 2>&1 &
say 'ordered yes'
"""

BOOT: Final = Command("cat", "/proc/sys/kernel/random/boot_id")


def reboot_command(boot_id: str) -> Command:
    """Orders a reboot, unless another boot than this one runs already."""
    return Command("sh", "-c", _REBOOT, "phoenixctl", boot_id)


def parse_reboot(completed: Completed) -> bool:
    """Whether it was ordered now; CommandFailed when it cannot be."""
    return said(completed, "reboot").get("ordered") == "yes"


def parse_boot(completed: Completed) -> str:
    """Which boot runs; empty when the node does not say."""
    return completed.stdout.decode("ascii", "replace").strip() if completed.ok else ""
