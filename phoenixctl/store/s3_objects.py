"""Objects under one prefix of a bucket. The calls block; callers give them to threads."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from phoenixctl.model.errors import AuthenticationFailed, ConfigError, PhoenixError, Unreachable
from phoenixctl.model.s3 import S3Store

_CONFLICT_TRIES: Final = 8
_CONFLICT_SECONDS: Final = 0.05
_AT_ONCE: Final = 1000  # keys that one request may delete
_NOT_ALLOWED: Final = frozenset(
    {
        "AccessDenied",
        "ExpiredToken",
        "InvalidAccessKeyId",
        "InvalidToken",
        "SignatureDoesNotMatch",
        "403",
    }
)


class Changed(Exception):
    """The object is not as the condition of a write wants it: another has written it."""


@dataclass(frozen=True, slots=True)
class Found:
    """An object. `age_seconds` is since its last writing, both by the store's own clock; None
    when the store does not tell."""

    body: bytes
    etag: str
    age_seconds: float | None


class Objects:
    """The objects of one fleet, named by what follows its prefix."""

    def __init__(self, settings: S3Store, fleet: str) -> None:
        self._settings = settings
        self._prefix = f"{settings.prefix.strip('/')}/{fleet}/".lstrip("/")
        self._making = threading.Lock()
        self._client: Any = None

    def where(self, name: str = "") -> str:
        return f"s3://{self._settings.bucket}/{self._prefix}{name}"

    def get(self, name: str) -> Found | None:
        try:
            reply = self._call("get_object", name, Key=self._prefix + name)
        except _Answer as answer:
            if answer.status == 404:
                return None
            raise answer.explained() from None
        try:
            body: bytes = reply["Body"].read()
        except Exception as error:  # the connection broke in the middle: botocore and urllib3
            raise Unreachable(f"{self.where(name)}: {type(error).__name__}") from None
        return Found(body, reply["ETag"], _age_seconds(reply))

    def etag(self, name: str) -> str:
        """Empty when there is no such object."""
        try:
            reply = self._call("head_object", name, Key=self._prefix + name)
        except _Answer as answer:
            if answer.status == 404:
                return ""
            raise answer.explained() from None
        return str(reply["ETag"])

    def put(self, name: str, body: bytes) -> None:
        try:
            self._call("put_object", name, Key=self._prefix + name, Body=body)
        except _Answer as answer:
            raise answer.explained() from None

    def put_new(self, name: str, body: bytes) -> str:
        """The ETag of the object, which was not there before; Changed when it was."""
        return self._put_if(name, body, {"IfNoneMatch": "*"})

    def put_over(self, name: str, body: bytes, etag: str) -> str:
        """The new ETag of an object that had this one; Changed when it had not."""
        return self._put_if(name, body, {"IfMatch": etag})

    def refuses(self, name: str, body: bytes, condition: Mapping[str, str]) -> bool:
        """Whether a write that must not succeed is refused as it should be."""
        try:
            self._call("put_object", name, Key=self._prefix + name, Body=body, **condition)
        except _Answer as answer:
            if answer.status in (409, 412):
                return True
            raise answer.explained() from None
        return False

    def names(self, folder: str) -> Sequence[str]:
        """Names that begin with `folder`, in their order."""
        found: list[str] = []
        more: dict[str, str] = {}
        while True:
            try:
                reply = self._call("list_objects_v2", folder, Prefix=self._prefix + folder, **more)
            except _Answer as answer:
                raise answer.explained() from None
            keys = (entry["Key"] for entry in reply.get("Contents", ()))
            found += [key[len(self._prefix) :] for key in keys]
            if not reply.get("IsTruncated"):
                return found
            more = {"ContinuationToken": reply["NextContinuationToken"]}

    def remove(self, names: Sequence[str]) -> None:
        for start in range(0, len(names), _AT_ONCE):
            keys = [{"Key": self._prefix + name} for name in names[start : start + _AT_ONCE]]
            try:
                self._call("delete_objects", "", Delete={"Objects": keys, "Quiet": True})
            except _Answer as answer:
                raise answer.explained() from None

    def _put_if(self, name: str, body: bytes, condition: Mapping[str, str]) -> str:
        """Each body is one of its own (it has a nonce): found again, it is ours, and a reply was
        lost on the way before botocore asked once more."""
        for attempt in range(_CONFLICT_TRIES):
            try:
                key = self._prefix + name
                reply = self._call("put_object", name, Key=key, Body=body, **condition)
                return str(reply["ETag"])
            except _Answer as answer:
                if answer.status == 409:  # another write of it was under way at the same time
                    time.sleep(_CONFLICT_SECONDS * 2**attempt)
                    continue
                if answer.status not in (404, 412) or answer.code == "NoSuchBucket":
                    raise answer.explained() from None
            found = self.get(name)
            if found is not None and found.body == body:
                return found.etag
            raise Changed(name)
        raise Unreachable(
            f"{self.where(name)} cannot be written: others write it all the time",
            hint="try again",
        )

    def _call(self, operation: str, name: str, **arguments: Any) -> Any:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            method = getattr(self._ready_client(), operation)
            return method(Bucket=self._settings.bucket, **arguments)
        except ClientError as error:
            raise _Answer(error, self.where(name)) from None
        except BotoCoreError as error:
            raise _no_answer(error, self.where(name)) from None

    def _ready_client(self) -> Any:
        with self._making:  # threads would each make one
            if self._client is None:
                try:
                    self._client = _client(self._settings)
                except ValueError as error:  # as of an endpoint that is no URL
                    raise ConfigError(
                        f"{self.where()}: the store cannot be asked: {error}"
                    ) from None
            return self._client


class _Answer(Exception):
    """The store said no."""

    def __init__(self, error: Any, where: str) -> None:
        super().__init__(where)
        self.where = where
        self.code = str(error.response.get("Error", {}).get("Code", ""))
        self.status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))

    def explained(self) -> PhoenixError:
        if self.code == "NoSuchBucket":
            return PhoenixError(
                f"{self.where}: there is no such bucket",
                hint="make it, or correct the store's name",
            )
        if self.code in _NOT_ALLOWED:
            return AuthenticationFailed(
                f"{self.where}: the store refuses us ({self.code})",
                hint="check who you are: aws sts get-caller-identity",
            )
        return PhoenixError(f"{self.where}: the store answered {self.code} ({self.status})")


def _no_answer(error: Exception, where: str) -> PhoenixError:
    from botocore import exceptions

    kinds = (
        exceptions.NoCredentialsError,
        exceptions.PartialCredentialsError,
        exceptions.CredentialRetrievalError,
        exceptions.TokenRetrievalError,
        exceptions.SSOError,
        exceptions.ProfileNotFound,
    )
    if isinstance(error, kinds):
        return AuthenticationFailed(
            f"{where}: no usable AWS credentials ({type(error).__name__})",
            hint="log in or set AWS_PROFILE; then: aws sts get-caller-identity",
        )
    wrong = (exceptions.ParamValidationError, exceptions.NoRegionError)
    if isinstance(error, wrong):
        return ConfigError(f"{where}: the store cannot be asked: {error}")
    return Unreachable(
        f"{where}: no answer from the store ({type(error).__name__})",
        hint="check the network, and the store's region and endpoint",
    )


def _client(settings: S3Store) -> Any:
    import boto3
    from botocore.config import Config

    # An answer must come while the lease lasts, with time left to ask again.
    patience = min(10.0, max(1.0, settings.lease_seconds / 4))
    options: dict[str, Any] = {}
    if settings.endpoint is not None:
        # Other makes of S3 need not know names of buckets as hosts, nor newer checksums.
        options = {
            "s3": {"addressing_style": "path"},
            "request_checksum_calculation": "when_required",
            "response_checksum_validation": "when_required",
        }
    # A session of its own: the one that boto3 shares is not made for threads.
    return boto3.session.Session().client(
        "s3",
        region_name=settings.region,
        endpoint_url=settings.endpoint,
        config=Config(
            retries={"mode": "standard", "total_max_attempts": 4},
            connect_timeout=min(5.0, patience),
            read_timeout=patience,
            max_pool_connections=16,
            **options,
        ),
    )


def _age_seconds(reply: Mapping[str, Any]) -> float | None:
    from email.utils import parsedate_to_datetime

    date = reply.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date")
    modified = reply.get("LastModified")
    if not date or modified is None:
        return None
    try:
        return float((parsedate_to_datetime(date) - modified).total_seconds())
    except (ValueError, TypeError):
        return None
