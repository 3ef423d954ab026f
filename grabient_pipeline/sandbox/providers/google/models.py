"""The models of Google, what they accept, and the limits of a batch and of the queue."""

from grabient_pipeline.sandbox.capabilities import (
    BatchLimits,
    EmbeddingModel,
    ModelCapabilities,
    QueueRules,
    QueueTier,
    by_name,
)
from grabient_pipeline.sandbox.model.characters import Character
from grabient_pipeline.sandbox.model.prompt_cache import CacheRules
from grabient_pipeline.sandbox.pictures import by_gemini_tiles, by_resolution

# The documents describe batches for this version only.
VERSION = "v1beta"

# The tokens of pictures: ai.google.dev/gemini-api/docs/tokens, and for Gemini 3 the page media-resolution beside it.
_BY_RESOLUTION = by_resolution(
    {"MEDIA_RESOLUTION_LOW": 280, "MEDIA_RESOLUTION_MEDIUM": 560, "MEDIA_RESOLUTION_HIGH": 1120}, default=1120
)

MODELS = by_name(
    ModelCapabilities(
        "gemini-2.0-flash",
        answers_as="gemini-2.0-flash",
        images=by_gemini_tiles,
        max_output_tokens=8192,
        json_schema="strict",
        character=Character(
            accuracy=0.83,
            breadth=0.7,
            taste=7,
            focus=0.65,
            favourites=("evocative", "travel poster", "evening"),
            indented=True,
            defects={
                "fence": 0.25,
                "synonym": 0.05,
                "upper": 0.02,
                "slip": 0.05,
                "refusal": 0.001,
                "overloaded": 0.001,
                "truncated": 0.001,
            },
        ),
    ),
    ModelCapabilities(
        "gemini-2.5-flash-lite",
        answers_as="gemini-2.5-flash-lite",
        images=by_gemini_tiles,
        max_output_tokens=65536,
        json_schema="strict",
        thinking="budget",
        cache=CacheRules(least=1024),
        character=Character(
            accuracy=0.85,
            breadth=0.75,
            taste=6,
            focus=0.6,
            favourites=("calming", "wellness", "morning mist"),
            indented=True,
            defects={
                "fence": 0.2,
                "synonym": 0.04,
                "slip": 0.04,
                "refusal": 0.001,
                "overloaded": 0.001,
                "truncated": 0.001,
            },
        ),
    ),
    ModelCapabilities(
        "gemini-3.1-flash-lite",
        answers_as="gemini-3.1-flash-lite",
        images=_BY_RESOLUTION,
        max_output_tokens=65536,
        json_schema="strict",
        efforts=("minimal", "low", "medium", "high"),
        default_effort="minimal",
        cache=CacheRules(least=1024),
        thinking="level",
        character=Character(
            accuracy=0.9,
            breadth=0.6,
            taste=5,
            focus=0.65,
            favourites=("luminous", "editorial", "dawn"),
            indented=True,
            defects={"fence": 0.1, "synonym": 0.02, "slip": 0.02, "refusal": 0.001, "overloaded": 0.001},
        ),
    ),
    # It ignores temperature, topP and topK, and refuses penalties.
    ModelCapabilities(
        "gemini-3.5-flash-lite",
        answers_as="gemini-3.5-flash-lite",
        images=_BY_RESOLUTION,
        max_output_tokens=65536,
        json_schema="strict",
        sampling=False,
        efforts=("minimal", "low", "medium", "high"),
        default_effort="minimal",
        thinking="level",
        character=Character(
            accuracy=0.92,
            breadth=0.6,
            taste=5,
            focus=0.7,
            favourites=("luminous", "crisp", "first light"),
            indented=True,
            defects={"fence": 0.05, "synonym": 0.02, "slip": 0.02, "refusal": 0.001, "overloaded": 0.001},
        ),
    ),
)
EMBEDDING_MODELS = (
    EmbeddingModel("gemini-embedding-001", size=3072, least_size=128, most_tokens=2048, normalises=False),
)
# Google documents no maximum number of requests; the size of the file is the limit.
LIMITS = BatchLimits(requests=10_000_000, bytes=2 * 1024 * 1024 * 1024)
# "Batch API rate limits" in ai.google.dev/gemini-api/docs/rate-limits. A model that is not there has the smallest size.
QUEUE = QueueRules(
    kinds=("tokens", "jobs"),
    shared=frozenset({"jobs"}),
    tiers={
        1: QueueTier(
            tokens={"": 3_000_000, "gemini-2.5-flash-lite": 10_000_000, "gemini-2.0-flash": 10_000_000}, jobs=100
        ),
        2: QueueTier(
            tokens={"": 400_000_000, "gemini-2.5-flash-lite": 500_000_000, "gemini-2.0-flash": 1_000_000_000}, jobs=100
        ),
        3: QueueTier(
            tokens={"": 500_000_000, "gemini-2.5-flash-lite": 1_000_000_000, "gemini-2.0-flash": 5_000_000_000},
            jobs=100,
        ),
    },
)
INLINE_BYTES = 20 * 1024 * 1024
