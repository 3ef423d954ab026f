"""Why OpenAI and Groq reject the input file of a batch: one bad line fails the whole batch."""

from pathlib import Path
from typing import Any, NamedTuple, cast

import orjson

from grabient_pipeline.sandbox.capabilities import BatchLimits
from grabient_pipeline.sandbox.providers.openai.flavour import ChatFlavour
from grabient_pipeline.sandbox.store import lines_of

ENDPOINT = "/v1/chat/completions"
_MOST_PROBLEMS = 20
_FIELDS = ("custom_id", "method", "url", "body")


class _Problem(NamedTuple):
    code: str
    message: str
    param: str | None


def find_input_problems(path: Path, flavour: ChatFlavour, limits: BatchLimits) -> list[dict[str, Any]]:
    """The problems of an input file, by line; at most twenty."""
    seen: set[str] = set()
    found: list[dict[str, Any]] = []
    model: Any = None
    number = 0
    for number, line in enumerate(lines_of(path), 1):
        problem = _line_problem(line, seen, model, flavour)
        if problem is not None:
            found.append({**problem._asdict(), "line": number})
            if len(found) >= _MOST_PROBLEMS:
                break
        elif model is None:
            model = orjson.loads(line)["body"]["model"]
        if number > limits.requests:
            message = f"The batch has too many requests. The maximum number of requests is {limits.requests}."
            return [{"code": "too_many_tasks", "message": message, "param": None, "line": None}]
    if number == 0:
        message = "The input file is empty. There must be at least one request."
        found.append({"code": "empty_file", "message": message, "param": None, "line": None})
    return found


def _line_problem(line: bytes, seen: set[str], model: Any, flavour: ChatFlavour) -> _Problem | None:
    try:
        row = orjson.loads(line)
    except orjson.JSONDecodeError:
        return _Problem("invalid_json_line", "This line is not parseable as valid JSON.", None)
    if not isinstance(row, dict):
        return _Problem("invalid_json_line", "This line is not a JSON object.", None)
    fields = cast(dict[str, Any], row)
    return (
        _names_problem(fields)
        or _custom_id_problem(fields["custom_id"], seen)
        or _target_problem(fields)
        or _model_problem(fields["body"].get("model"), model, flavour)
    )


def _names_problem(fields: dict[str, Any]) -> _Problem | None:
    for name in _FIELDS:
        if name not in fields:
            return _Problem("missing_required_parameter", f"Missing required parameter: '{name}'.", name)
    unknown = fields.keys() - set(_FIELDS)
    if unknown:
        return _Problem("unknown_parameter", f"Unknown parameter: '{min(unknown)}'.", min(unknown))
    return None


def _custom_id_problem(custom_id: Any, seen: set[str]) -> _Problem | None:
    if not isinstance(custom_id, str) or not custom_id:
        return _Problem("invalid_type", "'custom_id' has to be a non-empty string.", "custom_id")
    if custom_id in seen:
        message = f"The custom_id '{custom_id}' is used by another request of this file."
        return _Problem("duplicate_custom_id", message, "custom_id")
    seen.add(custom_id)
    return None


def _target_problem(fields: dict[str, Any]) -> _Problem | None:
    method, url = fields["method"], fields["url"]
    if method != "POST":
        return _Problem("invalid_method", f"Invalid method '{method}': only POST is supported.", "method")
    if url != ENDPOINT:
        return _Problem("invalid_url", f"The url '{url}' is not the batch's endpoint '{ENDPOINT}'.", "url")
    if not isinstance(fields["body"], dict):
        return _Problem("invalid_type", "'body' has to be an object.", "body")
    return None


def _model_problem(named: Any, model: Any, flavour: ChatFlavour) -> _Problem | None:
    if not isinstance(named, str):
        return _Problem("missing_required_parameter", "Missing required parameter: 'body.model'.", "body.model")
    if flavour.mixed_models:
        return None
    if model is not None and named != model:
        message = f"The model '{named}' is not the model '{model}' of the requests before: one batch, one model."
        return _Problem("mismatched_model", message, "body.model")
    if named not in flavour.models:
        message = f"The model '{named}' does not exist or is not supported by the Batch API."
        return _Problem("model_not_found", message, "body.model")
    return None
