"""A host between a client and the sandbox, as a gateway, a proxy or a sign-in page is."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

import orjson

_NOT_COPIED = {"transfer-encoding", "connection", "content-length", "date", "server"}


class Answer(NamedTuple):
    status: int
    headers: Mapping[str, str]
    body: bytes


PAGE = Answer(200, {"Content-Type": "text/html; charset=utf-8"}, b"<!DOCTYPE html><html><body>Sign in</body></html>")
# What only the header tells, and what only the content tells.
TEXT_PAGE = PAGE._replace(body=b"Sign in first")
UNMARKED_PAGE = Answer(200, {"Content-Type": "application/octet-stream"}, b"\xef\xbb\xbf\n" + PAGE.body)


def json_answer(document: Any, status: int = 200) -> Answer:
    return Answer(status, {"Content-Type": "application/json"}, orjson.dumps(document))


class GoBetween:
    """Passes calls on to the sandbox, except those for which `answer(method, path)` returns an answer of its own.

    `calls` holds the method and the path of each call.
    """

    def __init__(self, sandbox: Any) -> None:
        self.answer: Callable[[str, str], Answer | None] = lambda method, path: None
        self.calls: list[tuple[str, str]] = []
        self._sandbox = sandbox
        between = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                between.serve(self)

            def do_POST(self) -> None:
                between.serve(self)

            def do_DELETE(self) -> None:
                between.serve(self)

            def do_CONNECT(self) -> None:
                self.send_error(407, "Proxy Authentication Required")

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.scheme = "http"

    def __enter__(self) -> GoBetween:
        threading.Thread(target=self.server.serve_forever, args=[0.01], daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.server.server_port}"

    def environment(self) -> dict[str, str]:
        """Return the variables of the sandbox, with this address in place of the sandbox's."""
        variables = self._sandbox.environment()
        return {name: value.replace(self._sandbox.url, self.url) for name, value in variables.items()}

    def serve(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers.get("content-length") or 0))
        self.calls.append((handler.command, handler.path))
        answer = self.answer(handler.command, handler.path) or self._pass_on(handler, body)
        handler.send_response(answer.status)
        for name, value in answer.headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(answer.body)))
        handler.end_headers()
        handler.wfile.write(answer.body)

    def _pass_on(self, handler: BaseHTTPRequestHandler, body: bytes) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self._sandbox.port, timeout=20)
        headers = {**dict(handler.headers.items()), "Host": f"127.0.0.1:{self._sandbox.port}"}
        connection.request(handler.command, handler.path, body, headers)
        response = connection.getresponse()
        kept = {name: value for name, value in response.getheaders() if name.lower() not in _NOT_COPIED}
        return Answer(response.status, kept, response.read())
