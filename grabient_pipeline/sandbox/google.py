"""Google's Gemini API: ordinary calls, batches as long-running operations, files with resumable upload."""

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

from grabient_pipeline.sandbox.abilities import GOOGLE_INLINE_BYTES, LIMITS, ability_of
from grabient_pipeline.sandbox.cancelling import cancelled
from grabient_pipeline.sandbox.context import KEY_PREFIX, Context, json_response
from grabient_pipeline.sandbox.creating import Creation
from grabient_pipeline.sandbox.desk import CUSTOM_ID_HEADER
from grabient_pipeline.sandbox.documents import JsonObject, as_object, object_in, objects_in
from grabient_pipeline.sandbox.google_rows import RPC_EXPIRED, RPC_INVALID, GeminiDialect, camel_keys, unknown_name
from grabient_pipeline.sandbox.production import Refusal
from grabient_pipeline.sandbox.spoiling import StrangeRow
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
_BATCH_TYPE = "type.googleapis.com/google.ai.generativelanguage.v1main.GenerateContentBatch"
_RETRY_INFO = "type.googleapis.com/google.rpc.RetryInfo"
_QUOTA_FAILURE = "type.googleapis.com/google.rpc.QuotaFailure"
_ERROR_INFO = "type.googleapis.com/google.rpc.ErrorInfo"
_STRANGE = StrangeRow({"response": {"candidates": []}}, "key")


def error(
    status: int,
    type_: str = "",
    message: str = "",
    details: list[JsonObject] | None = None,
    *,
    retry_after: float | None = None,
) -> Response:
    """An error answer in Google's form; `type_` is the status word. When to come again is told in the body alone."""
    word = type_ or _STATUSES.get(status, "UNKNOWN")
    text = message or word.replace("_", " ").capitalize()
    details = [*details] if details else []
    if retry_after is not None:
        text = f"{text} Please retry in {retry_after:g}s."
        details.append({"@type": _RETRY_INFO, "retryDelay": f"{retry_after:g}s"})
    inner: JsonObject = {"code": status, "message": text, "status": word}
    if details:
        inner["details"] = details
    return json_response({"error": inner}, status)


