"""What a model can say in one field of its answer, for one palette.

A field generator is made once for a palette and a field, and then asked for every analysis. Its `value` depends only
on the answer's digest and on the offset of the field in it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from grabient_pipeline.sandbox.model.characters import Character
from grabient_pipeline.sandbox.model.colours import PaletteProfile
from grabient_pipeline.sandbox.model.prompt import Field
from grabient_pipeline.sandbox.model.vocabulary import CLOSED, GENERAL_WORDS

# How many of the best matching words a model reorders by its own taste.
_RANKED = 40


class FieldGenerator:
    """The values of one field."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def value(self, digest: bytes, offset: int) -> Any:
        """The value for the answer with this digest."""
        raise NotImplementedError

    def preferring(self, mentioned_in: str) -> "FieldGenerator":
        """The same generator with the words that a text mentions ranked first, where the field has ranked words."""
        return self


@dataclass(frozen=True, slots=True)
class Speaker:
    """What a generator needs to know about the model and the palette."""

    character: Character
    profile: PaletteProfile
    # How far the model moves a word down its ranking.
    taste: Callable[[str], float]


def make_generator(field: Field, speaker: Speaker) -> FieldGenerator:
    """The generator for a field, by the kind of the field."""
    return _GENERATORS[field.kind](field, speaker)


class _ClosedAttribute(FieldGenerator):
    """A measured attribute: correct in most answers."""

    __slots__ = ("_accuracy", "_correct", "_others")

    def __init__(self, name: str, correct: str, accuracy: int) -> None:
        super().__init__(name)
        self._correct, self._accuracy = correct, accuracy
        self._others = tuple(word for word in CLOSED[name] if word != correct)

    def value(self, digest: bytes, offset: int) -> str:
        draw = digest[offset & 63]
        return self._correct if draw < self._accuracy else self._others[draw % len(self._others)]


class _SingleWord(FieldGenerator):
    __slots__ = ("_words",)

    def __init__(self, name: str, words: tuple[str, ...]) -> None:
        super().__init__(name)
        self._words = words

    def value(self, digest: bytes, offset: int) -> str:
        return self._words[digest[offset & 63] % len(self._words)]


class _Harmonies(FieldGenerator):
    """Harmonies: the measured one first in most answers, a related one in the others."""

    __slots__ = ("_accuracy", "_candidates", "_most")

    def __init__(self, name: str, candidates: tuple[str, ...], most: int, accuracy: int) -> None:
        super().__init__(name)
        self._candidates, self._most, self._accuracy = candidates, most, accuracy

    def value(self, digest: bytes, offset: int) -> list[str]:
        draw, candidates = digest[offset & 63], self._candidates
        if draw >= self._accuracy and len(candidates) > 1:
            return [candidates[1 + draw % (len(candidates) - 1)]]
        return list(candidates[: 1 if draw & 1 else self._most])


class _Seasons(FieldGenerator):
    """Seasons: a palette suggests one or it does not, so models agree on most of them."""

    __slots__ = ("_seasons",)

    def __init__(self, name: str, seasons: tuple[str, ...]) -> None:
        super().__init__(name)
        self._seasons = seasons

    def value(self, digest: bytes, offset: int) -> list[str]:
        return [word for place, word in enumerate(self._seasons) if digest[(offset + place) & 63] > 50]


class _RankedWords(FieldGenerator):
    """Open words, the best matching first in the ranking of this model."""

    __slots__ = ("_character", "_counts", "_favourite", "_field", "_ranked")

    def __init__(self, field: Field, ranked: tuple[str, ...], character: Character, favourite: str) -> None:
        super().__init__(field.name)
        self._ranked, self._field = ranked, field
        self._character, self._favourite = character, favourite
        self._counts = _word_counts(field.least, field.most, character.breadth, character.focus)

    def value(self, digest: bytes, offset: int) -> list[str]:
        wanted, considered = self._counts[digest[offset & 63]]
        chosen = list(self._ranked[:considered])
        for _ in range(len(chosen) - wanted):
            offset += 7
            # The square makes the best matching words the last to be dropped.
            draw = digest[offset & 63]
            del chosen[-1 - (draw * draw * len(chosen) >> 16)]
        if digest[(offset + 3) & 63] < 24 and self._favourite and chosen and self._favourite not in chosen:
            chosen[-1] = self._favourite
        return chosen

    def preferring(self, mentioned_in: str) -> FieldGenerator:
        mentioned = [word for word in self._ranked if f'"{word}"' in mentioned_in or f" {word}" in mentioned_in]
        ranked = (*mentioned, *(word for word in self._ranked if word not in mentioned))
        return _RankedWords(self._field, ranked, self._character, "")


