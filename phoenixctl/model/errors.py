"""Errors say what, why and the next command to type; each class owns its exit code."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    OK = 0
    ERROR = 1
    USAGE = 2
    SOME_FAILED = 3
    UNREACHABLE = 4
    AUTHENTICATION = 5
    LOCKED = 6
    UNKNOWN = 7
    REFUSED = 8
    CHANGES = 10
    INTERRUPTED = 130


class PhoenixError(Exception):
    """What went wrong (`str(error)`), and in `hint` the next command to type or thing to do.

    `hop` names the jump host at which the way to a node ended, empty when it was none.
    """

    exit_code = ExitCode.ERROR
    kind = "error"

    def __init__(self, what: str, *, hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint
        self.hop = ""


class UsageError(PhoenixError):
    exit_code = ExitCode.USAGE
    kind = "usage"


class ConfigError(PhoenixError):
    """The configuration cannot be used; `what` holds one line per problem, with its place."""

    exit_code = ExitCode.USAGE
    kind = "configuration"


class Unreachable(PhoenixError):
    """No SSH connection could be opened, or it broke before the command was sent."""

    exit_code = ExitCode.UNREACHABLE
    kind = "unreachable"


class AuthenticationFailed(PhoenixError):
    exit_code = ExitCode.AUTHENTICATION
    kind = "authentication"


class HostKeyError(PhoenixError):
    """The node's host key is not one that is trusted. Never retried."""

    exit_code = ExitCode.AUTHENTICATION
    kind = "host key"


class HostKeyUnknown(HostKeyError):
    kind = "host key unknown"


class HostKeyChanged(HostKeyError):
    kind = "host key changed"


class HostKeyRevoked(HostKeyError):
    kind = "host key revoked"


class HostCertificateMismatch(HostKeyError):
    kind = "host certificate"


class CommandTimeout(PhoenixError):
    """The command was ended on the node when its time was over."""

    exit_code = ExitCode.SOME_FAILED
    kind = "time-out"


class CommandFailed(PhoenixError):
    """A command that had to succeed did not."""

    exit_code = ExitCode.SOME_FAILED
    kind = "failed"


class OutcomeUnknown(PhoenixError):
    """The connection broke after the command was sent: it may or may not have run."""

    exit_code = ExitCode.UNKNOWN
    kind = "outcome unknown"


class Locked(PhoenixError):
    exit_code = ExitCode.LOCKED
    kind = "locked"


class StateDamaged(PhoenixError):
    """The record of the fleet cannot be read; it is never taken for an empty one."""

    kind = "state damaged"


class NoCapacity(PhoenixError):
    """The provider has no machine of any kind asked for, in any place asked for."""

    exit_code = ExitCode.SOME_FAILED
    kind = "no capacity"


class QuotaExceeded(PhoenixError):
    """The account's limit is reached; asking again changes nothing."""

    exit_code = ExitCode.SOME_FAILED
    kind = "quota"


class Stale(PhoenixError):
    """What a plan was computed from has changed: nothing was carried out."""

    exit_code = ExitCode.REFUSED
    kind = "stale plan"


class Refused(PhoenixError):
    """A guard said no: nothing was changed."""

    exit_code = ExitCode.REFUSED
    kind = "refused"


class NotDelivered(PhoenixError):
    """A receiver did not take a message. `passing`: it may do so a moment later."""

    exit_code = ExitCode.SOME_FAILED
    kind = "not delivered"

    def __init__(self, what: str, *, hint: str = "", passing: bool = False) -> None:
        super().__init__(what, hint=hint)
        self.passing = passing
