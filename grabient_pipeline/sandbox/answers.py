"""What the sandbox's models say: tags from the measured colours, each model in its own character, with its own dirt.

An answer is a function of the model, the palette, the how-manieth time it is asked, and the sandbox's seed: nothing is
drawn from a clock or a shared generator, so a run can be repeated to the letter.
"""

from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import blake2b
from typing import Any, Literal
from zlib import crc32

import orjson

from grabient_pipeline.sandbox.asked import Asked, Field, Reader, Wish, tokens_of
from grabient_pipeline.sandbox.colours import Eye, Portrait
from grabient_pipeline.sandbox.vocabulary import CLOSED, GENERAL_WORDS, SLIPS, SYNONYMS

Finish = Literal["stop", "length", "refusal", "overloaded"]

# What dirt is, for people; the rates below name these kinds.
DIRT: dict[str, str] = {
    "fence": "the object stands in a Markdown code fence",
    "prose": "a sentence before the object, another one after it",
    "thinking": "a thinking block before the object, now and then unclosed",
    "broken": "not quite JSON: a trailing comma, single quotes or a missing brace",
    "truncated": "the output limit was reached in the middle",
    "refusal": "the model declines",
    "empty": "no content, or an object without properties",
    "overloaded": "no answer: the provider failed with a 5xx inside of the batch",
    "synonym": "a closed field holds another word for its value (a share of answers)",
    "upper": "capital letters (a share of answers)",
    "string_for_list": "a list of one is a plain string (a share of answers)",
    "slip": "a forbidden or generic word among the tags (a share of answers)",
}
# Structured output leaves no room for the rest.
_CLEAN_DIRT = ("truncated", "refusal", "overloaded")
# JSON mode forces valid JSON, whatever is in it.
_JSON_DIRT = (*_CLEAN_DIRT, "empty", "synonym", "upper", "string_for_list", "slip")
_SHAPES = ("fence", "prose", "thinking", "broken", "truncated", "refusal", "empty", "overloaded")


@dataclass(frozen=True, slots=True)
class Character:
    """How a model differs from the others."""

    # How often it gets a measured attribute right.
    accuracy: float = 0.85
    # Where in an allowed range the number of its words lies, 0 to 1.
    breadth: float = 0.5
    # How far its own taste reorders the most fitting words.
    taste: float = 6.0
    # How readily it takes the next word; low means that its analyses differ much.
    focus: float = 0.7
    favourites: tuple[str, ...] = ()
    indented: bool = False
    dirt: dict[str, float] = field(default_factory=dict[str, float])


