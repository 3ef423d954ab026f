"""Google's file API with its resumable uploads."""

import base64
import hashlib
import re
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from grabient_pipeline.sandbox.batches.context import Context
from grabient_pipeline.sandbox.faults.corruption import UnknownRow
from grabient_pipeline.sandbox.json_values import as_object, object_in
from grabient_pipeline.sandbox.providers.google.errors import error, no_file
from grabient_pipeline.sandbox.providers.google.models import VERSION
from grabient_pipeline.sandbox.providers.google.operations import ID_LETTERS, timestamp
from grabient_pipeline.sandbox.providers.google.pages import find_page
from grabient_pipeline.sandbox.providers.google.request_checks import camel_keys
from grabient_pipeline.sandbox.responses import json_response
from grabient_pipeline.sandbox.store import StoredFile, now

_INPUT_KEPT = 48 * 3600
_FILE_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?")
_UNKNOWN_ROW = UnknownRow({"response": {"candidates": []}}, "key")


@dataclass(slots=True)
class _Upload:
    """A resumable upload in progress."""

    path: Path
    name: str
    display_name: str
    mime_type: str
    size: int | None
    received: int = 0
    digest: Any = field(default_factory=hashlib.sha256)

    async def receive(self, request: Request) -> str | None:
        """Append the bytes of a request, or return why they are rejected."""
        offset = request.headers.get("x-goog-upload-offset", "")
        if not offset.isdigit() or int(offset) != self.received:
            return f"Invalid upload offset: {self.received} bytes were received so far."
        with self.path.open("ab") as file:
            async for chunk in request.stream():
                file.write(chunk)
                self.digest.update(chunk)
                self.received += len(chunk)
        return None


class Files:
    """The routes of files and uploads."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._store = context.store
        self._uploads: dict[str, _Upload] = {}

    async def upload_start(self, request: Request) -> Response:
        """Start an upload: the response names its address."""
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
        size = request.headers.get("x-goog-upload-header-content-length") or wanted.get("sizeBytes")
        mime_type = wanted.get("mimeType") or request.headers.get("x-goog-upload-header-content-type")
        rejection = self._reject_upload(name, size, mime_type)
        if rejection is not None:
            return rejection
        session = secrets.token_urlsafe(24)
        self._uploads[session] = _Upload(
            self._store.new_upload(),
            name or "".join(secrets.choice(ID_LETTERS) for _ in range(12)),
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

    def _reject_upload(self, name: str, size: Any, mime_type: Any) -> Response | None:
        if name and not _FILE_NAME.fullmatch(name):
            return error(400, message=_name_rule(name))
        if name and self._store.file("google", name) is not None:
            return error(409, message=f"File files/{name} already exists.")
        limit = self._context.limits["google"].bytes
        if size is not None and int(size) > limit:
            return error(400, message=f"The file is larger than {limit} bytes.")
        return None if mime_type else error(400, message="The MIME type of the file is missing.")

    async def upload_chunk(self, request: Request) -> Response:
        """Receive a part of an upload, or finish, cancel or query it."""
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
        problem = await upload.receive(request) if "upload" in commands else None
        if problem is None and upload.size is not None and upload.received > upload.size:
            problem = "More bytes came than were announced."
        if problem is not None:
            return self._abandon(session, error(400, message=problem))
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
        """List uploaded files."""
        # Results of batches can be downloaded, but are not listed.
        files = [file for file in self._store.files("google") if file.purpose == "batch" and file.name]
        page = find_page(self._context, request, files, 10, 100)
        if isinstance(page, Response):
            return page
        document: dict[str, Any] = {"files": [self._file_document(request, file) for file in page[0]]}
        return json_response(document | page[1])

    async def file(self, request: Request) -> Response:
        """Show one file."""
        stored = self._named(request)
        return stored if isinstance(stored, Response) else json_response(self._file_document(request, stored))

    async def delete_file(self, request: Request) -> Response:
        """Delete a file."""
        stored = self._named(request)
        if isinstance(stored, Response):
            return stored
        stored.deleted = True
        self._store.save_file(stored)
        return json_response({})

    async def download(self, request: Request) -> Response:
        """Download generated results."""
        name = request.path_params["id"]
        stored = self._store.file("google", name)
        if stored is None:
            return no_file(name)
        if stored.purpose != "batch_output":
            return error(400, message=f"File files/{name} was uploaded; only generated files can be downloaded.")
        if request.query_params.get("alt") != "media":
            return error(400, message="Only alt=media is served here.")
        gone = self._context.faults.take("results_gone", "google")
        if gone is not None:
            return error(gone["status"], "NOT_FOUND", f"The File {name} does not exist any more.")
        return self._context.results(
            "google", self._store.content("google", name), "application/octet-stream", _UNKNOWN_ROW
        )

    def _named(self, request: Request) -> StoredFile | Response:
        name = request.path_params["id"]
        if not _FILE_NAME.fullmatch(name):
            return error(400, message=_name_rule(name))
        return self._store.file("google", name) or no_file(name)

    def _file_document(self, request: Request, file: StoredFile) -> dict[str, Any]:
        document: dict[str, Any] = {
            "name": f"files/{file.id}",
            "mimeType": file.mime_type,
            "sizeBytes": str(file.size),
            "createTime": timestamp(self._context, file.created),
            "updateTime": timestamp(self._context, file.created),
            "sha256Hash": file.sha256,
            "uri": f"{request.url.scheme}://{request.headers['host']}/google/{VERSION}/files/{file.id}",
            "state": "ACTIVE",
            "source": "UPLOADED",
        }
        if file.display_name:
            document["displayName"] = file.display_name
        if file.expires is not None:
            document["expirationTime"] = timestamp(self._context, file.expires)
        return document


def _final(answer: Response) -> Response:
    # Without this header the SDK takes the answer for a lost one and sends the chunk again.
    answer.headers["x-goog-upload-status"] = "final"
    return answer


def _name_rule(name: str) -> str:
    return (
        f"Invalid file name '{name}': at most 40 lowercase alphanumeric characters or dashes (-), "
        "and no dash at the beginning or the end."
    )
