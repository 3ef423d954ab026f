"""The application: the APIs of all providers behind one gate. Its own control API is in `control.py`."""

import asyncio
import tempfile
from collections import Counter, deque
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from grabient_pipeline.sandbox.batches.billing import Billing
from grabient_pipeline.sandbox.batches.context import Context
from grabient_pipeline.sandbox.batches.direct_calls import DirectCallHandler, DroppedConnection
from grabient_pipeline.sandbox.batches.queues import Queues
from grabient_pipeline.sandbox.batches.worker import BatchWorker
from grabient_pipeline.sandbox.control import CallKey, Control
from grabient_pipeline.sandbox.discovery import PROVIDERS, faults_of
from grabient_pipeline.sandbox.faults.armed import ArmedFaults
from grabient_pipeline.sandbox.faults.registry import Call
from grabient_pipeline.sandbox.model.answers import ModelFactory
from grabient_pipeline.sandbox.provider import SandboxProvider
from grabient_pipeline.sandbox.responses import date_headers
from grabient_pipeline.sandbox.store import Store, now

DEFAULT_BATCH_SECONDS = 2.0
DEFAULT_SEED = 20
_REMEMBERED_REQUESTS = 10_000


class Sandbox:
    """The parts of a sandbox, wired up; `app` is the ASGI application.

    Args:
        state: The directory for batches, files and bills; a temporary one if None.
        batch_seconds: The duration of a batch.
        seed: The seed of all answers.
        faults: Faults that are armed from the start, as in the control API.
        limits: The limits of the queues from the start, as in the control API.
        providers: The providers, by their keys.
    """

    def __init__(
        self,
        state: Path | None = None,
        batch_seconds: float = DEFAULT_BATCH_SECONDS,
        seed: int = DEFAULT_SEED,
        faults: list[dict[str, Any]] | None = None,
        *,
        limits: Any = None,
        providers: Mapping[str, SandboxProvider] = PROVIDERS,
    ) -> None:
        self._temporary = tempfile.TemporaryDirectory(prefix="grabient-sandbox-") if state is None else None
        directory = Path(self._temporary.name) if self._temporary else state
        assert directory is not None
        self.providers = providers
        self.store = Store(directory)
        self.faults = ArmedFaults(faults_of(providers.values()), tuple(providers))
        self.faults.arm_all(faults or [])
        characters = {
            name: model.character for provider in providers.values() for name, model in provider.models.items()
        }
        caches = {
            name: model.cache
            for provider in providers.values()
            for name, model in provider.models.items()
            if model.cache is not None
        }
        dialects = {key: provider.dialect for key, provider in providers.items()}
        batch_limits = {key: provider.limits for key, provider in providers.items()}
        self.queues = Queues(self.store, {key: provider.queue for key, provider in providers.items()}, limits)
        # The worker has its own thread, and a factory is not for use by several threads.
        self.worker = BatchWorker(self.store, seed, ModelFactory(seed, characters, caches), dialects, batch_limits)
        self.billing = Billing(self.store, tuple(providers))
        self.direct_calls = DirectCallHandler(ModelFactory(seed, characters, caches), self.billing, self.faults)
        self.context = Context(
            self.store, self.worker, self.direct_calls, self.faults, self.queues, batch_limits, batch_seconds
        )
        self.requests: deque[dict[str, Any]] = deque(maxlen=_REMEMBERED_REQUESTS)
        self.calls: Counter[CallKey] = Counter()
        control = Control(self.context, self.billing, self.requests, self.calls, self.forget)
        self.app: ASGIApp = _Gate(Starlette(routes=self._routes(control), lifespan=self._lifespan), self)

    @asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncGenerator[None]:
        self.worker.start()
        try:
            yield
        finally:
            self.worker.stop()
            if self._temporary is not None:
                self._temporary.cleanup()

    def _routes(self, control: Control) -> list[BaseRoute]:
        mounts: list[BaseRoute] = [
            Mount(provider.routes_path, routes=provider.routes(self.context)) for provider in self.providers.values()
        ]
        return [*mounts, Mount("/_sandbox", routes=control.routes())]

    def forget(self) -> None:
        """Forget every batch, file, bill, armed fault and logged call."""
        self.faults.disarm()
        self.store.forget()
        self.queues.forget()
        self.direct_calls.forget()
        self.requests.clear()
        self.calls.clear()

    def billed(self) -> dict[str, dict[str, Any]]:
        """What has been billed so far, by provider; batches count once they have ended."""
        return self.billing.summary()


