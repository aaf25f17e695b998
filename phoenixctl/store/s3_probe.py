"""Whether a store does what the lock rests on: some answer conditional writes with yes, always."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Final

from phoenixctl.model.errors import PhoenixError
from phoenixctl.store.s3_objects import Changed, Objects

NAME: Final = "probe.json"


def require_conditions(objects: Objects) -> None:
    """PhoenixError when writes that have a condition are done though it does not hold."""
    with suppress(Changed):  # it is there from an earlier time
        objects.put_new(NAME, _body())
    for name, condition in (
        ("If-None-Match", {"IfNoneMatch": "*"}),
        ("If-Match", {"IfMatch": '"00000000000000000000000000000000"'}),
    ):
        if not objects.refuses(NAME, _body(), condition):
            raise PhoenixError(
                f"{objects.where()} cannot hold records: the store ignores {name}, so that two "
                "operators could change the fleet at once",
                hint="use a store with conditional writes, as Amazon S3 has them, "
                "or keep the records on this machine",
            )


def _body() -> bytes:
    return b'{"nonce": "%s"}\n' % os.urandom(16).hex().encode()
