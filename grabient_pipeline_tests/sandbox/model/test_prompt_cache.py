"""What models find in their provider's cache, and what they put there."""

from __future__ import annotations

import pytest

from grabient_pipeline.sandbox.model.prompt_cache import CacheRules, PromptCache, read_and_written

STEPS = CacheRules(least=1024, step=128)
WRITES = CacheRules(least=1024, step=128, bills_writes=True)
HIT, MISS = 255, 0


@pytest.mark.parametrize(
    ("rules", "tokens", "found", "draw", "expected"),
    [
        (None, 1600, 1313, HIT, (0, 0)),
        (STEPS, 1600, 1313.25, HIT, (1280, 0)),
        (STEPS, 1600, 1313.25, MISS, (0, 0)),
        (STEPS, 1600, 1023, HIT, (0, 0)),
        (STEPS, 1600, 1024, HIT, (1024, 0)),
        (STEPS, 1600, 0, HIT, (0, 0)),
        (STEPS, 1600, 1600, HIT, (1536, 0)),
        (CacheRules(least=1024), 1600, 1313.25, HIT, (1313, 0)),
        (WRITES, 1600, 1313, HIT, (1280, 256)),
        (WRITES, 1600, 1313, MISS, (0, 1536)),
        (WRITES, 1000, 0, HIT, (0, 0)),
    ],
)
def test_what_is_read_and_written(rules, tokens, found, draw, expected):
    assert read_and_written(rules, tokens, found, draw) == expected


def test_the_first_prompt_of_a_kind_finds_nothing():
    cache = PromptCache()
    assert not cache.has("nano", 0, 7, is_first=True)
    assert cache.has("nano", 0, 7, is_first=False)
    assert not cache.has("nano", 0, 8, is_first=True), "another kind"
    assert not cache.has("mini", 0, 7, is_first=True), "another model"
    assert cache.has("nano", 1, 7, is_first=True), "a later batch"
    assert not cache.has("nano", 0, 7, is_first=True), "the first batch, processed again"
