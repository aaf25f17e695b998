"""The metadata service of an instance, as far as spot instances need it (IMDSv2).

In the test's own process, or on a host: `python -m tests.metadata PORT FILE`. Once the file is
there, its content is the notice that the instance will be interrupted.
"""

from __future__ import annotations

import json
import sys
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType

_TOKEN = "a-token"


class Metadata:
    """`with Metadata(file) as metadata:` then it answers at `metadata.url`."""

    def __init__(self, notice: Path, port: int = 0) -> None:
        self.refused = 0  # questions without a token

        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_PUT(self) -> None:
                known = "X-aws-ec2-metadata-token-ttl-seconds" in self.headers
                self._answer(200 if known and self.path == "/latest/api/token" else 400, _TOKEN)

            def do_GET(self) -> None:
                if self.headers.get("X-aws-ec2-metadata-token") != _TOKEN:
                    service.refused += 1
                    self._answer(401, "")
                elif self.path != "/latest/meta-data/spot/instance-action" or not notice.exists():
                    self._answer(404, "<html>not found</html>")
                else:
                    self._answer(200, notice.read_text())

            def _answer(self, status: int, body: str) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(body.encode())))
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, *said: object) -> None:
                """Requests are no news."""

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Metadata:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"


def notice(in_seconds: float, *, action: str = "terminate") -> str:
    """What the service says when the instance goes in so many seconds."""
    end = datetime.now(UTC) + timedelta(seconds=in_seconds)
    return json.dumps({"action": action, "time": f"{end:%Y-%m-%dT%H:%M:%SZ}"})


if __name__ == "__main__":
    with Metadata(Path(sys.argv[2]), int(sys.argv[1])):
        threading.Event().wait()
