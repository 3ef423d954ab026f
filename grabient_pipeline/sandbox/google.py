"""Google's Gemini API: batches as long-running operations, and files with resumable upload."""

import base64
import hashlib
import re
import secrets
import string
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from grabient_pipeline.sandbox.abilities import GOOGLE_INLINE_BYTES, LIMITS, Ability, ability_of
from grabient_pipeline.sandbox.answers import Answer
from grabient_pipeline.sandbox.asked import Asked
from grabient_pipeline.sandbox.context import KEY_PREFIX, Context, StrangeRow, json_response
from grabient_pipeline.sandbox.documents import JsonObject, as_object, names_in, object_in, objects_in
from grabient_pipeline.sandbox.faults import creation
from grabient_pipeline.sandbox.production import Refusal, Row, Written, checked
from grabient_pipeline.sandbox.schemas import google_problem
from grabient_pipeline.sandbox.store import Batch, Phase, StoredFile, common_prefix, lines_of, now

# The documents describe batches for this version only, so a client that forgot to pin it is told.
VERSION = "v1beta"
_INPUT_KEPT = 48 * 3600
_FILE_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?")
_ID_LETTERS = string.ascii_lowercase + string.digits
_STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ALREADY_EXISTS",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
# Codes of google.rpc.Status, as they stand in operations and rows.
_RPC_INVALID, _RPC_INTERNAL, _RPC_UNAVAILABLE, _RPC_EXPIRED = 3, 13, 14, 4
_STATES = {
    Phase.VALIDATING: "BATCH_STATE_PENDING",
    Phase.RUNNING: "BATCH_STATE_RUNNING",
    Phase.FINALIZING: "BATCH_STATE_RUNNING",
    Phase.CANCELLING: "BATCH_STATE_RUNNING",
    Phase.COMPLETED: "BATCH_STATE_SUCCEEDED",
    Phase.FAILED: "BATCH_STATE_FAILED",
    Phase.EXPIRED: "BATCH_STATE_EXPIRED",
    Phase.CANCELLED: "BATCH_STATE_CANCELLED",
}
_REQUEST_FIELDS = names_in(
    """
    model contents systemInstruction generationConfig safetySettings tools toolConfig cachedContent serviceTier
    labels store
    """
)
_CONFIG_FIELDS = names_in(
    """
    stopSequences responseMimeType responseSchema responseJsonSchema responseModalities candidateCount
    maxOutputTokens temperature topP topK seed presencePenalty frequencyPenalty responseLogprobs logprobs
    enableEnhancedCivicAnswers speechConfig thinkingConfig mediaResolution imageConfig
    """
)
_THINKING_FIELDS = names_in(
    """
    includeThoughts thinkingBudget thinkingLevel
    """
)
_STRANGE = StrangeRow({"response": {"candidates": []}}, "key")


def error(status: int, type_: str = "", message: str = "", details: list[dict[str, Any]] | None = None) -> Response:
    """An error answer in Google's form; `type_` is the status word."""
    word = type_ or _STATUSES.get(status, "UNKNOWN")
    inner: dict[str, Any] = {"code": status, "message": message or word.replace("_", " ").capitalize(), "status": word}
    if details:
        inner["details"] = details
    return json_response({"error": inner}, status)


def routes(context: Context) -> list[BaseRoute]:
    """Everything under `/google`."""
    api = _Api(context)
    base = f"/{VERSION}"
    return [
        Route(f"/upload/{VERSION}/files", api.upload_start, methods=["POST"]),
        Route(f"/upload/{VERSION}/files/{{session}}", api.upload_chunk, methods=["POST", "PUT"]),
        Route(base + "/files", api.list_files, methods=["GET"]),
        Route(base + "/files/{id}:download", api.download, methods=["GET"]),
        Route(base + "/files/{id}", api.file, methods=["GET"]),
        Route(base + "/files/{id}", api.delete_file, methods=["DELETE"]),
        Route(base + "/models/{model}:batchGenerateContent", api.create, methods=["POST"]),
        Route(base + "/batches", api.list_batches, methods=["GET"]),
        Route(base + "/batches/{id}:cancel", api.cancel, methods=["POST"]),
        Route(base + "/batches/{id}", api.retrieve, methods=["GET"]),
        Route(base + "/batches/{id}", api.delete, methods=["DELETE"]),
    ]