class _Gate:
    """Runs before every route: credentials, versions, the faults of every call, and the log of calls."""

    def __init__(self, inner: ASGIApp, sandbox: Sandbox) -> None:
        self._inner = inner
        self._sandbox = sandbox

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._inner(scope, receive, send)
            return
        provider = self._sandbox.providers.get(scope["path"].split("/", 2)[1])
        entry: dict[str, Any] = {"time": now(), "method": scope["method"], "path": scope["path"], "status": None}
        self._sandbox.requests.append(entry)

        async def send_and_log(message: Message) -> None:
            if message["type"] == "http.response.start":
                entry["status"] = message["status"]
                skew = 0.0 if provider is None else self._sandbox.faults.clock_skew(provider.key)
                message = {**message, "headers": date_headers(message.get("headers", ()), now(), skew)}
            await send(message)

        if provider is None:
            await self._inner(scope, receive, send_and_log)
            return
        call = call_of(provider, scope["method"], scope["path"])
        try:
            await self._pass(scope, receive, send_and_log, provider, call)
        finally:
            self._sandbox.calls[provider.key, call, entry["status"]] += 1

    async def _pass(self, scope: Scope, receive: Receive, send: Send, provider: SandboxProvider, call: Call) -> None:
        request = Request(scope, receive)
        response = await self._rejected(request, provider, call)
        if response is None:
            await self._inner(scope, receive, _replace_plain_errors(provider, send))
            return
        # A client that is still sending would not see a response that comes before its last byte.
        async for _ in request.stream():
            pass
        await response(scope, receive, send)

    async def _rejected(self, request: Request, provider: SandboxProvider, call: Call) -> Response | None:
        """The response of a fault or to invalid credentials, or None if the call passes."""
        slow = self._sandbox.faults.take_for("slow_calls", provider.key, call)
        if slow is not None:
            await asyncio.sleep(slow["seconds"])
        struck = self._sandbox.faults.take_call(provider.key, call)
        if struck is None:
            return provider.reject_call(request)
        fault, wait = struck
        if fault.name == "hang":
            await asyncio.sleep(fault["seconds"])
            return DroppedConnection()
        if fault.name == "down":
            return provider.error(fault["status"])
        return provider.error(429, retry_after=wait)


def call_of(provider: SandboxProvider, method: str, path: str) -> Call:
    """The kind of a call, by its method and path."""
    if method == "DELETE":
        return "cancelling"
    if method == "GET":
        return "downloading" if path.endswith(provider.downloads) else "reading"
    if "/upload/" in path or path.endswith("/files"):
        return "uploading"
    for ending, call in provider.calls.items():
        if path.endswith(ending):
            return call
    return "reading"


def _replace_plain_errors(provider: SandboxProvider, send: Send) -> Send:
    """Replace the plain text with which routing rejects unknown paths and methods by the provider's own error."""
    replaced = False

    async def send_replaced(message: Message) -> None:
        nonlocal replaced
        if message["type"] == "http.response.start" and message["status"] in (404, 405):
            headers = dict(message["headers"])
            replaced = headers.get(b"content-type", b"").startswith(b"text/plain")
            if replaced:
                status = 404 if message["status"] == 404 else provider.wrong_method_status
                response = provider.error(status, "", "Not found" if status == 404 else "Method not allowed")
                await send({"type": "http.response.start", "status": status, "headers": response.raw_headers})
                await send({"type": "http.response.body", "body": response.body})
                return
        if not replaced:
            await send(message)

    return send_replaced
