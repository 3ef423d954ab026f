"""The application: the four APIs behind their gate. What it tells about itself is in `control.py`."""

import asyncio
import tempfile
from collections import Counter, deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from grabient_pipeline.sandbox import anthropic, embeddings, google, openai
from grabient_pipeline.sandbox.abilities import PROVIDERS, Provider
from grabient_pipeline.sandbox.anthropic_rows import AnthropicDialect
from grabient_pipeline.sandbox.billing import Billing
from grabient_pipeline.sandbox.context import Context, ErrorAnswer
from grabient_pipeline.sandbox.control import CallKey, Control
from grabient_pipeline.sandbox.desk import Desk, Dropped
from grabient_pipeline.sandbox.faults import Call, Faults
from grabient_pipeline.sandbox.google_rows import GeminiDialect
from grabient_pipeline.sandbox.openai_rows import ChatDialect
from grabient_pipeline.sandbox.production import Dialect, Workshop
from grabient_pipeline.sandbox.store import Store, now

DEFAULT_BATCH_SECONDS = 2.0
DEFAULT_SEED = 20
_REMEMBERED_REQUESTS = 10_000
_ERRORS: dict[Provider, ErrorAnswer] = {
    "anthropic": anthropic.error,
    "openai": openai.error,
    "groq": openai.error,
    "google": google.error,
}
# By what the path ends with, the longer before the shorter; what is left is reading.
_POSTS: tuple[tuple[str, Call], ...] = (
    ("cancel", "cancelling"),
    ("/embeddings", "embedding"),
    ("mbedContents", "embedding"),
    (":embedContent", "embedding"),
    ("/batches", "creating"),
    (":batchGenerateContent", "creating"),
    ("/messages", "asking"),
    ("/chat/completions", "asking"),
    (":generateContent", "asking"),
)
_GETS: tuple[tuple[str, Call], ...] = (
    ("/results", "downloading"),
    ("/content", "downloading"),
    (":download", "downloading"),
)


class Sandbox:
    """The sandbox's parts, wired up; `app` is what a server runs."""

    def __init__(
        self,
        state: Path | None = None,
        batch_seconds: float = DEFAULT_BATCH_SECONDS,
        seed: int = DEFAULT_SEED,
        faults: list[dict[str, Any]] | None = None,
    ) -> None:
        self._temporary = tempfile.TemporaryDirectory(prefix="grabient-sandbox-") if state is None else None
        directory = Path(self._temporary.name) if self._temporary else state
        assert directory is not None
        self.store = Store(directory)
        self.faults = Faults()
        self.faults.arm_all(faults or [])
        dialects: dict[Provider, Dialect] = {
            "anthropic": AnthropicDialect(),
            "openai": ChatDialect("openai"),
            "groq": ChatDialect("groq"),
            "google": GeminiDialect(),
        }
        self.workshop = Workshop(self.store, seed, dialects)
        self.billing = Billing(self.store)
        self.desk = Desk(seed, self.billing, self.faults)
        self.context = Context(self.store, self.workshop, self.desk, self.faults, batch_seconds)
        self.requests: deque[dict[str, Any]] = deque(maxlen=_REMEMBERED_REQUESTS)
        self.calls: Counter[CallKey] = Counter()
        control = Control(self.context, self.billing, self.requests, self.calls, self.forget)
        self.app: ASGIApp = _Gate(Starlette(routes=self._routes(control), lifespan=self._lifespan), self)

    @asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncGenerator[None]:
        self.workshop.start()
        try:
            yield
        finally:
            self.workshop.stop()
            if self._temporary is not None:
                self._temporary.cleanup()

    def _routes(self, control: Control) -> list[BaseRoute]:
        context = self.context
        return [
            Mount("/anthropic", routes=anthropic.routes(context)),
            Mount(
                "/openai/v1",
                routes=[*openai.routes(context, "openai"), *embeddings.openai_routes(context)],
            ),
            Mount("/groq/openai/v1", routes=openai.routes(context, "groq")),
            Mount("/google", routes=[*google.routes(context), *embeddings.google_routes(context)]),
            Mount("/_sandbox", routes=control.routes()),
        ]

    def forget(self) -> None:
        """Begin anew: no batch, no file, no bill, no armed fault, no logged call."""
        self.faults.disarm()
        self.store.forget()
        self.desk.forget()
        self.requests.clear()
        self.calls.clear()

    def billed(self) -> dict[Provider, dict[str, Any]]:
        """What has been billed so far, a provider at a time; batches count once they have ended."""
        return self.billing.summary()


class _Gate:
    """What stands before every route: keys, versions, the faults that hit every call, and the log of calls."""

    def __init__(self, inner: ASGIApp, sandbox: Sandbox) -> None:
        self._inner = inner
        self._sandbox = sandbox

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._inner(scope, receive, send)
            return
        entry: dict[str, Any] = {"time": now(), "method": scope["method"], "path": scope["path"], "status": None}
        self._sandbox.requests.append(entry)

        async def noted(message: Message) -> None:
            if message["type"] == "http.response.start":
                entry["status"] = message["status"]
            await send(message)

        provider = _provider_of(scope["path"])
        if provider is None:
            await self._inner(scope, receive, noted)
            return
        call = call_of(scope["method"], scope["path"])
        try:
            await self._pass(scope, receive, noted, provider, call)
        finally:
            self._sandbox.calls[provider, call, entry["status"]] += 1

    async def _pass(self, scope: Scope, receive: Receive, send: Send, provider: Provider, call: Call) -> None:
        request = Request(scope, receive)
        answer = await self._refused(request, provider, call)
        if answer is None:
            await self._inner(scope, receive, _with_errors(provider, send))
            return
        # A client that is still sending would not see an answer that comes before its last byte.
        async for _ in request.stream():
            pass
        await answer(scope, receive, send)

    async def _refused(self, request: Request, provider: Provider, call: Call) -> Response | None:
        struck = self._sandbox.faults.take_call(provider, call)
        if struck is not None:
            fault, wait = struck
            if fault.name == "hang":
                await asyncio.sleep(fault["seconds"])
                return Dropped()
            if fault.name == "down":
                return _ERRORS[provider](fault["status"])
            return _ERRORS[provider](429, retry_after=wait)
        if provider == "anthropic":
            return anthropic.refused_call(request)
        if provider == "google":
            return google.refused_call(request)
        return openai.refused_call(request, provider)


def _provider_of(path: str) -> Provider | None:
    first = path.split("/", 2)[1]
    return next((provider for provider in PROVIDERS if provider == first), None)


def call_of(method: str, path: str) -> Call:
    """What sort of call this is."""
    if method == "DELETE":
        return "cancelling"
    if method != "GET" and ("/upload/" in path or path.endswith("/files")):
        return "uploading"
    for ending, call in _GETS if method == "GET" else _POSTS:
        if path.endswith(ending):
            return call
    return "reading"


def _with_errors(provider: Provider, send: Send) -> Send:
    """Routing answers unknown paths and methods in plain text; the providers answer in their own form."""
    replaced = False

    async def sent(message: Message) -> None:
        nonlocal replaced
        if message["type"] == "http.response.start" and message["status"] in (404, 405):
            headers = dict(message["headers"])
            replaced = headers.get(b"content-type", b"").startswith(b"text/plain")
            if replaced:
                status = 404 if provider == "google" else message["status"]
                answer = _ERRORS[provider](status, "", "Not found" if status == 404 else "Method not allowed")
                await send({"type": "http.response.start", "status": status, "headers": answer.raw_headers})
                await send({"type": "http.response.body", "body": answer.body})
                return
        if not replaced:
            await send(message)

    return sent
