"""Where records are that several operators share."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class S3Store:
    """Records in an S3 bucket, for several operators."""

    bucket: str
    prefix: str = "phoenixctl"
    region: str | None = None
    endpoint: str | None = None  # None: AWS's own
    lease_seconds: float = 30.0  # a lock that was not renewed for so long may be taken over
