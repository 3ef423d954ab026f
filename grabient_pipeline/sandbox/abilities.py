"""What each model takes and refuses: the sandbox's own table, kept apart from the pipeline's catalogue.

A request that the catalogue believes to be fine and the real model would refuse is found because this table
was written from the providers' documents a second time, not derived from the catalogue.
"""

from dataclasses import dataclass
from typing import Literal

Provider = Literal["anthropic", "openai", "groq", "google"]
PROVIDERS: tuple[Provider, ...] = ("anthropic", "openai", "groq", "google")


@dataclass(frozen=True, slots=True)
class Ability:
    """One model: what it answers as, and which parameters it has."""

    provider: Provider
    model: str
    answers_as: str
    max_output_tokens: int
    # "strict" keeps to a JSON schema always, "loose" tries to, "none" refuses one.
    json_schema: Literal["strict", "loose", "none"]
    # Free choice of temperature, top_p and the penalties.
    sampling: bool = True
    # The values of reasoning_effort (or thinkingLevel); empty: the model has no such parameter.
    efforts: tuple[str, ...] = ()
    default_effort: str = "none"
    # How thinking is asked for beyond the effort.
    thinking: Literal["none", "budget", "level", "format", "include"] = "none"
    # The older name of the output limit is still taken.
    takes_max_tokens: bool = True


def _by_name(*abilities: Ability) -> dict[tuple[Provider, str], Ability]:
    return {(ability.provider, ability.model): ability for ability in abilities}


ABILITIES: dict[tuple[Provider, str], Ability] = _by_name(
    Ability("anthropic", "claude-3-5-haiku-20241022", "claude-3-5-haiku-20241022", 8192, "none"),
    Ability("anthropic", "claude-haiku-4-5-20251001", "claude-haiku-4-5-20251001", 64000, "strict", thinking="budget"),
    Ability(
        "anthropic",
        "claude-opus-4-5-20251101",
        "claude-opus-4-5-20251101",
        64000,
        "strict",
        efforts=("low", "medium", "high"),
        default_effort="none",
        thinking="budget",
    ),
    Ability("openai", "gpt-4o-mini", "gpt-4o-mini-2024-07-18", 16384, "strict"),
    Ability(
        "openai",
        "gpt-5-nano",
        "gpt-5-nano-2025-08-07",
        128000,
        "strict",
        sampling=False,
        efforts=("minimal", "low", "medium", "high"),
        default_effort="medium",
        takes_max_tokens=False,
    ),
    Ability(
        "openai",
        "gpt-6-luna",
        "gpt-6-luna",
        128000,
        "strict",
        sampling=False,
        efforts=("none", "low", "medium", "high", "xhigh"),
        default_effort="none",
        takes_max_tokens=False,
    ),
    Ability("groq", "llama-3.3-70b-versatile", "llama-3.3-70b-versatile", 32768, "none"),
    Ability(
        "groq",
        "meta-llama/llama-4-scout-17b-16e-instruct",
        "meta-llama/llama-4-scout-17b-16e-instruct",
        8192,
        "loose",
    ),
    Ability(
        "groq",
        "qwen/qwen3-32b",
        "qwen/qwen3-32b",
        40960,
        "none",
        efforts=("none", "default"),
        default_effort="default",
        thinking="format",
    ),
    Ability(
        "groq",
        "qwen/qwen3.8-27b",
        "qwen/qwen3.8-27b",
        40960,
        "strict",
        efforts=("none", "default", "low", "medium", "high"),
        default_effort="medium",
        thinking="format",
    ),
    Ability(
        "groq",
        "openai/gpt-oss-120b",
        "openai/gpt-oss-120b",
        65536,
        "strict",
        efforts=("low", "medium", "high"),
        default_effort="medium",
        thinking="include",
    ),
    Ability(
        "groq",
        "openai/gpt-oss-20b",
        "openai/gpt-oss-20b",
        65536,
        "strict",
        efforts=("low", "medium", "high"),
        default_effort="medium",
        thinking="include",
    ),
    Ability("google", "gemini-2.0-flash", "gemini-2.0-flash", 8192, "strict"),
    Ability("google", "gemini-2.5-flash-lite", "gemini-2.5-flash-lite", 65536, "strict", thinking="budget"),
    Ability(
        "google",
        "gemini-3.1-flash-lite",
        "gemini-3.1-flash-lite",
        65536,
        "strict",
        efforts=("minimal", "low", "medium", "high"),
        default_effort="minimal",
        thinking="level",
    ),
)


def ability_of(provider: Provider, model: str) -> Ability | None:
    """The model's row, or None where the provider has no such model."""
    return ABILITIES.get((provider, model))


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """The most that one batch may hold."""

    requests: int
    bytes: int


LIMITS: dict[Provider, BatchLimits] = {
    "anthropic": BatchLimits(100_000, 256 * 1024 * 1024),
    "openai": BatchLimits(50_000, 200 * 1024 * 1024),
    # Groq's documents say 200 MB and its SDK 100 MB: the smaller one is enforced.
    "groq": BatchLimits(50_000, 100 * 1024 * 1024),
    # Google states no number of requests; a file is what bounds it.
    "google": BatchLimits(10_000_000, 2 * 1024 * 1024 * 1024),
}
GOOGLE_INLINE_BYTES = 20 * 1024 * 1024
