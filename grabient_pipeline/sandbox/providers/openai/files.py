"""The file API of OpenAI and Groq."""

import secrets
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException
from starlette.requests import Request
from starlette.responses import Response

from grabient_pipeline.sandbox.batches.context import Context
from grabient_pipeline.sandbox.faults.corruption import UnknownRow
from grabient_pipeline.sandbox.providers.openai.errors import error
from grabient_pipeline.sandbox.providers.openai.flavour import ChatFlavour
from grabient_pipeline.sandbox.providers.openai.pages import find_page, list_response
from grabient_pipeline.sandbox.responses import json_response
from grabient_pipeline.sandbox.store import StoredFile, copy_stream, now

_HOUR = 3600
_UNKNOWN_ROW = UnknownRow(
    {"id": "batch_req_0", "response": {"status_code": 200, "request_id": "req_0", "body": {}}, "error": None},
    "custom_id",
)


class Files:
    """The routes below `/files`."""

    def __init__(self, context: Context, flavour: ChatFlavour) -> None:
        self._context = context
        self._store = context.store
        self._flavour = flavour
        self._provider = flavour.provider

    async def upload(self, request: Request) -> Response:
        """Upload a file."""
        limit = self._context.limits[self._provider].bytes
        # The parts around the file are small.
        if int(request.headers.get("content-length", "0")) > limit + 65_536:
            async for _ in request.stream():
                pass
            return error(413, message=f"File is too large: the limit is {limit} bytes.", param="file")
        try:
            form = await request.form(max_files=1, max_fields=10)
        except (MultiPartException, KeyError, AssertionError) as problem:
            return error(400, message=f"Could not parse multipart form: {problem}")
        try:
            return await self._accept_upload(dict(form), limit)
        finally:
            await form.close()

    async def _accept_upload(self, form: dict[str, Any], limit: int) -> Response:
        purpose, file = form.get("purpose"), form.get("file")
        if not isinstance(file, UploadFile):
            return error(
                400, message="Missing required parameter: 'file'.", param="file", code="missing_required_parameter"
            )
        if purpose != "batch":
            return error(400, message=f"'{purpose}' is not one of the purposes served here: 'batch'.", param="purpose")
        name = file.filename or "file"
        if not name.endswith((".jsonl", ".json", ".txt")):
            return error(400, message=f"Invalid file format for Batch API: {name}. Must be .jsonl", param="file")
        content = self._store.new_upload()
        size = await run_in_threadpool(copy_stream, file.file, content)
        if size > limit:
            content.unlink()
            return error(413, message=f"File is too large: the limit is {limit} bytes.", param="file")
        if size == 0:
            content.unlink()
            return error(400, message="File is empty.", param="file", code="empty_file")
        moment = now()
        stored = StoredFile(self._provider, new_file_id(self._flavour), name, "batch", size, moment)
        seconds = form.get("expires_after[seconds]")
        if seconds:
            if not str(seconds).isdigit() or not _HOUR <= int(seconds) <= 30 * 24 * _HOUR:
                content.unlink()
                return error(
                    400, message="Invalid 'expires_after.seconds': between 3600 and 2592000.", param="expires_after"
                )
            stored.expires = moment + int(seconds)
        self._store.add_file(stored, content)
        return json_response(self._file_document(stored))

    async def list_files(self, request: Request) -> Response:
        """List uploaded files."""
        query = request.query_params
        files = self._store.files(self._provider)
        if "purpose" in query:
            files = [file for file in files if file.purpose == query["purpose"]]
        if query.get("order", "desc") == "asc":
            files.reverse()
        page = find_page(self._context, self._flavour, files, query, 10_000, 10_000)
        if isinstance(page, Response):
            return page
        return list_response(self._flavour, page, [self._file_document(file) for file in page.members])

    async def file(self, request: Request) -> Response:
        """Show one file."""
        stored = self._store.file(self._provider, request.path_params["id"])
        return json_response(self._file_document(stored)) if stored else self._no_file(request)

    async def delete_file(self, request: Request) -> Response:
        """Delete a file."""
        stored = self._store.file(self._provider, request.path_params["id"])
        if stored is None:
            return self._no_file(request)
        # A batch that still reads its input keeps the bytes.
        stored.deleted = True
        self._store.save_file(stored)
        return json_response({"id": stored.id, "object": "file", "deleted": True})

    async def content(self, request: Request) -> Response:
        """Download the content of a file."""
        stored = self._store.file(self._provider, request.path_params["id"])
        if stored is None:
            return self._no_file(request)
        path = self._store.content(self._provider, stored.id)
        gone = self._context.faults.take("results_gone", self._provider) if stored.purpose == "batch_output" else None
        if gone is not None:
            return error(gone["status"], "invalid_request_error", self._no_file_message(request), "id")
        if stored.purpose == "batch_output" and stored.name.endswith("_output.jsonl"):
            return self._context.results(self._provider, path, "application/octet-stream", _UNKNOWN_ROW)
        return self._context.plain(path, "application/octet-stream")

    def _no_file(self, request: Request) -> Response:
        return error(404, message=self._no_file_message(request), param="id")

    @staticmethod
    def _no_file_message(request: Request) -> str:
        return f"No such File object: {request.path_params['id']}"

    def _file_document(self, file: StoredFile) -> dict[str, Any]:
        document: dict[str, Any] = {
            "id": file.id,
            "object": "file",
            "bytes": file.size,
            "created_at": self._time(file.created),
            "filename": file.name,
            "purpose": file.purpose,
        }
        if self._flavour.newer_fields:
            document["status"] = "processed"
            document["expires_at"] = None if file.expires is None else self._time(file.expires)
        return document

    def _time(self, moment: float) -> int:
        return int(self._context.stated_time(self._provider, moment))


def new_file_id(flavour: ChatFlavour) -> str:
    """A random file id."""
    random = secrets.token_urlsafe(17).replace("-", "x").replace("_", "y")
    return flavour.file_prefix + (random[:22] if flavour.newer_fields else f"01{secrets.token_hex(12)}")
