"""The two embedding APIs on a loopback port, as far as they document themselves, and as strict.

What is remembered of each request is what a test needs; `misbehave` makes the next answers bad ones.
"""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np

OPENAI_KEY = "sk-test-of-openai"
GOOGLE_KEY = "AIza-test-of-google"


def vector_of(text: str, dimension: int) -> list[float]:
    """Not of unit length, as Gemini's shortened ones are not; the same for the same text."""
    seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
    return (3 * np.random.default_rng(seed).standard_normal(dimension)).tolist()


@dataclass
class EmbeddingApis:
    """What was asked, and what the next answers are to be instead of good ones."""

    port: int = 0
    requests: list[dict[str, Any]] = field(default_factory=list)
    bad_answers: list[tuple[int, Any]] = field(default_factory=list)

    def environment(self) -> dict[str, str]:
        base = f"http://127.0.0.1:{self.port}"
        return {
            "OPENAI_API_KEY": OPENAI_KEY,
            "OPENAI_BASE_URL": f"{base}/openai/v1",
            "GOOGLE_GENERATIVE_AI_API_KEY": GOOGLE_KEY,
            "GOOGLE_GEMINI_BASE_URL": f"{base}/google",
        }

    def misbehave(self, status: int, body: Any, times: int = 1) -> None:
        self.bad_answers += [(status, body)] * times

    def texts(self) -> list[str]:
        return [text for request in self.requests for text in request["texts"]]


@contextmanager
def serve() -> Iterator[EmbeddingApis]:
    """The APIs while the block runs."""
    apis = EmbeddingApis()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status, answer = apis.bad_answers.pop(0) if apis.bad_answers else self._answer(body)
            content = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            # The SDKs wait as long as they are told to.
            self.send_header("Retry-After", "0")
            self.end_headers()
            self.wfile.write(content)

        def _answer(self, body: dict[str, Any]) -> tuple[int, Any]:
            if self.path == "/openai/v1/embeddings":
                return self._openai(body)
            if self.path == "/google/v1beta/models/gemini-embedding-001:batchEmbedContents":
                return self._google(body)
            return 404, {"error": {"message": f"nothing at {self.path}", "code": 404, "status": "NOT_FOUND"}}

        def _openai(self, body: dict[str, Any]) -> tuple[int, Any]:
            texts, dimension = body["input"], body["dimensions"]
            if self.headers["Authorization"] != f"Bearer {OPENAI_KEY}":
                return 401, {"error": {"message": f"Incorrect API key: {self.headers['Authorization']}"}}
            if not 0 < len(texts) <= 2048 or not all(texts) or body["model"] != "text-embedding-3-small":
                return 400, {"error": {"message": "'$.input' is invalid.", "type": "invalid_request_error"}}
            apis.requests.append({"texts": texts, "dimension": dimension})
            rows = [
                {"object": "embedding", "index": number, "embedding": _packed(vector_of(text, dimension))}
                for number, text in enumerate(texts)
            ]
            tokens = sum(len(text.split()) for text in texts)
            usage = {"prompt_tokens": tokens, "total_tokens": tokens}
            # They say where each belongs, and promise no order.
            return 200, {"object": "list", "data": rows[::-1], "model": body["model"], "usage": usage}

        def _google(self, body: dict[str, Any]) -> tuple[int, Any]:
            asked = body["requests"]
            if self.headers["x-goog-api-key"] != GOOGLE_KEY:
                return 400, {"error": {"code": 400, "message": "API key not valid.", "status": "INVALID_ARGUMENT"}}
            if not 0 < len(asked) <= 100 or any(each["model"] != "models/gemini-embedding-001" for each in asked):
                return 400, {"error": {"code": 400, "message": "at most 100", "status": "INVALID_ARGUMENT"}}
            texts = ["".join(part["text"] for part in each["content"]["parts"]) for each in asked]
            dimension, task = asked[0]["outputDimensionality"], asked[0]["taskType"]
            apis.requests.append({"texts": texts, "dimension": dimension, "task": task})
            return 200, {"embeddings": [{"values": vector_of(text, dimension)} for text in texts]}

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    apis.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield apis
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _packed(vector: list[float]) -> str:
    """As the SDK asks for them unless it is told otherwise."""
    return base64.b64encode(np.array(vector, dtype=np.float32).tobytes()).decode()
