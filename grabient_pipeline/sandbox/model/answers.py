"""The simulated models: tags from the measured colours, with the character and the defects of each model.

An answer is a function of the model, the palette, the number of times the same was requested before, and the
sandbox's seed. It depends on no clock and no shared random generator, so a run can be repeated byte for byte.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Literal
from zlib import crc32

import orjson

from grabient_pipeline.sandbox.model.characters import Character
from grabient_pipeline.sandbox.model.colours import ColourAnalyser, PaletteProfile
from grabient_pipeline.sandbox.model.defects import (
    DEFECTS_OF_FORM,
    REFUSALS,
    cumulative_rates,
    inject_noise,
    reshape,
)
from grabient_pipeline.sandbox.model.field_values import FieldGenerator, Speaker, make_generator, sentence_about
from grabient_pipeline.sandbox.model.prompt import Prompt, PromptReader, ResponseSpec, tokens_of
from grabient_pipeline.sandbox.model.prompt_cache import CacheRules, PromptCache, read_and_written

Finish = Literal["stop", "length", "refusal", "overloaded"]

# Tokens of reasoning at each effort, around which answers vary.
_REASONING_TOKENS = {"minimal": 40, "low": 180, "default": 420, "medium": 480, "high": 1500, "xhigh": 3500, "max": 8000}
# The most palettes whose field generators a model remembers.
_REMEMBERED_PALETTES = 4096
# An output limit above this is the default of a model, not a limit that the request set.
_UNLIMITED = 1 << 20


@dataclass(slots=True)
class Answer:
    """A model's answer and its cost in tokens; output includes reasoning, and input what was cached."""

    finish: Finish
    text: str
    value: dict[str, Any] | None
    reasoning: str
    input_tokens: int
    output_tokens: int
    reasoning_tokens: int
    # 64 bytes unique to this answer, for ids and other arbitrary values.
    digest: bytes
    # The same for every request with the same prompt about the same palette, whatever its custom id.
    identity: str = ""
    # Of the input, what was read from the provider's cache, and what was put there and is billed for it.
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    # The tier that served it.
    service_tier: str = ""


class Model:
    """One model, answering the requests of one batch."""

    def __init__(self, name: str, ordinal: int, character: Character, salt: bytes, shared: "ModelFactory") -> None:
        self._name = name
        self._ordinal = ordinal
        self._rules = shared.caches.get(name)
        self._cache = shared.cache
        self._kinds: set[int] = set()
        self._character = character
        self._analyser = shared.analyser
        self._reader = shared.reader
        self._salt = salt
        self._taste_salt = crc32(name.encode())
        self._tastes: dict[str, float] = {}
        self._generators: dict[tuple[str, int], list[FieldGenerator]] = {}
        self._times_answered: dict[tuple[str, int], int] = {}
        self._rates = {form: cumulative_rates(character.defects, form) for form in DEFECTS_OF_FORM}

    def answer(self, prompt: Prompt, colours: str) -> Answer:
        """Answer a prompt about these colours; the same prompt again gets a different answer."""
        spec = self._reader.spec(prompt)
        answer = self._answer(prompt, spec, colours)
        answer.identity = f"{spec.identity:08x}{crc32(colours.encode()):08x}"
        self._use_cache(answer, spec, colours)
        return answer

    def _use_cache(self, answer: Answer, spec: ResponseSpec, colours: str) -> None:
        is_first = spec.identity not in self._kinds
        self._kinds.add(spec.identity)
        found = 0.0
        if self._cache.has(self._name, self._ordinal, spec.identity, is_first=is_first):
            # Of a prompt that comes again, all of it.
            is_again = self._times_answered[colours, spec.identity] > 1
            found = answer.input_tokens if is_again else spec.system_tokens
        answer.cached_tokens, answer.cache_write_tokens = read_and_written(
            self._rules, answer.input_tokens, found, answer.digest[63]
        )

    def _answer(self, prompt: Prompt, spec: ResponseSpec, colours: str) -> Answer:
        profile = self._analyser.profile(colours)
        before = self._times_answered.get((colours, spec.identity), 0)
        self._times_answered[colours, spec.identity] = before + 1
        key = b"%b%b\0%d\0%d" % (self._salt, colours.encode(), spec.identity, before)
        digest = blake2b(key, digest_size=64).digest()

        input_tokens = int(spec.system_tokens + tokens_of(prompt.user)) + 12 + prompt.picture_tokens
        defect = self._choose_defect(prompt.form, digest)
        if defect == "overloaded":
            return Answer("overloaded", "", None, "", input_tokens, 0, 0, digest)
        reasoning_tokens = _reasoning_tokens(prompt.effort, digest)
        reasoning = _reasoning_text(profile, reasoning_tokens) if prompt.reasoning != "hidden" else ""
        limit = prompt.output_limit
        if reasoning_tokens >= limit:
            return Answer("length", "", None, reasoning, input_tokens, limit, limit, digest)
        if defect == "refusal":
            text = REFUSALS[digest[9] % len(REFUSALS)]
            spent = int(tokens_of(text)) + reasoning_tokens
            return Answer("refusal", text, None, reasoning, input_tokens, spent, reasoning_tokens, digest)

        value = self._value(prompt, spec, colours, digest) if spec.fields else None
        if defect == "empty":
            value = {}
        text = self._text(prompt, value, profile, defect, digest)
        if prompt.reasoning == "inline" and reasoning_tokens:
            text = f"<think>\n{reasoning}\n</think>\n\n{text}"
            spent = int(tokens_of(text)) + 1
        else:
            spent = int(tokens_of(text)) + 1 + reasoning_tokens
        answer = Answer("stop", text, value, reasoning, input_tokens, spent, reasoning_tokens, digest)
        return _truncate(answer, limit) if defect == "truncated" or spent > limit else answer

    def _choose_defect(self, form: str, digest: bytes) -> str:
        """The defect of the answer as a whole, or an empty string."""
        draw = int.from_bytes(digest[:4], "big") / 0x1_0000_0000
        for limit, defect in self._rates[form]:
            if draw < limit:
                return defect
        return ""

    def _value(self, prompt: Prompt, spec: ResponseSpec, colours: str, digest: bytes) -> dict[str, Any]:
        generators = self._generators_for(spec, colours)
        if spec.condenses:
            counted = prompt.user.lower()
            generators = [generator.preferring(counted) for generator in generators]
        offset = 12
        value: dict[str, Any] = {}
        for generator in generators:
            value[generator.name] = generator.value(digest, offset)
            offset += 5
        if prompt.form not in ("schema", "tool"):
            inject_noise(value, digest, self._character.defects)
        return value

    def _generators_for(self, spec: ResponseSpec, colours: str) -> list[FieldGenerator]:
        """What this model can say about a palette in each field; the same for every analysis of it."""
        key = colours, spec.identity
        generators = self._generators.get(key)
        if generators is None:
            if len(self._generators) > _REMEMBERED_PALETTES:
                self._generators.clear()
            speaker = Speaker(self._character, self._analyser.profile(colours), self._taste)
            generators = self._generators[key] = [make_generator(field, speaker) for field in spec.fields]
        return generators

    def _taste(self, word: str) -> float:
        taste = self._tastes.get(word)
        if taste is None:
            draw = crc32(word.encode(), self._taste_salt) / 0x1_0000_0000
            taste = self._tastes[word] = draw * self._character.taste
        return taste

    def _text(
        self, prompt: Prompt, value: dict[str, Any] | None, profile: PaletteProfile, defect: str, digest: bytes
    ) -> str:
        if defect == "empty" and prompt.form == "text" and digest[10] & 1:
            return ""
        if value is None:
            text = sentence_about(profile, digest[24])
        else:
            text = orjson.dumps(value, option=orjson.OPT_INDENT_2 if self._character.indented else None).decode()
        return reshape(defect, text, digest)


