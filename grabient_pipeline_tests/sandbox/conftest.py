"""The real SDKs with a sandbox: one interface to submit, wait and read for all four providers."""

import io
import json
import time
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any

import anthropic
import groq
import httpx
import openai
import pytest
from google import genai

from grabient_pipeline.sandbox import SandboxServer
from grabient_pipeline.sandbox.batches.direct_calls import CUSTOM_ID_HEADER

PALETTE = [
    "#ce885f",
    "#ad675f",
    "#7f4a66",
    "#533473",
    "#362b85",
    "#32319a",
    "#4743ae",
    "#705ec1",
    "#9f7fcf",
    "#c59dd7",
    "#d8b4d8",
]
GREENS = [
    "#0b3d1e",
    "#10542a",
    "#176b36",
    "#1f8243",
    "#2a9950",
    "#3fae63",
    "#5bc07a",
    "#7bd093",
    "#9cdfae",
    "#bdecc9",
    "#dcf7e3",
]
SYSTEM = """You tag colour palettes for search. Answer with one JSON object and nothing else:
- mood: 2 to 5 emotional words
- style: 1 to 5 movements or eras
- harmony: 1 to 2
- temperature: warm, cool, neutral, cool-warm
- contrast: high, medium, low
- brightness: dark, medium, light, varied
- saturation: vibrant, muted, mixed
- seasonal: 0 to 4
- associations: 2 to 7 concrete things"""
TAGGING_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "mood": {"type": "array", "items": {"type": "string"}},
        "harmony": {"type": "array", "items": {"type": "string", "enum": ["complementary", "polychromatic"]}},
        "temperature": {"type": "string", "enum": ["warm", "cool", "neutral", "cool-warm"]},
        "associations": {"type": "array", "items": {"type": "string"}},
    },
    "required": ["mood", "harmony", "temperature", "associations"],
    "additionalProperties": False,
}
USUAL_MODELS = {
    "anthropic": "claude-3-5-haiku-20241022",
    "openai": "gpt-4o-mini",
    "groq": "llama-3.3-70b-versatile",
    "google": "gemini-2.0-flash",
}
ROOTS = {"anthropic": "/anthropic/v1", "openai": "/openai/v1", "groq": "/groq/openai/v1", "google": "/google/v1beta"}
# Each provider finds its own and ignores the others.
CREDENTIALS = {
    "authorization": "Bearer sandbox-x",
    "anthropic-version": "2026-10-21",
    "x-goog-api-key": "sandbox-x",
}
# Called alone, the SDK warns of models that are near their end.
CALLED_MODELS = {**USUAL_MODELS, "anthropic": "claude-haiku-4-5-20251001"}


def user_text(colours: list[str] = PALETTE) -> str:
    return "Colour data:\n" + json.dumps({"hex": colours, "rgb": [[0, 0, 0]] * 11, "colorNames": ["plum"]})


def request_body(provider: str, model: str, parameters: dict[str, Any], user: str, system: str) -> dict[str, Any]:
    """Return what a row contains: `params`, `body` or `request`. A parameter of None is removed."""
    if provider == "google":
        body: dict[str, Any] = {
            "contents": [{"role": "user", "parts": [{"text": user}]}],
            "systemInstruction": {"parts": [{"text": system}]},
        }
    elif provider == "anthropic":
        body = {"model": model, "max_tokens": 2000, "system": system, "messages": [{"role": "user", "content": user}]}
    else:
        messages = [{"role": "system", "content": system}, {"role": "user", "content": user}]
        body = {"model": model, "messages": messages}
    body.update(parameters)
    return {name: value for name, value in body.items() if value is not None}


Anthropic, OpenAI, Groq = anthropic.Anthropic, openai.OpenAI, groq.Groq