def refused_call(request: Request) -> Response | None:
    """The answer to a call without a valid key, or None."""
    if request.url.path.startswith(f"/google/upload/{VERSION}/files/"):
        # The upload URL is itself the permission.
        return None
    key = request.headers.get("x-goog-api-key") or request.query_params.get("key")
    if not key:
        return error(
            403,
            message="Method doesn't allow unregistered callers (callers without established identity). "
            "Please use API Key or other form of API consumer identity to call this API.",
        )
    if not key.startswith(KEY_PREFIX):
        reason = {
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": "API_KEY_INVALID",
            "domain": "googleapis.com",
            "metadata": {"service": "generativelanguage.googleapis.com"},
        }
        return error(400, message="API key not valid. Please pass a valid API key.", details=[reason])
    return None


@dataclass(slots=True)
class _Upload:
    """A resumable upload that has begun."""

    path: Path
    name: str
    display_name: str
    mime_type: str
    size: int | None
    received: int = 0
    digest: Any = field(default_factory=hashlib.sha256)


class _Api:
    def __init__(self, context: Context) -> None:
        self._context = context
        self._store = context.store
        self._uploads: dict[str, _Upload] = {}

    # Files.

    async def upload_start(self, request: Request) -> Response:
        if request.headers.get("x-goog-upload-protocol") != "resumable":
            return error(400, message="Only the resumable upload protocol is served here.")
        if request.headers.get("x-goog-upload-command") != "start":
            return error(400, message="An upload begins with the command 'start'.")
        try:
            described = object_in(as_object(orjson.loads(await request.body() or b"{}")), "file")
        except orjson.JSONDecodeError:
            return error(400, message="Invalid JSON payload received.")
        wanted = _camel_keys(described)
        name = str(wanted.get("name") or "").removeprefix("files/")
        if name and not _FILE_NAME.fullmatch(name):
            return error(400, message=_name_rule(name))
        if name and self._store.file("google", name) is not None:
            return error(409, message=f"File files/{name} already exists.")
        size = request.headers.get("x-goog-upload-header-content-length") or wanted.get("sizeBytes")
        if size is not None and int(size) > LIMITS["google"].bytes:
            return error(400, message=f"The file is larger than {LIMITS['google'].bytes} bytes.")
        mime_type = wanted.get("mimeType") or request.headers.get("x-goog-upload-header-content-type")
        if not mime_type:
            return error(400, message="The MIME type of the file is missing.")
        session = secrets.token_urlsafe(24)
        self._uploads[session] = _Upload(
            self._store.new_upload(),
            name or "".join(secrets.choice(_ID_LETTERS) for _ in range(12)),
            str(wanted.get("displayName") or ""),
            str(mime_type),
            None if size is None else int(size),
        )
        url = f"{request.url.scheme}://{request.headers['host']}/google/upload/{VERSION}/files/{session}"
        return json_response(
            {},
            200,
            {
                "x-goog-upload-url": url,
                "x-goog-upload-status": "active",
                "x-goog-upload-chunk-granularity": "262144",
                "x-goog-upload-control-url": url,
            },
        )

    async def upload_chunk(self, request: Request) -> Response:
        session = request.path_params["session"]
        upload = self._uploads.get(session)
        if upload is None:
            return _final(error(404, message="There is no such upload."))
        commands = {part.strip() for part in request.headers.get("x-goog-upload-command", "").split(",")}
        if commands == {"query"}:
            headers = {"x-goog-upload-status": "active", "x-goog-upload-size-received": str(upload.received)}
            return json_response({}, 200, headers)
        if commands == {"cancel"}:
            return self._abandon(session, json_response({}))
        if not commands <= {"upload", "finalize"} or not commands:
            return self._abandon(session, error(400, message="Unknown upload command."))
        if "upload" in commands:
            offset = request.headers.get("x-goog-upload-offset", "")
            if not offset.isdigit() or int(offset) != upload.received:
                return self._abandon(
                    session, error(400, message=f"Invalid upload offset: {upload.received} bytes were received so far.")
                )
            with upload.path.open("ab") as file:
                async for chunk in request.stream():
                    file.write(chunk)
                    upload.digest.update(chunk)
                    upload.received += len(chunk)
        if upload.size is not None and upload.received > upload.size:
            return self._abandon(session, error(400, message="More bytes came than were announced."))
        if "finalize" not in commands:
            return json_response({}, 200, {"x-goog-upload-status": "active"})
        return self._finish(request, session, upload)

    def _finish(self, request: Request, session: str, upload: _Upload) -> Response:
        if upload.size is not None and upload.received != upload.size:
            return self._abandon(session, error(400, message="Fewer bytes came than were announced."))
        if self._store.file("google", upload.name) is not None:
            return self._abandon(session, error(409, message=f"File files/{upload.name} already exists."))
        upload.path.touch()
        moment = now()
        digest = base64.b64encode(upload.digest.hexdigest().encode()).decode()
        stored = StoredFile("google", upload.name, upload.name, "batch", upload.received, moment, upload.mime_type)
        stored.display_name, stored.sha256, stored.expires = upload.display_name, digest, moment + _INPUT_KEPT
        self._store.add_file(stored, upload.path)
        del self._uploads[session]
        return _final(json_response({"file": self._file_document(request, stored)}))

    def _abandon(self, session: str, answer: Response) -> Response:
        self._uploads.pop(session).path.unlink(missing_ok=True)
        return _final(answer)

    async def list_files(self, request: Request) -> Response:
        # Results of batches can be downloaded but are not listed.
        files = [file for file in self._store.files("google") if file.purpose == "batch" and file.name]
        page = _page(request, files, 10, 100)
        if isinstance(page, Response):
            return page
        document: dict[str, Any] = {"files": [self._file_document(request, file) for file in page[0]]}
        return json_response(document | page[1])

    async def file(self, request: Request) -> Response:
        stored = self._named(request)
        return stored if isinstance(stored, Response) else json_response(self._file_document(request, stored))

    async def delete_file(self, request: Request) -> Response:
        stored = self._named(request)
        if isinstance(stored, Response):
            return stored
        stored.deleted = True
        self._store.save_file(stored)
        return json_response({})

    async def download(self, request: Request) -> Response:
        name = request.path_params["id"]
        stored = self._store.file("google", name)
        if stored is None:
            return _no_file(name)
        if stored.purpose != "batch_output":
            return error(400, message=f"File files/{name} was uploaded; only generated files can be downloaded.")
        if request.query_params.get("alt") != "media":
            return error(400, message="Only alt=media is served here.")
        return self._context.results(
            "google", self._store.content("google", name), "application/octet-stream", _STRANGE
        )

    def _named(self, request: Request) -> StoredFile | Response:
        name = request.path_params["id"]
        if not _FILE_NAME.fullmatch(name):
            return error(400, message=_name_rule(name))
        return self._store.file("google", name) or _no_file(name)

    def _file_document(self, request: Request, file: StoredFile) -> dict[str, Any]:
        document: dict[str, Any] = {
            "name": f"files/{file.id}",
            "mimeType": file.mime_type,
            "sizeBytes": str(file.size),
            "createTime": _time(file.created),
            "updateTime": _time(file.created),
            "sha256Hash": file.sha256,
            "uri": f"{request.url.scheme}://{request.headers['host']}/google/{VERSION}/files/{file.id}",
            "state": "ACTIVE",
            "source": "UPLOADED",
        }
        if file.display_name:
            document["displayName"] = file.display_name
        if file.expires is not None:
            document["expirationTime"] = _time(file.expires)
        return document

    # Batches.

    async def create(self, request: Request) -> Response:
        return await creation(self._context.faults, "google", request, self._create, error)

    async def _create(self, request: Request) -> Response:
        model = request.path_params["model"]
        if ability_of("google", model) is None:
            return error(
                404,
                message=f"models/{model} is not found for API version {VERSION}, or is not supported for "
                "batchGenerateContent.",
            )
        body = await request.body()
        if len(body) > GOOGLE_INLINE_BYTES:
            return error(400, message=f"Request payload size exceeds the limit: {GOOGLE_INLINE_BYTES} bytes.")
        try:
            document = as_object(orjson.loads(body))
        except orjson.JSONDecodeError:
            return error(400, message="Invalid JSON payload received.")
        wanted = _camel_keys(object_in(document, "batch"))
        strangers = (document.keys() - {"batch"}) | (
            wanted.keys() - {"displayName", "inputConfig", "model", "webhookConfig", "priority", "name"}
        )
        if strangers:
            return _unknown_name(min(strangers), "batch")
        config = _camel_keys(object_in(wanted, "inputConfig"))
        if ("fileName" in config) == ("requests" in config):
            return error(400, message="Exactly one of batch.input_config.file_name and requests is needed.")
        if "fileName" in config:
            source = self._uploaded(str(config["fileName"]))
        else:
            source = self._inline(config["requests"])
        if isinstance(source, Response):
            return source
        return self._make(model, str(wanted.get("displayName") or ""), source, "requests" in config)

    def _uploaded(self, file_name: str) -> StoredFile | Response:
        name = file_name.removeprefix("files/")
        stored = self._store.file("google", name)
        if stored is None or stored.purpose != "batch":
            return _no_file(name)
        return stored

    def _inline(self, requests: Any) -> StoredFile | Response:
        rows = objects_in(_camel_keys(as_object(requests)), "requests")
        if not rows:
            return error(400, message="batch.input_config.requests.requests must not be empty.")
        for place, row in enumerate(rows):
            strangers = row.keys() - {"request", "metadata"}
            if strangers:
                return _unknown_name(min(strangers), f"batch.input_config.requests.requests[{place}]")
        content = self._store.new_upload()
        with content.open("wb") as file:
            for row in rows:
                file.write(orjson.dumps(row) + b"\n")
        # Without a name it is no file that a client can see.
        stored = StoredFile("google", f"inline-{secrets.token_hex(12)}", "", "inline", content.stat().st_size, now())
        return self._store.add_file(stored, content)

    def _make(self, model: str, display_name: str, source: StoredFile, inline: bool) -> Response:
        batch_id = "".join(secrets.choice(_ID_LETTERS) for _ in range(40))
        count = 0
        prefix: str | None = None
        for line in lines_of(self._store.content("google", source.id)):
            count += 1
            found = _KEY.search(line)
            if found:
                prefix = common_prefix(prefix, found.group(1).decode(errors="replace"))
        batch = Batch("google", batch_id, now(), 0.0, count, model, source.id)
        batch.details = {"display_name": display_name, "inline": inline, "output_file": f"batch-{batch_id}"}
        batch.custom_id_prefix = prefix or ""
        self._context.add_batch(batch)
        return json_response(self._operation(batch, Phase.VALIDATING))

    async def retrieve(self, request: Request) -> Response:
        batch = self._store.batch("google", request.path_params["id"])
        return json_response(self._operation(batch)) if batch else _no_batch(request)

    async def list_batches(self, request: Request) -> Response:
        if request.query_params.get("filter"):
            return error(400, message="Filtering is not supported.")
        batches = [batch for batch in self._store.batches("google") if not batch.deleted]
        page = _page(request, batches, 50, 100)
        if isinstance(page, Response):
            return page
        # Inline answers are left out: a list of them could be of any size.
        operations = [self._operation(batch, listed=True) for batch in page[0]]
        return json_response(({"operations": operations} if operations else {}) | page[1])

    async def cancel(self, request: Request) -> Response:
        batch = self._store.batch("google", request.path_params["id"])
        if batch is None:
            return _no_batch(request)
        phase = batch.phase(now())
        if phase.ended:
            return error(400, "FAILED_PRECONDITION", f"The batch is in state {_STATES[phase]} and cannot be cancelled.")
        if phase is not Phase.CANCELLING:
            self._store.cancel(batch, now())
            self._context.workshop.begin(batch)
        return json_response({})

    async def delete(self, request: Request) -> Response:
        batch = self._store.batch("google", request.path_params["id"])
        if batch is None:
            return _no_batch(request)
        batch.deleted = True
        self._store.save_batch(batch)
        return json_response({})

    def _operation(self, batch: Batch, phase: Phase | None = None, listed: bool = False) -> dict[str, Any]:
        phase = phase or batch.phase(now())
        updated = batch.ended_at if phase.ended else now()
        metadata: dict[str, Any] = {
            "@type": "type.googleapis.com/google.ai.generativelanguage.v1main.GenerateContentBatch",
            "model": f"models/{batch.model}",
            "displayName": batch.details["display_name"],
            "createTime": _time(batch.created),
            "updateTime": _time(updated),
            "batchStats": self._stats(batch, phase),
            "state": _STATES[phase],
            "name": f"batches/{batch.id}",
        }
        if not batch.details["inline"]:
            metadata["inputConfig"] = {"fileName": f"files/{batch.input}"}
        operation: dict[str, Any] = {"name": f"batches/{batch.id}", "metadata": metadata}
        if not phase.ended:
            return operation
        metadata["endTime"] = _time(updated)
        operation["done"] = True
        if phase is Phase.COMPLETED:
            output = self._output(batch, listed)
            if output is not None:
                metadata["output"] = output
                operation["response"] = {
                    "@type": "type.googleapis.com/google.ai.generativelanguage.v1main.GenerateContentBatchOutput",
                    **output,
                }
        elif phase is Phase.FAILED:
            operation["error"] = {"code": _RPC_INVALID, "message": batch.problems[0]["message"]}
        elif phase is Phase.EXPIRED:
            operation["error"] = {"code": _RPC_EXPIRED, "message": "The batch expired before it was finished."}
        else:
            operation["error"] = {"code": 1, "message": "The batch was cancelled."}
        return operation

    def _output(self, batch: Batch, listed: bool) -> dict[str, Any] | None:
        assert batch.outcome is not None and batch.outcome.output_file is not None
        if not batch.details["inline"]:
            return {"responsesFile": f"files/{batch.outcome.output_file}"}
        if listed:
            return None
        path = self._store.content("google", batch.outcome.output_file)
        rows = [orjson.loads(line) for line in lines_of(path)]
        return {"inlinedResponses": {"inlinedResponses": rows}}

    @staticmethod
    def _stats(batch: Batch, phase: Phase) -> dict[str, str]:
        stats = {"requestCount": str(batch.request_count)}
        outcome = batch.outcome
        if not phase.ended or outcome is None:
            stats["pendingRequestCount"] = str(batch.request_count)
        elif phase is Phase.COMPLETED:
            # Zeros are left out, as always in this API.
            if outcome.succeeded:
                stats["successfulRequestCount"] = str(outcome.succeeded)
            if outcome.errored:
                stats["failedRequestCount"] = str(outcome.errored)
        return stats


