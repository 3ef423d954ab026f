"""The Groq API: OpenAI's chat completion, file and batch APIs, with the differences that are declared here."""

from functools import partial
from typing import Any

from grabient_pipeline.sandbox.batch import Batch
from grabient_pipeline.sandbox.batches.dialect import Rejection, ResultLine, Row
from grabient_pipeline.sandbox.capabilities import BatchLimits, ModelCapabilities, QueueRules, QueueTier, by_name
from grabient_pipeline.sandbox.faults.failed_generation import STATUS, failed_generation
from grabient_pipeline.sandbox.json_values import names_in
from grabient_pipeline.sandbox.model.answers import Answer
from grabient_pipeline.sandbox.model.characters import Character
from grabient_pipeline.sandbox.model.prompt_cache import CacheRules
from grabient_pipeline.sandbox.pictures import by_patches, by_tiles_of_336
from grabient_pipeline.sandbox.provider import SandboxProvider
from grabient_pipeline.sandbox.providers.openai.errors import error, reject_call
from grabient_pipeline.sandbox.providers.openai.flavour import CHAT_FIELDS, ChatFlavour
from grabient_pipeline.sandbox.providers.openai.requests import ChatDialect
from grabient_pipeline.sandbox.providers.openai.routes import CALLS, DOWNLOADS, chat_routes

MODELS = by_name(
    ModelCapabilities(
        "llama-3.3-70b-versatile",
        answers_as="llama-3.3-70b-versatile",
        max_output_tokens=32768,
        json_schema="none",
        character=Character(
            accuracy=0.86,
            breadth=0.55,
            taste=6,
            focus=0.75,
            favourites=("serene", "coastal", "sunset"),
            indented=True,
            defects={
                "fence": 0.04,
                "prose": 0.02,
                "broken": 0.004,
                "synonym": 0.06,
                "string_for_list": 0.01,
                "slip": 0.05,
                "overloaded": 0.001,
                "truncated": 0.001,
            },
        ),
    ),
    ModelCapabilities(
        "meta-llama/llama-4-scout-17b-16e-instruct",
        answers_as="meta-llama/llama-4-scout-17b-16e-instruct",
        max_output_tokens=8192,
        json_schema="loose",
        images=by_tiles_of_336(144),
        character=Character(
            accuracy=0.78,
            breadth=0.4,
            taste=9,
            focus=0.65,
            favourites=("playful", "retro", "candy shop"),
            indented=True,
            defects={
                "fence": 0.12,
                "prose": 0.05,
                "broken": 0.01,
                "synonym": 0.1,
                "upper": 0.05,
                "string_for_list": 0.02,
                "slip": 0.08,
                "overloaded": 0.001,
                "truncated": 0.002,
            },
        ),
    ),
    ModelCapabilities(
        "qwen/qwen3-32b",
        answers_as="qwen/qwen3-32b",
        max_output_tokens=40960,
        json_schema="none",
        efforts=("none", "default"),
        default_effort="default",
        thinking="format",
        character=Character(
            accuracy=0.84,
            breadth=0.6,
            taste=7,
            focus=0.6,
            favourites=("tranquil", "zen", "silk ribbon"),
            defects={
                "thinking": 0.04,
                "fence": 0.03,
                "broken": 0.004,
                "synonym": 0.05,
                "empty": 0.002,
                "slip": 0.04,
                "overloaded": 0.001,
                "truncated": 0.003,
            },
        ),
    ),
    ModelCapabilities(
        "qwen/qwen3.8-27b",
        answers_as="qwen/qwen3.8-27b",
        max_output_tokens=40960,
        json_schema="strict",
        images=by_patches(32, extra=2),
        efforts=("none", "default", "low", "medium", "high"),
        default_effort="medium",
        thinking="format",
        character=Character(
            accuracy=0.88,
            breadth=0.6,
            taste=6,
            focus=0.65,
            favourites=("tranquil", "ink painting", "jade"),
            defects={
                "thinking": 0.02,
                "fence": 0.02,
                "synonym": 0.03,
                "slip": 0.03,
                "overloaded": 0.001,
                "truncated": 0.002,
            },
        ),
    ),
    ModelCapabilities(
        "openai/gpt-oss-120b",
        answers_as="openai/gpt-oss-120b",
        max_output_tokens=65536,
        json_schema="strict",
        efforts=("low", "medium", "high"),
        default_effort="medium",
        thinking="include",
        cache=CacheRules(least=1024, step=128),
        character=Character(
            accuracy=0.93,
            breadth=0.6,
            taste=5,
            focus=0.7,
            favourites=("atmospheric", "editorial", "horizon"),
            defects={"empty": 0.002, "synonym": 0.02, "slip": 0.02, "overloaded": 0.001, "truncated": 0.002},
        ),
    ),
    ModelCapabilities(
        "openai/gpt-oss-20b",
        answers_as="openai/gpt-oss-20b",
        max_output_tokens=65536,
        json_schema="strict",
        efforts=("low", "medium", "high"),
        default_effort="medium",
        thinking="include",
        cache=CacheRules(least=1024, step=128),
        character=Character(
            accuracy=0.82,
            breadth=0.5,
            taste=8,
            focus=0.6,
            favourites=("dynamic", "tech", "neon sign"),
            defects={
                "broken": 0.006,
                "empty": 0.006,
                "synonym": 0.06,
                "slip": 0.05,
                "overloaded": 0.001,
                "truncated": 0.004,
            },
        ),
    ),
)
# Groq's documents say 200 MB and its SDK says 100 MB; the smaller limit is enforced.
LIMITS = BatchLimits(requests=50_000, bytes=100 * 1024 * 1024)
# Groq has batch limits of their own and publishes no figures. This one is the sandbox's.
QUEUE = QueueRules(kinds=("tokens", "requests", "jobs"), tiers={1: QueueTier(tokens={"": 2_000_000})})