@lru_cache(maxsize=256)
def _word_counts(least: int, most: int, breadth: float, focus: float) -> tuple[tuple[int, int], ...]:
    """For each value of a byte: the number of words to say, and the number of words to choose them from."""
    counts: list[tuple[int, int]] = []
    for draw in range(256):
        share = min(1.0, max(0.0, breadth + (draw - 128) / 256))
        wanted = least + int(share * (most - least) + 0.5)
        counts.append((wanted, int(wanted / focus + 0.999)))
    return tuple(counts)


class _NestedObject(FieldGenerator):
    __slots__ = ("_inner",)

    def __init__(self, name: str, inner: tuple[FieldGenerator, ...]) -> None:
        super().__init__(name)
        self._inner = inner

    def value(self, digest: bytes, offset: int) -> dict[str, Any]:
        return {inner.name: inner.value(digest, offset + 3 * place) for place, inner in enumerate(self._inner)}


class _Scalar(FieldGenerator):
    """Free text, numbers and booleans."""

    __slots__ = ("_kind", "_profile")

    def __init__(self, name: str, kind: str, profile: PaletteProfile) -> None:
        super().__init__(name)
        self._kind, self._profile = kind, profile

    def value(self, digest: bytes, offset: int) -> Any:
        draw = digest[offset & 63]
        if self._kind == "boolean":
            return draw > 127
        if self._kind == "integer":
            return draw * 10 // 255
        return round(0.5 + draw / 510, 2) if self._kind == "number" else sentence_about(self._profile, draw)


def sentence_about(profile: PaletteProfile, draw: int) -> str:
    """A sentence about a palette, for free text; `draw` selects its words."""
    mood = profile.mood[draw % min(6, len(profile.mood))]
    things = profile.associations
    thing, other = things[draw % min(9, len(things))], things[(draw + 3) % min(9, len(things))]
    return f"The colours feel {mood} and bring {thing} and {other} to mind."


def _make_word(field: Field, speaker: Speaker) -> FieldGenerator:
    correct = speaker.profile.attributes.get(field.name)
    if correct is not None:
        return _ClosedAttribute(field.name, correct, int(speaker.character.accuracy * 256))
    return _SingleWord(field.name, field.allowed or speaker.profile.mood)


def _make_words(field: Field, speaker: Speaker) -> FieldGenerator:
    return _WORD_LISTS.get(field.name, _make_ranked_words)(field, speaker)


def _make_harmonies(field: Field, speaker: Speaker) -> FieldGenerator:
    candidates = _allowed_words(speaker.profile.harmony, field) or field.allowed[:1]
    return _Harmonies(field.name, candidates, min(field.most, 2), int(speaker.character.accuracy * 256))


def _make_seasons(field: Field, speaker: Speaker) -> FieldGenerator:
    return _Seasons(field.name, _allowed_words(speaker.profile.seasonal, field)[: field.most])


def _make_ranked_words(field: Field, speaker: Speaker) -> FieldGenerator:
    profile, character = speaker.profile, speaker.character
    matching = {"mood": profile.mood, "style": profile.style, "associations": profile.associations}
    words = matching.get(field.name, GENERAL_WORDS)
    if field.allowed:
        words = _allowed_words(words, field) or field.allowed
    order = {word: index + speaker.taste(word) for index, word in enumerate(words[:_RANKED])}
    favourites = character.favourites if not field.allowed else ()
    favourite = favourites[{"mood": 0, "style": 1}.get(field.name, 2)] if favourites else ""
    ranked = (*sorted(order, key=order.__getitem__), *words[_RANKED:])
    return _RankedWords(field, ranked, character, favourite)


def _make_object(field: Field, speaker: Speaker) -> FieldGenerator:
    return _NestedObject(field.name, tuple(make_generator(inner, speaker) for inner in field.inner))


def _make_scalar(field: Field, speaker: Speaker) -> FieldGenerator:
    return _Scalar(field.name, field.kind, speaker.profile)


def _allowed_words(words: tuple[str, ...], field: Field) -> tuple[str, ...]:
    return tuple(word for word in words if not field.allowed or word in field.allowed)


_GENERATORS: dict[str, Callable[[Field, Speaker], FieldGenerator]] = {
    "word": _make_word,
    "words": _make_words,
    "object": _make_object,
    "text": _make_scalar,
    "number": _make_scalar,
    "integer": _make_scalar,
    "boolean": _make_scalar,
}
# Lists of words that are not ranked like the others.
_WORD_LISTS: dict[str, Callable[[Field, Speaker], FieldGenerator]] = {
    "harmony": _make_harmonies,
    "seasonal": _make_seasons,
}
