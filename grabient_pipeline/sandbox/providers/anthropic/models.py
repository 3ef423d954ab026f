"""The models of Anthropic, what they accept, and the limits of a batch and of the queue."""

from grabient_pipeline.sandbox.capabilities import BatchLimits, ModelCapabilities, QueueRules, QueueTier, by_name
from grabient_pipeline.sandbox.model.characters import Character
from grabient_pipeline.sandbox.pictures import by_patches

# The tokens of pictures: platform.claude.com/docs/en/build-with-claude/vision.
MODELS = by_name(
    ModelCapabilities(
        "claude-3-5-haiku-20241022",
        answers_as="claude-3-5-haiku-20241022",
        max_output_tokens=8192,
        json_schema="none",
        images=by_patches(28),
        ends_on="2026-02-19",
        character=Character(
            accuracy=0.88,
            breadth=0.65,
            taste=5,
            focus=0.7,
            favourites=("contemplative", "literary", "worn linen"),
            indented=True,
            defects={
                "prose": 0.08,
                "fence": 0.03,
                "broken": 0.002,
                "synonym": 0.04,
                "slip": 0.03,
                "refusal": 0.002,
                "overloaded": 0.001,
                "truncated": 0.001,
            },
        ),
    ),
    ModelCapabilities(
        "claude-haiku-4-5-20251001",
        answers_as="claude-haiku-4-5-20251001",
        max_output_tokens=64000,
        json_schema="strict",
        images=by_patches(28),
        thinking="budget",
        character=Character(
            accuracy=0.91,
            breadth=0.6,
            taste=5,
            focus=0.7,
            favourites=("contemplative", "editorial", "tide pool"),
            indented=True,
            defects={
                "prose": 0.03,
                "fence": 0.05,
                "synonym": 0.02,
                "slip": 0.02,
                "refusal": 0.001,
                "overloaded": 0.001,
            },
        ),
    ),
    # platform.claude.com/docs/en/models/haiku-5-5/whats-new-haiku-5-5, and the overviews of the three models.
    ModelCapabilities(
        "claude-haiku-5-5",
        answers_as="claude-haiku-5-5",
        max_output_tokens=128000,
        json_schema="strict",
        images=by_patches(28),
        sampling=False,
        efforts=("low", "medium", "high", "xhigh", "max"),
        default_effort="medium",
        thinking="adaptive",
        character=Character(
            accuracy=0.92,
            breadth=0.6,
            taste=5,
            focus=0.7,
            favourites=("contemplative", "considered", "low tide"),
            indented=True,
            defects={"fence": 0.03, "synonym": 0.02, "slip": 0.02, "refusal": 0.001, "overloaded": 0.001},
        ),
    ),
    ModelCapabilities(
        "claude-sonnet-5-5",
        answers_as="claude-sonnet-5-5",
        max_output_tokens=128000,
        json_schema="strict",
        images=by_patches(28),
        sampling=False,
        efforts=("low", "medium", "high", "xhigh", "max"),
        default_effort="high",
        thinking="adaptive",
        character=Character(
            accuracy=0.97,
            breadth=0.7,
            taste=3,
            focus=0.85,
            favourites=("evocative", "considered", "low tide"),
            indented=True,
            defects={"refusal": 0.0005, "overloaded": 0.0005},
        ),
    ),
    ModelCapabilities(
        "claude-opus-5-5",
        answers_as="claude-opus-5-5",
        max_output_tokens=128000,
        json_schema="strict",
        images=by_patches(28),
        sampling=False,
        efforts=("low", "medium", "high", "xhigh", "max"),
        default_effort="medium",
        thinking="always",
        character=Character(
            accuracy=0.98,
            breadth=0.7,
            taste=3,
            focus=0.9,
            favourites=("evocative", "literary", "low tide"),
            indented=True,
            defects={"refusal": 0.0005, "overloaded": 0.0005},
        ),
    ),
    ModelCapabilities(
        "claude-opus-4-5-20251101",
        answers_as="claude-opus-4-5-20251101",
        max_output_tokens=64000,
        json_schema="strict",
        images=by_patches(28),
        efforts=("low", "medium", "high"),
        thinking="budget",
        ends_on="2027-01-22",
        character=Character(
            accuracy=0.97,
            breadth=0.7,
            taste=3,
            focus=0.85,
            favourites=("evocative", "literary", "tide pool"),
            indented=True,
            defects={"fence": 0.02, "refusal": 0.0005, "overloaded": 0.0005},
        ),
    ),
)
LIMITS = BatchLimits(requests=100_000, bytes=256 * 1024 * 1024)
# "Message Batches API" in platform.claude.com/docs/en/api/rate-limits: requests of all models that are not yet
# processed, on the tiers Start, Build and Scale.
QUEUE = QueueRules(
    kinds=("requests",),
    shared=frozenset({"requests"}),
    tiers={1: QueueTier(requests=200_000), 2: QueueTier(requests=300_000), 3: QueueTier(requests=500_000)},
    retry_after=60.0,
)
