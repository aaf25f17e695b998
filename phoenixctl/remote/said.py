"""What our scripts print: `keyword value` lines behind a first one that names the script."""

from __future__ import annotations

from phoenixctl.model.command import Completed
from phoenixctl.model.errors import CommandFailed


def said(completed: Completed, what: str, *, failing_is_told: bool = False) -> dict[str, str]:
    """The lines behind `phoenixctl <what>`, each keyword's first.

    CommandFailed when the script failed: with its `error` and `log` lines, or with what it left.
    """
    text = completed.stdout.decode("utf-8", "replace")
    # A start-up file of the login shell may have printed something before.
    _, first, lines = f"\n{text}".partition(f"\nphoenixctl {what}\n")
    words: dict[str, str] = {}
    log = []
    for line in lines.split("\n"):
        keyword, _, rest = line.partition(" ")
        if keyword == "log":
            log.append(rest)
        else:
            words.setdefault(keyword, rest)
    if "error" in words:
        raise CommandFailed("\n".join((words["error"], *log)))
    if not first or not (completed.ok or (failing_is_told and "left" in words)):
        stderr = completed.stderr.decode("utf-8", "replace").strip()
        ended = f"signal {completed.signal}" if completed.signal else completed.exit_status
        raise CommandFailed(f"the {what} ended with {ended}: {stderr or 'it printed nothing'}")
    return words
