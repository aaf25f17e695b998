"""EC2 of one region, spoken to by boto3 in threads."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Final, TypeVar

from phoenixctl.model.aws import AwsPool
from phoenixctl.ports.clock import Clock
from phoenixctl.providers.aws.faults import Fault, fault_of
from phoenixctl.providers.aws.patience import PATIENCE, Patience

_CONNECT_SECONDS: Final = 5
_READ_SECONDS: Final = 60
_READ_ATTEMPTS: Final = 5
_CONNECTIONS: Final = 32
_PAGE: Final = 1000  # EC2's most; without it, one answer may hold them all and is slow to come

Answer = dict[str, Any]
T = TypeVar("T")


class Ec2:
    """One region's API. Retries of what is safe to repeat are botocore's (adaptive mode); a request
    that makes something is sent once, for botocore would take the lack of capacity for a hiccup
    and ask again in the same zone.

    It has threads of its own: asyncio's few ones must stay free, for names are looked up in them.
    """

    def __init__(self, reading: Any, making: Any, patience: Patience, clock: Clock) -> None:
        self._reading = reading
        self._making = making
        self._threads = ThreadPoolExecutor(_CONNECTIONS, thread_name_prefix="ec2")
        self.patience = patience
        self.clock = clock

    def pauses(self, seconds: float) -> Iterator[float]:
        """The pauses between looks at something that EC2 will show or do within the time."""
        return self.patience.pauses(self.clock, seconds)

    async def call(self, operation: str, **parameters: Any) -> Answer:
        """A call that may be repeated; raises what botocore raises."""
        method: Callable[..., Answer] = getattr(self._reading, operation)
        return await self._in_thread(partial(method, **parameters))

    async def make(self, parameters: Answer) -> Answer:
        """RunInstances, once."""
        method: Callable[..., Answer] = self._making.run_instances
        return await self._in_thread(partial(method, **parameters))

    async def call_when_shown(self, operation: str, **parameters: Any) -> Answer:
        """A call about an instance that exists, whether or not EC2 finds its id already."""
        for pause in self.pauses(self.patience.show):
            try:
                return await self.call(operation, **parameters)
            except Exception as error:
                if fault_of(error) is not Fault.NOT_FOUND or pause == 0:
                    raise
            await asyncio.sleep(pause)
        raise AssertionError("the last pause is 0")

    async def pages(self, operation: str, key: str, **parameters: Any) -> list[Answer]:
        """The items of all pages."""

        def read() -> list[Answer]:
            pages = self._reading.get_paginator(operation).paginate(
                **parameters, PaginationConfig={"PageSize": _PAGE}
            )
            return [item for page in pages for item in page[key]]

        return await self._in_thread(read)

    def close(self) -> None:
        self._threads.shutdown(wait=False)
        self._reading.close()
        self._making.close()

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)


class Regions:
    """The clients that were needed so far. boto3 is imported with the first one.

    Credentials are found as AWS's own tools find them: environment, profile, instance role.
    """

    def __init__(self, clock: Clock, patience: Patience = PATIENCE) -> None:
        self._clock = clock
        self._patience = patience
        self._open: dict[tuple[str, str | None], Ec2] = {}
        self._opening = threading.Lock()  # boto3 makes clients in one thread at a time only

    async def of(self, settings: AwsPool) -> Ec2:
        """The pool's region; botocore's errors when it cannot be spoken to at all."""
        key = settings.region, settings.endpoint
        if key not in self._open:
            await asyncio.to_thread(self._connect, *key)
        return self._open[key]

    def _connect(self, region: str, endpoint: str | None) -> None:
        with self._opening:
            if (region, endpoint) not in self._open:
                clients = _clients(region, endpoint)
                self._open[region, endpoint] = Ec2(*clients, self._patience, self._clock)

    def close(self) -> None:
        while self._open:
            self._open.popitem()[1].close()


def _clients(region: str, endpoint: str | None) -> tuple[Any, Any]:
    """One that repeats what fails, and one that does not."""
    import boto3
    from botocore.config import Config

    # What it logs at DEBUG holds the user-data, and in it the private host key.
    logging.getLogger("botocore").setLevel(logging.INFO)
    session = boto3.Session(region_name=region)
    common = Config(
        connect_timeout=_CONNECT_SECONDS,
        read_timeout=_READ_SECONDS,
        max_pool_connections=_CONNECTIONS,
        user_agent_appid="phoenixctl",
    )
    repeating = Config(retries={"mode": "adaptive", "total_max_attempts": _READ_ATTEMPTS})
    once = Config(retries={"mode": "standard", "total_max_attempts": 1})
    return (
        session.client("ec2", endpoint_url=endpoint, config=common.merge(repeating)),
        session.client("ec2", endpoint_url=endpoint, config=common.merge(once)),
    )