CHARACTERS: dict[str, Character] = {
    "llama-3.3-70b-versatile": Character(
        0.86, 0.55, 6, 0.75, ("serene", "coastal", "sunset"), True,
        {"fence": 0.04, "prose": 0.02, "broken": 0.004, "synonym": 0.06, "string_for_list": 0.01, "slip": 0.05,
         "overloaded": 0.001, "truncated": 0.001},
    ),
    "meta-llama/llama-4-scout-17b-16e-instruct": Character(
        0.78, 0.4, 9, 0.65, ("playful", "retro", "candy shop"), True,
        {"fence": 0.12, "prose": 0.05, "broken": 0.01, "synonym": 0.1, "upper": 0.05, "string_for_list": 0.02,
         "slip": 0.08, "overloaded": 0.001, "truncated": 0.002},
    ),
    "qwen/qwen3-32b": Character(
        0.84, 0.6, 7, 0.6, ("tranquil", "zen", "silk ribbon"), False,
        {"thinking": 0.04, "fence": 0.03, "broken": 0.004, "synonym": 0.05, "empty": 0.002, "slip": 0.04,
         "overloaded": 0.001, "truncated": 0.003},
    ),
    "qwen/qwen3.8-27b": Character(
        0.88, 0.6, 6, 0.65, ("tranquil", "ink painting", "jade"), False,
        {"thinking": 0.02, "fence": 0.02, "synonym": 0.03, "slip": 0.03, "overloaded": 0.001, "truncated": 0.002},
    ),
    "openai/gpt-oss-120b": Character(
        0.93, 0.6, 5, 0.7, ("atmospheric", "editorial", "horizon"), False,
        {"empty": 0.002, "synonym": 0.02, "slip": 0.02, "overloaded": 0.001, "truncated": 0.002},
    ),
    "openai/gpt-oss-20b": Character(
        0.82, 0.5, 8, 0.6, ("dynamic", "tech", "neon sign"), False,
        {"broken": 0.006, "empty": 0.006, "synonym": 0.06, "slip": 0.05, "overloaded": 0.001, "truncated": 0.004},
    ),
    "gemini-2.0-flash": Character(
        0.83, 0.7, 7, 0.65, ("evocative", "travel poster", "evening"), True,
        {"fence": 0.25, "synonym": 0.05, "upper": 0.02, "slip": 0.05, "refusal": 0.001, "overloaded": 0.001,
         "truncated": 0.001},
    ),
    "gemini-2.5-flash-lite": Character(
        0.85, 0.75, 6, 0.6, ("calming", "wellness", "morning mist"), True,
        {"fence": 0.2, "synonym": 0.04, "slip": 0.04, "refusal": 0.001, "overloaded": 0.001, "truncated": 0.001},
    ),
    "gemini-3.1-flash-lite": Character(
        0.9, 0.6, 5, 0.65, ("luminous", "editorial", "dawn"), True,
        {"fence": 0.1, "synonym": 0.02, "slip": 0.02, "refusal": 0.001, "overloaded": 0.001},
    ),
    "gpt-4o-mini": Character(
        0.87, 0.5, 5, 0.8, ("serene", "modern", "ocean"), False,
        {"fence": 0.06, "synonym": 0.04, "slip": 0.04, "refusal": 0.001, "overloaded": 0.0005, "truncated": 0.0005},
    ),
    "gpt-5-nano": Character(
        0.84, 0.45, 9, 0.55, ("ambient", "fintech", "glass"), False,
        {"synonym": 0.03, "slip": 0.03, "empty": 0.003, "refusal": 0.001, "overloaded": 0.0005, "truncated": 0.003},
    ),
    "gpt-6-luna": Character(
        0.95, 0.6, 4, 0.7, ("quiet", "editorial", "shoreline"), False,
        {"slip": 0.01, "refusal": 0.0005, "overloaded": 0.0005},
    ),
    "claude-3-5-haiku-20241022": Character(
        0.88, 0.65, 5, 0.7, ("contemplative", "literary", "worn linen"), True,
        {"prose": 0.08, "fence": 0.03, "broken": 0.002, "synonym": 0.04, "slip": 0.03, "refusal": 0.002,
         "overloaded": 0.001, "truncated": 0.001},
    ),
    "claude-haiku-4-5-20251001": Character(
        0.91, 0.6, 5, 0.7, ("contemplative", "editorial", "tide pool"), True,
        {"prose": 0.03, "fence": 0.05, "synonym": 0.02, "slip": 0.02, "refusal": 0.001, "overloaded": 0.001},
    ),
    "claude-opus-4-5-20251101": Character(
        0.97, 0.7, 3, 0.85, ("evocative", "literary", "tide pool"), True,
        {"fence": 0.02, "refusal": 0.0005, "overloaded": 0.0005},
    ),
}  # fmt: skip
_ANY_MODEL = Character()
# How many of the fitting words a model puts into an order of its own.
_RANKED = 40

_MIDDLE_REASONING = {"minimal": 40, "low": 180, "default": 420, "medium": 480, "high": 1500, "xhigh": 3500}


@dataclass(slots=True)
class Answer:
    """What a model said, and what it cost in tokens; output tokens include reasoning."""

    finish: Finish
    text: str
    value: dict[str, Any] | None
    reasoning: str
    input_tokens: int
    output_tokens: int
    reasoning_tokens: int
    # 64 bytes that are the answer's own, for ids and latencies.
    noise: bytes
    # The same for every request that asks the same of the same palette, whoever's custom id it has.
    identity: str = ""


