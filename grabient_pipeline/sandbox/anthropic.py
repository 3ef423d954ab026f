"""Anthropic's Message Batches API."""

import hashlib
import re
import secrets
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import orjson
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from grabient_pipeline.sandbox.abilities import LIMITS, Ability, ability_of
from grabient_pipeline.sandbox.answers import Answer
from grabient_pipeline.sandbox.asked import Asked
from grabient_pipeline.sandbox.context import KEY_PREFIX, Context, StrangeRow, json_response
from grabient_pipeline.sandbox.documents import names_in, object_in, objects_in
from grabient_pipeline.sandbox.faults import creation
from grabient_pipeline.sandbox.json_rows import MalformedDocumentError, rows_in
from grabient_pipeline.sandbox.production import Refusal, Row, Written, checked
from grabient_pipeline.sandbox.schemas import anthropic_problem
from grabient_pipeline.sandbox.store import Batch, Phase, StoredFile, common_prefix, now

VERSIONS = ("2023-01-01", "2023-06-01", "2026-10-21")
# From this version on the API takes no sampling parameters, not even inside of a batch.
_NO_SAMPLING_SINCE = "2026-10-21"
_SAMPLING = ("temperature", "top_p", "top_k")
_CUSTOM_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_DAY = 86_400
_PARAMS = names_in(
    """
    model max_tokens messages system metadata stop_sequences thinking tools tool_choice output_config
    service_tier temperature top_p top_k cache_control container context_management inference_geo mcp_servers
    stream
    """
)
_ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    409: "conflict_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    503: "api_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_STRANGE = StrangeRow({"result": {"type": "canceled"}}, "custom_id")


def error(status: int, type_: str = "", message: str = "") -> Response:
    """An error answer in Anthropic's form."""
    request_id = f"req_{secrets.token_hex(12)}"
    kind = type_ or _ERROR_TYPES.get(status, "api_error")
    document = {
        "type": "error",
        "error": {"type": kind, "message": message or kind.replace("_", " ").capitalize()},
        "request_id": request_id,
    }
    return json_response(document, status, {"request-id": request_id})


def routes(context: Context) -> list[BaseRoute]:
    """Everything under `/anthropic`."""
    api = _Api(context)
    batches = "/v1/messages/batches"
    return [
        Route(batches, api.create, methods=["POST"]),
        Route(batches, api.list, methods=["GET"]),
        Route(batches + "/{id}", api.retrieve, methods=["GET"]),
        Route(batches + "/{id}", api.delete, methods=["DELETE"]),
        Route(batches + "/{id}/cancel", api.cancel, methods=["POST"]),
        Route(batches + "/{id}/results", api.results, methods=["GET"]),
    ]


def refused_call(request: Request) -> Response | None:
    """The answer to a call without a valid key or version, or None."""
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not key:
        key = request.headers.get("x-api-key", "")
    if not key:
        return error(401, message="x-api-key header is required")
    if not key.startswith(KEY_PREFIX):
        return error(401, message="invalid x-api-key")
    version = request.headers.get("anthropic-version")
    if version is None:
        return error(400, message="anthropic-version: header is required")
    if version not in VERSIONS:
        return error(400, message=f'anthropic-version: "{version}" is not a valid version')
    return None