_KEY = re.compile(rb'"key"\s*:\s*"([^"\\]*)"')


def _final(answer: Response) -> Response:
    # Without this header the SDK takes the answer for a lost one and sends the chunk again.
    answer.headers["x-goog-upload-status"] = "final"
    return answer


def _name_rule(name: str) -> str:
    return (
        f"Invalid file name '{name}': at most 40 lowercase alphanumeric characters or dashes (-), "
        "and no dash at the beginning or the end."
    )


def _no_file(name: str) -> Response:
    return error(403, message=f"You do not have permission to access the File {name} or it may not exist.")


def _no_batch(request: Request) -> Response:
    return error(404, message=f"Could not find the batch: batches/{request.path_params['id']}")


def _unknown_name(name: str, where: str) -> Response:
    return error(400, message=_unknown_name_message(name, where))


def _unknown_name_message(name: str, where: str) -> str:
    return f"Invalid JSON payload received. Unknown name \"{name}\" at '{where}': Cannot find field."


def _page(request: Request, known: list[Any], usual: int, most: int) -> tuple[list[Any], dict[str, str]] | Response:
    size = request.query_params.get("pageSize") or request.query_params.get("page_size") or "0"
    token = request.query_params.get("pageToken") or request.query_params.get("page_token") or ""
    if not size.isdigit():
        return error(400, message="Invalid page size.")
    count = min(int(size) or usual, most)
    start = 0
    if token:
        places = [place for place, each in enumerate(known) if each.id == _untoken(token)]
        if not places:
            return error(400, message="Invalid page token.")
        start = places[0] + 1
    page = known[start : start + count]
    more = {"nextPageToken": _token(page[-1].id)} if len(known) > start + count else {}
    return page, more


