"""The application: the four APIs and, under `/_sandbox`, what people and tests ask the sandbox itself."""

import asyncio
import tempfile
from collections import Counter, deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

import orjson
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from grabient_pipeline.sandbox import anthropic, google, openai
from grabient_pipeline.sandbox.abilities import PROVIDERS, Provider
from grabient_pipeline.sandbox.context import Context, json_response
from grabient_pipeline.sandbox.documents import as_object, object_in
from grabient_pipeline.sandbox.faults import FAULTS, Dropped, Faults, UnknownFaultError
from grabient_pipeline.sandbox.production import Dialect, Workshop
from grabient_pipeline.sandbox.store import Batch, Store, now

DEFAULT_BATCH_SECONDS = 2.0
DEFAULT_SEED = 20
_REMEMBERED_REQUESTS = 10_000
_ERRORS = {"anthropic": anthropic.error, "openai": openai.error, "groq": openai.error, "google": google.error}


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
        for fault in faults or []:
            self.faults.arm(**fault)
        dialects: dict[Provider, Dialect] = {
            "anthropic": anthropic.AnthropicDialect(),
            "openai": openai.ChatDialect("openai"),
            "groq": openai.ChatDialect("groq"),
            "google": google.GeminiDialect(),
        }
        self.workshop = Workshop(self.store, seed, dialects)
        self.context = Context(self.store, self.workshop, self.faults, batch_seconds)
        self.requests: deque[dict[str, Any]] = deque(maxlen=_REMEMBERED_REQUESTS)
        self.app: ASGIApp = _Gate(Starlette(routes=self._routes(), lifespan=self._lifespan), self)

    @asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncGenerator[None]:
        self.workshop.start()
        try:
            yield
        finally:
            self.workshop.stop()
            if self._temporary is not None:
                self._temporary.cleanup()

    def _routes(self) -> list[BaseRoute]:
        return [
            Mount("/anthropic", routes=anthropic.routes(self.context)),
            Mount("/openai/v1", routes=openai.routes(self.context, "openai")),
            Mount("/groq/openai/v1", routes=openai.routes(self.context, "groq")),
            Mount("/google", routes=google.routes(self.context)),
            Mount(
                "/_sandbox",
                routes=[
                    Route("/batches", self._batches, methods=["GET"]),
                    Route("/batches", self._forget, methods=["DELETE"]),
                    Route("/billed", self._billed, methods=["GET"]),
                    Route("/requests", self._requests, methods=["GET"]),
                    Route("/faults", self._list_faults, methods=["GET"]),
                    Route("/faults", self._arm, methods=["POST"]),
                    Route("/faults", self._disarm, methods=["DELETE"]),
                ],
            ),
        ]

    async def _batches(self, _: Request) -> Response:
        moment = now()
        return json_response({"batches": [self._described(batch, moment) for batch in self.store.batches()]})

    def forget(self) -> None:
        """Begin anew: no batch, no file, no armed fault, no logged call."""
        self.faults.disarm()
        self.store.forget()
        self.requests.clear()

    async def _forget(self, _: Request) -> Response:
        self.forget()
        return json_response({"batches": []})

    def _described(self, batch: Batch, moment: float) -> dict[str, Any]:
        phase = batch.phase(moment)
        outcome = batch.outcome if phase.ended else None
        stored = self.store.input_of(batch)
        metadata = object_in(batch.details, "metadata")
        found: dict[str, Any] = {
            "metadata": metadata,
            "display_name": batch.details.get("display_name", ""),
            "file_name": stored.name if stored and batch.provider != "anthropic" else "",
            "custom_id_prefix": batch.custom_id_prefix,
        }
        return {
            "provider": batch.provider,
            "id": batch.id,
            "state": phase.value,
            "model": batch.model,
            "request_count": batch.request_count,
            "created_at": batch.created,
            "token": metadata.get("submission") or found["display_name"] or found["custom_id_prefix"],
            "found_in": found,
            "problems": batch.problems,
            "billed": {
                "requests": outcome.succeeded if outcome else 0,
                "input_tokens": outcome.input_tokens if outcome else 0,
                "output_tokens": outcome.output_tokens if outcome else 0,
            },
            "errored": outcome.errored if outcome else 0,
            "unfinished": outcome.expired + outcome.cancelled if outcome else 0,
        }

    async def _billed(self, _: Request) -> Response:
        return json_response(await run_in_threadpool(self.billed))

    def billed(self) -> dict[str, Any]:
        """What has been billed so far, a provider at a time; only batches that ended count."""
        return {provider: self._billed_by(provider) for provider in PROVIDERS}

    def _billed_by(self, provider: Provider) -> dict[str, Any]:
        moment = now()
        custom_ids: Counter[bytes] = Counter()
        identities: Counter[bytes] = Counter()
        tokens = {"input_tokens": 0, "output_tokens": 0}
        for batch in self.store.batches(provider):
            if batch.outcome is None or not batch.phase(moment).ended:
                continue
            tokens["input_tokens"] += batch.outcome.input_tokens
            tokens["output_tokens"] += batch.outcome.output_tokens
            for line in self.store.billed_path(batch).read_bytes().splitlines():
                custom_id, _, identity = line.partition(b"\t")
                custom_ids[custom_id] += 1
                identities[identity] += 1
        times = Counter(identities.values())
        return {
            "requests": custom_ids.total(),
            "custom_ids": len(custom_ids),
            "custom_ids_billed_more_than_once": sum(count > 1 for count in custom_ids.values()),
            "distinct_questions": len(identities),
            "questions_by_times_billed": {str(count): times[count] for count in sorted(times)},
            **tokens,
        }

    async def _requests(self, _: Request) -> Response:
        return json_response({"requests": list(self.requests)})

    async def _list_faults(self, _: Request) -> Response:
        known = {
            name: {"description": kind.description, "parameters": kind.parameters} for name, kind in FAULTS.items()
        }
        return json_response({"armed": [asdict(fault) for fault in self.faults.armed()], "known": known})

    async def _arm(self, request: Request) -> Response:
        try:
            wanted = orjson.loads(await request.body())
            faults = cast(list[Any], wanted) if isinstance(wanted, list) else [wanted]
            armed = [self.faults.arm(**as_object(fault)) for fault in faults]
        except (orjson.JSONDecodeError, TypeError, UnknownFaultError) as problem:
            return json_response({"error": str(problem)}, 400)
        return json_response({"armed": [asdict(fault) for fault in armed]})

    async def _disarm(self, _: Request) -> Response:
        self.faults.disarm()
        return json_response({"armed": []})


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
        request = Request(scope, receive)
        answer = await self._refused(request, provider)
        if answer is None:
            await self._inner(scope, receive, _with_errors(provider, noted))
            return
        # A client that is still sending would not see an answer that comes before its last byte.
        async for _ in request.stream():
            pass
        await answer(scope, receive, noted)

    async def _refused(self, request: Request, provider: Provider) -> Response | None:
        fault = self._sandbox.faults.take("any", provider)
        if fault is not None and fault.name == "down":
            return _ERRORS[provider](503, "", "")
        if fault is not None:
            await asyncio.sleep(fault["seconds"])
            return Dropped()
        if provider == "anthropic":
            return anthropic.refused_call(request)
        if provider == "google":
            return google.refused_call(request)
        return openai.refused_call(request, provider)


def _provider_of(path: str) -> Provider | None:
    first = path.split("/", 2)[1]
    return next((provider for provider in PROVIDERS if provider == first), None)


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