class _Api:
    def __init__(self, context: Context) -> None:
        self._context = context
        self._store = context.store

    async def create(self, request: Request) -> Response:
        return await creation(self._context.faults, "anthropic", request, self._create, error)

    async def _create(self, request: Request) -> Response:
        body = self._store.new_upload()
        limit = LIMITS["anthropic"].bytes
        size = 0
        with body.open("wb") as file:
            async for chunk in request.stream():
                size += len(chunk)
                if size <= limit:
                    file.write(chunk)
        try:
            if size > limit:
                return error(413, message=f"Request exceeds the maximum size of {limit} bytes")
            batch = await run_in_threadpool(self._take, body, request.headers["anthropic-version"])
        except _RefusedError as refused:
            return error(400, message=str(refused))
        finally:
            body.unlink()
        return self._answer(request, batch)

    def _take(self, body: Path, version: str) -> Batch:
        """Check the requests as far as creation does, and keep them a line each."""
        batch_id = f"msgbatch_{secrets.token_hex(12)}"
        rows = self._store.new_upload()
        seen: set[str] = set()
        prefix: str | None = None
        model = ""
        try:
            with rows.open("wb", buffering=1 << 20) as lines:
                for index, raw in enumerate(rows_in(body, "requests")):
                    custom_id, params = _checked(index, raw, seen)
                    prefix = common_prefix(prefix, custom_id)
                    model = model or str(params.get("model", ""))
                    lines.write(raw if b"\n" not in raw else orjson.dumps(orjson.loads(raw)))
                    lines.write(b"\n")
                    if len(seen) > LIMITS["anthropic"].requests:
                        raise _RefusedError(
                            f"requests: List should have at most {LIMITS['anthropic'].requests} items after validation"
                        )
            if not seen:
                raise _RefusedError("requests: List should have at least 1 item after validation, not 0")
        except MalformedDocumentError as problem:
            rows.unlink()
            raise _RefusedError(f"The request body is not valid JSON: {problem}") from problem
        except _RefusedError:
            rows.unlink()
            raise
        moment = now()
        stored = StoredFile("anthropic", f"{batch_id}-input", batch_id, "batch", rows.stat().st_size, moment)
        self._store.add_file(stored, rows)
        batch = Batch("anthropic", batch_id, moment, 0.0, len(seen), model, stored.id)
        batch.details = {"version": version}
        batch.custom_id_prefix = prefix or ""
        return self._context.add_batch(batch)

    async def retrieve(self, request: Request) -> Response:
        batch = self._batch(request)
        return self._answer(request, batch) if batch else self._unknown(request)

    async def list(self, request: Request) -> Response:
        query = request.query_params
        limit = query.get("limit", "20")
        if not limit.isdigit() or not 1 <= int(limit) <= 1000:
            return error(400, message="limit: Input should be between 1 and 1000")
        known = [batch for batch in self._store.batches("anthropic") if not batch.deleted]
        ids = [batch.id for batch in known]
        for name in ("after_id", "before_id"):
            if name in query and query[name] not in ids:
                return error(400, message=f"{name}: Batch not found")
        if "before_id" in query:
            newer = known[: ids.index(query["before_id"])]
            page, more = newer[-int(limit) :], len(newer) > int(limit)
        else:
            older = known[ids.index(query["after_id"]) + 1 :] if "after_id" in query else known
            page, more = older[: int(limit)], len(older) > int(limit)
        data = [self._document(request, batch) for batch in page]
        first, last = (data[0]["id"], data[-1]["id"]) if data else (None, None)
        return json_response({"data": data, "has_more": more, "first_id": first, "last_id": last})

    async def cancel(self, request: Request) -> Response:
        batch = self._batch(request)
        if batch is None:
            return self._unknown(request)
        phase = batch.phase(now())
        if phase.ended:
            return error(400, message=f"Batch {batch.id} cannot be canceled because it has already ended")
        if phase is not Phase.CANCELLING:
            self._store.cancel(batch, now())
            self._context.workshop.begin(batch)
        return self._answer(request, batch)

    async def delete(self, request: Request) -> Response:
        batch = self._batch(request)
        if batch is None:
            return self._unknown(request)
        if not batch.phase(now()).ended:
            return error(400, message=f"Batch {batch.id} is still in progress; cancel it first")
        batch.deleted = True
        self._store.save_batch(batch)
        return json_response({"id": batch.id, "type": "message_batch_deleted"})

    async def results(self, request: Request) -> Response:
        batch = self._batch(request)
        if batch is None:
            return self._unknown(request)
        if not batch.phase(now()).ended or batch.outcome is None or batch.outcome.output_file is None:
            return error(404, message=f"The results of batch {batch.id} are not available yet")
        path = self._store.content("anthropic", batch.outcome.output_file)
        return self._context.results("anthropic", path, "application/x-jsonl", _STRANGE)

    def _batch(self, request: Request) -> Batch | None:
        return self._store.batch("anthropic", request.path_params["id"])

    @staticmethod
    def _unknown(request: Request) -> Response:
        return error(404, message=f"Message Batch {request.path_params['id']} not found")

    def _answer(self, request: Request, batch: Batch) -> Response:
        return json_response(self._document(request, batch), 200, {"request-id": f"req_{secrets.token_hex(12)}"})

    def _document(self, request: Request, batch: Batch) -> dict[str, Any]:
        phase = batch.phase(now())
        counts = {"processing": 0, "succeeded": 0, "errored": 0, "canceled": 0, "expired": 0}
        outcome = batch.outcome
        ended = phase.ended
        if ended and outcome is not None:
            counts["succeeded"], counts["errored"] = outcome.succeeded, outcome.errored
            counts["canceled"], counts["expired"] = outcome.cancelled, outcome.expired
        else:
            # Nothing but this is counted before the whole batch has ended.
            counts["processing"] = batch.request_count
        return {
            "id": batch.id,
            "type": "message_batch",
            "processing_status": "ended" if ended else "canceling" if phase is Phase.CANCELLING else "in_progress",
            "request_counts": counts,
            "created_at": _time(batch.created),
            "expires_at": _time(batch.created + _DAY),
            "ended_at": _time(batch.ended_at) if ended else None,
            "cancel_initiated_at": None if batch.cancelled is None else _time(batch.cancelled),
            "archived_at": None,
            "results_url": self._results_url(request, batch) if ended else None,
        }

    def _results_url(self, request: Request, batch: Batch) -> str:
        path = f"/anthropic/v1/messages/batches/{batch.id}/results"
        fault = self._context.faults.take("status", "anthropic")
        if fault is not None:
            return f"http://{fault['host']}{path}"
        return f"{request.url.scheme}://{request.headers['host']}{path}"