def _token(last: str) -> str:
    return base64.urlsafe_b64encode(last.encode()).decode().rstrip("=")


def _untoken(token: str) -> str:
    try:
        return base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode()
    except ValueError:
        return ""


def _time(moment: float) -> str:
    whole = datetime.fromtimestamp(moment, UTC)
    return f"{whole:%Y-%m-%dT%H:%M:%S.%f}000Z"


def _camel(name: str) -> str:
    if "_" not in name:
        return name
    first, *others = name.split("_")
    return first + "".join(part.capitalize() for part in others)


def _camel_keys(document: dict[str, Any]) -> dict[str, Any]:
    """Google's JSON takes both spellings of a field's name."""
    return {_camel(name): value for name, value in document.items()}


class GeminiDialect:
    """Rows of a Gemini batch."""

    def problems(self, batch: Batch, path: Path) -> list[dict[str, Any]]:
        number = 0
        for number, line in enumerate(lines_of(path), 1):
            try:
                row = orjson.loads(line)
            except orjson.JSONDecodeError:
                return [{"code": _RPC_INVALID, "message": f"Line {number} of the input file is not valid JSON."}]
            if not isinstance(row, dict) or "request" not in row:
                return [{"code": _RPC_INVALID, "message": f"Line {number} of the input file has no request."}]
        if number == 0:
            return [{"code": _RPC_INVALID, "message": "The input file has no requests."}]
        return []

    def read(self, batch: Batch, line: bytes) -> Row:
        row = orjson.loads(line)
        metadata = row.get("metadata")
        key = row.get("key")
        label = str(key if key is not None else as_object(metadata).get("key", ""))
        ability = ability_of("google", batch.model)
        assert ability is not None
        found = checked(lambda: self._read(batch, row, ability), _RPC_INVALID)
        if isinstance(found, Refusal):
            return Row(label, ability.model, refusal=found, extra=(key, metadata))
        return Row(label, ability.model, found, extra=(key, metadata))

    @staticmethod
    def _read(batch: Batch, row: JsonObject, ability: Ability) -> Asked | Refusal:
        request = _camel_keys(object_in(row, "request"))
        config = _camel_keys(object_in(request, "generationConfig"))
        message = _unknown_row_name(row, batch) or _problem(request, config, ability)
        if message:
            return Refusal(_RPC_INVALID, "INVALID_ARGUMENT", message)
        asked = Asked(_text(request.get("systemInstruction")), "\n".join(_text(part) for part in request["contents"]))
        asked.output_limit = config.get("maxOutputTokens") or ability.max_output_tokens
        schema = config.get("responseSchema") or config.get("responseJsonSchema")
        if schema:
            asked.form, asked.schema = "schema", schema
        elif config.get("responseMimeType") == "application/json":
            asked.form = "json"
        asked.effort = _effort(_camel_keys(object_in(config, "thinkingConfig")), ability)
        return asked

    def answered(self, batch: Batch, row: Row, answer: Answer) -> Written:
        if answer.finish == "overloaded":
            code = _RPC_UNAVAILABLE if answer.noise[40] & 1 else _RPC_INTERNAL
            message = (
                "The model is overloaded. Please try again later." if code == _RPC_UNAVAILABLE else "Internal error."
            )
            return _written(row, {"error": {"code": code, "message": message}}, "errored")
        usage: dict[str, Any] = {
            "promptTokenCount": answer.input_tokens,
            "candidatesTokenCount": answer.output_tokens - answer.reasoning_tokens,
            "totalTokenCount": answer.input_tokens + answer.output_tokens,
            "promptTokensDetails": [{"modality": "TEXT", "tokenCount": answer.input_tokens}],
        }
        if answer.reasoning_tokens:
            usage["thoughtsTokenCount"] = answer.reasoning_tokens
        response: dict[str, Any] = {}
        if answer.finish == "refusal" and answer.noise[41] & 1:
            response["promptFeedback"] = {"blockReason": "PROHIBITED_CONTENT"}
            usage.pop("candidatesTokenCount")
            usage["totalTokenCount"] = answer.input_tokens
            answer.output_tokens = answer.reasoning_tokens = 0
        else:
            finish = {"length": "MAX_TOKENS", "refusal": "SAFETY"}.get(answer.finish, "STOP")
            content: dict[str, Any] = {"role": "model"}
            if answer.text and answer.finish != "refusal":
                content["parts"] = [{"text": answer.text}]
            response["candidates"] = [{"content": content, "finishReason": finish, "index": 0}]
        response["usageMetadata"] = usage
        response["modelVersion"] = row.model
        response["responseId"] = base64.urlsafe_b64encode(answer.noise[:16]).decode().rstrip("=")
        return _written(row, {"response": response}, "succeeded")

    def refused(self, batch: Batch, row: Row) -> Written:
        assert row.refusal is not None
        return _written(row, {"error": {"code": row.refusal.status, "message": row.refusal.message}}, "errored")

    def unfinished(self, batch: Batch, row: Row) -> Written:
        fate = "cancelled" if batch.cancelled is not None else "expired"
        return _written(row, {"error": {"code": _RPC_EXPIRED, "message": f"The batch was {fate}."}}, fate)

    def result_names(self, batch: Batch) -> tuple[str, str | None]:
        return batch.details["output_file"], None