class Bench:
    """A server and the four SDKs' clients for it."""

    def __init__(self, server: SandboxServer) -> None:
        self.server = server
        self.environment = server.environment()

    @cached_property
    def anthropic(self) -> Anthropic:
        return self.new_anthropic()

    def new_anthropic(self, **options: Any) -> Anthropic:
        options = {"api_key": "sandbox-a", "base_url": self.environment["ANTHROPIC_BASE_URL"], **options}
        return Anthropic(max_retries=0, **options)

    @cached_property
    def openai(self) -> OpenAI:
        return self.new_openai()

    def new_openai(self, **options: Any) -> OpenAI:
        options = {"api_key": "sandbox-o", "base_url": self.environment["OPENAI_BASE_URL"], **options}
        return OpenAI(max_retries=0, **options)

    @cached_property
    def groq(self) -> Groq:
        return self.new_groq()

    def new_groq(self, **options: Any) -> Groq:
        options = {"api_key": "sandbox-q", "base_url": self.environment["GROQ_BASE_URL"], **options}
        return Groq(max_retries=0, **options)

    @cached_property
    def google(self) -> genai.Client:
        return self.new_google()

    def new_google(self, api_key: str = "sandbox-g", api_version: str | None = "v1beta") -> genai.Client:
        options: dict[str, Any] = {"base_url": self.environment["GOOGLE_GEMINI_BASE_URL"], "timeout": 20_000}
        if api_version:
            options["api_version"] = api_version
        return genai.Client(api_key=api_key, http_options=options)

    def rows_of(
        self,
        provider: str,
        count: int = 3,
        model: str | None = None,
        prefix: str = "row",
        user: str | None = None,
        system: str = SYSTEM,
        **parameters: Any,
    ) -> list[dict[str, Any]]:
        """Return rows in the provider's format, with custom ids `<prefix>-0` and so on."""
        body = request_body(provider, model or USUAL_MODELS[provider], parameters, user or user_text(), system)
        ids = [f"{prefix}-{number}" for number in range(count)]
        if provider == "anthropic":
            return [{"custom_id": custom_id, "params": body} for custom_id in ids]
        if provider == "google":
            return [{"key": custom_id, "request": body} for custom_id in ids]
        fixed = {"method": "POST", "url": "/v1/chat/completions"}
        return [{"custom_id": custom_id, **fixed, "body": body} for custom_id in ids]

    def submit(
        self, provider: str, rows: list[dict[str, Any]], model: str | None = None, token: str = "token-1"
    ) -> str:
        """Upload and create a batch; return its id."""
        if provider == "anthropic":
            return self.anthropic.messages.batches.create(requests=rows).id
        content = b"".join(json.dumps(row).encode() + b"\n" for row in rows)
        if provider == "google":
            config = {"mime_type": "application/jsonl", "display_name": token}
            file = self.google.files.upload(file=io.BytesIO(content), config=config)
            model = model or USUAL_MODELS["google"]
            job = self.google.batches.create(model=model, src=file.name, config={"display_name": token})
            return str(job.name)
        client: Any = getattr(self, provider)
        file = client.files.create(file=(f"{token}.jsonl", content, "application/jsonl"), purpose="batch")
        return client.batches.create(
            input_file_id=file.id,
            endpoint="/v1/chat/completions",
            completion_window="24h",
            metadata={"submission": token},
        ).id

    def retrieve(self, provider: str, batch_id: str) -> Any:
        if provider == "anthropic":
            return self.anthropic.messages.batches.retrieve(batch_id)
        if provider == "google":
            return self.google.batches.get(name=batch_id)
        return getattr(self, provider).batches.retrieve(batch_id)

    def state(self, provider: str, batch: Any) -> str:
        if provider == "anthropic":
            return batch.processing_status
        return batch.state.name if provider == "google" else batch.status

    def wait(self, provider: str, batch_id: str, seconds: float = 10.0) -> Any:
        """Poll until the batch has ended; return it."""
        deadline = time.monotonic() + seconds
        ends = {"ended", "completed", "failed", "expired", "cancelled"}
        while True:
            batch = self.retrieve(provider, batch_id)
            state = self.state(provider, batch)
            if state in ends or state.removeprefix("JOB_STATE_") in {"SUCCEEDED", "FAILED", "CANCELLED", "EXPIRED"}:
                return batch
            assert time.monotonic() < deadline, f"still {state}"
            time.sleep(0.005)

    def lines(self, provider: str, batch: Any) -> list[bytes]:
        """Return the raw result lines, including those of the error file."""
        if provider == "anthropic":
            with self.anthropic.messages.batches.with_streaming_response.results(batch.id) as response:
                content = b"".join(response.iter_bytes())
        elif provider == "google":
            content = self.google.files.download(file=batch.dest.file_name) if batch.dest else b""
        else:
            ids = [each for each in (batch.output_file_id, batch.error_file_id) if each]
            content = b"".join(getattr(self, provider).files.content(each).read() for each in ids)
        return content.splitlines()

    def results(self, provider: str, batch: Any) -> dict[str, dict[str, Any]]:
        """Return the result rows by custom id."""
        rows = [json.loads(line) for line in self.lines(provider, batch)]
        return {row.get("custom_id") or row["key"]: row for row in rows}

    def run(self, provider: str, rows: list[dict[str, Any]], model: str | None = None) -> dict[str, dict[str, Any]]:
        """Submit a batch, wait for it and return its results."""
        return self.results(provider, self.wait(provider, self.submit(provider, rows, model)))

    def ended(self, provider: str, count: int = 4, **parameters: Any) -> Any:
        """Submit a batch, wait for it and return it."""
        return self.wait(provider, self.submit(provider, self.rows_of(provider, count, **parameters))).model_copy()

    def again(self, provider: str, batch: Any) -> Any:
        """Retrieve a batch once more."""
        return self.retrieve(provider, self.id_of(provider, batch))

    @staticmethod
    def id_of(provider: str, batch: Any) -> str:
        return batch.name if provider == "google" else batch.id

    @staticmethod
    def status_of(error: Any) -> int:
        """Return the HTTP status in an error of any SDK."""
        return getattr(error, "status_code", None) or error.code

    def result_file(self, provider: str, batch: Any) -> bytes:
        """Return the results without the error file, as the SDK downloads them."""
        if provider == "anthropic":
            return self.download(provider, batch).content
        if provider == "google":
            return self.google.files.download(file=batch.dest.file_name)
        return getattr(self, provider).files.content(batch.output_file_id).read()

    def download(self, provider: str, batch: Any) -> httpx.Response:
        """Return the response with the results without an SDK, which hides its headers."""
        if provider == "anthropic":
            return self.get(provider, f"/messages/batches/{batch.id}/results")
        if provider == "google":
            return self.get(provider, f"/{batch.dest.file_name}:download", alt="media")
        return self.get(provider, f"/files/{batch.output_file_id}/content")

    def document(self, provider: str, batch_id: str) -> dict[str, Any]:
        """Return the document of a batch, including what an SDK discards."""
        return self.get(provider, self.batch_path(provider, batch_id)).json()

    @staticmethod
    def batch_path(provider: str, batch_id: str) -> str:
        batches = "/messages/batches" if provider == "anthropic" else "/batches"
        return f"{batches}/{batch_id.removeprefix('batches/')}"

    def get(self, provider: str, path: str, **query: str) -> httpx.Response:
        """Make a call without an SDK; the path is below the provider's version."""
        return httpx.get(self.server.url + ROOTS[provider] + path, params=query, headers=CREDENTIALS)

    def arm(self, name: str, provider: str | None = None, times: int | None = None, **parameters: Any) -> None:
        document = {"name": name, "provider": provider, "times": times, **parameters}
        answer = httpx.post(self.server.url + "/_sandbox/faults", json=document)
        assert answer.status_code == 200, answer.text

    def disarm(self) -> None:
        httpx.delete(self.server.url + "/_sandbox/faults")

    def report(self, path: str, **query: str) -> Any:
        """Return a report of the control API."""
        return httpx.get(f"{self.server.url}/_sandbox/{path}", params=query).json()

    def end_batches(self, **query: str) -> list[str]:
        """End every batch now; return their ids."""
        return httpx.post(f"{self.server.url}/_sandbox/batches/end", params=query).json()["ended"]

    def cancel(self, provider: str, batch_id: str) -> Any:
        if provider == "anthropic":
            return self.anthropic.messages.batches.cancel(batch_id)
        if provider == "google":
            return self.google.batches.cancel(name=batch_id)
        return getattr(self, provider).batches.cancel(batch_id)

    def listed(self, provider: str, size: int = 20) -> list[str]:
        """Return the ids of all batches through the SDK's own paging; Groq's SDK has none."""
        if provider == "anthropic":
            return [batch.id for batch in self.anthropic.messages.batches.list(limit=size)]
        if provider == "openai":
            return [batch.id for batch in self.openai.batches.list(limit=size)]
        if provider == "google":
            return [str(job.name) for job in self.google.batches.list(config={"page_size": size})]
        ids, cursor = [], None
        while True:
            page: Any = self.groq.batches.list(extra_query={"limit": size} | ({"cursor": cursor} if cursor else {}))
            ids += [batch.id for batch in page.data]
            cursor = page.paging["next_cursor"]
            if cursor is None:
                return ids

    def call(self, provider: str, custom_id: str | None = "call-1", **options: Any) -> str:
        """Make one direct call; return the text of its response."""
        headers = {CUSTOM_ID_HEADER: custom_id} if custom_id is not None else {}
        model, user = options.pop("model", CALLED_MODELS[provider]), options.pop("user", user_text())
        client = options.pop("client", None) or getattr(self, provider)
        if provider == "anthropic":
            options = {"max_tokens": 1000, "system": SYSTEM, "messages": [{"role": "user", "content": user}], **options}
            message = client.messages.create(model=model, extra_headers=headers, **options)
            return "".join(getattr(block, "text", "") for block in message.content)
        if provider == "google":
            config = {"system_instruction": SYSTEM, "http_options": {"headers": headers}, **options}
            return client.models.generate_content(model=model, contents=user, config=config).text or ""
        messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": user}]
        options = {"messages": messages, **options}
        completion = client.chat.completions.create(model=model, extra_headers=headers, **options)
        return completion.choices[0].message.content or ""

    def request_one(self, provider: str, model: str | None = None, **parameters: Any) -> dict[str, Any]:
        """Return the result row of a single request with these parameters."""
        rows = self.rows_of(provider, 1, model, **parameters)
        return self.run(provider, rows, model)["row-0"]