class _RefusedError(ValueError):
    """A batch that is refused at creation."""


def _checked(index: int, raw: bytes, seen: set[str]) -> tuple[str, dict[str, Any]]:
    try:
        row = orjson.loads(raw)
    except orjson.JSONDecodeError as problem:
        raise _RefusedError(f"The request body is not valid JSON: {problem}") from problem
    for name in ("custom_id", "params"):
        if name not in row:
            raise _RefusedError(f"requests.{index}.{name}: Field required")
    strangers = row.keys() - {"custom_id", "params"}
    if strangers:
        raise _RefusedError(f"requests.{index}.{min(strangers)}: Extra inputs are not permitted")
    custom_id, params = row["custom_id"], row["params"]
    if not isinstance(custom_id, str) or not _CUSTOM_ID.fullmatch(custom_id):
        raise _RefusedError(f"requests.{index}.custom_id: String should match pattern '^[a-zA-Z0-9_-]{{1,64}}$'")
    if custom_id in seen:
        raise _RefusedError(f"requests: custom_id values must be unique; {custom_id} is used more than once")
    if not isinstance(params, dict):
        raise _RefusedError(f"requests.{index}.params: Input should be a valid dictionary")
    seen.add(custom_id)
    return custom_id, cast(dict[str, Any], params)