def _written(row: Row, result: dict[str, Any], fate: Any) -> Written:
    key, metadata = row.extra
    line: dict[str, Any] = {}
    if key is not None:
        line["key"] = key
    line.update(result)
    if metadata is not None:
        line["metadata"] = metadata
    return Written(orjson.dumps(line) + b"\n", fate)


def _unknown_row_name(row: dict[str, Any], batch: Batch) -> str | None:
    strangers = row.keys() - ({"request", "metadata"} if batch.details["inline"] else {"key", "request", "metadata"})
    return _unknown_name_message(min(strangers), "request") if strangers else None


def _text(content: Any) -> str:
    message = as_object(content)
    # A single part may stand for the list, as in all of Google's JSON.
    parts = objects_in(message, "parts") or [object_in(message, "parts")]
    return "\n".join(str(part.get("text", "")) for part in parts)


def _effort(thinking: dict[str, Any], ability: Ability) -> str:
    if ability.thinking == "level":
        return str(thinking.get("thinkingLevel") or ability.default_effort).lower()
    budget = int(thinking.get("thinkingBudget") or 0)
    return "medium" if budget < 0 else str(budget)


def _problem(request: dict[str, Any], config: dict[str, Any], ability: Ability) -> str | None:
    """Why the row is refused, or None."""
    for name in request:
        if name not in _REQUEST_FIELDS:
            return _unknown_name_message(name, "request")
    for name in config:
        if name not in _CONFIG_FIELDS:
            return _unknown_name_message(name, "request.generation_config")
    contents = objects_in(request, "contents")
    if not contents:
        return "* GenerateContentRequest.contents: contents is not specified"
    for place, content in enumerate(contents):
        if not content.get("parts"):
            return f"* GenerateContentRequest.contents[{place}].parts: contents.parts must not be empty."
        if content.get("role", "user") not in ("user", "model"):
            return "Please use a valid role: user, model."
    return _config_problem(config, ability) or _thinking_problem(config.get("thinkingConfig"), ability)


