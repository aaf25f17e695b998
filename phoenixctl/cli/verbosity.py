"""`-v`: what the SSH side does, on stderr; standard input, where secrets travel, is not logged."""

from __future__ import annotations

import logging

from phoenixctl.render.neutral import neutralise


class _Neutral(logging.Formatter):
    """Log lines carry banners and messages of remote hosts."""

    def format(self, record: logging.LogRecord) -> str:
        return neutralise(super().format(record))


def speak(verbose: int) -> None:
    """Log connections with `-v`, channels and authentication with `-vv`; nothing without."""
    if verbose < 1:
        return
    handler = logging.StreamHandler()
    if verbose == 1:
        handler.addFilter(lambda record: "chan=" not in record.getMessage())
    handler.setFormatter(_Neutral("%(relativeCreated)7.0fms %(name)s: %(message)s"))
    logger = logging.getLogger("asyncssh")
    logger.handlers = [handler]
    logger.propagate = False
    logger.setLevel(logging.INFO if verbose == 1 else logging.DEBUG)
