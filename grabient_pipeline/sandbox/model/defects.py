"""What is wrong with some answers: malformed JSON, text around the object, wrong words.

Every decision comes from bytes of the answer's digest, so that the same answer always has the same defects.
"""

from typing import Any

from grabient_pipeline.sandbox.model.vocabulary import SLIPS, SYNONYMS

# Descriptions for readers; the rates of a character use these names.
DEFECTS: dict[str, str] = {
    "fence": "the object is inside a Markdown code fence",
    "prose": "one sentence before the object, another after it",
    "thinking": "a thinking block before the object, sometimes without its end tag",
    "broken": "not quite JSON: a trailing comma, single quotes or a missing brace",
    "truncated": "the output limit was reached in the middle",
    "refusal": "the model declines",
    "empty": "no content, or an object without properties",
    "overloaded": "no answer: the provider returned a 5xx error for this request of the batch",
    "synonym": "a closed field holds a synonym of its value (share of answers)",
    "upper": "capital letters (share of answers)",
    "string_for_list": "a list of one is a plain string (share of answers)",
    "slip": "a forbidden or generic word among the tags (share of answers)",
}
# Structured output rules out the others.
_STRUCTURED_DEFECTS = ("truncated", "refusal", "overloaded")
# JSON mode guarantees valid JSON, not its content.
_JSON_DEFECTS = (*_STRUCTURED_DEFECTS, "empty", "synonym", "upper", "string_for_list", "slip")
DEFECTS_OF_FORM: dict[str, tuple[str, ...]] = {
    "text": tuple(DEFECTS),
    "json": _JSON_DEFECTS,
    "schema": _STRUCTURED_DEFECTS,
    "tool": _STRUCTURED_DEFECTS,
}
# At most one of these affects an answer as a whole.
_SHAPES = ("fence", "prose", "thinking", "broken", "truncated", "refusal", "empty", "overloaded")

REFUSALS = (
    "I'm sorry, but I can't help with that.",
    "I'm not able to describe these colours.",
    "I can't assist with this request.",
)
_OPENINGS = (
    "Here are the tags for this set of colours:",
    "Sure! Here is the JSON object you asked for:",
    "Based on the colour data, this is my analysis.",
)
_CLOSINGS = ("Let me know if you would like more options!", "I hope this helps.", "")


def cumulative_rates(rates: dict[str, float], form: str) -> tuple[tuple[float, str], ...]:
    """Upper limits, from 0 to 1, of the draws that lead to each defect of the whole answer in this output form."""
    limits: list[tuple[float, str]] = []
    total = 0.0
    for name in _SHAPES:
        if name in DEFECTS_OF_FORM[form] and rates.get(name):
            total += rates[name]
            limits.append((total, name))
    return tuple(limits)


def reshape(defect: str, text: str, digest: bytes) -> str:
    """Apply a defect of the whole answer to its text; defects that do not change the text leave it alone."""
    reshaper = _RESHAPERS.get(defect)
    return text if reshaper is None else reshaper(text, digest)


def inject_noise(value: dict[str, Any], digest: bytes, rates: dict[str, float]) -> None:
    """Replace, add or capitalise words of an answer in place, at the given rates; its JSON stays valid."""
    if digest[4] < rates.get("synonym", 0.0) * 256:
        name = ("saturation", "brightness", "contrast", "temperature")[digest[20] % 4]
        others = SYNONYMS[name].get(value.get(name, ""), ())
        if others:
            value[name] = others[digest[21] % len(others)]
    if digest[5] < rates.get("slip", 0.0) * 256:
        words = value.get(("mood", "style", "associations")[digest[22] % 3])
        if words:
            words.append(SLIPS[digest[23] % len(SLIPS)])
    if digest[6] < rates.get("string_for_list", 0.0) * 256 and value.get("style"):
        value["style"] = value["style"][0]
    if digest[7] < rates.get("upper", 0.0) * 256:
        for name, words in value.items():
            value[name] = words.capitalize() if isinstance(words, str) else [word.title() for word in words]


def _fence(text: str, digest: bytes) -> str:
    return f"```{'json' if digest[25] & 3 else ''}\n{text}\n```"


def _surround_with_prose(text: str, digest: bytes) -> str:
    body = _fence(text, digest) if digest[26] & 1 else text
    return f"{_OPENINGS[digest[27] % 3]}\n\n{body}\n\n{_CLOSINGS[digest[28] % 3]}".rstrip()


def _prepend_thinking(text: str, digest: bytes) -> str:
    thought = 'The first colours are {"warm"?} hmm, then it cools down. I should answer with tags only.'
    return f"<think>\n{thought}\n{text}" if digest[29] < 16 else f"<think>\n{thought}\n</think>\n\n{text}"


def _break_syntax(text: str, digest: bytes) -> str:
    kind = digest[30] % 3
    if kind == 0:
        return text.rstrip()[:-1].rstrip() + ",\n}"
    if kind == 1:
        return text.replace('"', "'")
    return text.rstrip()[:-1]


_RESHAPERS = {
    "fence": _fence,
    "prose": _surround_with_prose,
    "thinking": _prepend_thinking,
    "broken": _break_syntax,
}
