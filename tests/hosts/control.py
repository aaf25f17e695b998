"""Orders to hosts that another process keeps: a line in, a line out, over a local socket."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from socket import AF_UNIX, SOCK_STREAM, socket

from tests.hosts.fleet import Hosts
from tests.hosts.host import Host
from tests.hosts.process import HarnessError

FAULTS: dict[str, Callable[[Host], None]] = {
    "partition": Host.partition,
    "freeze": Host.freeze_sshd,
    "power-off": Host.power_off,
    "heal": Host.heal,
    "reboot": Host.reboot,
    "renew": Host.renew,
}
_NOTE = "control"  # in the user's folder: where the socket is (its own path may be too long)


class Control:
    """Listens until `down` is ordered or `done` is set."""

    def __init__(self, hosts: Hosts, socket_path: Path) -> None:
        self.done = threading.Event()
        self._hosts = hosts
        control = self

        class Order(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                order = self.rfile.readline().decode().split()
                self.wfile.write(control.carry_out(*order).encode() + b"\n")

        self._server = socketserver.UnixStreamServer(str(socket_path), Order)
        (hosts.folder / _NOTE).write_text(str(socket_path))

    def carry_out(self, order: str, name: str = "") -> str:
        """What was done, or why not."""
        if order == "down":
            self.done.set()
            return "going down"
        try:
            FAULTS[order](self._hosts[name])
        except KeyError:
            names = ", ".join(host.name for host in self._hosts)
            return f"cannot {order} {name!r}: the hosts are {names}"
        except HarnessError as error:
            return str(error)
        return f"{name}: {order} done"

    def serve(self) -> None:
        """Until it is over; also boots hosts again that were told from within to reboot."""
        self._server.timeout = 0.5
        while not self.done.is_set():
            self._server.handle_request()
            for host in self._hosts:
                if host.rebooting:
                    host.boot()
        self._server.server_close()
        (self._hosts.folder / _NOTE).unlink()


def send(folder: Path, *order: str) -> str:
    """Give an order to the hosts of a folder; its answer, empty when nobody keeps any."""
    note = folder / _NOTE
    with suppress(FileNotFoundError, ConnectionRefusedError), socket(AF_UNIX, SOCK_STREAM) as way:
        way.connect(note.read_text())
        way.sendall(" ".join(order).encode() + b"\n")
        return way.makefile().readline().strip()
    return ""
