"""A limit that is a failure of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from phoenixctl.model.errors import CommandFailed


@asynccontextmanager
async def within(seconds: float, failure: CommandFailed) -> AsyncIterator[None]:
    """What takes longer is cancelled, and fails so."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise failure from None
