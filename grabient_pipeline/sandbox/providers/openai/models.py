"""The models of OpenAI, what they accept, and the limits of a batch and of the queue."""

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
from grabient_pipeline.sandbox.pictures import by_patches, by_tiles_of_512

# From 1,024 tokens on, in steps of 128; since GPT-5.6, what is put into the cache is billed.
_CACHE = CacheRules(least=1024, step=128)

# The tiers are those with a price on developers.openai.com/api/docs/pricing. The tokens of pictures: "Calculating
# costs" in developers.openai.com/api/docs/guides/images-vision.
MODELS = by_name(
    ModelCapabilities(
        "gpt-4o-mini",
        answers_as="gpt-4o-mini-2024-07-18",
        max_output_tokens=16384,
        tiers=frozenset({"priority"}),
        json_schema="strict",
        images=by_tiles_of_512(2833, 5667),
        cache=_CACHE,
        ends_on="2027-01-14",
        character=Character(
            accuracy=0.87,
            breadth=0.5,
            taste=5,
            focus=0.8,
            favourites=("serene", "modern", "ocean"),
            defects={
                "fence": 0.06,
                "synonym": 0.04,
                "slip": 0.04,
                "refusal": 0.001,
                "overloaded": 0.0005,
                "truncated": 0.0005,
            },
        ),
    ),
    ModelCapabilities(
        "gpt-5-nano",
        answers_as="gpt-5-nano-2025-08-07",
        max_output_tokens=128000,
        json_schema="strict",
        images=by_patches(32, factor=2.46),
        sampling=False,
        efforts=("minimal", "low", "medium", "high"),
        default_effort="medium",
        takes_max_tokens=False,
        cache=_CACHE,
        tiers=frozenset({"flex"}),
        ends_on="2026-12-11",
        character=Character(
            accuracy=0.84,
            breadth=0.45,
            taste=9,
            focus=0.55,
            favourites=("ambient", "fintech", "glass"),
            defects={
                "synonym": 0.03,
                "slip": 0.03,
                "empty": 0.003,
                "refusal": 0.001,
                "overloaded": 0.0005,
                "truncated": 0.003,
            },
        ),
    ),
    ModelCapabilities(
        "gpt-6-luna",
        answers_as="gpt-6-luna",
        max_output_tokens=128000,
        json_schema="strict",
        images=by_patches(32, factor=1.2),
        sampling=False,
        efforts=("none", "low", "medium", "high", "xhigh", "max"),
        default_effort="medium",
        takes_max_tokens=False,
        cache=CacheRules(least=1024, step=128, bills_writes=True),
        tiers=frozenset({"flex", "priority"}),
        character=Character(
            accuracy=0.95,
            breadth=0.6,
            taste=4,
            focus=0.7,
            favourites=("quiet", "editorial", "shoreline"),
            defects={"slip": 0.01, "refusal": 0.0005, "overloaded": 0.0005},
        ),
    ),
    ModelCapabilities(
        "gpt-5.6-luna",
        answers_as="gpt-5.6-luna",
        max_output_tokens=128000,
        json_schema="strict",
        images=by_patches(32, factor=1.2),
        sampling=False,
        efforts=("none", "low", "medium", "high", "xhigh", "max"),
        default_effort="medium",
        takes_max_tokens=False,
        cache=CacheRules(least=1024, step=128, bills_writes=True),
        tiers=frozenset({"flex", "priority"}),
        character=Character(
            accuracy=0.94,
            breadth=0.55,
            taste=4,
            focus=0.75,
            favourites=("hushed", "editorial", "harbour"),
            defects={"slip": 0.01, "synonym": 0.01, "refusal": 0.0005, "overloaded": 0.0005},
        ),
    ),
)
EMBEDDING_MODELS = (
    EmbeddingModel("text-embedding-3-small", size=1536, least_size=1, most_tokens=8192, normalises=True),
    EmbeddingModel("text-embedding-3-large", size=3072, least_size=1, most_tokens=8192, normalises=True),
)
LIMITS = BatchLimits(requests=50_000, bytes=200 * 1024 * 1024)
# The "batch queue limit" of the page of gpt-4o-mini, as users quote it (community.openai.com/t/1269349); other models
# are given the same. By OpenAI's guide, prompt tokens count and output tokens do not.
QUEUE = QueueRules(
    kinds=("tokens", "requests"),
    tiers={
        1: QueueTier(tokens={"": 2_000_000}),
        2: QueueTier(tokens={"": 20_000_000}),
        3: QueueTier(tokens={"": 40_000_000}),
        4: QueueTier(tokens={"": 1_000_000_000}),
        5: QueueTier(tokens={"": 15_000_000_000}),
    },
)