def denied(status: int | None) -> Response:
    """The answer to an account without access to batches."""
    if status is None or status == 400:
        message = "Batches are not available on the free tier. Please enable billing on your project."
        return error(400, "FAILED_PRECONDITION", message)
    if status == 429:
        message = "You exceeded your current quota, please check your plan and billing details."
        violation = {"quotaId": "BatchEnqueuedTokensPerModel-FreeTier", "quotaValue": "0"}
        return error(429, message=message, details=[{"@type": _QUOTA_FAILURE, "violations": [violation]}])
    return error(status, message="Batches are not available to this project.")


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
        Route(base + "/models/{model}:generateContent", api.ask, methods=["POST"]),
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
            "@type": _ERROR_INFO,
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
        self._dialect = GeminiDialect()
        self._creation = Creation(context, "google", self._create, self._created, error, denied)

    # Ordinary calls.

    async def ask(self, request: Request) -> Response:
        return await self._context.desk.serve(request, "google", "asking", self._ask)

    def _ask(self, request: Request, body: bytes) -> Response:
        model = request.path_params["model"]
        if ability_of("google", model) is None:
            return no_model(model, "generateContent")
        if len(body) > GOOGLE_INLINE_BYTES:
            return _too_large()
        try:
            document = as_object(orjson.loads(body))
        except orjson.JSONDecodeError:
            return error(400, message="Invalid JSON payload received.")
        row = self._dialect.request(request.headers.get(CUSTOM_ID_HEADER, ""), model, document)
        if row.refusal is not None:
            return _refused(row.refusal)
        answer = self._context.desk.answer(row)
        if answer.finish == "overloaded":
            return _refused(self._dialect.overload(answer))
        # What is blocked costs less, which the response settles.
        response = self._dialect.response(row, answer)
        self._context.desk.bill("google", row, answer)
        return json_response(response)

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
        wanted = camel_keys(described)
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
        page = self._page(request, files, 10, 100)
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
        gone = self._context.faults.take("results_gone", "google")
        if gone is not None:
            return error(gone["status"], "NOT_FOUND", f"The File {name} does not exist any more.")
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
        return await self._creation.answer(request)

    async def _create(self, request: Request) -> Batch | Response:
        model = request.path_params["model"]
        if ability_of("google", model) is None:
            return no_model(model, "batchGenerateContent")
        body = await request.body()
        if len(body) > GOOGLE_INLINE_BYTES:
            return _too_large()
        try:
            document = as_object(orjson.loads(body))
        except orjson.JSONDecodeError:
            return error(400, message="Invalid JSON payload received.")
        wanted = camel_keys(object_in(document, "batch"))
        strangers = (document.keys() - {"batch"}) | (
            wanted.keys() - {"displayName", "inputConfig", "model", "webhookConfig", "priority", "name"}
        )
        if strangers:
            return _unknown_name(min(strangers), "batch")
        config = camel_keys(object_in(wanted, "inputConfig"))
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
        rows = objects_in(camel_keys(as_object(requests)), "requests")
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

    def _make(self, model: str, display_name: str, source: StoredFile, inline: bool) -> Batch:
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
        return self._context.add_batch(batch)

    def _created(self, request: Request, batch: Batch) -> Response:
        return json_response(self._operation(batch, Phase.VALIDATING))

    async def retrieve(self, request: Request) -> Response:
        batch = self._context.asked_for("google", request.path_params["id"])
        return json_response(self._told(batch)) if batch else _no_batch(request)

    async def list_batches(self, request: Request) -> Response:
        if request.query_params.get("filter"):
            return error(400, message="Filtering is not supported.")
        page = self._page(request, self._context.listed("google"), 50, 100)
        if isinstance(page, Response):
            return page
        poisoned = self._context.faults.take("poisoned", "google") is not None
        # Inline answers are left out: a list of them could be of any size.
        operations = [self._operation(batch, listed=not poisoned) for batch in page[0]]
        if poisoned:
            operations = _poisoned([*operations, _foreign_operation()])
        return json_response(({"operations": operations} if operations else {}) | page[1])

    async def cancel(self, request: Request) -> Response:
        batch = self._store.batch("google", request.path_params["id"])
        if batch is None:
            return _no_batch(request)
        message = "The batch is in state {} and cannot be cancelled."
        return await cancelled(
            self._context,
            batch,
            lambda phase: error(400, "FAILED_PRECONDITION", message.format(_STATES[phase])),
            lambda: json_response({}),
            error,
        )

    async def delete(self, request: Request) -> Response:
        batch = self._store.batch("google", request.path_params["id"])
        if batch is None:
            return _no_batch(request)
        batch.deleted = True
        self._store.save_batch(batch)
        return json_response({})

    def _page(
        self, request: Request, known: list[Any], usual: int, most: int
    ) -> tuple[list[Any], dict[str, str]] | Response:
        size = request.query_params.get("pageSize") or request.query_params.get("page_size") or "0"
        token = request.query_params.get("pageToken") or request.query_params.get("page_token") or ""
        if not size.isdigit():
            return error(400, message="Invalid page size.")
        count = self._context.page_size("google", min(int(size) or usual, most))
        start = 0
        cursor = _untoken(token)
        if token:
            places = [place for place, each in enumerate(known) if each.id == self._context.place_of(cursor)]
            if not places:
                return error(400, message="Invalid page token.")
            start = places[0] + 1
        further = self._context.empty_page("google", cursor)
        if further is not None:
            return [], {"nextPageToken": _token(further)}
        page = known[start : start + count]
        more = {"nextPageToken": _token(page[-1].id)} if len(known) > start + count else {}
        return page, more

    def _told(self, batch: Batch) -> JsonObject:
        """What is told of a batch, with everything that is armed."""
        operation = self._operation(batch)
        metadata, faults = operation["metadata"], self._context.faults
        if "output" in metadata and faults.take("no_output_file", "google"):
            del metadata["output"], operation["response"]
        if faults.take("poisoned", "google"):
            operation = _poisoned([operation])[0]
        unknown = faults.take("unknown_state", "google")
        if unknown is not None:
            metadata["state"] = "BATCH_STATE_" + unknown["word"].upper()
        if faults.take("no_counts", "google"):
            del metadata["batchStats"]
        return operation

    def _operation(self, batch: Batch, phase: Phase | None = None, listed: bool = False) -> dict[str, Any]:
        phase = phase or batch.phase(now())
        updated = batch.ended_at if phase.ended else now()
        metadata: dict[str, Any] = {
            "@type": _BATCH_TYPE,
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
                    "@type": f"{_BATCH_TYPE}Output",
                    **output,
                }
        elif phase is Phase.FAILED:
            operation["error"] = {"code": RPC_INVALID, "message": batch.problems[0]["message"]}
        elif phase is Phase.EXPIRED:
            operation["error"] = {"code": RPC_EXPIRED, "message": "The batch expired before it was finished."}
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


def no_model(model: str, method: str) -> Response:
    """The answer to a call of a model that is not there or cannot do this."""
    message = f"models/{model} is not found for API version {VERSION}, or is not supported for {method}."
    return error(404, message=message)


def _too_large() -> Response:
    return error(400, message=f"Request payload size exceeds the limit: {GOOGLE_INLINE_BYTES} bytes.")


def _refused(refusal: Refusal) -> Response:
    return error(refusal.status, message=refusal.message)


def _poisoned(operations: list[JsonObject]) -> list[JsonObject]:
    """The operations, with details for each error among their inline answers."""
    for operation in operations:
        output = object_in(object_in(operation, "metadata"), "output")
        for row in objects_in(object_in(output, "inlinedResponses"), "inlinedResponses"):
            if "error" in row:
                row["error"]["details"] = [{"@type": _ERROR_INFO, "reason": "INVALID", "domain": "googleapis.com"}]
    return operations


def _foreign_operation() -> JsonObject:
    """A batch of somebody else who works with the same key, and whose only request failed."""
    moment = _time(now())
    name = "batches/somebody-elses"
    row = {"error": {"code": RPC_INVALID, "message": "Request contains an invalid argument."}}
    metadata = {
        "@type": _BATCH_TYPE,
        "model": "models/gemini-2.5-flash-lite",
        "displayName": "somebody else's",
        "createTime": moment,
        "updateTime": moment,
        "endTime": moment,
        "batchStats": {"requestCount": "1", "failedRequestCount": "1"},
        "state": "BATCH_STATE_SUCCEEDED",
        "name": name,
        "output": {"inlinedResponses": {"inlinedResponses": [row]}},
    }
    return {"name": name, "metadata": metadata, "done": True}


def _unknown_name(name: str, where: str) -> Response:
    return error(400, message=unknown_name(name, where))


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
