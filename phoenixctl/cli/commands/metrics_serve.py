"""`phoenixctl metrics serve`."""

from __future__ import annotations

import sys
from contextlib import closing
from typing import Annotated

import typer

from phoenixctl.cli.durations import seconds_of
from phoenixctl.cli.run import Run
from phoenixctl.model.errors import UsageError


def serve(
    run: Run,
    *,
    listen: Annotated[
        str, typer.Option("--listen", metavar="HOST:PORT", help="Where; port 0: any free one.")
    ] = "127.0.0.1:9464",
    max_age: Annotated[
        str,
        typer.Option("--max-age", metavar="TIME", help="Older values are not told any more."),
    ] = "5m",
) -> None:
    from phoenixctl.cli.exposing import Exposition, Server, address_of

    seconds = seconds_of("--max-age", max_age) or 0.0
    if seconds <= 0:
        raise UsageError("--max-age has to be more than 0")
    address = address_of(listen)
    with (
        closing(Exposition(run.parts, max_age_seconds=seconds)) as exposition,
        Server(address, exposition, run.note) as server,
    ):
        url = server.address.url
        if not _is_loopback(server.address.host):
            run.note("whoever reaches this address can read the metrics; there is no login")
        run.emit(
            "metrics-serve",
            lambda: {"url": url},
            lambda console: console.print(f"{url}; Ctrl-C ends", soft_wrap=True, markup=False),
        )
        sys.stdout.flush()
        server.serve_forever()


def _is_loopback(host: str) -> bool:
    import ipaddress

    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
