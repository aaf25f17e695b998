"""The kinds of providers that all have to behave alike, each with a way to look behind it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import psutil

from phoenixctl.model.codec import decode, encode
from phoenixctl.model.fleet import Node, Pool
from phoenixctl.model.names import NodeName
from phoenixctl.ports.provider import Provider
from phoenixctl.providers.aws.client import Regions
from phoenixctl.providers.aws.provider import AwsProvider
from phoenixctl.providers.local import LocalProvider
from phoenixctl.providers.local_folder import NODE_MODULE
from phoenixctl.providers.static import StaticProvider
from tests.cloud.conftest import SOON, aws_pool
from tests.cloud.server import Cloud, tags
from tests.cloud.ticking import RealClock
from tests.conformance.requests import request

NAMES = ("web-1", "web-2", "web-3")


class Kind(ABC):
    """A kind of provider. `pool` has room for the nodes of NAMES."""

    makes = True  # False: its nodes are there before and after

    def __init__(self, pool: Pool) -> None:
        self.pool = pool

    @abstractmethod
    def provider(self) -> Provider:
        """A new one, as another run of phoenixctl has it."""

    @abstractmethod
    def there(self) -> Mapping[str, int]:
        """How many machines there are in truth, by the name of their node."""

    @abstractmethod
    def arguments(self) -> list[str]:
        """From which a process of its own can build the provider (`provider_of`)."""

    async def killed(self, name: str, moment: str, journal: Path) -> int:
        """The exit status of a process that creates a node and kills itself: at its first `note`
        (which is kept) or once the node is `made`."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.conformance.provider_kinds",
            name, moment, str(journal), *self.arguments(),
            cwd=Path(__file__).parents[2],
        )  # fmt: skip
        return await process.wait()


class Local(Kind):
    def __init__(self, root: Path) -> None:
        super().__init__(Pool("web", provider="local"))
        self._root = root

    def provider(self) -> Provider:
        return LocalProvider(self._root, "shop")

    def there(self) -> Mapping[str, int]:
        served = (
            Path(word).name
            for process in psutil.process_iter()
            if NODE_MODULE in (words := _words(process))
            for word in words
            if word.startswith(f"{self._root}/")
        )
        return Counter(name for name in served if name in NAMES)

    def arguments(self) -> list[str]:
        return ["local", str(self._root)]


class Static(Kind):
    makes = False

    def __init__(self) -> None:
        super().__init__(Pool("web"))

    def provider(self) -> Provider:
        return StaticProvider({NodeName(n): Node(NodeName(n), "web", n) for n in NAMES})

    def there(self) -> Mapping[str, int]:
        return Counter(NAMES)

    def arguments(self) -> list[str]:
        return ["static"]


class Aws(Kind):
    def __init__(self, cloud: Cloud, regions: Regions) -> None:
        super().__init__(aws_pool(cloud))
        self._cloud = cloud
        self._regions = regions

    def provider(self) -> Provider:
        return AwsProvider("shop", RealClock(), regions=self._regions)

    def there(self) -> Mapping[str, int]:
        return Counter(tags(raw)["phoenix:node"] for raw in self._cloud.instances())

    def arguments(self) -> list[str]:
        return ["aws", json.dumps(encode(self.pool))]


def _provider_of(kind: str, *arguments: str) -> tuple[Provider, Pool]:
    """In another process, what `Kind.arguments` says."""
    if kind == "local":
        local = Local(Path(arguments[0]))
        return local.provider(), local.pool
    if kind == "static":
        return Static().provider(), Static().pool
    clock = RealClock()
    provider = AwsProvider("shop", clock, regions=Regions(clock, SOON))
    return provider, decode(Pool, json.loads(arguments[0]))


async def _create_and_die(name: str, moment: str, journal: Path, *arguments: str) -> None:
    provider, pool = _provider_of(*arguments)

    async def note(facts: Mapping[str, str]) -> None:
        journal.write_text(json.dumps([dict(facts)]))
        if moment == "note":
            os.kill(os.getpid(), signal.SIGKILL)

    await provider.create(request(pool, name), note=note)
    os.kill(os.getpid(), signal.SIGKILL)


def _words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


if __name__ == "__main__":
    own_name, own_moment, own_journal, *rest = sys.argv[1:]
    asyncio.run(_create_and_die(own_name, own_moment, Path(own_journal), *rest))
