"""Read documents of the earlier system into rows: fields renamed, integers restored, model names repaired.

Pure. A document that cannot become a row raises `RejectedDocumentError` with the reason; none is dropped silently.
Fields without a column are kept with the row, as JSON.
"""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Callable, Collection, Mapping
from functools import cache
from typing import Any, Final, NamedTuple, cast

import orjson

from grabient_pipeline.convex.model_names import (
    FIRST_REFINING_MODEL,
    ResolvedModel,
    UnresolvedModelError,
    model_resolver,
)
from grabient_pipeline.convex.rows import (
    SUBMISSION_PREFIX,
    AnswerRow,
    BatchRow,
    PaletteRow,
    PromptRow,
    SettingRow,
    Source,
)
from grabient_pipeline.tagging import ParsedAnswer

Document = dict[str, Any]
Parse = Callable[..., ParsedAnswer]

# The prompt version of documents from the first weeks, which do not name one.
UNVERSIONED: Final = {"tagging": "unversioned", "refinement": "unversioned-refinement"}

_STAGES: Final = ("tagging", "refinement")
_LATEST_TIME: Final = 4_102_444_800_000  # the year 2100, in milliseconds
_MAX_INTEGER: Final = 2**31 - 1

# Fields of a document that become columns.
_COMMON_FIELDS: Final = frozenset({"_id", "_creationTime", "provider", "model", "promptVersion", "error"})
_REFINED_FIELDS: Final = _COMMON_FIELDS | {"seed", "tags", "usage"}
_TAG_FIELDS: Final = _REFINED_FIELDS | {"analysisIndex", "runNumber"}
_BATCH_FIELDS: Final = _COMMON_FIELDS | {
    "batchId",
    "status",
    "requestCount",
    "completedCount",
    "failedCount",
    "createdAt",
    "completedAt",
}


class RejectedDocumentError(Exception):
    """A document that cannot be imported. The part of `reason` before the first colon is the same for a whole class."""

    def __init__(self, reason: str, kind: str = "invalid") -> None:
        super().__init__(reason)
        self.reason = reason
        self.kind = kind


def decode(line: bytes) -> Document:
    """Decode the document of a line.

    Raises:
        RejectedDocumentError: the line is not a JSON object.
    """
    try:
        document = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise RejectedDocumentError(f"is not JSON: {error.msg} at column {error.colno}", "unreadable") from None
    if not isinstance(document, dict):
        raise RejectedDocumentError("is JSON, but not an object", "unreadable")
    return cast("Document", document)


def document_id(document: Mapping[str, Any] | None, line: bytes) -> str:
    """Return the id of a document, or a hash of its line if it has none."""
    key = document.get("_id") if document else None
    if isinstance(key, str) and 0 < len(key) <= 64 and key.isascii() and key.isprintable():
        return key
    return hashlib.md5(line.strip(), usedforsecurity=False).hexdigest()


def read_setting(document: Document, source: Source) -> SettingRow:
    """Read a document of `config`."""
    count = _integer(document, "tagAnalysisCount")
    if count is None or not 1 <= count <= 20:
        raise RejectedDocumentError(f"tagAnalysisCount is not from 1 to 20: {document.get('tagAnalysisCount')!r}")
    return SettingRow(*source, count)


def read_palette(document: Document, source: Source) -> PaletteRow:
    """Read a document of `palettes`."""
    created = _microseconds(document, "_creationTime")
    return PaletteRow(*source, created, _required_text(document, "seed"), _optional_text(document, "imageUrl"))


def read_prompt(document: Document, source: Source) -> PromptRow:
    """Read a document of `prompt_versions`."""
    stage = document.get("type")
    if stage not in _STAGES:
        raise RejectedDocumentError(f"is a prompt of an unknown stage: {stage!r}", "undecided")
    return PromptRow(
        *source,
        created=_microseconds(document, "_creationTime"),
        version=_required_text(document, "version"),
        stage=stage,
        content=_required_text(document, "content"),
        message=_optional_text(document, "message"),
    )


