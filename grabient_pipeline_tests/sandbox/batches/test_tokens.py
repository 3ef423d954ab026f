"""The sandbox's own count of tokens: plausible for prose and digits, and the same line by line as in one piece."""

from __future__ import annotations

import json
import random

import pytest

from grabient_pipeline.sandbox.batches.tokens import TokenCounter, tokens_of


def count(lines, start=0, **options):
    counter = TokenCounter(**options)
    for line in lines:
        counter.add(line, start)
    return counter.total


@pytest.mark.parametrize(
    ("text", "least", "most"),
    [
        # The third has 18 tokens if numbers of up to three digits and single spaces before them are a token each.
        ("Tag the colours of this palette for a search engine.", 9, 14),
        ("1234567890 1234567890", 8, 11),
        ("[[206, 136, 95], [173, 103, 95]]", 14, 22),
        ("", 0, 0),
        ("日本語の色", 5, 9),
    ],
)
def test_texts(text, least, most):
    assert least <= tokens_of(text.encode()) <= most


def test_digits_cost_more_than_letters():
    assert tokens_of(b"0123456789" * 10) == 40
    assert tokens_of(b"abcdefghi" * 10) == 20


def test_lines_add_up():
    random.seed(3)
    lines = [
        json.dumps({"system": "Tag palettes. " * 50, "user": [random.random() for _ in range(30)], "end": "x" * 99})
        for _ in range(300)
    ]
    assert count(line.encode() for line in lines) == pytest.approx(sum(tokens_of(x.encode()) for x in lines), abs=1)


@pytest.mark.parametrize(
    "lines",
    [
        [b"aaaa", b"aa", b"aaaaaa", b"a", b""],
        [b"abcabc", b"abc", b"abcabcabc", b"abab"],
        [b"x1y", b"q", b"x1y", b"x2y", b"123"],
        [bytes(random.Random(number).choices(b"ab1,", k=number % 7)) for number in range(200)],
    ],
)
def test_lines_with_little_in_common_add_up(lines):
    assert count(lines) == pytest.approx(sum(map(tokens_of, lines)), abs=1)


def test_what_comes_before_the_start_is_not_counted():
    assert count([b"id-1 same 55", b"id-2 same 66"], start=5) == round(2 * tokens_of(b"same 55"))


@pytest.mark.parametrize("name", ["max_completion_tokens", "max_tokens", "maxOutputTokens"])
def test_output_limits_count_on_request(name):
    lines = [b'{"%s": %d}' % (name.encode(), limit) for limit in (1000, 2000)]
    assert count(lines, counts_output=True) - count(lines) == 3000
