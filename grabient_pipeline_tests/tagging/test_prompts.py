"""The prompt agrees with the parser and the measurement, and its version follows everything that shapes an answer."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import orjson
import pytest

from grabient_pipeline.palette.attributes import ATTRIBUTE_DEFINITIONS
from grabient_pipeline.palette.colour_data import COLOUR_DATA_FORMAT
from grabient_pipeline.providers.google import LONGEST_ENUM, gemini_schema
from grabient_pipeline.tagging import TAGGING_PROMPT, vocabulary
from grabient_pipeline.tagging.prompts import Prompt, user_message
from grabient_pipeline.tagging.schema import tagging_schema

# What OpenAI, Anthropic and Groq all accept in strict mode; counts, patterns and formats are not part of it.
STRICT_KEYWORDS = {"type", "description", "enum", "items", "properties", "required", "additionalProperties"}

# Written out, so that a word lost from the vocabulary fails the test.
FORBIDDEN = {
    *("gradient", "palette", "color", "scheme", "blend", "nice", "beautiful", "pretty", "amazing"),
    *("rgb", "hex", "hsl", "vibe", "inspired", "feeling"),
}


def same_prompt() -> Prompt:
    return Prompt(TAGGING_PROMPT.stage, TAGGING_PROMPT.system, TAGGING_PROMPT.colour_data_format, tagging_schema())


@pytest.mark.parametrize(
    "words",
    [
        vocabulary.FIELDS,
        vocabulary.HARMONY,
        vocabulary.SEASONAL,
        vocabulary.NOT_A_MOOD,
        vocabulary.GENERIC_WORDS,
        *vocabulary.ATTRIBUTES.values(),
    ],
)
def test_every_closed_word_is_in_the_prompt(words: tuple[str, ...]) -> None:
    for word in words:
        assert re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", TAGGING_PROMPT.system), word


@pytest.mark.parametrize("attribute", vocabulary.ATTRIBUTES)
def test_the_prompt_defines_each_value_as_it_is_measured(attribute: str) -> None:
    assert set(vocabulary.ATTRIBUTES[attribute]) == set(ATTRIBUTE_DEFINITIONS[attribute])
    for value, definition in ATTRIBUTE_DEFINITIONS[attribute].items():
        assert f'"{value}" if {definition}' in TAGGING_PROMPT.system


def test_the_prompt_asks_for_json() -> None:
    # Groq and OpenAI reject JSON mode if the word does not occur.
    assert "JSON" in TAGGING_PROMPT.system
    assert "one JSON object and nothing else" in TAGGING_PROMPT.system


def test_the_prompt_has_every_count() -> None:
    for count in ("2 to 5", "1 to 5", "1 to 2", "0 to 4", "2 to 7", "1 to 2 words"):
        assert count in TAGGING_PROMPT.system


def test_the_prompt_stays_short() -> None:
    # Every request pays for it.
    assert len(TAGGING_PROMPT.system) < 4000


def test_the_prompt_has_no_template_residue() -> None:
    assert "{{" not in TAGGING_PROMPT.system
    assert "\\" not in TAGGING_PROMPT.system
    assert not re.search(r"  |[ \t]\n", TAGGING_PROMPT.system)


def test_the_lists_are_the_specified_ones() -> None:
    assert set(vocabulary.GENERIC_WORDS) == FORBIDDEN
    assert len(vocabulary.HARMONY) == len(set(vocabulary.HARMONY)) == 14
    assert len(vocabulary.SEASONAL) == len(set(vocabulary.SEASONAL)) == 43
    assert len(vocabulary.NOT_A_MOOD) == 11


def test_no_synonym_means_two_values() -> None:
    for attribute, synonyms in vocabulary.SYNONYMS.items():
        said = [*vocabulary.ATTRIBUTES[attribute], *(word for words in synonyms.values() for word in words)]
        assert len(said) == len(set(said))
        assert set(synonyms) <= set(vocabulary.ATTRIBUTES[attribute])


def test_the_version_is_twelve_hex_digits() -> None:
    assert re.fullmatch("[0-9a-f]{12}", TAGGING_PROMPT.version)


def test_the_version_stays_while_nothing_changes() -> None:
    assert same_prompt().version == TAGGING_PROMPT.version
    assert replace(same_prompt(), stage="refinement").version == TAGGING_PROMPT.version


@pytest.mark.parametrize(
    "change",
    [
        {"system": TAGGING_PROMPT.system + " "},
        {"user": "{colour_data}"},
        {"colour_data_format": "another"},
        {"schema": gemini_schema(tagging_schema())},
        {
            "schema": {
                **tagging_schema(),
                "properties": dict(reversed(tagging_schema()["properties"].items())),
            }
        },
    ],
    ids=["system", "user", "colour data", "schema", "order of properties"],
)
def test_the_version_follows_each_ingredient(change: dict[str, Any]) -> None:
    assert replace(same_prompt(), **change).version != TAGGING_PROMPT.version


def test_the_content_has_every_ingredient() -> None:
    content = orjson.loads(TAGGING_PROMPT.content)
    assert content["system"] == TAGGING_PROMPT.system
    assert content["colour_data_format"] == COLOUR_DATA_FORMAT
    assert content["schema"] == tagging_schema()
    assert user_message("{}") == content["user"].replace("{colour_data}", "{}")


def test_the_user_message_contains_the_colour_data_unchanged() -> None:
    assert user_message('{"hex":["#ffffff"]}').endswith('{"hex":["#ffffff"]}')


def strict_mode_faults(schema: dict[str, Any], path: str = "$") -> list[str]:
    faults = [f"{path}: {keyword}" for keyword in schema.keys() - STRICT_KEYWORDS]
    if schema["type"] == "object":
        if schema.get("additionalProperties") is not False:
            faults.append(f"{path}: additionalProperties")
        if list(schema["properties"]) != schema["required"]:
            faults.append(f"{path}: required")
        for name, inner in schema["properties"].items():
            faults += strict_mode_faults(inner, f"{path}.{name}")
    elif schema["type"] == "array":
        faults += strict_mode_faults(schema["items"], f"{path}[]")
    elif schema["type"] != "string":
        faults.append(f"{path}: {schema['type']}")
    return faults


@pytest.mark.parametrize("schema", [tagging_schema(), gemini_schema(tagging_schema())], ids=["all", "gemini"])
def test_the_schema_is_valid_in_strict_mode(schema: dict[str, Any]) -> None:
    assert strict_mode_faults(schema) == []
    assert tuple(schema["properties"]) == vocabulary.FIELDS


def test_the_strict_mode_check_finds_faults() -> None:
    schema = tagging_schema()
    schema["required"].remove("mood")
    schema["properties"]["mood"]["minItems"] = 2
    del schema["additionalProperties"]
    assert len(strict_mode_faults(schema)) == 3


def test_the_schema_has_the_closed_lists() -> None:
    properties = tagging_schema()["properties"]
    for attribute, values in vocabulary.ATTRIBUTES.items():
        assert properties[attribute]["enum"] == list(values)
    assert properties["harmony"]["items"]["enum"] == list(vocabulary.HARMONY)
    assert properties["seasonal"]["items"]["enum"] == list(vocabulary.SEASONAL)


def test_gemini_gets_no_long_enum() -> None:
    properties = gemini_schema(tagging_schema())["properties"]
    assert properties["seasonal"]["items"] == {"type": "string"}
    assert len(properties["harmony"]["items"]["enum"]) <= LONGEST_ENUM
    assert properties["contrast"]["enum"] == list(vocabulary.CONTRAST)


def test_each_call_returns_a_new_schema() -> None:
    tagging_schema()["properties"].clear()
    assert tagging_schema()["properties"]
