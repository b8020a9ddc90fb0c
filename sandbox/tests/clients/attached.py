"""The target VM's view of the metadata server, which tells callers apart by their address."""

import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from sandbox.tests.running import Sandbox

BLOCK = 65536


@contextmanager
def metadata_server_of_the_target(sandbox: Sandbox) -> Iterator[str]:
    """For GCE_METADATA_HOST: leads to the metadata server, from the target's address."""

    class Forwarder(socketserver.BaseRequestHandler):
        """One connection, both ways."""

        def handle(self) -> None:
            address, target = (sandbox.address, 9010), (sandbox.target_address, 0)
            with socket.create_connection(address, timeout=30, source_address=target) as inside:
                threading.Thread(target=_carry, args=(inside, self.request), daemon=True).start()
                _carry(self.request, inside)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Forwarder) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()


def _carry(source: socket.socket, sink: socket.socket) -> None:
    try:
        while block := source.recv(BLOCK):
            sink.sendall(block)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        return
