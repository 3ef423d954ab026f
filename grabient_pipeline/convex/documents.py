"""A document of the earlier system as a row of ours: its fields renamed, its numbers whole again, its names repaired.

Pure. What cannot be a row raises `SetAsideError` with the reason; nothing is left out without one. Fields that have no
column here stay with the row, as JSON.
"""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Callable, Collection, Mapping
from functools import cache
from typing import Any, Final, NamedTuple, cast

import orjson
import polars as pl

from grabient_pipeline.convex.model_names import FIRST_REFINING_MODEL, Named, UndecidedError, known_names
from grabient_pipeline.tagging import ParsedAnswer

Document = dict[str, Any]

# What stands for the prompt where a document of the first weeks does not name it.
UNVERSIONED: Final = {"tagging": "unversioned", "refinement": "unversioned-refinement"}
# Submissions of what came from the earlier system begin with this; no token of ours can.
EARLIER: Final = "convex-"

_STAGE_OF_TYPE: Final = {"tagging": "tagging", "refinement": "refinement"}
_LATEST_MOMENT: Final = 4_102_444_800_000  # the year 2100, in milliseconds
_LARGEST: Final = 2**31 - 1


class SetAsideError(Exception):
    """A document that cannot be taken. `reason` begins with what it can be counted by, up to a colon."""

    def __init__(self, reason: str, kind: str = "invalid") -> None:
        super().__init__(reason)
        self.reason = reason
        self.kind = kind


class Palette(NamedTuple):
    """A row of `palettes`."""

    line_number: int
    key: str
    created: int | None
    seed: str
    image_url: str | None


class PromptVersion(NamedTuple):
    """A row of `prompt_versions`."""

    line_number: int
    key: str
    created: int | None
    version: str
    stage: str
    content: str
    message: str | None


class Batch(NamedTuple):
    """A row of `tag_batches` or `refinement_batches`; `adopted` if it is still under way and can be followed."""

    line_number: int
    key: str
    created: int | None
    submission: str
    stage: str
    provider: str
    model: str
    batch_id: str | None
    status: str
    request_count: int
    completed_count: int
    failed_count: int
    prompt_version: str
    submitted: int | None
    ended: int | None
    error: str | None
    fields: str | None
    repair: str | None
    adopted: bool


class Answer(NamedTuple):
    """A row of `palette_tags` or `palette_tag_refined`.

    `text`: the tags as they stand in the document, which is what the parser reads; `reason`: why they cannot be used;
    `tags`: what it made of them, as JSON.
    """

    line_number: int
    key: str
    created: int | None
    custom_id: str
    submission: str
    seed: str
    provider: str
    model: str
    analysis_index: int | None
    run_number: int | None
    prompt_version: str
    outcome: str
    text: str | None
    finish_reason: str | None
    error: str | None
    input_tokens: int | None
    output_tokens: int | None
    reason: str | None
    tags: str | None
    fields: str | None
    repair: str | None


_INT, _TEXT = pl.Int64(), pl.String()
ANSWER_SCHEMA: Final = {
    "line_number": _INT,
    "convex_id": _TEXT,
    "created": _INT,
    "custom_id": _TEXT,
    "submission": _TEXT,
    "seed": _TEXT,
    "provider": _TEXT,
    "model": _TEXT,
    "analysis_index": _INT,
    "run_number": _INT,
    "prompt_version": _TEXT,
    "outcome": _TEXT,
    "text": _TEXT,
    "finish_reason": _TEXT,
    "error": _TEXT,
    "input_tokens": _INT,
    "output_tokens": _INT,
    "reason": _TEXT,
    "tags": _TEXT,
    "convex_fields": _TEXT,
    "repair": _TEXT,
}
BATCH_SCHEMA: Final = {
    "line_number": _INT,
    "convex_id": _TEXT,
    "created": _INT,
    "submission": _TEXT,
    "stage": _TEXT,
    "provider": _TEXT,
    "model": _TEXT,
    "batch_id": _TEXT,
    "status": _TEXT,
    "request_count": _INT,
    "completed_count": _INT,
    "failed_count": _INT,
    "prompt_version": _TEXT,
    "submitted": _INT,
    "ended": _INT,
    "error": _TEXT,
    "convex_fields": _TEXT,
    "repair": _TEXT,
    "adopted": pl.Boolean(),
}
PALETTE_SCHEMA: Final = {
    "line_number": _INT,
    "convex_id": _TEXT,
    "created": _INT,
    "seed": _TEXT,
    "image_url": _TEXT,
}
PROMPT_SCHEMA: Final = {
    "line_number": _INT,
    "convex_id": _TEXT,
    "created": _INT,
    "version": _TEXT,
    "stage": _TEXT,
    "content": _TEXT,
    "message": _TEXT,
}


