"""A local stand-in for Cloudflare's D1 endpoint, with an SQLite database behind it and faults on demand."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from grabient_pipeline_tests.convex_exports import seeds

SEEDS = seeds(5)
TOKEN = "token-7d1f0c"
ACCOUNT, DATABASE = "023e105f4ecef8ad9ca31a8372d0c353", "7a1e7b1e-0000-4000-8000-00000000d1d1"
SITE = f"""
CREATE TABLE auth_user (id TEXT PRIMARY KEY NOT NULL, name TEXT DEFAULT 'x', role TEXT CHECK (role IN ('admin', 'b')));
CREATE TABLE palettes (id TEXT PRIMARY KEY, style TEXT, steps INTEGER, created_at INTEGER);
CREATE TABLE likes (user_id TEXT NOT NULL, palette_id TEXT NOT NULL, PRIMARY KEY (user_id, palette_id),
  FOREIGN KEY (user_id) REFERENCES auth_user (id));
INSERT INTO auth_user VALUES ('a', 'Ada; the first', 'admin'), ('b', 'Bo', 'b'), ('c', 'Cy''s', 'admin');
INSERT INTO likes VALUES ('a', '{SEEDS[0]}'), ('a', '{SEEDS[1]}'), ('b', '{SEEDS[2]}'), ('c', '{SEEDS[0]}');
INSERT INTO likes VALUES ('c', 'no palette');
"""  # noqa: S608
LIKED = {SEEDS[0], SEEDS[1]}


class D1:
    """Cloudflare's documented endpoint for one database, on an SQLite database.

    `faults`: statuses to return for the next calls instead of a result.
    """

    def __init__(self) -> None:
        self.database = sqlite3.connect(":memory:", check_same_thread=False)
        self.database.executescript(SITE)
        self.queries: list[dict] = []
        self.headers: list[dict] = []
        self.faults: list[int] = []

    def answer(self, path: str, headers, body: dict) -> tuple[int, dict]:
        self.headers.append(dict(headers))
        if self.faults:
            status = self.faults.pop(0)
            return status, failure(10000, f"a fault with {status}")
        if headers.get("Authorization") != f"Bearer {TOKEN}":
            return 401, failure(10000, f"Authentication error with {headers.get('Authorization')}")
        if path != f"/accounts/{ACCOUNT}/d1/database/{DATABASE}/query":
            return 404, failure(7404, "The database could not be found")
        self.queries.append(body)
        try:
            cursor = self.database.execute(body["sql"], body.get("params", []))
            names = [name for name, *_ in cursor.description or ()]
            rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
        except sqlite3.Error as error:
            return 400, failure(7500, f"{error}: SQLITE_ERROR")
        meta = {"duration": 0.2, "rows_read": len(rows), "rows_written": 0, "changes": 0}
        result = [{"results": rows, "success": True, "meta": meta}]
        return 200, {"result": result, "success": True, "errors": [], "messages": []}


def failure(code: int, message: str) -> dict:
    return {"result": [], "success": False, "errors": [{"code": code, "message": message}], "messages": []}


@contextmanager
def d1_server() -> Iterator[D1]:
    """Serve the endpoint while the block runs; `environment` has the variables that point to it."""
    database = D1()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status, answer = database.answer(self.path, self.headers, body)
            content = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            if status in (429, 503):
                self.send_header("Retry-After", "0.01")
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    database.environment = {
        "CF_ACCOUNT_ID": ACCOUNT,
        "CF_API_TOKEN": TOKEN,
        "CF_D1_DATABASE_ID": DATABASE,
        "CLOUDFLARE_BASE_URL": f"http://127.0.0.1:{server.server_port}",
    }
    yield database
    server.shutdown()
    server.server_close()
    thread.join()