def _time(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat()


class AnthropicDialect:
    """Rows of an Anthropic batch."""

    def problems(self, batch: Batch, path: Path) -> list[dict[str, Any]]:
        # Whatever concerns the whole batch was refused at creation.
        return []

    def read(self, batch: Batch, line: bytes) -> Row:
        row = orjson.loads(line)
        params = row["params"]
        found = checked(lambda: self._read(row["custom_id"], params, batch.details["version"]))
        if isinstance(found, Refusal):
            return Row(row["custom_id"], str(params.get("model")), refusal=found)
        return found

    def _read(self, custom_id: str, params: dict[str, Any], version: str) -> Row | Refusal:
        model = params.get("model")
        ability = ability_of("anthropic", model) if isinstance(model, str) else None
        refusal = _refusal(params, ability, version)
        if refusal is not None or ability is None:
            return refusal or _invalid("model: unknown")
        asked = Asked(_text(params.get("system")), "\n".join(_text(m["content"]) for m in params["messages"]))
        asked.output_limit = params["max_tokens"]
        wanted = object_in(object_in(params, "output_config"), "format")
        tool = _forced_tool(params)
        if tool is not None:
            asked.form, asked.schema = "tool", tool["input_schema"]
        elif wanted:
            asked.form, asked.schema = "schema", wanted["schema"]
        thinking = object_in(params, "thinking")
        if thinking.get("type") == "enabled":
            asked.effort, asked.reasoning = str(thinking["budget_tokens"]), "field"
        return Row(custom_id, ability.model, asked, extra=(ability.answers_as, tool and tool["name"]))

    def answered(self, batch: Batch, row: Row, answer: Answer) -> Written:
        if answer.finish == "overloaded":
            return _errored(row.custom_id, "overloaded_error" if answer.noise[40] & 1 else "api_error", "Overloaded")
        model, tool = row.extra
        content: list[dict[str, Any]] = []
        if answer.reasoning:
            content.append({"type": "thinking", "thinking": answer.reasoning, "signature": answer.noise.hex()})
        stop = {"length": "max_tokens", "refusal": "refusal"}.get(answer.finish, "end_turn")
        if tool and answer.finish == "stop":
            call = {"type": "tool_use", "id": f"toolu_{answer.noise[:12].hex()}", "name": tool, "input": answer.value}
            content.append(call)
            stop = "tool_use"
        elif tool and answer.finish == "length":
            content.append({"type": "tool_use", "id": f"toolu_{answer.noise[:12].hex()}", "name": tool, "input": {}})
        elif answer.text and answer.finish != "refusal":
            content.append({"type": "text", "text": answer.text})
        message = {
            "id": f"msg_{answer.noise[:12].hex()}",
            "type": "message",
            "role": "assistant",
            "model": model,
            "content": content,
            "stop_reason": stop,
            "stop_sequence": None,
            "usage": {
                "input_tokens": answer.input_tokens,
                "cache_creation_input_tokens": 0,
                "cache_read_input_tokens": 0,
                "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
                "output_tokens": answer.output_tokens,
                "service_tier": "batch",
            },
        }
        return _written(row.custom_id, {"type": "succeeded", "message": message}, "succeeded")

    def refused(self, batch: Batch, row: Row) -> Written:
        assert row.refusal is not None
        return _errored(row.custom_id, row.refusal.type, row.refusal.message)

    def unfinished(self, batch: Batch, row: Row) -> Written:
        if batch.cancelled is not None:
            return _written(row.custom_id, {"type": "canceled"}, "cancelled")
        return _written(row.custom_id, {"type": "expired"}, "expired")

    def result_names(self, batch: Batch) -> tuple[str, str | None]:
        return f"{batch.id}-results", None


def _written(custom_id: str, result: dict[str, Any], fate: Any) -> Written:
    return Written(orjson.dumps({"custom_id": custom_id, "result": result}) + b"\n", fate)


def _errored(custom_id: str, type_: str, message: str) -> Written:
    request_id = "req_" + hashlib.blake2b(custom_id.encode(), digest_size=12).hexdigest()
    inner = {"type": "error", "error": {"type": type_, "message": message}, "request_id": request_id}
    return _written(custom_id, {"type": "errored", "error": inner}, "errored")


def _text(content: Any) -> str:
    if content is None or isinstance(content, str):
        return content or ""
    return "\n".join(str(block.get("text", "")) for block in content if block.get("type") == "text")


def _forced_tool(params: dict[str, Any]) -> dict[str, Any] | None:
    tools = objects_in(params, "tools")
    choice = object_in(params, "tool_choice")
    if not tools or choice.get("type") == "none":
        return None
    if choice.get("type") == "tool":
        return next((tool for tool in tools if tool["name"] == choice["name"]), None)
    return tools[0]


def _refusal(params: dict[str, Any], ability: Ability | None, version: str) -> Refusal | None:
    """Why the Messages API refuses these parameters; in a batch it says so only in the row's result."""
    for name in ("model", "max_tokens", "messages"):
        if name not in params:
            return _invalid(f"{name}: Field required")
    if ability is None:
        return Refusal(404, "not_found_error", f"model: {params['model']}")
    if version >= _NO_SAMPLING_SINCE:
        for name in _SAMPLING:
            if name in params:
                return _invalid(f"{name}: Extra inputs are not permitted")
    for name in params:
        if name not in _PARAMS:
            return _invalid(f"{name}: Extra inputs are not permitted")
    if params.get("stream"):
        return _invalid("stream: streaming is not supported inside of a batch")
    return (
        _limit_refusal(params, ability)
        or _sampling_refusal(params)
        or _message_refusal(params)
        or _thinking_refusal(params, ability)
        or _tool_refusal(params)
        or _output_refusal(params.get("output_config"), ability)
    )


def _invalid(message: str) -> Refusal:
    return Refusal(400, "invalid_request_error", message)


def _limit_refusal(params: dict[str, Any], ability: Ability) -> Refusal | None:
    limit = params["max_tokens"]
    if not isinstance(limit, int) or isinstance(limit, bool):
        return _invalid("max_tokens: Input should be a valid integer")
    if limit < 1:
        return _invalid("max_tokens: Input should be greater than or equal to 1")
    if limit > ability.max_output_tokens:
        most = ability.max_output_tokens
        return _invalid(
            f"max_tokens: {limit} > {most}, which is the maximum allowed number of output tokens for {ability.model}"
        )
    return None


def _sampling_refusal(params: dict[str, Any]) -> Refusal | None:
    for name in ("temperature", "top_p"):
        value = params.get(name)
        if value is not None and not (isinstance(value, (int, float)) and 0 <= value <= 1):
            return _invalid(f"{name}: Input should be between 0 and 1")
    if "temperature" in params and "top_p" in params and "3-5" not in params["model"]:
        return _invalid("`temperature` and `top_p` cannot both be specified for this model. Please use only one.")
    return None


def _message_refusal(params: dict[str, Any]) -> Refusal | None:
    messages = params["messages"]
    if not isinstance(messages, list) or not messages:
        return _invalid("messages: at least one message is required")
    for place, message in enumerate(cast(list[Any], messages)):
        if not isinstance(message, dict) or "role" not in message or "content" not in message:
            return _invalid(f"messages.{place}: role and content are required")
        role, content = cast(dict[str, Any], message)["role"], cast(dict[str, Any], message)["content"]
        if role not in ("user", "assistant"):
            return _invalid(
                f'messages: Unexpected role "{role}". The system prompt is the top-level `system` parameter'
            )
        if not content:
            return _invalid(f"messages.{place}: content must be non-empty")
        if not isinstance(content, str) and not all(
            isinstance(block, dict) and "type" in block for block in cast(list[Any], content)
        ):
            return _invalid(f"messages.{place}.content: Input should be a valid list of content blocks")
    return None


def _thinking_refusal(params: dict[str, Any], ability: Ability) -> Refusal | None:
    thinking = params.get("thinking")
    if thinking is None or thinking.get("type") == "disabled":
        return None
    if ability.thinking != "budget":
        return _invalid(f"thinking: {ability.model} does not support thinking")
    if thinking.get("type") != "enabled":
        return _invalid(f"thinking.type: {thinking.get('type')} is not supported on {ability.model}")
    budget = thinking.get("budget_tokens")
    if not isinstance(budget, int) or budget < 1024:
        return _invalid("thinking.enabled.budget_tokens: Input should be greater than or equal to 1024")
    if budget >= params["max_tokens"]:
        return _invalid("`max_tokens` must be greater than `thinking.budget_tokens`")
    if params.get("temperature", 1) != 1:
        return _invalid("`temperature` may only be set to 1 when thinking is enabled")
    if object_in(params, "tool_choice").get("type") in ("tool", "any"):
        return _invalid("Thinking may not be enabled when tool_choice forces tool use.")
    return None


def _tool_refusal(params: dict[str, Any]) -> Refusal | None:
    tools = objects_in(params, "tools")
    for place, tool in enumerate(tools):
        if not isinstance(tool.get("name"), str) or not re.fullmatch(r"[a-zA-Z0-9_-]{1,128}", tool["name"]):
            return _invalid(f"tools.{place}.custom.name: String should match pattern '^[a-zA-Z0-9_-]{{1,128}}$'")
        if object_in(tool, "input_schema").get("type") != "object":
            return _invalid(f"tools.{place}.custom.input_schema.type: Input should be 'object'")
    choice = params.get("tool_choice")
    if choice is None:
        return None
    if not tools:
        return _invalid("tool_choice: tools must be given when a tool choice is")
    if choice.get("type") not in ("auto", "any", "tool", "none"):
        return _invalid("tool_choice.type: Input should be 'auto', 'any', 'tool' or 'none'")
    if choice["type"] == "tool" and choice.get("name") not in [tool["name"] for tool in tools]:
        return _invalid(f"Tool '{choice.get('name')}' not found in provided tools")
    return None


def _output_refusal(output: Any, ability: Ability) -> Refusal | None:
    if output is None:
        return None
    if ability.json_schema == "none":
        return _invalid(f"output_config: '{ability.model}' does not support output_config.")
    for name in output:
        if name not in ("format", "effort"):
            return _invalid(f"output_config.{name}: Extra inputs are not permitted")
    effort = output.get("effort")
    if effort is not None and effort not in ability.efforts:
        return _invalid(f"output_config.effort: '{effort}' is not supported on {ability.model}")
    wanted = output.get("format")
    if wanted is None:
        return None
    if wanted.get("type") != "json_schema" or not isinstance(wanted.get("schema"), dict):
        return _invalid("output_config.format: Input should be of type 'json_schema' with a schema")
    strangers = wanted.keys() - {"type", "schema"}
    if strangers:
        return _invalid(f"output_config.format.json_schema.{min(strangers)}: Extra inputs are not permitted")
    problem = anthropic_problem(wanted["schema"])
    return _invalid(f"output_config.format.schema: {problem}") if problem else None