def decode(line: bytes) -> Document:
    """The document of a line.

    Raises:
        SetAsideError: the line is not a JSON object.
    """
    try:
        document = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise SetAsideError(f"is not JSON: {error.msg} at column {error.colno}", "unreadable") from None
    if not isinstance(document, dict):
        raise SetAsideError("is JSON, but no object", "unreadable")
    return cast("Document", document)


def document_key(document: Mapping[str, Any] | None, line: bytes) -> str:
    """What a document is known by: its id, or a hash of its line where it has none."""
    key = document.get("_id") if document else None
    if isinstance(key, str) and 0 < len(key) <= 64 and key.isascii() and key.isprintable():
        return key
    return hashlib.md5(line.strip(), usedforsecurity=False).hexdigest()


def analysis_count(document: Document) -> int:
    """The setting of `config`."""
    count = _whole(document, "tagAnalysisCount")
    if count is None or not 1 <= count <= 20:
        raise SetAsideError(f"tagAnalysisCount is not from 1 to 20: {document.get('tagAnalysisCount')!r}")
    return count


def palette(document: Document, key: str, line_number: int) -> Palette:
    """A document of `palettes`."""
    return Palette(
        line_number, key, _moment(document, "_creationTime"), _text(document, "seed"), _optional(document, "imageUrl")
    )


def prompt_version(document: Document, key: str, line_number: int) -> PromptVersion:
    """A document of `prompt_versions`."""
    stage = _STAGE_OF_TYPE.get(str(document.get("type")))
    if stage is None:
        raise SetAsideError(f"is the prompt of no stage here: {document.get('type')!r}", "undecided")
    return PromptVersion(
        line_number,
        key,
        _moment(document, "_creationTime"),
        _text(document, "version"),
        stage,
        _text(document, "content"),
        _optional(document, "message"),
    )


def batch(document: Document, key: str, line_number: int, stage: str) -> Batch:
    """A document of `tag_batches` or `refinement_batches`."""
    named = _named(document, stage)
    batch_id = _optional(document, "batchId")
    status, adopted = _status(document, stage, named, batch_id)
    created = _moment(document, "_creationTime")
    submitted = _moment(document, "createdAt") or created
    return Batch(
        line_number,
        key,
        created,
        EARLIER + _digest("batch", key),
        stage,
        named.provider,
        named.model,
        batch_id,
        status,
        _whole(document, "requestCount") or 0,
        _whole(document, "completedCount") or 0,
        _whole(document, "failedCount") or 0,
        _optional(document, "promptVersion") or UNVERSIONED[stage],
        submitted,
        None if adopted else _moment(document, "completedAt") or submitted,
        _optional(document, "error"),
        _rest(document, _BATCH_FIELDS),
        named.repair,
        adopted,
    )


def tagging_answer(document: Document, key: str, line_number: int, parse: Callable[..., ParsedAnswer]) -> Answer:
    """A document of `palette_tags`; `analysis_index` is None where it says none."""
    index, run = _whole(document, "analysisIndex"), _whole(document, "runNumber")
    if index is not None and index < 0:
        raise SetAsideError(f"analysisIndex is below 0: {index}")
    if run is not None and run < 1:
        raise SetAsideError(f"runNumber is not from 1 on: {run}")
    version = _optional(document, "promptVersion")
    named = _named(document, "tagging")
    repairs = [named.repair] if named.repair else []
    if version is None:
        version = UNVERSIONED["tagging"]
        repairs.append("no prompt version")
    return _answer(document, key, line_number, "tagging", named, version, repairs, parse, index, run, _TAG_FIELDS)


def refined_answer(document: Document, key: str, line_number: int, parse: Callable[..., ParsedAnswer]) -> Answer:
    """A document of `palette_tag_refined`."""
    repairs: list[str] = []
    if _optional(document, "model") is None:
        document = {**document, "model": FIRST_REFINING_MODEL}
        repairs.append(f"no model: it was {FIRST_REFINING_MODEL}")
    named = _named(document, "refinement")
    if named.repair:
        repairs.append(named.repair)
    version = _optional(document, "promptVersion")
    if version is None:
        version = UNVERSIONED["refinement"]
        repairs.append("no prompt version")
    return _answer(document, key, line_number, "refinement", named, version, repairs, parse, 0, None, _REFINED_FIELDS)


_ANY_FIELDS: Final = frozenset({"_id", "_creationTime", "provider", "model", "promptVersion", "error"})
_REFINED_FIELDS: Final = _ANY_FIELDS | {"seed", "tags", "usage"}
_TAG_FIELDS: Final = _REFINED_FIELDS | {"analysisIndex", "runNumber"}
_BATCH_FIELDS: Final = _ANY_FIELDS | {
    "batchId",
    "status",
    "requestCount",
    "completedCount",
    "failedCount",
    "createdAt",
    "completedAt",
}