class ModelFactory:
    """Makes models that share what they remember of palettes and prompts. Not for use by several threads."""

    def __init__(
        self, seed: int, characters: Mapping[str, Character], caches: Mapping[str, CacheRules] | None = None
    ) -> None:
        self._seed = seed
        self._characters = characters
        self.caches = caches or {}
        self.cache = PromptCache()
        self.reader = PromptReader()
        self.analyser = ColourAnalyser()

    def create(self, name: str, ordinal: int) -> Model:
        """The model of this name for one batch; `ordinal` is the number of batches of the model before it."""
        character = self._characters.get(name) or Character()
        salt = f"{self._seed}\0{name}\0{ordinal}\0".encode()
        return Model(name, ordinal, character, salt, self)


def _truncate(answer: Answer, limit: int) -> Answer:
    """The answer as it arrives when the output limit is reached."""
    spent, reasoning_tokens = answer.output_tokens, answer.reasoning_tokens
    length = len(answer.text)
    if spent <= limit:
        # The model rambled up to the limit; only the useful beginning is kept.
        kept = length * (40 + answer.digest[11] % 50) // 100
        if limit < _UNLIMITED:
            spent = limit
    else:
        kept = int(length * max(0, limit - reasoning_tokens) / max(1, spent - reasoning_tokens))
        spent = limit
    answer.finish, answer.value, answer.text = "length", None, answer.text[:kept]
    answer.output_tokens, answer.reasoning_tokens = spent, min(reasoning_tokens, spent)
    return answer


def _reasoning_tokens(effort: str, digest: bytes) -> int:
    usual = _REASONING_TOKENS.get(effort)
    if usual is None:
        # A thinking budget in tokens; models rarely use all of it.
        usual = int(effort) // 3 if effort.isdigit() else 0
    return usual * (60 + digest[8] * 100 // 256) // 100


def _reasoning_text(profile: PaletteProfile, tokens: int) -> str:
    if not tokens:
        return ""
    measured = ", ".join(f"{name} {value}" for name, value in profile.attributes.items())
    thoughts = [f"The colour data first. Measured: {measured}. Harmony: {profile.harmony[0]}."]
    length = len(thoughts[0])
    ideas = (*profile.associations, *profile.mood, *profile.style)
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