def _config_problem(config: dict[str, Any], ability: Ability) -> str | None:
    limit = config.get("maxOutputTokens")
    if limit is not None and (not isinstance(limit, int) or limit < 1):
        return "* GenerateContentRequest.generation_config.max_output_tokens: max_output_tokens must be positive."
    if limit is not None and limit > ability.max_output_tokens:
        return (
            f"Unable to submit request because it has a maxOutputTokens value of {limit} but the supported range is "
            f"from 1 (inclusive) to {ability.max_output_tokens + 1} (exclusive)."
        )
    temperature = config.get("temperature")
    if temperature is not None and not 0 <= temperature <= 2:
        return "* GenerateContentRequest.generation_config.temperature: temperature must be in the range [0.0, 2.0]."
    openapi, described = config.get("responseSchema"), config.get("responseJsonSchema")
    if openapi is not None and described is not None:
        return "Only one of response_schema and response_json_schema can be set in generation_config."
    schema = openapi if openapi is not None else described
    if schema is None:
        return None
    if config.get("responseMimeType") != "application/json":
        return "Function calling or a response schema needs the response mime type 'application/json'."
    stranger = google_problem(schema, openapi is not None)
    if stranger is None:
        return None
    if openapi is not None:
        return _unknown_name_message(stranger, "request.generation_config.response_schema")
    return f"The keyword '{stranger}' is not supported in response_json_schema."


def _thinking_problem(wanted: Any, ability: Ability) -> str | None:
    if wanted is None:
        return None
    thinking = _camel_keys(wanted)
    if ability.thinking not in ("budget", "level"):
        return f"Thinking is not enabled for models/{ability.model}"
    for name in thinking:
        if name not in _THINKING_FIELDS:
            return _unknown_name_message(name, "request.generation_config.thinking_config")
    budget, level = thinking.get("thinkingBudget"), thinking.get("thinkingLevel")
    if budget is not None and level is not None:
        return "You can only set one of thinking budget and thinking level."
    if level is not None and (ability.thinking != "level" or str(level).lower() not in ability.efforts):
        return f"Thinking level {level} is not supported for models/{ability.model}."
    if budget is not None and budget not in (0, -1) and not 512 <= budget <= 24576:
        return f"The thinking budget {budget} is invalid. Please choose a value between 512 and 24576."
    return None
