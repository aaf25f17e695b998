"""What EC2's and botocore's errors mean: told apart by class and code, never by their words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum, auto
from typing import Final

from phoenixctl.model.errors import (
    AuthenticationFailed,
    OutcomeUnknown,
    PhoenixError,
    QuotaExceeded,
    Unreachable,
)

_AGAIN: Final = "run the same command again: it finds out and goes on"
_WORDS_LIMIT: Final = 400  # a refusal may carry kilobytes of an encoded policy


class Fault(Enum):
    CAPACITY = auto()  # this offer has no machine now; another one may
    QUOTA = auto()
    SPOT_QUOTA = auto()  # the limit of the spot market only
    THROTTLED = auto()  # nothing was done; ask again later
    ENDED = auto()  # the token's instance is terminated
    MISMATCH = auto()  # the token was used with other parameters
    NOT_FOUND = auto()
    PROTECTED = auto()
    DENIED = auto()
    UNSENT = auto()  # nobody answered at all
    LOST = auto()  # it was sent, and may have been carried out
    REFUSED = auto()  # anything else that EC2 says


_CODES: Final = {
    Fault.CAPACITY: (
        "InsufficientInstanceCapacity", "InsufficientHostCapacity", "InsufficientCapacity",
        "InsufficientReservedInstanceCapacity", "InsufficientFreeAddressesInSubnet",
        "SpotMaxPriceTooLow", "SpotInstanceTermination", "SpotInstanceShutdown", "Unsupported",
    ),
    Fault.QUOTA: (
        "VcpuLimitExceeded", "InstanceLimitExceeded", "VolumeLimitExceeded",
        "MaxIOPSLimitExceeded", "ResourceLimitExceeded", "NetworkInterfaceLimitExceeded",
    ),
    Fault.SPOT_QUOTA: ("MaxSpotInstanceCountExceeded",),
    Fault.THROTTLED: (
        "RequestLimitExceeded", "Throttling", "ThrottlingException", "RequestThrottled",
        "EC2ThrottledException", "TooManyRequestsException", "ConcurrentTagAccess",
    ),
    Fault.ENDED: ("IdempotentInstanceTerminated",),
    Fault.MISMATCH: ("IdempotentParameterMismatch",),
    Fault.NOT_FOUND: ("InvalidInstanceID.NotFound", "InvalidInstanceID.Malformed", "InvalidID"),
    Fault.PROTECTED: ("OperationNotPermitted",),
    Fault.DENIED: (
        "UnauthorizedOperation", "AuthFailure", "InvalidClientTokenId", "ExpiredToken",
        "RequestExpired", "SignatureDoesNotMatch", "OptInRequired", "PendingVerification",
        "Blocked", "AccessDenied",
    ),
    Fault.LOST: ("InternalError", "InternalFailure", "Unavailable", "ServiceUnavailable"),
}  # fmt: skip
_BY_CODE: Final = {code: fault for fault, codes in _CODES.items() for code in codes}


def fault_of(error: Exception) -> Fault:
    """The meaning of an exception that boto3 has raised."""
    from botocore import exceptions as boto
    from botocore.parsers import ResponseParserError

    if isinstance(error, boto.ClientError):
        code = code_of(error)
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return _BY_CODE.get(code, Fault.LOST if status >= 500 else Fault.REFUSED)
    if isinstance(error, boto.NoCredentialsError | boto.PartialCredentialsError):
        return Fault.DENIED
    if isinstance(error, boto.EndpointConnectionError | boto.ConnectTimeoutError | boto.SSLError):
        return Fault.UNSENT
    if isinstance(error, boto.HTTPClientError | ResponseParserError):
        return Fault.LOST
    return Fault.REFUSED


def reason_fault(code: str) -> Fault:
    """The meaning of a StateReason, such as `Server.InsufficientInstanceCapacity`."""
    return _BY_CODE.get(code.rpartition(".")[2], Fault.REFUSED)


def code_of(error: Exception) -> str:
    """EC2's code, or the class of an error that is not EC2's."""
    response = getattr(error, "response", None)
    if isinstance(response, dict):
        return str(response.get("Error", {}).get("Code", ""))
    return type(error).__name__


def explained(error: Exception, doing: str) -> PhoenixError:
    """The same in our words; `doing` says what was attempted: `EC2 cannot start web-1`."""
    fault = fault_of(error)
    what = f"{doing}: {_words(error)}"
    match fault:
        case Fault.QUOTA | Fault.SPOT_QUOTA:
            return QuotaExceeded(what, hint="want fewer nodes, or ask AWS for a higher quota")
        case Fault.DENIED:
            return AuthenticationFailed(
                what, hint="who are you for AWS? aws sts get-caller-identity"
            )
        case Fault.UNSENT | Fault.LOST:
            return Unreachable(what, hint="check `aws.region`, `aws.endpoint` and the network")
        case Fault.THROTTLED:
            return PhoenixError(what, hint="wait a minute, then run it again")
    return PhoenixError(what)


@contextmanager
def in_our_words(doing: str, *, in_doubt: bool = False) -> Iterator[None]:
    """Turn what boto3 raises into an error of ours.

    `in_doubt`: something may exist that only EC2 knows of, so that no refusal proves the contrary:
    OutcomeUnknown, whatever it is.
    """
    try:
        yield
    except Exception as error:
        if not _is_botos(error):
            raise
        told = explained(error, doing)
        if in_doubt and not isinstance(told, QuotaExceeded):  # that answers what was in doubt
            told = OutcomeUnknown(told.what, hint=_AGAIN)
        raise told from error


def _is_botos(error: Exception) -> bool:
    from botocore.exceptions import BotoCoreError, ClientError
    from botocore.parsers import ResponseParserError

    return isinstance(error, BotoCoreError | ClientError | ResponseParserError)


def _words(error: Exception) -> str:
    from botocore.exceptions import ClientError
    from botocore.parsers import ResponseParserError

    if isinstance(error, ResponseParserError):  # its words are the whole answer
        return "the answer is not one of AWS's"
    if not isinstance(error, ClientError):
        return str(error)[:_WORDS_LIMIT]
    message = str(error.response.get("Error", {}).get("Message", ""))
    return f"{code_of(error)}: {message}"[:_WORDS_LIMIT]