def _answer(
    document: Document,
    key: str,
    line_number: int,
    stage: str,
    named: Named,
    version: str,
    repairs: list[str],
    parse: Callable[..., ParsedAnswer],
    index: int | None,
    run: int | None,
    fields: Collection[str],
) -> Answer:
    seed = _text(document, "seed")
    tags = document.get("tags")
    text = tags if isinstance(tags, str) else None if tags is None else orjson.dumps(tags).decode()
    error = document.get("error")
    if error is not None and not isinstance(error, str):
        error = orjson.dumps(error).decode()
    parsed = reason = None
    if not error:
        answer = parse(text)
        reason = answer.error
        parsed = answer.tags.as_json() if answer.tags else None
    rest = _rest(document, fields) if document.keys() - fields else None
    usage = document.get("usage")
    tokens = cast("Document", usage) if isinstance(usage, dict) else _NO_USAGE
    submission = _submission(stage, named.provider, named.model, version)
    return Answer(
        line_number,
        key,
        _moment(document, "_creationTime"),
        f"{submission}_{key}",
        submission,
        seed,
        named.provider,
        named.model,
        index,
        run,
        version,
        "errored" if error else "succeeded",
        text,
        None,
        error or None,
        _tokens(tokens.get("inputTokens")),
        _tokens(tokens.get("outputTokens")),
        reason,
        parsed,
        rest,
        ", ".join(repairs) or None,
    )


_NO_USAGE: Final[Document] = {}


@cache
def _submission(stage: str, provider: str, model: str, version: str) -> str:
    """The answers of a model to a prompt are one batch here: which of them came together is not known any more."""
    return EARLIER + _digest("answers", stage, provider, model, version)


def _digest(*parts: str) -> str:
    return base64.b32encode(hashlib.sha256("\0".join(parts).encode()).digest()[:10]).decode().lower()


def _status(document: Document, stage: str, named: Named, batch_id: str | None) -> tuple[str, bool]:
    said = document.get("status")
    error = (_optional(document, "error") or "").lower()
    if said == "completed":
        return "completed", False
    if said == "failed":
        return ("cancelled" if "cancel" in error else "expired" if "expired" in error else "failed"), False
    if said not in ("pending", "processing"):
        raise SetAsideError(f"has a status that is not known: {said!r}", "undecided")
    let_it_end = "let the earlier system collect it, export again and import that"
    if batch_id is None:
        raise SetAsideError(f"is under way, but its id at the provider is not known: {let_it_end}", "undecided")
    if stage != "tagging":
        raise SetAsideError(f"is a refinement under way, whose ground is not known: {let_it_end}", "undecided")
    if named.provider == "google":
        raise SetAsideError(f"is under way at Google, whose answers carried no ids then: {let_it_end}", "undecided")
    return "submitted", True


def _named(document: Document, stage: str) -> Named:
    provider, model = document.get("provider"), document.get("model")
    try:
        if stage == "refinement" and provider is None:
            return _resolved_by_model(str(model))
        return _resolved(str(provider or ""), str(model or ""))
    except UndecidedError as error:
        raise SetAsideError(f"which model is meant cannot be decided: {error}", "undecided") from None


@cache
def _resolved(provider: str, model: str) -> Named:
    return known_names().resolve(provider, model)


@cache
def _resolved_by_model(model: str) -> Named:
    """Refinements never named the provider."""
    named = known_names().resolve("", model)
    return Named(named.provider, named.model, None if named.model == model else f"model {model!r} is {named.model}")


def _text(document: Document, field: str) -> str:
    value = document.get(field)
    if not isinstance(value, str) or not value:
        raise SetAsideError(f"has no text in {field}")
    return value


def _optional(document: Document, field: str) -> str | None:
    value = document.get(field)
    return (value.strip() or None) if isinstance(value, str) else None


def _whole(document: Document, field: str) -> int | None:
    """A number of Convex's, which is a double, or a big integer in a string."""
    value = document.get(field)
    if value is None:
        return None
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 12:
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or abs(value) > _LARGEST:
        raise SetAsideError(f"{field} is no whole number: {str(value)[:40]!r}")
    return value


def _tokens(value: object) -> int | None:
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value >= 0:
        return min(int(value), _LARGEST)
    return None


def _moment(document: Document, field: str) -> int | None:
    """Milliseconds with a fraction, as microseconds."""
    value = document.get(field)
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < _LATEST_MOMENT:
        return int(value * 1000)
    return None


def _rest(document: Document, known: Collection[str]) -> str | None:
    rest = {name: value for name, value in document.items() if name not in known}
    return orjson.dumps(rest).decode() if rest else None
