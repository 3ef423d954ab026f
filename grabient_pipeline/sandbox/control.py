"""What people, tests and drills ask the sandbox itself, under `/_sandbox`."""

from collections import Counter, deque
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import orjson
from starlette.concurrency import iterate_in_threadpool, run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from grabient_pipeline.sandbox.abilities import PROVIDERS, Provider
from grabient_pipeline.sandbox.billing import Bill, Billing
from grabient_pipeline.sandbox.context import Context, json_response
from grabient_pipeline.sandbox.documents import object_in
from grabient_pipeline.sandbox.faults import FAULTS, Call, UnknownFaultError
from grabient_pipeline.sandbox.store import Batch, now

# Of a call: the status is None where no answer was given.
CallKey = tuple[Provider, Call, int | None]
_LINES_A_CHUNK = 1024


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

    def routes(self) -> list[BaseRoute]:
        """Where what is asked."""
        return [
            Route("/batches", self._batches, methods=["GET"]),
            Route("/batches", self._forget, methods=["DELETE"]),
            Route("/batches/end", self._end, methods=["POST"]),
            Route("/billed", self._billed, methods=["GET"]),
            Route("/billed/custom_ids", self._billed_custom_ids, methods=["GET"]),
            Route("/billed/requests", self._billed_requests, methods=["GET"]),
            Route("/calls", self._count_calls, methods=["GET"]),
            Route("/requests", self._list_requests, methods=["GET"]),
            Route("/faults", self._list_faults, methods=["GET"]),
            Route("/faults", self._arm, methods=["POST"]),
            Route("/faults", self._disarm, methods=["DELETE"]),
        ]

    # Batches.

    async def _batches(self, _: Request) -> Response:
        moment = now()
        return json_response({"batches": [self._described(batch, moment) for batch in self._context.store.batches()]})

    async def _forget(self, _: Request) -> Response:
        self._forget_all()
        return json_response({"batches": []})

    async def _end(self, request: Request) -> Response:
        """End the batches that are still worked on: all, those of a provider, or one."""
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
            # Whether whoever had it made was told so in time.
            "creation_answered": batch.answered,
            "cancel_asked_at": batch.cancelled,
            "deleted": batch.deleted,
            "token": metadata.get("submission") or found["display_name"] or found["custom_id_prefix"],
            "found_in": found,
            "problems": batch.problems,
            "billed": {
                "requests": outcome.succeeded if outcome else 0,
                "input_tokens": outcome.input_tokens if outcome else 0,
                "output_tokens": outcome.output_tokens if outcome else 0,
            },
            "errored": outcome.errored + outcome.miscounted if outcome else 0,
            "unfinished": outcome.expired + outcome.cancelled if outcome else 0,
        }

    # Money.

    async def _billed(self, _: Request) -> Response:
        return json_response(await run_in_threadpool(self._billing.summary))

    async def _billed_custom_ids(self, request: Request) -> Response:
        return self._lines(request, lambda bill: bill.custom_id.encode() if bill.custom_id else None, "text/plain")

    async def _billed_requests(self, request: Request) -> Response:
        return self._lines(request, lambda bill: orjson.dumps(bill._asdict()), "application/jsonl")

    def _lines(self, request: Request, spelled: Callable[[Bill], bytes | None], media_type: str) -> Response:
        wanted, batch = request.query_params.get("provider"), request.query_params.get("batch")
        provider: Provider | None = next((each for each in PROVIDERS if each == wanted), None)
        if wanted is not None and provider is None:
            return json_response({"error": f"no provider {wanted!r}; there are {', '.join(PROVIDERS)}"}, 400)
        lines = (line for bill in self._billing.bills(provider, batch) if (line := spelled(bill)) is not None)
        return StreamingResponse(iterate_in_threadpool(_chunks(lines)), media_type=media_type)

    # Calls.

    async def _count_calls(self, _: Request) -> Response:
        counts: dict[str, dict[str, Any]] = {provider: {} for provider in PROVIDERS}
        for (provider, call, status), count in sorted(self._calls.items(), key=str):
            counts[provider].setdefault(call, {})["unanswered" if status is None else str(status)] = count
        for provider in PROVIDERS:
            counts[provider]["most_answered_at_once"] = self._context.desk.most_at_once[provider]
        return json_response(counts)

    async def _list_requests(self, _: Request) -> Response:
        return json_response({"requests": list(self._requests)})

    # Faults.

    async def _list_faults(self, _: Request) -> Response:
        known = {
            name: {
                "strikes": kind.moment,
                "description": kind.description,
                "parameters": kind.parameters,
                "providers": kind.providers,
            }
            for name, kind in FAULTS.items()
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


def _chunks(lines: Iterator[bytes]) -> Iterator[bytes]:
    while chunk := list(islice(lines, _LINES_A_CHUNK)):
        yield b"\n".join(chunk) + b"\n"
