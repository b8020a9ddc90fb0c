"""An HTTPS proxy that leads Google's own addresses to the sandbox, for clients that take no other endpoint.

Impersonation always asks iamcredentials.googleapis.com.
"""

import http.server
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests

from sandbox.machine import certificates


@contextmanager
def google_hosts(url: str, folder: Path, *names: str) -> Iterator[dict[str, str]]:
    """Environment variables with which Go's and Python's clients send to the sandbox what is for these hosts."""
    authority = certificates.ensure(folder, list(names), [])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority.parent / "tls.crt", authority.parent / "tls.key")

    class Handler(http.server.BaseHTTPRequestHandler):
        """One CONNECT, then one request inside."""

        def do_CONNECT(self) -> None:  # the name that http.server looks for
            if self.path.partition(":")[0] not in names:
                self.send_error(403)
                return
            self.send_response(200)
            self.end_headers()
            inside = context.wrap_socket(self.connection, server_side=True)
            self.rfile, self.wfile = inside.makefile("rb"), inside.makefile("wb")
            self.handle_one_request()
            self.close_connection = True
            inside.close()

        def do_POST(self) -> None:
            headers = {name: self.headers[name] for name in ("Authorization", "Content-Type")}
            body = self.rfile.read(int(self.headers["Content-Length"]))
            reply = requests.post(f"{url}{self.path}", data=body, headers=headers, timeout=30)
            self.send_response(reply.status_code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(reply.content)))
            self.end_headers()
            self.wfile.write(reply.content)

        def do_GET(self) -> None:
            """google-auth's look-up of allowedLocations."""
            self.send_error(404)

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        address = f"http://127.0.0.1:{server.server_address[1]}"
        bundle = str(authority)
        yield {"HTTPS_PROXY": address, "SSL_CERT_FILE": bundle, "REQUESTS_CA_BUNDLE": bundle}
    finally:
        server.shutdown()
        server.server_close()