def read_batch(document: Document, source: Source, stage: str) -> BatchRow:
    """Read a document of `tag_batches` or `refinement_batches`."""
    model = _resolve_model(document, stage)
    batch_id = _optional_text(document, "batchId")
    status, adopted = _batch_status(document, stage, model, batch_id)
    created = _microseconds(document, "_creationTime")
    submitted = _microseconds(document, "createdAt") or created
    return BatchRow(
        *source,
        created=created,
        submission=SUBMISSION_PREFIX + _digest("batch", source.convex_id),
        stage=stage,
        provider=model.provider,
        model=model.model,
        batch_id=batch_id,
        status=status,
        request_count=_integer(document, "requestCount") or 0,
        completed_count=_integer(document, "completedCount") or 0,
        failed_count=_integer(document, "failedCount") or 0,
        prompt_version=_optional_text(document, "promptVersion") or UNVERSIONED[stage],
        submitted=submitted,
        ended=None if adopted else _microseconds(document, "completedAt") or submitted,
        error=_optional_text(document, "error"),
        convex_fields=_other_fields(document, _BATCH_FIELDS),
        repair=model.repair,
        adopted=adopted,
    )


class _Request(NamedTuple):
    """The request that an answer belongs to, and the repairs that were needed to find it."""

    stage: str
    provider: str
    model: str
    prompt_version: str
    repairs: list[str]
    analysis_index: int | None = 0
    run_number: int | None = None


def read_tagging_answer(document: Document, source: Source, parse: Parse) -> AnswerRow:
    """Read a document of `palette_tags`; `analysis_index` is None if the document has none."""
    index, run = _integer(document, "analysisIndex"), _integer(document, "runNumber")
    if index is not None and index < 0:
        raise RejectedDocumentError(f"analysisIndex is below 0: {index}")
    if run is not None and run < 1:
        raise RejectedDocumentError(f"runNumber is below 1: {run}")
    request = _read_request(document, "tagging", [])._replace(analysis_index=index, run_number=run)
    return _read_answer(document, source, request, parse, _TAG_FIELDS)


def read_refined_answer(document: Document, source: Source, parse: Parse) -> AnswerRow:
    """Read a document of `palette_tag_refined`."""
    repairs: list[str] = []
    if _optional_text(document, "model") is None:
        document = {**document, "model": FIRST_REFINING_MODEL}
        repairs.append(f"no model: it was {FIRST_REFINING_MODEL}")
    return _read_answer(document, source, _read_request(document, "refinement", repairs), parse, _REFINED_FIELDS)


def _read_request(document: Document, stage: str, repairs: list[str]) -> _Request:
    version = _optional_text(document, "promptVersion")
    model = _resolve_model(document, stage)
    if model.repair:
        repairs.append(model.repair)
    if version is None:
        version = UNVERSIONED[stage]
        repairs.append("no prompt version")
    return _Request(stage, model.provider, model.model, version, repairs)


def _read_answer(
    document: Document, source: Source, request: _Request, parse: Parse, known_fields: Collection[str]
) -> AnswerRow:
    seed = _required_text(document, "seed")
    tags = document.get("tags")
    text = tags if isinstance(tags, str) else None if tags is None else orjson.dumps(tags).decode()
    error = document.get("error")
    if error is not None and not isinstance(error, str):
        error = orjson.dumps(error).decode()
    reason, parsed_tags = (None, None) if error else _parse_tags(text, parse)
    usage = document.get("usage")
    tokens = cast("Document", usage) if isinstance(usage, dict) else {}
    submission = _answers_submission(request.stage, request.provider, request.model, request.prompt_version)
    return AnswerRow(
        *source,
        created=_microseconds(document, "_creationTime"),
        custom_id=f"{submission}_{source.convex_id}",
        submission=submission,
        seed=seed,
        provider=request.provider,
        model=request.model,
        analysis_index=request.analysis_index,
        run_number=request.run_number,
        prompt_version=request.prompt_version,
        outcome="errored" if error else "succeeded",
        text=text,
        finish_reason=None,
        error=error or None,
        input_tokens=_token_count(tokens.get("inputTokens")),
        output_tokens=_token_count(tokens.get("outputTokens")),
        reason=reason,
        tags=parsed_tags,
        convex_fields=_other_fields(document, known_fields) if document.keys() - known_fields else None,
        repair=", ".join(request.repairs) or None,
    )


