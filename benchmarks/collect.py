"""Throughput of collection, from a provider's result file to rows of tags."""

from __future__ import annotations

import shutil
import time
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

import orjson
from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from benchmarks.report import Measurement
from benchmarks.synthetic import (
    ANALYSES,
    MODELS,
    OfflineProviders,
    Results,
    mark_ended,
    open_offline_provider,
    open_pipeline,
    plan_and_reserve,
    sample_results,
)
from grabient_pipeline.batches.collect import collect as collect_all
from grabient_pipeline.batches.parse import parse_answers
from grabient_pipeline.batches.stages import TAGGING
from grabient_pipeline.providers.catalogue import load_catalogue

MIN_RATE = 20_000
MIN_RATIO = 1 / 3


def collect(quick: bool) -> list[Measurement]:
    """Measure `collect` and `parse_answers` against a plain loop with `orjson` and pydantic.

    The measured time covers everything but the download: each file is read line by line, each row is normalised, its
    text parsed into tags, both are staged, settled in the ledger with the request, and merged into `palette_tags`.

    The floor decodes each line, validates the envelope and the tags in it with pydantic models, and discards them,
    which is the least that a validation with the usual tools does. Each provider has its own envelope; the target
    applies to the slowest.
    """
    requests = 8_000 if quick else 50_000
    samples = sample_results(100 if quick else 500)
    figures = {key: _measure(key, lines, requests) for key, lines in samples.items()}
    slowest = min(figures, key=lambda key: requests / figures[key][0])
    measurements: list[Measurement] = []
    for key, (seconds, floor) in figures.items():
        rate, ratio = requests / seconds, floor / seconds
        measurements.append(
            Measurement(
                f"collect: {requests:,} results, {key}" + (" (the slowest)" if key == slowest else ""),
                f"{rate:,.0f}/s ({seconds:.1f} s)",
                f"{requests / floor:,.0f}/s (orjson + pydantic)",
                ratio,
                f"≥ {MIN_RATE:,}/s, ratio ≥ 1/3" if key == slowest else "",
                rate >= MIN_RATE and ratio >= MIN_RATIO if key == slowest else None,
            )
        )
    return measurements


def _measure(key: str, lines: list[bytes], requests: int) -> tuple[float, float]:
    """Return the seconds of the pipeline and of the floor, each the best of three alternating rounds."""
    model = load_catalogue().model(MODELS[key])
    results = Results(lines)
    with open_pipeline(requests // ANALYSES) as pipeline:
        files: dict[str, Path] = {}
        for reservation in [piece.reservation for piece in plan_and_reserve(pipeline, [model])]:
            file = pipeline.settings.data_dir / f"{reservation.submission}.jsonl"
            results.write(file, (custom_id for custom_id, _ in reservation.requests()))
            files[mark_ended(pipeline, reservation.submission)] = file
        before = pipeline.settings.data_dir / "before.duckdb"
        shutil.copyfile(pipeline.settings.warehouse, before)
        offline = OfflineProviders({key: open_offline_provider(key, files)})
        workspace = replace(pipeline.workspace, providers=offline)
        seconds = floor = float("inf")
        for _ in range(3):
            floor = min(floor, _time_floor(key, files))
            shutil.copyfile(before, pipeline.settings.warehouse)
            started = time.perf_counter()
            report = collect_all(workspace)
            parse_answers(workspace, TAGGING)
            seconds = min(seconds, time.perf_counter() - started)
            settled = sum(sum(batch.states.values()) for batch in report.batches)
            assert settled == requests, report
        return seconds, floor


def _time_floor(key: str, files: dict[str, Path]) -> float:
    envelope, read = ENVELOPES[key]
    started = time.perf_counter()
    for path in files.values():
        with path.open("rb") as file:
            for line in file:
                try:
                    text = read(envelope.validate_python(orjson.loads(line)))
                    _TAGS.validate_python(orjson.loads(text) if isinstance(text, str) else text)
                except (ValidationError, orjson.JSONDecodeError):
                    continue
    return time.perf_counter() - started


class _Tags(BaseModel):
    mood: list[str]
    style: list[str]
    harmony: list[str]
    temperature: str
    contrast: str
    brightness: str
    saturation: str
    seasonal: list[str]
    associations: list[str]


class _ChatMessage(BaseModel):
    content: str | None = None


class _ChatChoice(BaseModel):
    message: _ChatMessage
    finish_reason: str


class _ChatUsage(BaseModel):
    prompt_tokens: int
    completion_tokens: int


class _ChatBody(BaseModel):
    choices: list[_ChatChoice]
    usage: _ChatUsage


class _ChatResponse(BaseModel):
    status_code: int
    body: _ChatBody


class _Chat(BaseModel):
    custom_id: str
    response: _ChatResponse


class _TextBlock(BaseModel):
    type: Literal["text"]
    text: str


class _ToolBlock(BaseModel):
    type: Literal["tool_use"]
    input: dict[str, Any]


class _AnthropicUsage(BaseModel):
    input_tokens: int
    output_tokens: int


class _AnthropicMessage(BaseModel):
    content: list[Annotated[_TextBlock | _ToolBlock, Field(discriminator="type")]]
    stop_reason: str
    usage: _AnthropicUsage


class _AnthropicResult(BaseModel):
    type: Literal["succeeded"]
    message: _AnthropicMessage


class _Anthropic(BaseModel):
    custom_id: str
    result: _AnthropicResult


class _GeminiPart(BaseModel):
    text: str


class _GeminiContent(BaseModel):
    parts: list[_GeminiPart] = []


class _GeminiCandidate(BaseModel):
    content: _GeminiContent
    finishReason: str


class _GeminiUsage(BaseModel):
    promptTokenCount: int
    candidatesTokenCount: int


class _GeminiResponse(BaseModel):
    candidates: list[_GeminiCandidate]
    usageMetadata: _GeminiUsage


class _Gemini(BaseModel):
    key: str
    response: _GeminiResponse


def _chat_text(row: _Chat) -> str:
    return row.response.body.choices[0].message.content or ""


def _anthropic_text(row: _Anthropic) -> str | dict[str, Any]:
    for block in row.result.message.content:
        return block.input if isinstance(block, _ToolBlock) else block.text
    return ""


def _gemini_text(row: _Gemini) -> str:
    return "".join(part.text for part in row.response.candidates[0].content.parts)


_TAGS = TypeAdapter(_Tags)
# How to validate each provider's envelope, and how to get the text out of it.
ENVELOPES: dict[str, tuple[TypeAdapter[Any], Any]] = {
    "anthropic": (TypeAdapter(_Anthropic), _anthropic_text),
    "openai": (TypeAdapter(_Chat), _chat_text),
    "groq": (TypeAdapter(_Chat), _chat_text),
    "google": (TypeAdapter(_Gemini), _gemini_text),
}
