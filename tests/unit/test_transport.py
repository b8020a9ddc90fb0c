"""Bytes over HTTP: what goes over the wire, and which kind of failure each broken connection is."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.errors import NetworkError
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.transport import PooledTransport, new_session

TOKEN = {"Authorization": "Bearer t0ken"}


class Server(ThreadingHTTPServer):
    """Says what it was asked, redirects, answers half, or hangs up."""

    daemon_threads = True
    asked: list[dict[str, Any]]


def quiet(*_: object) -> None:
    """Log nothing."""


class Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"

    def handle_any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        about = {"line": f"{self.command} {self.path}", "body": body, "headers": dict(self.headers)}
        self.server.asked.append({**about, "port": self.client_address[1]})
        if self.path == "/hangs-up":
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        self.send_response(302 if self.path == "/moved" else 418)
        self.send_header("Location", "/elsewhere")
        self.send_header("Retry-After", "7")
        self.send_header("Content-Length", "9")
        self.end_headers()
        self.wfile.write(b"half" if self.path == "/half" else b"some text")
        self.close_connection = self.path == "/half"


# The names that the standard library calls.
for name, method in {"do_GET": Handler.handle_any, "do_POST": Handler.handle_any, "log_message": quiet}.items():
    setattr(Handler, name, method)


@pytest.fixture
def server() -> Iterator[Server]:
    """On a port of its own."""
    made = Server(("127.0.0.1", 0), Handler)
    made.asked = []
    thread = threading.Thread(target=made.serve_forever, daemon=True)
    thread.start()
    yield made
    made.shutdown()
    made.server_close()


def url(server: ThreadingHTTPServer, path: str, scheme: str = "http") -> str:
    return f"{scheme}://127.0.0.1:{server.server_port}/{path}"


def failure(where: str, method: str = "GET") -> NetworkError:
    with pytest.raises(NetworkError) as caught:
        PooledTransport().send(method, where, None, None, TOKEN)
    assert str(caught.value).startswith(f"{method} {where}: ")
    return caught.value


def test_a_request_and_its_answer(server: Server) -> None:
    reply = PooledTransport().send("POST", url(server, "v1/x"), {"updateMask": "a,b"}, {"n": 1}, TOKEN)
    assert (reply.status, reply.body, reply.headers["retry-after"]) == (418, b"some text", "7")
    (asked,) = server.asked
    assert (asked["line"], asked["body"]) == ("POST /v1/x?updateMask=a%2Cb", b'{"n": 1}')
    assert asked["headers"]["Content-Type"] == "application/json"


def test_one_connection_serves_many_requests(server: Server) -> None:
    pooled = PooledTransport()
    for _ in range(3):
        pooled.send("GET", url(server, "x"), None, None, TOKEN)
    assert len({asked["port"] for asked in server.asked}) == 1


def test_a_token_is_not_carried_to_where_an_answer_points(server: Server) -> None:
    assert PooledTransport().send("GET", url(server, "moved"), None, None, TOKEN).status == 302
    assert len(server.asked) == 1


def test_a_netrc_file_does_not_replace_the_token(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login somebody password else\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    PooledTransport().send("GET", url(server, "x"), None, None, TOKEN)
    assert server.asked[0]["headers"]["Authorization"] == TOKEN["Authorization"]


@pytest.mark.parametrize("path", ["hangs-up", "half"])
def test_an_answer_that_breaks_off_may_have_been_carried_out(server: Server, path: str) -> None:
    error = failure(url(server, path))
    assert (error.sent, error.lasting) == (True, False)
    assert "the connection broke: " in str(error)


def test_where_nobody_listens_nothing_was_sent() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        error = failure(f"http://127.0.0.1:{taken.getsockname()[1]}/x")
    assert (error.sent, error.lasting) == (False, False)
    assert "no connection: " in str(error)
    assert "Connection refused" in str(error)


def test_what_speaks_no_tls_will_not_do_so_later(server: Server) -> None:
    error = failure(url(server, "x", "https"))
    assert (error.sent, error.lasting) == (False, True)
    assert "TLS failed: " in str(error)


@pytest.mark.parametrize(
    ("raised", "sent", "text"),
    [
        (requests.exceptions.ConnectTimeout(), False, "no connection within 10 s"),
        (requests.exceptions.ReadTimeout(), True, "no answer within 60 s"),
    ],
)
def test_silence(monkeypatch: pytest.MonkeyPatch, raised: Exception, sent: bool, text: str) -> None:
    def wait(*_positional: Any, timeout: tuple[float, float], **_named: Any) -> None:
        assert timeout == (10.0, 60.0)
        raise raised

    monkeypatch.setattr(requests.Session, "request", wait)
    error = failure("http://google.invalid/x")
    assert (error.sent, error.lasting) == (sent, False)
    assert text in str(error)


@pytest.mark.parametrize("address", ["https://sqladmin.googleapis.com/", "http://127.0.0.1:9010/"])
def test_every_thread_of_a_plan_may_keep_a_connection(address: str) -> None:
    """More would be closed after each request, and cost a handshake each."""
    adapter: Any = new_session().get_adapter(address)
    assert adapter.poolmanager.connection_pool_kw["maxsize"] == 16


def test_sessions_share_what_they_trust() -> None:
    request = requests.Request("GET", "https://sqladmin.googleapis.com/").prepare()
    adapters: list[Any] = [new_session().get_adapter(str(request.url)) for _ in range(2)]
    contexts = [one.build_connection_pool_key_attributes(request, True)[1]["ssl_context"] for one in adapters]
    assert contexts[0] is contexts[1]
