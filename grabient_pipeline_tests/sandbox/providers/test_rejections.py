"""What the real providers reject is rejected with their messages: at once, for the whole batch, or row by row."""

import io
import json

import anthropic
import groq
import httpx
import openai
import pytest
from google import genai

NEW_VERSION = "2026-10-21"
OLD_VERSION = {"anthropic-version": "2023-06-01"}


# Keys and headers.


@pytest.mark.parametrize("key", ["sk-live-1234567890", "no"])
def test_only_keys_of_the_sandbox_are_accepted(shared, key):
    with pytest.raises(anthropic.AuthenticationError) as refused:
        shared.new_anthropic(api_key=key).messages.batches.list()
    assert refused.value.body["error"]["type"] == "authentication_error"
    assert refused.value.request_id.startswith("req_")
    with pytest.raises(openai.AuthenticationError) as refused:
        shared.new_openai(api_key=key).batches.list()
    assert refused.value.code == "invalid_api_key"
    assert "1234567890" not in str(refused.value)
    with pytest.raises(groq.AuthenticationError) as refused:
        shared.new_groq(api_key=key).batches.list()
    assert refused.value.body["error"]["code"] == "invalid_api_key"
    client = shared.new_google(api_key=key)
    with pytest.raises(genai.errors.ClientError) as refused:
        client.batches.list()
    assert (refused.value.code, refused.value.status) == (400, "INVALID_ARGUMENT")
    assert refused.value.details["error"]["details"][0]["reason"] == "API_KEY_INVALID"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/anthropic/v1/messages/batches", 401),
        ("/openai/v1/batches", 401),
        ("/groq/openai/v1/batches", 401),
        ("/google/v1beta/batches", 403),
    ],
)
def test_a_key_is_required(shared, path, status):
    assert httpx.get(shared.server.url + path).status_code == status


@pytest.mark.parametrize("version", [None, "2024-02-30"])
def test_anthropic_requires_a_valid_version(shared, version):
    headers = {"authorization": "Bearer sandbox-a"} | ({"anthropic-version": version} if version else {})
    answer = httpx.get(shared.server.url + "/anthropic/v1/messages/batches", headers=headers)
    assert answer.status_code == 400
    assert "anthropic-version" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    "path",
    [
        "/anthropic/v1/nowhere",
        "/openai/v1/nowhere",
        "/groq/openai/v1/nowhere",
        "/groq/v1/batches",
        "/google/v1/batches",
        "/google/v1/models/gemini-2.0-flash:batchGenerateContent",
    ],
)
def test_unknown_paths_return_an_error_in_the_providers_format(shared, path):
    headers = {"authorization": "Bearer sandbox-x", "x-goog-api-key": "sandbox-x", "anthropic-version": NEW_VERSION}
    answer = httpx.post(shared.server.url + path, headers=headers, json={})
    assert answer.status_code == 404
    assert answer.json()["error"]["message"]


def test_google_batches_need_version_v1beta(shared):
    """The SDK's default is v1; what is documented for batches is v1beta."""
    # In a variable, because this SDK's client closes its connection when it is garbage-collected.
    client = shared.new_google(api_version=None)
    with pytest.raises(genai.errors.ClientError) as refused:
        list(client.batches.list())
    assert refused.value.code == 404


# Anthropic: at creation.


def anthropic_row(custom_id="a", **row):
    params = {"model": "claude-3-5-haiku-20241022", "max_tokens": 10, "messages": [{"role": "user", "content": "x"}]}
    return {"custom_id": custom_id, "params": params, **row}


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        pytest.param([], "at least 1 item", id="empty"),
        pytest.param([anthropic_row("a b")], "requests.0.custom_id", id="custom id with a space"),
        pytest.param([anthropic_row("x" * 65)], "requests.0.custom_id", id="custom id too long"),
        pytest.param([anthropic_row(), anthropic_row()], "must be unique", id="duplicate custom id"),
        pytest.param([anthropic_row(extra=1)], "Extra inputs are not permitted", id="unknown field"),
        pytest.param([{"custom_id": "a"}], "requests.0.params: Field required", id="no params"),
    ],
)
def test_anthropic_rejects_the_batch_at_creation(shared, rows, words):
    with pytest.raises(anthropic.BadRequestError, match=words) as refused:
        shared.anthropic.messages.batches.create(requests=rows)
    assert refused.value.body["error"]["type"] == "invalid_request_error"


