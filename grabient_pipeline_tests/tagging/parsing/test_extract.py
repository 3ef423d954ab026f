"""The object is found in answers as models really write them, whatever surrounds it."""

from __future__ import annotations

import pytest

from grabient_pipeline.tagging import parse_answer
from grabient_pipeline_tests.tagging.parsing.samples import WHOLE, WHOLE_TAGS

FOUND = {
    "plain": WHOLE,
    "white space around it": f"\n\n  {WHOLE} \t\n",
    "byte order mark": f"\ufeff{WHOLE}",
    "CRLF": WHOLE.replace("\n", "\r\n"),
    "line separator around it": f"\u2028{WHOLE}\u2029",
    "fence with language": f"```json\n{WHOLE}\n```",
    "fence without language": f"```\n{WHOLE}\n```",
    "fence on one line": f"```json {WHOLE}```",
    "fence that does not end": f"```json\n{WHOLE}",
    "fence after braces in prose": f"The set {{a, b}} is:\n```json\n{WHOLE}\n```\nas {{said}}.",
    "fence of another language first": f"```python\nprint({{1}})\n```\n```json\n{WHOLE}\n```",
    "tilde fence": f"~~~json\n{WHOLE}\n~~~",
    "text before": f"Here are the tags:\n{WHOLE}",
    "text after": f"{WHOLE}\n\nI chose these since it looks like the sea.",
    "text after with a brace": f"{WHOLE}\nSmile :-}}",
    "thinking": f"<think>Hm, blue. Sea?</think>{WHOLE}",
    "thinking with a draft": f'<think>\n{{"mood": ["draft"]}}\n</think>\n\n{WHOLE}',
    "thinking with a fence": f'<think>\n```json\n{{"mood": ["draft"]}}\n```\n</think>\n```json\n{WHOLE}\n```',
    "thinking in capitals": f'<THINKING>{{"mood": ["draft"]}}</THINKING>{WHOLE}',
    "thinking without its opening tag": f'Hm {{"mood": ["draft"]}}\n</think>\n{WHOLE}',
    "thinking within thinking": f"<think>a <think>b</think> c</think>{WHOLE}",
    "unclosed thinking after it": f'{WHOLE}\n<think>or rather {{"mood": ["draft"]}}',
    "empty thinking": f"<think>\n\n</think>\n\n{WHOLE}",
    "two objects": f'{WHOLE}\n{{"mood": ["second"]}}',
    "an object without our fields first": f'{{"thought": "sea"}}\n{WHOLE}',
    "a brace that does not close before it": f"A {{ brace, then {WHOLE}",
    "list with one object": f"[{WHOLE}]",
    "list with two objects": f'[{WHOLE}, {{"mood": ["second"]}}]',
    "wrapped in tags": f'{{"tags": {WHOLE}}}',
    "wrapped twice": f'{{"result": {{"tags": {WHOLE}}}}}',
    "wrapped in a list": f'{{"palettes": [{WHOLE}]}}',
    "wrapped beside other things": f'{{"palette": {{"hex": ["#fff"]}}, "note": "x", "tags": {WHOLE}}}',
    "wrapper that does not end": f'{{"tags": {WHOLE}',
    "keys in other case": WHOLE.replace('"mood"', '" Mood"').replace('"style"', '"STYLE"'),
    "duplicate keys: the last": WHOLE.replace("{", '{"mood": ["first"],', 1),
    "unknown keys": WHOLE.replace("{", '{"confidence": 0.9, "palette": {"mood": []},', 1),
    "trailing commas": WHOLE.replace("]", ",]").replace("}", ",\n}"),
    "line break in a string": WHOLE.replace("sea glass", "sea\nglass"),
    "lone surrogate around it": f"\ud83d {WHOLE}",
    "closed fields as lists of one": WHOLE.replace('"cool"', '["cool"]').replace('"mixed"', '["mixed"]'),
    "closed fields in capitals": WHOLE.replace('"cool"', '" COOL "').replace('"high"', '"High."'),
}


@pytest.mark.parametrize("text", FOUND.values(), ids=FOUND.keys())
def test_the_object_is_found(text: str) -> None:
    assert parse_answer(text, "stop").tags == WHOLE_TAGS
