"""The cloud as a server on loopback, in a thread of the test's own process.

Two doors lead to the same moto: `endpoint` through the front, and one for the test itself, which
shows the truth and is not counted.
"""

from __future__ import annotations

import os
import threading
from types import TracebackType
from typing import Any

import boto3
from botocore.config import Config
from werkzeug.serving import BaseWSGIServer, make_server

# Thousands of images that nobody asks for would take seconds.
os.environ["MOTO_EC2_LOAD_DEFAULT_AMIS"] = "false"

from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)

from tests.cloud.front import Front, OneAtATime

REGION = "eu-central-1"
# Not a secret of anybody; and boto3 is kept from looking for real ones.
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_SESSION_TOKEN": "testing",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
}


class _Quiet(MotoRequestHandler):
    def log_request(self, *said: Any) -> None:
        """Requests are no news."""


class Cloud:
    """`with Cloud() as cloud:` then clients of `cloud.endpoint` have an EC2 with `cloud.front`."""

    def __init__(self) -> None:
        self._moto = OneAtATime(DomainDispatcherApplication(create_backend_app))
        self.front = Front(self._moto)
        self._servers: list[BaseWSGIServer] = []
        self._threads: list[threading.Thread] = []
        self._truth: Any = None

    def __enter__(self) -> Cloud:
        for app in (self.front, self._moto):
            server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=_Quiet)
            server.daemon_threads = True  # type: ignore[attr-defined]
            thread = threading.Thread(target=server.serve_forever, daemon=True)
            thread.start()
            self._servers.append(server)
            self._threads.append(thread)
        self.reset()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.truth.close()
        for server in self._servers:
            server.shutdown()
            server.server_close()
        for thread in self._threads:
            thread.join(5)

    @property
    def endpoint(self) -> str:
        return _url(self._servers[0])

    @property
    def truth(self) -> Any:
        """A client of EC2 that goes past the front."""
        if self._truth is None:
            self._truth = boto3.client(
                "ec2",
                region_name=REGION,
                endpoint_url=_url(self._servers[1]),
                aws_access_key_id="testing",
                aws_secret_access_key="testing",
                config=Config(retries={"total_max_attempts": 1}),
            )
        return self._truth

    def reset(self) -> None:
        """A new cloud: no instances, no faults, an image `ami-…` (see `image`)."""
        from moto.backends import get_backend

        get_backend("ec2").reset()
        self.front.reset()
        self.image = self.truth.register_image(Name="debian")["ImageId"]

    def instances(self, *states: str) -> list[dict[str, Any]]:
        """What is there in truth: live ones, or those in the states named."""
        wanted = states or ("pending", "running", "stopping", "stopped")
        pages = self.truth.get_paginator("describe_instances").paginate()
        found = (i for page in pages for r in page["Reservations"] for i in r["Instances"])
        return [i for i in found if i["State"]["Name"] in wanted]


def tags(instance: dict[str, Any]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in instance.get("Tags", ())}


def _url(server: BaseWSGIServer) -> str:
    return f"http://127.0.0.1:{server.server_port}"