def _parse_tags(text: str | None, parse: Parse) -> tuple[str | None, str | None]:
    """Return why the tags are not usable, or the tags as JSON."""
    answer = parse(text)
    return answer.error, answer.tags.as_json() if answer.tags else None


@cache
def _answers_submission(stage: str, provider: str, model: str, version: str) -> str:
    """Return the submission of a model's answers to a prompt: exports do not record which batch an answer came from."""
    return SUBMISSION_PREFIX + _digest("answers", stage, provider, model, version)


def _digest(*parts: str) -> str:
    return base64.b32encode(hashlib.sha256("\0".join(parts).encode()).digest()[:10]).decode().lower()


def _batch_status(document: Document, stage: str, model: ResolvedModel, batch_id: str | None) -> tuple[str, bool]:
    """Return the status of a batch, and whether it is adopted."""
    status = document.get("status")
    error = (_optional_text(document, "error") or "").lower()
    if status == "completed":
        return "completed", False
    if status == "failed":
        return ("cancelled" if "cancel" in error else "expired" if "expired" in error else "failed"), False
    if status not in ("pending", "processing"):
        raise RejectedDocumentError(f"has an unknown status: {status!r}", "undecided")
    advice = "collect it in the earlier system, export again and import that"
    if batch_id is None:
        raise RejectedDocumentError(f"is in progress, but its id at the provider is missing: {advice}", "undecided")
    if stage != "tagging":
        raise RejectedDocumentError(f"is a refinement in progress, whose consensus is unknown: {advice}", "undecided")
    if model.provider == "google":
        raise RejectedDocumentError(
            f"is in progress at Google, whose results had no custom ids then: {advice}", "undecided"
        )
    return "submitted", True


def _resolve_model(document: Document, stage: str) -> ResolvedModel:
    provider, model = document.get("provider"), document.get("model")
    try:
        if stage == "refinement" and provider is None:
            return _resolve_by_model(str(model))
        return _resolve_names(str(provider or ""), str(model or ""))
    except UnresolvedModelError as error:
        raise RejectedDocumentError(f"the model cannot be determined: {error}", "undecided") from None


@cache
def _resolve_names(provider: str, model: str) -> ResolvedModel:
    return model_resolver().resolve(provider, model)


@cache
def _resolve_by_model(model: str) -> ResolvedModel:
    """Resolve the model of a refinement, which never named its provider."""
    resolved = model_resolver().resolve("", model)
    repair = None if resolved.model == model else f"model {model!r} is {resolved.model}"
    return resolved._replace(repair=repair)


def _required_text(document: Document, field: str) -> str:
    value = document.get(field)
    if not isinstance(value, str) or not value:
        raise RejectedDocumentError(f"has no text in {field}")
    return value


def _optional_text(document: Document, field: str) -> str | None:
    value = document.get(field)
    return (value.strip() or None) if isinstance(value, str) else None


def _integer(document: Document, field: str) -> int | None:
    """Return an integer, which Convex exports as a double, or as a string if it was a BigInt."""
    value = document.get(field)
    if value is None:
        return None
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 12:
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or abs(value) > _MAX_INTEGER:
        raise RejectedDocumentError(f"{field} is not an integer: {str(value)[:40]!r}")
    return value


def _token_count(value: object) -> int | None:
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value >= 0:
        return min(int(value), _MAX_INTEGER)
    return None


def _microseconds(document: Document, field: str) -> int | None:
    """Return a time, which Convex exports as milliseconds with a fraction, in microseconds."""
    value = document.get(field)
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < _LATEST_TIME:
        return int(value * 1000)
    return None


def _other_fields(document: Document, known: Collection[str]) -> str | None:
    others = {name: value for name, value in document.items() if name not in known}
    return orjson.dumps(others).decode() if others else None
