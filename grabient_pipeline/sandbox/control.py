"""The control API of the sandbox itself, under `/_sandbox`, for people, tests and drills."""

from collections import Counter, deque
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import orjson
from starlette.concurrency import iterate_in_threadpool, run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from grabient_pipeline.sandbox.batch import Batch
from grabient_pipeline.sandbox.batches.billing import BilledRequest, Billing
from grabient_pipeline.sandbox.batches.context import Context
from grabient_pipeline.sandbox.batches.queues import UnknownLimitError
from grabient_pipeline.sandbox.faults.armed import UnknownFaultError
from grabient_pipeline.sandbox.faults.registry import Call
from grabient_pipeline.sandbox.json_values import object_in
from grabient_pipeline.sandbox.responses import json_response
from grabient_pipeline.sandbox.store import StoredFile, now

# Provider, kind and status of a call; the status is None if the call got no response.
CallKey = tuple[str, Call, int | None]
_LINES_PER_CHUNK = 1024
# Anthropic's requests come with the creation of a batch, and its results are read by the id of the batch.
_WITHOUT_FILES = frozenset({"anthropic"})


class Control:
    """The routes under `/_sandbox`."""

    def __init__(
        self,
        context: Context,
        billing: Billing,
        requests: deque[dict[str, Any]],
        calls: Counter[CallKey],
        forget: Callable[[], None],
    ) -> None:
        self._context = context
        self._billing = billing
        self._requests = requests
        self._calls = calls
        self._forget_all = forget
        self._providers = tuple(context.limits)

    def routes(self) -> list[BaseRoute]:
        """All routes, relative to `/_sandbox`."""
        return [
            Route("/batches", self._batches, methods=["GET"]),
            Route("/batches", self._forget, methods=["DELETE"]),
            Route("/batches/end", self._end, methods=["POST"]),
            Route("/files", self._files, methods=["GET"]),
            Route("/billed", self._billed, methods=["GET"]),
            Route("/billed/custom_ids", self._billed_custom_ids, methods=["GET"]),
            Route("/billed/requests", self._billed_requests, methods=["GET"]),
            Route("/calls", self._count_calls, methods=["GET"]),
            Route("/requests", self._list_requests, methods=["GET"]),
            Route("/faults", self._list_faults, methods=["GET"]),
            Route("/faults", self._arm, methods=["POST"]),
            Route("/faults", self._disarm, methods=["DELETE"]),
            Route("/limits", self._limits, methods=["GET", "POST", "DELETE"]),
            Route("/occupied", self._occupied, methods=["GET", "POST", "DELETE"]),
            Route("/queues", self._queues, methods=["GET"]),
        ]

    # Batches.

    async def _batches(self, _: Request) -> Response:
        moment = now()
        return json_response({"batches": [self._described(batch, moment) for batch in self._context.store.batches()]})

    async def _forget(self, _: Request) -> Response:
        self._forget_all()
        return json_response({"batches": []})

    async def _end(self, request: Request) -> Response:
        """End running batches: all of them, those of one provider, or one."""
        provider, wanted = request.query_params.get("provider"), request.query_params.get("batch")
        running = [
            batch
            for batch in self._context.store.batches()
            if provider in (None, batch.provider) and wanted in (None, batch.id) and not batch.phase(now()).ended
        ]
        for batch in running:
            await self._context.end_now(batch)
        return json_response({"ended": [batch.id for batch in running]})

    def _described(self, batch: Batch, moment: float) -> dict[str, Any]:
        phase = batch.phase(moment)
        outcome = batch.outcome if phase.ended else None
        stored = self._context.store.input_of(batch)
        if stored is not None and not _is_file(stored):
            stored = None
        metadata = object_in(batch.details, "metadata")
        found: dict[str, Any] = {
            "metadata": metadata,
            "display_name": batch.details.get("display_name", ""),
            "file_name": stored.name if stored else "",
            "custom_id_prefix": batch.custom_id_prefix,
        }
        return {
            "provider": batch.provider,
            "id": batch.id,
            "state": phase.value,
            "model": batch.model,
            "request_count": batch.request_count,
            # None if its requests came with the creation.
            "input_file": stored.id if stored else None,
            "created_at": batch.created,
            # Whether the client received the response to the creation in time.
            "creation_answered": batch.answered,
            "cancel_asked_at": batch.cancelled,
            "deleted": batch.deleted,
            "token": metadata.get("submission") or found["display_name"].split(" ")[0] or found["custom_id_prefix"],
            "found_in": found,
            "problems": batch.problems,
            "billed": {
                "requests": outcome.succeeded + outcome.billed_errors if outcome else 0,
                "input_tokens": outcome.input_tokens if outcome else 0,
                "output_tokens": outcome.output_tokens if outcome else 0,
                "cached_tokens": outcome.cached_tokens if outcome else 0,
                "cache_write_tokens": outcome.cache_write_tokens if outcome else 0,
                "reasoning_tokens": outcome.reasoning_tokens if outcome else 0,
            },
            "errored": outcome.errored + outcome.miscounted if outcome else 0,
            "unfinished": outcome.expired + outcome.cancelled if outcome else 0,
        }

    # Files.

    async def _files(self, request: Request) -> Response:
        """The uploaded files and the result files, newest first; deleted ones are marked."""
        wanted = request.query_params.get("provider")
        unknown = self._reject_provider(wanted)
        if unknown is not None:
            return unknown
        providers = self._providers if wanted is None else (wanted,)
        files = [file for provider in providers for file in self._context.store.files(provider, deleted=True)]
        shown = [
            {
                "provider": file.provider,
                "id": file.id,
                "name": file.name,
                "purpose": file.purpose,
                "size": file.size,
                "created": file.created,
                "deleted": file.deleted,
            }
            for file in files
            if _is_file(file)
        ]
        return json_response({"files": shown})

    # Bills.

    async def _billed(self, _: Request) -> Response:
        return json_response(await run_in_threadpool(self._billing.summary))

    async def _billed_custom_ids(self, request: Request) -> Response:
        return self._lines(request, lambda bill: bill.custom_id.encode() if bill.custom_id else None, "text/plain")

    async def _billed_requests(self, request: Request) -> Response:
        return self._lines(request, lambda bill: orjson.dumps(bill._asdict()), "application/jsonl")

    def _lines(
        self, request: Request, format_bill: Callable[[BilledRequest], bytes | None], media_type: str
    ) -> Response:
        wanted, batch = request.query_params.get("provider"), request.query_params.get("batch")
        unknown = self._reject_provider(wanted)
        if unknown is not None:
            return unknown
        lines = (line for bill in self._billing.bills(wanted, batch) if (line := format_bill(bill)) is not None)
        return StreamingResponse(iterate_in_threadpool(_chunks(lines)), media_type=media_type)

    def _reject_provider(self, wanted: str | None) -> Response | None:
        if wanted is None or wanted in self._providers:
            return None
        return json_response({"error": f"no provider {wanted!r}; there are {', '.join(self._providers)}"}, 400)

    # Calls.

    async def _count_calls(self, _: Request) -> Response:
        counts: dict[str, dict[str, Any]] = {provider: {} for provider in self._providers}
        for (provider, call, status), count in sorted(self._calls.items(), key=str):
            counts[provider].setdefault(call, {})["unanswered" if status is None else str(status)] = count
        for provider in self._providers:
            counts[provider]["most_answered_at_once"] = self._context.direct_calls.most_at_once[provider]
        return json_response(counts)

    async def _list_requests(self, _: Request) -> Response:
        return json_response({"requests": list(self._requests)})

    # Faults.

    async def _list_faults(self, _: Request) -> Response:
        known = {
            name: {
                "strikes": kind.scope,
                "description": kind.description,
                "parameters": kind.parameters,
                "providers": kind.providers,
            }
            for name, kind in self._context.faults.kinds.items()
        }
        armed = [fault.document() for fault in self._context.faults.armed()]
        return json_response({"armed": armed, "known": known})

    async def _arm(self, request: Request) -> Response:
        try:
            armed = self._context.faults.arm_all(orjson.loads(await request.body()))
        except (orjson.JSONDecodeError, UnknownFaultError) as problem:
            return json_response({"error": str(problem)}, 400)
        return json_response({"armed": [fault.document() for fault in armed]})

    async def _disarm(self, _: Request) -> Response:
        self._context.faults.disarm()
        return json_response({"armed": []})

    # Queues.

    async def _limits(self, request: Request) -> Response:
        queues = self._context.queues
        problem = await self._set(request, queues.limit, queues.lift)
        return problem or json_response(queues.limits())

    async def _occupied(self, request: Request) -> Response:
        queues = self._context.queues
        problem = await self._set(request, queues.occupy, queues.vacate)
        return problem or json_response({"occupied": queues.occupied()})

    @staticmethod
    async def _set(request: Request, change: Callable[[Any], None], clear: Callable[[], None]) -> Response | None:
        if request.method == "DELETE":
            clear()
        elif request.method == "POST":
            try:
                change(orjson.loads(await request.body()))
            except (orjson.JSONDecodeError, UnknownLimitError) as problem:
                return json_response({"error": str(problem)}, 400)
        return None

    async def _queues(self, _: Request) -> Response:
        return json_response(self._context.queues.report())


def _is_file(stored: StoredFile) -> bool:
    """Whether it is a file at its provider, and not a part of the sandbox's own memory."""
    return stored.name != "" and stored.provider not in _WITHOUT_FILES


def _chunks(lines: Iterator[bytes]) -> Iterator[bytes]:
    while chunk := list(islice(lines, _LINES_PER_CHUNK)):
        yield b"\n".join(chunk) + b"\n"
