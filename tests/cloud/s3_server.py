"""An S3 on loopback in a process of its own: moto behind our front.

with S3Server.started() as server:
    settings = server.store("bucket")

Its credentials mean nothing; nothing but loopback is contacted.
"""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from phoenixctl.model.s3 import S3Store

CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "AKIATESTTESTTESTTEST",
    "AWS_SECRET_ACCESS_KEY": "nothing-secret",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": "/nonexistent",
    "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
}


@dataclass(frozen=True)
class S3Server:
    endpoint: str

    @classmethod
    @contextmanager
    def started(cls) -> Iterator[S3Server]:
        """Its process ends with ours, however that ends: it waits for the end of its input."""
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.cloud.s3_server"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parents[2],
            text=True,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            port = int(process.stdout.readline())
            yield cls(f"http://127.0.0.1:{port}")
        finally:
            process.stdin.close()
            process.wait(timeout=20)
            process.stdout.close()

    def store(self, bucket: str, *, lease_seconds: float = 30.0, **more: Any) -> S3Store:
        """Settings of a store in a bucket, which is made if need be."""
        names = {found["Name"] for found in self.client().list_buckets()["Buckets"]}
        if bucket not in names:
            self.client().create_bucket(Bucket=bucket)
        return S3Store(
            bucket,
            region="us-east-1",
            endpoint=self.endpoint,
            lease_seconds=lease_seconds,
            **more,
        )

    def client(self) -> Any:
        return _client(self.endpoint)

    def fail(self, **faults: int) -> None:
        """Let it fail as `s3_front.Faults` says; without any, let it be whole."""
        self._ask("POST", "faults", json.dumps(faults).encode())

    def requests(self) -> list[tuple[str, str]]:
        """What was asked for since `fail` was called."""
        return [(method, path) for method, path in self._ask("GET", "requests")]

    def _ask(self, method: str, what: str, body: bytes | None = None) -> Any:
        request = urllib.request.Request(f"{self.endpoint}/-/{what}", body, method=method)
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.load(answer)


@cache
def _client(endpoint: str) -> Any:
    import boto3

    return boto3.session.Session().client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
    )


def main() -> None:
    import logging
    import threading

    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import make_server

    from tests.cloud.s3_front import Front

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    front = Front(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", 0, front, threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.port, flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