def test_anthropic_rejects_malformed_bodies(shared):
    headers = {"authorization": "Bearer sandbox-a", "anthropic-version": NEW_VERSION}
    url = shared.server.url + "/anthropic/v1/messages/batches"
    for body in (b"", b"{", b'{"requests": [{]}', b'{"requests": [{"custom_id": }]}', b'{"other": []}'):
        assert httpx.post(url, headers=headers, content=body).status_code == 400


# Anthropic: row by row.


@pytest.mark.parametrize(
    ("model", "parameters", "words"),
    [
        pytest.param(None, {"max_tokens": None}, "max_tokens: Field required", id="no max_tokens"),
        pytest.param(None, {"max_tokens": 0}, "greater than or equal to 1", id="max_tokens 0"),
        pytest.param(None, {"max_tokens": 9000}, "9000 > 8192", id="max_tokens beyond the model's"),
        pytest.param(None, {"temperature": 1.0}, "temperature: Extra inputs are not permitted", id="temperature"),
        pytest.param(None, {"top_p": 0.9}, "top_p: Extra inputs are not permitted", id="top_p"),
        pytest.param(None, {"top_k": 5}, "top_k: Extra inputs are not permitted", id="top_k"),
        pytest.param(None, {"stream": True}, "stream", id="stream"),
        pytest.param(None, {"frequency_penalty": 1}, "frequency_penalty: Extra inputs", id="unknown parameter"),
        pytest.param(None, {"messages": [{"role": "system", "content": "x"}]}, "Unexpected role", id="system role"),
        pytest.param(None, {"messages": []}, "at least one message", id="no messages"),
        pytest.param("claude-9", {}, "model: claude-9", id="unknown model"),
        pytest.param(
            None,
            {"output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}}},
            "does not support output_config",
            id="unsupported output_config",
        ),
        pytest.param(
            "claude-opus-4-5-20251101",
            {"output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}}},
            "additionalProperties",
            id="open schema",
        ),
        pytest.param("claude-opus-4-5-20251101", {"output_config": {"effort": "max"}}, "effort", id="effort"),
        pytest.param(
            "claude-opus-4-5-20251101",
            {"thinking": {"type": "enabled", "budget_tokens": 100}},
            "1024",
            id="thinking budget too small",
        ),
        pytest.param(
            "claude-opus-4-5-20251101",
            {"thinking": {"type": "enabled", "budget_tokens": 2000}},
            "must be greater than",
            id="thinking budget not below max_tokens",
        ),
        pytest.param(None, {"tool_choice": {"type": "tool", "name": "x"}}, "tool", id="choice without tools"),
        pytest.param(None, {"messages": "x"}, "message", id="messages of a wrong type"),
    ],
)
def test_anthropic_rejects_invalid_rows(shared, tools, model, parameters, words):
    row = shared.request_one("anthropic", model, **parameters)
    assert words in tools.error_of("anthropic", row)


def test_anthropic_sampling_depends_on_the_version(shared, tools):
    old = shared.new_anthropic(default_headers=OLD_VERSION)
    rows = shared.rows_of("anthropic", 1, temperature=0.7)
    batch = shared.wait("anthropic", old.messages.batches.create(requests=rows).id)
    assert batch.request_counts.errored == 0
    both = shared.rows_of("anthropic", 1, "claude-opus-4-5-20251101", temperature=0.7, top_p=0.5)
    batch = shared.wait("anthropic", old.messages.batches.create(requests=both).id)
    assert batch.request_counts.errored == 1


# OpenAI and Groq: at upload and creation.


@pytest.mark.parametrize("provider", ["openai", "groq"])
def test_uploads_require_purpose_name_and_content(shared, provider):
    client, kind = getattr(shared, provider), {"openai": openai, "groq": groq}[provider]
    with pytest.raises(kind.BadRequestError):
        client.files.create(file=("a.jsonl", b"{}"), purpose="fine-tune")
    with pytest.raises(kind.BadRequestError):
        client.files.create(file=("a.csv", b"{}"), purpose="batch")
    with pytest.raises(kind.BadRequestError):
        client.files.create(file=("a.jsonl", b""), purpose="batch")


@pytest.mark.parametrize(
    ("change", "status", "param"),
    [
        ({"endpoint": "/v1/embeddings"}, 400, "endpoint"),
        ({"completion_window": "48h"}, 400, "completion_window"),
        ({"completion_window": "7d"}, 400, "completion_window"),
        ({"input_file_id": "file-none"}, 404, "input_file_id"),
        ({"metadata": {"k": "v" * 513}}, 400, "metadata"),
        ({"metadata": {"k" * 65: "v"}}, 400, "metadata"),
        ({"metadata": {str(number): "v" for number in range(17)}}, 400, "metadata"),
    ],
)
def test_openai_rejects_the_batch_at_creation(shared, change, status, param):
    file = shared.openai.files.create(file=("a.jsonl", b"{}\n"), purpose="batch")
    options = {"input_file_id": file.id, "endpoint": "/v1/chat/completions", "completion_window": "24h", **change}
    with pytest.raises(openai.APIStatusError) as refused:
        shared.openai.batches.create(**options)
    assert (refused.value.status_code, refused.value.param) == (status, param)


def test_groq_accepts_windows_up_to_a_week(shared):
    content = json.dumps(shared.rows_of("groq", 1)[0]).encode()
    file = shared.groq.files.create(file=("a.jsonl", content), purpose="batch")
    options = {"input_file_id": file.id, "endpoint": "/v1/chat/completions"}
    batch = shared.groq.batches.create(completion_window="7d", **options)
    assert batch.expires_at - batch.created_at == 7 * 86_400
    assert shared.groq.batches.create(completion_window="100h", **options).completion_window == "100h"
    for window in ("8d", "169h", "23h", "1w", "24"):
        with pytest.raises(groq.BadRequestError, match="Durations from 24h to 7d are supported"):
            shared.groq.batches.create(completion_window=window, **options)


def test_a_batch_of_groq_expires_at_the_end_of_its_own_window(bench):
    bench.arm("slow_batch", "groq", seconds=4 * 86_400)
    content = json.dumps(bench.rows_of("groq", 1)[0]).encode()
    file = bench.groq.files.create(file=("a.jsonl", content), purpose="batch")
    options = {"input_file_id": file.id, "endpoint": "/v1/chat/completions"}
    for window, share in (("7d", None), ("3d", 0.75)):
        made = bench.groq.batches.create(completion_window=window, **options)
        batch = bench.server.sandbox.store.batch("groq", made.id)
        assert batch.finished_share == share
        assert made.created_at + batch.seconds <= made.expires_at


# OpenAI and Groq: the file as a whole.


@pytest.mark.parametrize("provider", ["openai", "groq"])
@pytest.mark.parametrize(
    ("corrupt", "code"),
    [
        pytest.param(lambda rows: rows[1].update(custom_id="row-0"), "duplicate_custom_id", id="duplicate custom id"),
        pytest.param(lambda rows: rows[1].pop("custom_id"), "missing_required_parameter", id="no custom id"),
        pytest.param(lambda rows: rows[1].update(method="GET"), "invalid_method", id="method"),
        pytest.param(lambda rows: rows[1].update(url="/v1/responses"), "invalid_url", id="other endpoint"),
        pytest.param(lambda rows: rows[1].update(extra=1), "unknown_parameter", id="unknown field"),
        pytest.param(lambda rows: rows[1]["body"].pop("model"), "missing_required_parameter", id="no model"),
        pytest.param(lambda rows: rows.__setitem__(1, []), "invalid_json_line", id="not an object"),
    ],
)
def test_an_invalid_file_fails_the_batch(shared, provider, corrupt, code):
    rows = [json.loads(json.dumps(row)) for row in shared.rows_of(provider, 3)]
    corrupt(rows)
    batch = shared.wait(provider, shared.submit(provider, rows))
    assert batch.status == "failed"
    assert (batch.errors.data[0].code, batch.errors.data[0].line) == (code, 2)
    assert batch.output_file_id is None
    assert batch.request_counts.total == 0


def test_a_line_that_is_not_json_fails_the_batch(shared):
    file = shared.openai.files.create(file=("a.jsonl", b'{"custom_id": \n'), purpose="batch")
    batch = shared.openai.batches.create(
        input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h"
    )
    assert shared.wait("openai", batch.id).errors.data[0].code == "invalid_json_line"


def test_openai_accepts_one_model_per_batch_and_groq_several(shared):
    rows = shared.rows_of("openai", 1) + shared.rows_of("openai", 1, "gpt-5-nano", prefix="other")
    batch = shared.wait("openai", shared.submit("openai", rows))
    assert batch.errors.data[0].code == "mismatched_model"
    rows = shared.rows_of("groq", 1) + shared.rows_of("groq", 1, "openai/gpt-oss-20b", prefix="other")
    batch = shared.wait("groq", shared.submit("groq", rows))
    assert batch.status == "completed"


def test_unknown_models_are_rejected(shared, tools):
    batch = shared.wait("openai", shared.submit("openai", shared.rows_of("openai", 1, "gpt-1")))
    assert batch.errors.data[0].code == "model_not_found"
    row = shared.request_one("groq", "llama-1")
    assert row["response"]["status_code"] == 404
    with pytest.raises(genai.errors.ClientError) as refused:
        shared.submit("google", shared.rows_of("google", 1), "gemini-1")
    assert refused.value.code == 404


# OpenAI and Groq: row by row.


def schema_format(schema, strict=True, name="tags"):
    return {"type": "json_schema", "json_schema": {"name": name, "strict": strict, "schema": schema}}


OPEN_SCHEMA = {"type": "object", "properties": {"mood": {"type": "string"}}, "required": ["mood"]}
OPTIONAL_SCHEMA = {"type": "object", "properties": {"mood": {"type": "string"}}, "required": []}
OPTIONAL_SCHEMA["additionalProperties"] = False
GOOD_SCHEMA = OPEN_SCHEMA | {"additionalProperties": False}
RAW = {"reasoning_format": "raw"}


@pytest.mark.parametrize(
    ("provider", "model", "parameters", "words"),
    [
        pytest.param("openai", "gpt-5-nano", {"temperature": 0.7}, "temperature", id="nano temperature"),
        pytest.param("openai", "gpt-5-nano", {"max_tokens": 9}, "max_completion_tokens", id="nano max_tokens"),
        pytest.param("openai", "gpt-5-nano", {"top_p": 0.5}, "top_p", id="nano top_p"),
        pytest.param("openai", "gpt-5-nano", {"reasoning_effort": "none"}, "reasoning_effort", id="nano effort none"),
        pytest.param("openai", "gpt-4o-mini", {"reasoning_effort": "low"}, "reasoning_effort", id="4o effort"),
        pytest.param("openai", "gpt-4o-mini", {"max_tokens": 99_999}, "too large", id="beyond the model's limit"),
        pytest.param("openai", "gpt-4o-mini", {"temperature": 3}, "temperature", id="temperature out of range"),
        pytest.param("openai", "gpt-4o-mini", {"stream": True}, "Streaming", id="stream"),
        pytest.param("openai", "gpt-4o-mini", {"top_k": 3}, "Unrecognized request argument", id="unknown parameter"),
        pytest.param("openai", "gpt-4o-mini", {"messages": []}, "messages", id="no messages"),
        pytest.param("openai", "gpt-4o-mini", {"messages": 5}, "messages", id="messages of a wrong type"),
        pytest.param(
            "openai", "gpt-4o-mini", {"response_format": schema_format(OPEN_SCHEMA)}, "additionalProperties", id="open"
        ),
        pytest.param(
            "openai", "gpt-4o-mini", {"response_format": schema_format(OPTIONAL_SCHEMA)}, "'required'", id="optional"
        ),
        pytest.param(
            "openai", "gpt-4o-mini", {"response_format": schema_format(GOOD_SCHEMA, name="a b")}, "name", id="name"
        ),
        pytest.param("openai", "gpt-4o-mini", {"response_format": "json"}, "Invalid", id="format of a wrong type"),
        pytest.param("groq", "llama-3.3-70b-versatile", {"reasoning_effort": "low"}, "reasoning", id="llama effort"),
        pytest.param("groq", "llama-3.3-70b-versatile", {"n": 2}, "at most 1", id="n"),
        pytest.param("groq", "llama-3.3-70b-versatile", {"metadata": {}}, "unsupported", id="metadata in the body"),
        pytest.param(
            "groq",
            "llama-3.3-70b-versatile",
            {"response_format": schema_format(GOOD_SCHEMA)},
            "json_schema",
            id="llama",
        ),
        pytest.param(
            "groq",
            "meta-llama/llama-4-scout-17b-16e-instruct",
            {"response_format": schema_format(GOOD_SCHEMA)},
            "strict",
            id="scout strict",
        ),
        pytest.param(
            "groq", "qwen/qwen3-32b", {"response_format": schema_format(GOOD_SCHEMA, False)}, "json_schema", id="qwen"
        ),
        pytest.param(
            "groq",
            "qwen/qwen3-32b",
            {"response_format": {"type": "json_object"}, **RAW},
            "reasoning_format",
            id="qwen raw in JSON mode",
        ),
        pytest.param("groq", "qwen/qwen3-32b", {"reasoning_effort": "low"}, "reasoning_effort", id="qwen effort"),
        pytest.param("groq", "openai/gpt-oss-20b", RAW, "reasoning_format", id="oss reasoning_format"),
        pytest.param("groq", "openai/gpt-oss-20b", {"reasoning_effort": "none"}, "reasoning_effort", id="oss effort"),
        pytest.param(
            "groq",
            "qwen/qwen3-32b",
            {**RAW, "include_reasoning": True},
            "mutually exclusive",
            id="two reasoning fields",
        ),
    ],
)
def test_openai_and_groq_reject_invalid_rows(shared, tools, provider, model, parameters, words):
    row = shared.request_one(provider, model, **parameters)
    assert row["response"]["status_code"] == 400
    assert row["error"] is None
    assert words in tools.error_of(provider, row)


@pytest.mark.parametrize("provider", ["openai", "groq"])
def test_json_mode_requires_the_word_json(shared, tools, provider):
    row = shared.request_one(provider, system="Describe.", response_format={"type": "json_object"})
    assert "json" in tools.error_of(provider, row)
    assert shared.request_one(provider, response_format={"type": "json_object"})["response"]["status_code"] == 200


def test_a_batch_whose_rows_all_failed_has_no_output_file(shared):
    rows = shared.rows_of("openai", 2, "gpt-5-nano", temperature=0)
    batch = shared.wait("openai", shared.submit("openai", rows))
    assert (batch.status, batch.output_file_id) == ("completed", None)
    assert isinstance(batch.error_file_id, str)
    assert batch.request_counts.failed == 2


@pytest.mark.parametrize(
    ("provider", "model", "parameters"),
    [
        ("openai", "gpt-5-nano", {"temperature": 1, "max_completion_tokens": 9000, "reasoning_effort": "minimal"}),
        ("openai", "gpt-5-nano", {"response_format": schema_format(GOOD_SCHEMA), "verbosity": "low"}),
        ("openai", "gpt-6-luna", {"reasoning_effort": "none"}),
        ("openai", "gpt-4o-mini", {"temperature": 0.7, "max_tokens": 900, "seed": 1}),
        ("groq", "qwen/qwen3-32b", {"response_format": {"type": "json_object"}, "reasoning_format": "hidden"}),
        ("groq", "qwen/qwen3.8-27b", {"response_format": schema_format(GOOD_SCHEMA), "reasoning_effort": "none"}),
        ("groq", "openai/gpt-oss-120b", {"response_format": schema_format(GOOD_SCHEMA), "include_reasoning": False}),
        ("groq", "meta-llama/llama-4-scout-17b-16e-instruct", {"response_format": schema_format(GOOD_SCHEMA, False)}),
    ],
)
def test_supported_parameters_are_accepted(shared, provider, model, parameters):
    row = shared.request_one(provider, model, **parameters)
    assert row["response"]["status_code"] == 200, row


# Google.


def test_google_file_names_are_validated_and_unique(bench):
    config = {"mime_type": "application/jsonl", "name": "files/my-token-1"}
    assert bench.google.files.upload(file=io.BytesIO(b"{}"), config=config).name == "files/my-token-1"
    with pytest.raises(genai.errors.ClientError) as refused:
        bench.google.files.upload(file=io.BytesIO(b"{}"), config=config)
    assert (refused.value.code, refused.value.status) == (409, "ALREADY_EXISTS")
    for name in ("Upper", "-dash", "x" * 41, "under_score"):
        with pytest.raises(genai.errors.ClientError) as refused:
            bench.google.files.upload(file=io.BytesIO(b"{}"), config={**config, "name": f"files/{name}"})
        assert refused.value.code == 400


def test_google_uploads_cannot_be_downloaded(bench):
    config = {"mime_type": "application/jsonl", "name": "mine"}
    bench.google.files.upload(file=io.BytesIO(b"{}"), config=config)
    with pytest.raises(genai.errors.ClientError):
        bench.google.files.download(file="files/mine")


def test_google_validates_upload_offsets(bench):
    headers = {"x-goog-api-key": "sandbox-g", "x-goog-upload-protocol": "resumable", "x-goog-upload-command": "start"}
    start = httpx.post(
        bench.server.url + "/google/upload/v1beta/files",
        headers=headers,
        json={"file": {"mime_type": "application/jsonl", "size_bytes": 4}},
    )
    url = start.headers["x-goog-upload-url"]
    assert url.startswith(bench.server.url)
    chunk = httpx.post(url, headers={"x-goog-upload-command": "upload", "x-goog-upload-offset": "0"}, content=b"ab")
    assert chunk.headers["x-goog-upload-status"] == "active"
    last = {"x-goog-upload-command": "upload, finalize", "x-goog-upload-offset": "3"}
    answer = httpx.post(url, headers=last, content=b"cd")
    assert (answer.status_code, answer.headers["x-goog-upload-status"]) == (400, "final")


def test_google_batches_require_an_existing_file(shared):
    with pytest.raises(genai.errors.ClientError) as refused:
        shared.google.batches.create(model="gemini-2.0-flash", src="files/nothing")
    assert refused.value.code in (403, 404)


def test_a_google_file_that_is_not_json_fails_the_batch(bench):
    file = bench.google.files.upload(file=io.BytesIO(b"{nothing\n"), config={"mime_type": "application/jsonl"})
    job = bench.wait("google", bench.google.batches.create(model="gemini-2.0-flash", src=file.name).name)
    assert job.state.name == "JOB_STATE_FAILED"


SCHEMA = {"type": "object", "properties": {"mood": {"type": "string"}}}


@pytest.mark.parametrize(
    ("model", "config", "words"),
    [
        pytest.param(None, {"frequency": 1}, 'Unknown name "frequency"', id="unknown field"),
        pytest.param(None, {"max_tokens": 1}, "Unknown name", id="another provider's field"),
        pytest.param(
            None,
            {"responseMimeType": "application/json", "responseSchema": SCHEMA, "responseJsonSchema": SCHEMA},
            "Only one of",
            id="both schemas",
        ),
        pytest.param(None, {"responseSchema": SCHEMA}, "mime type", id="schema without the MIME type"),
        pytest.param(
            None,
            {"responseMimeType": "application/json", "responseSchema": {**SCHEMA, "additionalProperties": False}},
            "additionalProperties",
            id="JSON Schema keyword in the OpenAPI schema",
        ),
        pytest.param(None, {"thinkingConfig": {"thinkingBudget": 0}}, "Thinking", id="thinking on 2.0"),
        pytest.param(None, {"maxOutputTokens": 9000}, "maxOutputTokens", id="beyond the model's limit"),
        pytest.param("gemini-2.5-flash-lite", {"thinkingConfig": {"thinkingBudget": 100}}, "budget", id="budget"),
        pytest.param("gemini-2.5-flash-lite", {"thinkingConfig": {"thinkingLevel": "low"}}, "level", id="level"),
    ],
)
def test_google_rejects_invalid_rows(shared, tools, model, config, words):
    row = shared.request_one("google", model, generationConfig=config)
    assert words in tools.error_of("google", row)


def test_google_accepts_camel_case_and_snake_case(shared, tools):
    for config in (
        {"response_mime_type": "application/json", "thinking_config": {"thinking_budget": 0}},
        {"responseMimeType": "application/json", "thinkingConfig": {"thinkingBudget": 512}},
    ):
        row = shared.request_one("google", "gemini-2.5-flash-lite", generationConfig=config)
        assert json.loads(tools.text_of("google", row))


def test_google_rejects_unknown_fields_of_the_request(shared, tools):
    assert 'Unknown name "messages"' in tools.error_of("google", shared.request_one("google", messages=[]))