FLAVOUR = ChatFlavour(
    provider="groq",
    models=MODELS,
    fields=CHAT_FIELDS
    | names_in(
        """
        reasoning_format include_reasoning documents search_settings citation_options disable_tool_validation
        compound_custom
        """
    ),
    file_prefix="file_",
    longest_window=7 * 24,
    mixed_models=True,
    newer_fields=False,
    single_choice=True,
    lists_activity=True,
    key_page="https://console.groq.com/keys",
    invalid_key="Invalid API Key",
    unknown_field="property '{name}' is unsupported",
    no_effort=Rejection(
        400, "invalid_request_error", "reasoning_effort is not supported with this model", "reasoning_effort"
    ),
    no_batch_access=Rejection(
        403,
        "permissions_error",
        "The Batch API is not available for your plan. Please upgrade.",
        code="not_available_for_plan",
    ),
    details=("auto", "low", "high"),
    no_images="messages[{place}].content must be a string",
)


class GroqDialect(ChatDialect):
    """Groq's chat completions, which also report reasoning and timings."""

    def request_id(self, digest: str) -> str:
        """An id for the response to a request, from hexadecimal digits."""
        return f"req_01{digest[-24:]}"

    def format_answer(self, batch: Batch, row: Row, answer: Answer) -> ResultLine:
        """The result line of an answer, which an armed fault turns into an error that holds it."""
        if answer.finish == "overloaded" or not batch.affects("failed_generation", row.place):
            return super().format_answer(batch, row, answer)
        readable = batch.faults["failed_generation"]["readable"]
        result = self.format_error(row.custom_id, STATUS, failed_generation(answer, readable=readable))
        result.billed = True
        return result

    def completion(self, row: Row, answer: Answer, moment: float) -> dict[str, Any]:
        """An answer as a chat completion, with Groq's timings."""
        message = {"role": "assistant", "content": answer.text}
        if answer.reasoning and row.prompt is not None and row.prompt.reasoning == "field":
            message["reasoning"] = answer.reasoning
        seconds = round(answer.output_tokens / 500, 4)
        return {
            "id": f"chatcmpl-{_uuid(answer.digest.hex())}",
            "object": "chat.completion",
            "created": int(moment),
            "model": row.extra,
            "choices": [
                {
                    "index": 0,
                    "message": message,
                    "logprobs": None,
                    "finish_reason": "length" if answer.finish == "length" else "stop",
                }
            ],
            "usage": {
                "queue_time": 0.05,
                "prompt_tokens": answer.input_tokens,
                "prompt_time": 0.02,
                "completion_tokens": answer.output_tokens,
                "completion_time": seconds,
                "total_tokens": answer.input_tokens + answer.output_tokens,
                "total_time": round(seconds + 0.02, 4),
                "prompt_tokens_details": {"cached_tokens": answer.cached_tokens},
                "completion_tokens_details": {"reasoning_tokens": answer.reasoning_tokens},
            },
            "usage_breakdown": None,
            "system_fingerprint": "fp_6f27a1d3c9",
            "x_groq": {"id": self.request_id(answer.digest.hex())},
            "service_tier": "on_demand",
        }


def _uuid(digest: str) -> str:
    return f"{digest[:8]}-{digest[8:12]}-4{digest[13:16]}-a{digest[17:20]}-{digest[20:32]}"


DIALECT = GroqDialect(FLAVOUR)
PROVIDER = SandboxProvider(
    key="groq",
    key_variable="GROQ_API_KEY",
    address_variable="GROQ_BASE_URL",
    address_path="/groq",
    routes_path="/groq/openai/v1",
    routes=partial(chat_routes, dialect=DIALECT),
    dialect=DIALECT,
    error=error,
    reject_call=partial(reject_call, flavour=FLAVOUR),
    models=MODELS,
    limits=LIMITS,
    queue=QUEUE,
    calls=CALLS,
    downloads=DOWNLOADS,
    faults=frozenset(
        {
            "fail_batch",
            "stuck_finalizing",
            "failed_generation",
            "failed_generation_answer",
            "late_output_file",
            "empty_file_ids",
            "errors_as_list",
            "no_counts",
            "counts_as_strings",
            "models_deprecated",
        }
    ),
)