def text_of(provider: str, row: dict[str, Any]) -> str:
    """Return the text of the response."""
    if provider == "anthropic":
        return "".join(block.get("text", "") for block in row["result"]["message"]["content"])
    if provider == "google":
        return row["response"]["candidates"][0]["content"].get("parts", [{"text": ""}])[0]["text"]
    return row["response"]["body"]["choices"][0]["message"]["content"] or ""


def error_of(provider: str, row: dict[str, Any]) -> str:
    """Return the message of a rejected row; fail if it was answered."""
    if provider == "anthropic":
        assert row["result"]["type"] == "errored", row
        return row["result"]["error"]["error"]["message"]
    if provider == "google":
        return row["error"]["message"]
    assert row["response"]["status_code"] != 200, row
    return row["response"]["body"]["error"]["message"]


@pytest.fixture(scope="session")
def shared() -> Iterator[Bench]:
    """A bench for tests that leave no state behind."""
    with SandboxServer(batch_seconds=0) as server:
        yield Bench(server)


@pytest.fixture(scope="session")
def reused_bench() -> Iterator[Bench]:
    """The bench that `bench` clears; creating clients takes longer than a test."""
    with SandboxServer(batch_seconds=0) as server:
        yield Bench(server)


@pytest.fixture
def bench(reused_bench: Bench) -> Bench:
    """A bench with an empty sandbox."""
    reused_bench.server.sandbox.forget()
    return reused_bench


@pytest.fixture
def new_bench() -> Iterator[Callable[..., Bench]]:
    """Start benches with other options of the sandbox."""
    servers: list[SandboxServer] = []

    def start(**options: Any) -> Bench:
        servers.append(SandboxServer(**options).start())
        return Bench(servers[-1])

    yield start
    for server in servers:
        server.stop()


@pytest.fixture(scope="session")
def tools() -> Any:
    """The functions and constants above, because tests cannot import this file."""

    class Tools:
        palette, greens, system, schema = PALETTE, GREENS, SYSTEM, TAGGING_SCHEMA
        user_text = staticmethod(user_text)
        text_of = staticmethod(text_of)
        error_of = staticmethod(error_of)

    return Tools
