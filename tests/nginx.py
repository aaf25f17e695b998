"""A real NGINX on loopback, whose upstream servers are in a folder of ours.

Skipped with the reason where nginx is missing, except under CI.
"""

from __future__ import annotations

import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

from phoenixctl.model.routing import RouterKind, RouterSettings
from phoenixctl.routers.nginx import Nginx
from phoenixctl.routers.places import Place
from tests.needs import program
from tests.sshd import free_port

BACKEND = "work"
_CONFIG = """
daemon off;
worker_processes 1;
pid {folder}/pid;
error_log {folder}/log;
events {{ worker_connections 256; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  include {folder}/upstreams/*.conf;
  server {{
    listen 127.0.0.1:{port};
    location / {{
      set $to {backend};
      proxy_pass http://$to;
      proxy_http_version 1.1;
    }}
  }}
}}
"""


@dataclass
class RunningNginx:
    """A process of NGINX; `upstreams` is the folder that it includes."""

    folder: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def upstreams(self) -> Path:
        return self.folder / "upstreams"

    @property
    def words(self) -> tuple[str, ...]:
        return (program("nginx"), "-p", str(self.folder), "-c", str(self.folder / "nginx.conf"))

    def start(self) -> None:
        self.upstreams.mkdir(exist_ok=True)
        (self.folder / "nginx.conf").write_text(
            _CONFIG.format(folder=self.folder, port=self.port, backend=BACKEND)
        )
        with (self.folder / "said").open("wb") as said:
            self.process = subprocess.Popen(self.words, stdout=said, stderr=said)
        deadline = time.monotonic() + 30
        while not self._listens():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"nginx: {(self.folder / 'said').read_text()}")
            time.sleep(0.01)

    def _listens(self) -> bool:
        with socket.socket() as door:
            return door.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait()
            self.process = None

    def router(self, place: Place) -> Nginx:
        """What speaks to it; its one backend is that of the spec."""
        words = self.words
        settings = RouterSettings(
            "front",
            RouterKind.NGINX,
            str(self.upstreams),
            {"agent": BACKEND},
            timeout_seconds=30.0,
            test=(*words, "-t"),
            reload=(*words, "-s", "reload"),
        )
        return Nginx(settings, place)