class Model:
    """One model at work on one batch."""

    def __init__(self, model: str, seed: int, ordinal: int, eye: Eye, reader: Reader) -> None:
        self._character = CHARACTERS.get(model, _ANY_MODEL)
        self._eye = eye
        self._reader = reader
        self._salt = f"{seed}\0{model}\0{ordinal}\0".encode()
        self._taste_salt = crc32(model.encode())
        self._tastes: dict[str, float] = {}
        self._viewed: dict[tuple[str, int], list[_View]] = {}
        self._asked_before: dict[tuple[str, int], int] = {}
        self._rates = {
            form: _cumulated(self._character.dirt, kinds)
            for form, kinds in (
                ("text", tuple(DIRT)),
                ("json", _JSON_DIRT),
                ("schema", _CLEAN_DIRT),
                ("tool", _CLEAN_DIRT),
            )
        }

    def answer(self, asked: Asked, colours: str) -> Answer:
        """Answer a request about these colours; asked the same again, the model says something else."""
        wish = self._reader.wish(asked)
        answer = self._answer(asked, wish, colours)
        answer.identity = f"{wish.identity:08x}{crc32(colours.encode()):08x}"
        return answer

    def _answer(self, asked: Asked, wish: Wish, colours: str) -> Answer:
        portrait = self._eye.portrait(colours)
        before = self._asked_before.get((colours, wish.identity), 0)
        self._asked_before[colours, wish.identity] = before + 1
        key = b"%b%b\0%d\0%d" % (self._salt, colours.encode(), wish.identity, before)
        noise = blake2b(key, digest_size=64).digest()

        input_tokens = int(wish.system_tokens + tokens_of(asked.user)) + 12
        shape, tidy = self._shape(asked.form, noise)
        if shape == "overloaded":
            return Answer("overloaded", "", None, "", input_tokens, 0, 0, noise)
        reasoning_tokens = _reasoning_tokens(asked.effort, noise)
        reasoning = _reasoning_text(portrait, reasoning_tokens) if asked.reasoning != "hidden" else ""
        if reasoning_tokens >= asked.output_limit:
            limit = asked.output_limit
            return Answer("length", "", None, reasoning, input_tokens, limit, limit, noise)
        if shape == "refusal":
            text = _REFUSALS[noise[9] % len(_REFUSALS)]
            spent = int(tokens_of(text)) + reasoning_tokens
            return Answer("refusal", text, None, reasoning, input_tokens, spent, reasoning_tokens, noise)

        value = self._value(wish, portrait, colours, asked.user, noise) if wish.fields else None
        if value is not None and not tidy:
            self._soil(value, noise)
        if shape == "empty":
            value = {}
        text = self._spelled(value, portrait, noise)
        if shape == "empty" and asked.form == "text" and noise[10] & 1:
            text = ""
        text = _SHAPERS[shape](text, noise) if shape in _SHAPERS else text
        if asked.reasoning == "inline" and reasoning_tokens:
            text = f"<think>\n{reasoning}\n</think>\n\n{text}"
            spent = int(tokens_of(text)) + 1
        else:
            spent = int(tokens_of(text)) + 1 + reasoning_tokens
        if shape == "truncated" or spent > asked.output_limit:
            return self._cut(asked, text, reasoning, input_tokens, spent, reasoning_tokens, noise)
        return Answer("stop", text, value, reasoning, input_tokens, spent, reasoning_tokens, noise)

    def _shape(self, form: str, noise: bytes) -> tuple[str, bool]:
        """The kind of dirt that shapes the whole answer, if any; and whether its words stay clean."""
        draw = int.from_bytes(noise[:4], "big") / 0x1_0000_0000
        for limit, kind in self._rates[form]:
            if draw < limit:
                return kind, form in ("schema", "tool")
        return "", form in ("schema", "tool")

    @staticmethod
    def _cut(
        asked: Asked, text: str, reasoning: str, input_tokens: int, spent: int, reasoning_tokens: int, noise: bytes
    ) -> Answer:
        room = max(0, asked.output_limit - reasoning_tokens)
        if spent <= asked.output_limit:
            # It rambled up to the limit; what arrives is the useful beginning, cut where the ramble began.
            text = text[: len(text) * (40 + noise[11] % 50) // 100]
            spent = asked.output_limit if asked.output_limit < 1 << 20 else spent
        else:
            text = text[: int(len(text) * room / max(1, spent - reasoning_tokens))]
            spent = asked.output_limit
        return Answer("length", text, None, reasoning, input_tokens, spent, min(reasoning_tokens, spent), noise)

    def _value(self, wish: Wish, portrait: Portrait, colours: str, user: str, noise: bytes) -> dict[str, Any]:
        views = self._views(wish, portrait, colours)
        if wish.condenses:
            views = [view.condensed(user.lower()) for view in views]
        at = 12
        value: dict[str, Any] = {}
        for view in views:
            value[view.name] = view.say(noise, at)
            at += 5
        return value

    def _views(self, wish: Wish, portrait: Portrait, colours: str) -> "list[_View]":
        """What this model could say about a palette in each field; the same whenever it is asked."""
        key = colours, wish.identity
        found = self._viewed.get(key)
        if found is None:
            if len(self._viewed) > 4096:
                self._viewed.clear()
            found = self._viewed[key] = [self._view(asked_for, portrait) for asked_for in wish.fields]
        return found

    def _view(self, asked_for: Field, portrait: Portrait) -> "_View":
        name, kind, allowed = asked_for.name, asked_for.kind, asked_for.allowed
        character = self._character
        right = portrait.attributes.get(name)
        if kind == "word" and right is not None:
            others = tuple(word for word in CLOSED[name] if word != right)
            return _Closed(name, right, others, int(character.accuracy * 256))
        if kind == "word":
            return _OneOf(name, allowed or portrait.mood)
        if kind == "words" and name == "harmony":
            candidates = tuple(word for word in portrait.harmony if not allowed or word in allowed) or allowed[:1]
            return _Harmony(name, candidates, min(asked_for.most, 2), int(character.accuracy * 256))
        if kind == "words" and name == "seasonal":
            seasons = tuple(word for word in portrait.seasonal if not allowed or word in allowed)
            return _Seasonal(name, seasons[: asked_for.most])
        if kind == "words":
            fitting = {"mood": portrait.mood, "style": portrait.style, "associations": portrait.associations}
            words = fitting.get(name, GENERAL_WORDS)
            if allowed:
                words = tuple(word for word in words if word in allowed) or allowed
            order = {word: index + self._taste(word) for index, word in enumerate(words[:_RANKED])}
            favourites = character.favourites if not allowed else ()
            favourite = favourites[{"mood": 0, "style": 1}.get(name, 2)] if favourites else ""
            ranked = (*sorted(order, key=order.__getitem__), *words[_RANKED:])
            return _Words(asked_for, ranked, character, favourite)
        if kind == "object":
            return _Nested(name, tuple(self._view(inner, portrait) for inner in asked_for.inner))
        return _Plain(name, kind, portrait)

    def _taste(self, word: str) -> float:
        taste = self._tastes.get(word)
        if taste is None:
            draw = crc32(word.encode(), self._taste_salt) / 0x1_0000_0000
            taste = self._tastes[word] = draw * self._character.taste
        return taste

    def _soil(self, value: dict[str, Any], noise: bytes) -> None:
        """Spoil words, not the form."""
        rates = self._character.dirt
        if noise[4] < rates.get("synonym", 0.0) * 256:
            name = ("saturation", "brightness", "contrast", "temperature")[noise[20] % 4]
            others = SYNONYMS[name].get(value.get(name, ""), ())
            if others:
                value[name] = others[noise[21] % len(others)]
        if noise[5] < rates.get("slip", 0.0) * 256:
            words = value.get(("mood", "style", "associations")[noise[22] % 3])
            if words:
                words.append(SLIPS[noise[23] % len(SLIPS)])
        if noise[6] < rates.get("string_for_list", 0.0) * 256 and value.get("style"):
            value["style"] = value["style"][0]
        if noise[7] < rates.get("upper", 0.0) * 256:
            for name, words in value.items():
                value[name] = words.capitalize() if isinstance(words, str) else [word.title() for word in words]

    def _spelled(self, value: dict[str, Any] | None, portrait: Portrait, noise: bytes) -> str:
        if value is None:
            return _sentence(portrait, noise[24])
        return orjson.dumps(value, option=orjson.OPT_INDENT_2 if self._character.indented else None).decode()


class _View:
    """What a model could say in one field about one palette."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def say(self, noise: bytes, at: int) -> Any:
        """What it says this time."""
        raise NotImplementedError

    def condensed(self, counted: str) -> "_View":
        """The same view with the words first that a request counts."""
        return self


class _Closed(_View):
    """A measured attribute: mostly right."""

    __slots__ = ("_accuracy", "_others", "_right")

    def __init__(self, name: str, right: str, others: tuple[str, ...], accuracy: int) -> None:
        super().__init__(name)
        self._right, self._others, self._accuracy = right, others, accuracy

    def say(self, noise: bytes, at: int) -> str:
        draw = noise[at & 63]
        return self._right if draw < self._accuracy else self._others[draw % len(self._others)]


class _OneOf(_View):
    __slots__ = ("_words",)

    def __init__(self, name: str, words: tuple[str, ...]) -> None:
        super().__init__(name)
        self._words = words

    def say(self, noise: bytes, at: int) -> str:
        return self._words[noise[at & 63] % len(self._words)]


class _Harmony(_View):
    __slots__ = ("_accuracy", "_candidates", "_most")

    def __init__(self, name: str, candidates: tuple[str, ...], most: int, accuracy: int) -> None:
        super().__init__(name)
        self._candidates, self._most, self._accuracy = candidates, most, accuracy

    def say(self, noise: bytes, at: int) -> list[str]:
        draw, candidates = noise[at & 63], self._candidates
        if draw >= self._accuracy and len(candidates) > 1:
            return [candidates[1 + draw % (len(candidates) - 1)]]
        return list(candidates[: 1 if draw & 1 else self._most])


class _Seasonal(_View):
    """A season is clear or it is not; models agree on most of it."""

    __slots__ = ("_seasons",)

    def __init__(self, name: str, seasons: tuple[str, ...]) -> None:
        super().__init__(name)
        self._seasons = seasons

    def say(self, noise: bytes, at: int) -> list[str]:
        return [word for place, word in enumerate(self._seasons) if noise[(at + place) & 63] > 50]


class _Words(_View):
    """Open words, the most fitting first as this model ranks them."""

    __slots__ = ("_asked_for", "_character", "_counts", "_favourite", "_ranked")

    def __init__(self, asked_for: Field, ranked: tuple[str, ...], character: Character, favourite: str) -> None:
        super().__init__(asked_for.name)
        self._ranked, self._asked_for = ranked, asked_for
        self._character, self._favourite = character, favourite
        self._counts = _counts(asked_for.least, asked_for.most, character.breadth, character.focus)

    def say(self, noise: bytes, at: int) -> list[str]:
        wanted, considered = self._counts[noise[at & 63]]
        chosen = list(self._ranked[:considered])
        for _ in range(len(chosen) - wanted):
            at += 7
            # The most fitting words are the last to be forgotten.
            draw = noise[at & 63]
            del chosen[-1 - (draw * draw * len(chosen) >> 16)]
        if noise[(at + 3) & 63] < 24 and self._favourite and chosen and self._favourite not in chosen:
            chosen[-1] = self._favourite
        return chosen

    def condensed(self, counted: str) -> "_View":
        mentioned = [word for word in self._ranked if f'"{word}"' in counted or f" {word}" in counted]
        ranked = (*mentioned, *(word for word in self._ranked if word not in mentioned))
        return _Words(self._asked_for, ranked, self._character, "")


@lru_cache(maxsize=256)
def _counts(least: int, most: int, breadth: float, focus: float) -> tuple[tuple[int, int], ...]:
    """For each value of a byte: how many words are said, out of how many that come to mind."""
    counts: list[tuple[int, int]] = []
    for draw in range(256):
        share = min(1.0, max(0.0, breadth + (draw - 128) / 256))
        wanted = least + int(share * (most - least) + 0.5)
        counts.append((wanted, int(wanted / focus + 0.999)))
    return tuple(counts)


class _Nested(_View):
    __slots__ = ("_views",)

    def __init__(self, name: str, views: "tuple[_View, ...]") -> None:
        super().__init__(name)
        self._views = views

    def say(self, noise: bytes, at: int) -> dict[str, Any]:
        return {view.name: view.say(noise, at + 3 * place) for place, view in enumerate(self._views)}


class _Plain(_View):
    """Text, numbers, yes or no."""

    __slots__ = ("_kind", "_portrait")

    def __init__(self, name: str, kind: str, portrait: Portrait) -> None:
        super().__init__(name)
        self._kind, self._portrait = kind, portrait

    def say(self, noise: bytes, at: int) -> Any:
        draw = noise[at & 63]
        if self._kind == "boolean":
            return draw > 127
        if self._kind == "integer":
            return draw * 10 // 255
        return round(0.5 + draw / 510, 2) if self._kind == "number" else _sentence(self._portrait, draw)


def _sentence(portrait: Portrait, draw: int) -> str:
    mood = portrait.mood[draw % min(6, len(portrait.mood))]
    things = portrait.associations
    thing, other = things[draw % min(9, len(things))], things[(draw + 3) % min(9, len(things))]
    return f"The colours feel {mood} and bring {thing} and {other} to mind."


def _cumulated(dirt: dict[str, float], kinds: tuple[str, ...]) -> tuple[tuple[float, str], ...]:
    limits: list[tuple[float, str]] = []
    total = 0.0
    for kind in _SHAPES:
        if kind in kinds and dirt.get(kind):
            total += dirt[kind]
            limits.append((total, kind))
    return tuple(limits)


def _reasoning_tokens(effort: str, noise: bytes) -> int:
    middle = _MIDDLE_REASONING.get(effort)
    if middle is None:
        # A thinking budget in tokens; models rarely use all of it.
        middle = int(effort) // 3 if effort.isdigit() else 0
    return middle * (60 + noise[8] * 100 // 256) // 100


def _reasoning_text(portrait: Portrait, tokens: int) -> str:
    if not tokens:
        return ""
    seen = ", ".join(f"{name} {value}" for name, value in portrait.attributes.items())
    thoughts = [f"The colour data first. Measured: {seen}. Harmony: {portrait.harmony[0]}."]
    length = len(thoughts[0])
    ideas = (*portrait.associations, *portrait.mood, *portrait.style)
    while length < tokens * 4:
        place = len(thoughts)
        thought = f"{_MUSINGS[place % len(_MUSINGS)]} {ideas[place % len(ideas)]}."
        thoughts.append(thought)
        length += len(thought) + 1
    return " ".join(thoughts)[: tokens * 4].rstrip()


_MUSINGS = (
    "This could be",
    "It also reminds me of",
    "Not quite",
    "Someone might search for",
    "Maybe rather",
    "Compare",
)
_REFUSALS = (
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


def _fenced(text: str, noise: bytes) -> str:
    return f"```{'json' if noise[25] & 3 else ''}\n{text}\n```"


def _in_prose(text: str, noise: bytes) -> str:
    body = _fenced(text, noise) if noise[26] & 1 else text
    return f"{_OPENINGS[noise[27] % 3]}\n\n{body}\n\n{_CLOSINGS[noise[28] % 3]}".rstrip()


def _thought_over(text: str, noise: bytes) -> str:
    thought = 'The first colours are {"warm"?} hmm, then it cools down. I should answer with tags only.'
    return f"<think>\n{thought}\n{text}" if noise[29] < 16 else f"<think>\n{thought}\n</think>\n\n{text}"


def _broken(text: str, noise: bytes) -> str:
    kind = noise[30] % 3
    if kind == 0:
        return text.rstrip()[:-1].rstrip() + ",\n}"
    if kind == 1:
        return text.replace('"', "'")
    return text.rstrip()[:-1]


_SHAPERS = {"fence": _fenced, "prose": _in_prose, "thinking": _thought_over, "broken": _broken}
