"""From one node straight to another: SSH of the source's own, which has to trust the target."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from phoenixctl.model.command import Command, Completed
from phoenixctl.model.fleet import Node, SshSettings
from phoenixctl.remote.quoting import to_shell
from phoenixctl.remote.reboot import BOOT

# Nobody is asked, and no host is let in that the source does not know.
_OPTIONS: Final = (
    "BatchMode=yes", "StrictHostKeyChecking=yes", "UpdateHostKeys=no", "ConnectTimeout=5",
    "ServerAliveInterval=5", "ServerAliveCountMax=3", "ClearAllForwardings=yes",
    "ForwardAgent=no", "PermitLocalCommand=no", "ControlPath=none", "LogLevel=ERROR",
)  # fmt: skip
# The login user has the keys, and becomes root for the agent's files alone.
_AS_ROOT: Final = 'if [ "$(id -u)" = 0 ]; then exec "$@"; else exec sudo -n -- "$@"; fi'


def probe_command(target: Node, settings: SshSettings) -> Command:
    """Asks the target, from the source, which boot it runs: it may be another machine there."""
    return Command(*_ssh(target, settings, BOOT.argv))


def parse_probe(completed: Completed, boot: str) -> bool:
    """Whether the source reaches the very machine that runs this boot."""
    return completed.ok and completed.stdout.decode("ascii", "replace").strip() == boot


def straight_command(
    send: Command, source: Node, take: Command, target: Node, settings: SshSettings
) -> Command:
    """Runs on the source as its login user: what `send` prints there, `take` gets at the target."""
    sending = to_shell(_rooted(send.argv, source))
    taking = to_shell(_ssh(target, settings, _rooted(take.argv, target)))
    return Command("sh", "-c", f"{sending} | {taking}")


def _ssh(target: Node, settings: SshSettings, argv: Sequence[str]) -> tuple[str, ...]:
    port, user = target.port or settings.port, target.user or settings.user
    return (
        "ssh", "-T", "-x",
        *(word for option in _OPTIONS for word in ("-o", option)),
        *(("-p", str(port)) if port else ()),
        *(("-l", user) if user else ()),
        "--", target.address, f"exec {to_shell(argv)}",
    )  # fmt: skip


def _rooted(argv: Sequence[str], node: Node) -> tuple[str, ...]:
    return ("sh", "-c", _AS_ROOT, "sh", *argv) if node.sudo else tuple(argv)
