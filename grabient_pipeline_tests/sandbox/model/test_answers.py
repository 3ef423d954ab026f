"""The responses of the models derive from the colours, differ by model, and are the same for the same seed."""

import json

import pytest

from grabient_pipeline.sandbox.discovery import PROVIDERS
from grabient_pipeline.sandbox.model import vocabulary
from grabient_pipeline.sandbox.model.answers import ModelFactory
from grabient_pipeline.sandbox.model.characters import Character
from grabient_pipeline.sandbox.model.colours import ColourAnalyser, hexes_in
from grabient_pipeline.sandbox.model.defects import DEFECTS
from grabient_pipeline.sandbox.model.prompt import Prompt

CHARACTERS = {name: model.character for provider in PROVIDERS.values() for name, model in provider.models.items()}
MODELS = list(CHARACTERS)
REFINING = """Condense what ten models said into JSON:
- mood: 3 to 8 words
- style: 2 to 6
- harmony: 1 to 2
- seasonal: 0 to 3
- associations: 10 to 20, good outliers promoted"""


@pytest.fixture
def respond(tools):
    def answers(model, count=1, seed=20, ordinal=0, colours=None, **prompt):
        prompt = {"system": tools.system, "user": tools.user_text(colours or tools.palette), **prompt}
        model_instance = ModelFactory(seed, CHARACTERS).create(model, ordinal)
        return [model_instance.answer(Prompt(**prompt), hexes_in(prompt["user"])) for _ in range(count)]

    return answers


def test_the_same_seed_gives_the_same_responses(respond):
    first = [answer.text for answer in respond("gpt-4o-mini", 50)]
    assert first == [answer.text for answer in respond("gpt-4o-mini", 50)]
    assert first != [answer.text for answer in respond("gpt-4o-mini", 50, seed=21)]


def test_repeated_analyses_of_a_palette_differ(respond):
    assert len({answer.text for answer in respond("openai/gpt-oss-120b", 8)}) >= 6


def test_a_later_batch_gets_other_responses(respond):
    """Otherwise a request that failed once would always fail."""
    assert respond("gpt-4o-mini")[0].text != respond("gpt-4o-mini", ordinal=1)[0].text


def test_models_give_different_responses(respond):
    texts = {respond(model, form="json")[0].text for model in MODELS}
    assert len(texts) == len(MODELS)


@pytest.mark.parametrize("model", MODELS)
def test_the_number_of_words_is_within_the_requested_range(respond, tools, model):
    for answer in respond(model, 60, form="schema", schema=full_schema()):
        if answer.finish != "stop":
            continue
        tags = json.loads(answer.text)
        assert list(tags) == list(full_schema()["properties"])
        assert 2 <= len(tags["mood"]) <= 5
        assert 1 <= len(tags["style"]) <= 5
        assert 1 <= len(tags["harmony"]) <= 2
        assert len(tags["seasonal"]) <= 4
        assert 2 <= len(tags["associations"]) <= 7
        for name, allowed in vocabulary.CLOSED.items():
            assert tags[name] in allowed


def full_schema():
    words = {"type": "array", "items": {"type": "string"}}
    named = {name: {"type": "string", "enum": list(allowed)} for name, allowed in vocabulary.CLOSED.items()}
    properties = {"mood": words, "style": words, "harmony": words, **named, "seasonal": words, "associations": words}
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def test_models_agree_with_the_measured_attributes_as_often_as_declared(respond, tools):
    profile = ColourAnalyser().profile(" ".join(tools.greens))
    for model in MODELS:
        answers = respond(model, 200, colours=tools.greens, form="schema", schema=full_schema())
        tags = [json.loads(answer.text) for answer in answers if answer.finish == "stop"]
        right = sum(each["temperature"] == profile.attributes["temperature"] for each in tags) / len(tags)
        assert abs(right - CHARACTERS[model].accuracy) < 0.12


def test_associations_fit_the_colours(respond, tools):
    words = set()
    for answer in respond("gpt-4o-mini", 30, colours=tools.greens, form="schema", schema=full_schema()):
        words |= set(json.loads(answer.text)["associations"])
    assert words & {"forest", "moss", "fern", "meadow", "emerald", "clover"}
    assert not words & {"midnight", "pumpkin", "lipstick"}


@pytest.mark.parametrize(
    ("colours", "season"),
    [
        (["#8a3d0f", "#a6501a", "#c86a1e", "#d98324", "#e39a2d", "#b5651d", "#8b4513", "#6b3a1a", "#5a2e14"], "autumn"),
        (["#cfe8ff", "#b9dcfb", "#a3cff5", "#e8f4ff", "#dfe9f2", "#c4d4e2", "#9fbfd9", "#7fa9cb"], "winter"),
        (["#b3001b", "#8f0015", "#c41e3a", "#0f6b2f", "#0b5226", "#14803a", "#a1001a", "#12702f"], "christmas"),
    ],
)
def test_seasons_are_recognised(colours, season):
    assert season in ColourAnalyser().profile(" ".join(colours)).seasonal


def test_free_text_has_defects_at_the_documented_rates(respond):
    model = "meta-llama/llama-4-scout-17b-16e-instruct"
    rates = CHARACTERS[model].defects
    answers = respond(model, 4000)
    fenced = sum(answer.text.startswith("```") for answer in answers) / len(answers)
    assert abs(fenced - rates["fence"]) < 0.03
    assert any(answer.finish == "length" for answer in answers)
    unreadable = 0
    for answer in answers:
        text = answer.text.strip().removeprefix("```json").removeprefix("```").removesuffix("```")
        if answer.finish == "stop" and text.strip().startswith("{"):
            try:
                json.loads(text)
            except json.JSONDecodeError:
                unreadable += 1
    assert 0 < unreadable / len(answers) < 0.03


@pytest.mark.parametrize("form", ["schema", "tool"])
def test_structured_output_is_clean(respond, form):
    for model in MODELS:
        for answer in respond(model, 300, form=form, schema=full_schema()):
            if answer.finish == "stop":
                assert set(json.loads(answer.text)) == set(full_schema()["properties"])


def test_every_model_has_its_own_character_with_known_defects():
    assert all(character != Character() for character in CHARACTERS.values())
    assert all(set(character.defects) <= set(DEFECTS) for character in CHARACTERS.values())


def test_reasoning_is_billed_and_may_use_up_the_output_limit(respond):
    quiet, loud = respond("gpt-5-nano", effort="minimal")[0], respond("gpt-5-nano", effort="high")[0]
    assert loud.reasoning_tokens > quiet.reasoning_tokens > 0
    assert loud.output_tokens > loud.reasoning_tokens
    starved = respond("gpt-5-nano", effort="high", output_limit=100)[0]
    assert (starved.finish, starved.text, starved.output_tokens) == ("length", "", 100)


def test_inline_reasoning_precedes_the_response(respond):
    answers = respond("qwen/qwen3-32b", 5, effort="default", reasoning="inline")
    assert all(answer.text.startswith("<think>") for answer in answers if answer.finish == "stop")


def test_a_refinement_has_longer_lists_and_prefers_counted_words(respond, tools):
    user = tools.user_text() + "\nassociations: " + json.dumps({"ultraviolet lamp": 9, "wizard robe": 4})
    for answer in respond("claude-opus-4-5-20251101", 5, system=REFINING, user=user):
        tags = json.loads(answer.text.strip("`json\n"))
        assert list(tags) == ["mood", "style", "harmony", "seasonal", "associations"]
        assert 3 <= len(tags["mood"]) <= 8
        assert 10 <= len(tags["associations"]) <= 20
        assert {"ultraviolet lamp", "wizard robe"} & set(tags["associations"])


def test_any_schema_gets_a_matching_value(respond):
    schema = {
        "type": "OBJECT",
        "properties": {
            "title": {"type": "STRING"},
            "keywords": {"type": "ARRAY", "minItems": 3, "maxItems": 4, "items": {"type": "STRING"}},
            "confidence": {"type": "NUMBER"},
            "count": {"type": "INTEGER"},
            "sure": {"type": "BOOLEAN"},
            "inner": {"type": "OBJECT", "properties": {"mood": {"type": ["string", "null"]}}},
        },
    }
    value = json.loads(respond("gemini-2.5-flash-lite", form="schema", schema=schema)[0].text)
    assert isinstance(value["title"], str)
    assert 3 <= len(value["keywords"]) <= 4
    assert isinstance(value["confidence"], float)
    assert isinstance(value["count"], int)
    assert isinstance(value["sure"], bool)
    assert isinstance(value["inner"]["mood"], str)


def test_other_prompts_get_prose(respond):
    assert respond("gpt-4o-mini", system="You are terse.", user="Hello")[0].text.startswith("The colours")


def test_the_vocabulary_is_large_and_valid_as_tags():
    for region in vocabulary.REGIONS.values():
        words = {*region.dark, *region.mid, *region.light, *region.mood, *region.style}
        assert len(words) >= 36
        for word in words:
            assert word == word.lower()
            assert 1 <= len(word.split()) <= 2


# Responses in the formats of the providers.


def test_anthropic_returns_tool_input(shared, tools):
    tool = {"name": "tag", "input_schema": tools.schema}
    row = shared.request_one("anthropic", tools=[tool], tool_choice={"type": "tool", "name": "tag"})
    message = row["result"]["message"]
    assert message["stop_reason"] == "tool_use"
    assert message["content"][0]["type"] == "tool_use"
    assert set(message["content"][0]["input"]) == set(tools.schema["properties"])


def test_anthropic_returns_structured_output(shared, tools):
    wanted = {"format": {"type": "json_schema", "schema": tools.schema}, "effort": "low"}
    row = shared.request_one("anthropic", "claude-opus-4-5-20251101", output_config=wanted)
    assert set(json.loads(tools.text_of("anthropic", row))) == set(tools.schema["properties"])


def test_anthropic_thinking_comes_first(shared):
    thinking = {"type": "enabled", "budget_tokens": 1500}
    row = shared.request_one("anthropic", "claude-opus-4-5-20251101", thinking=thinking)
    assert [block["type"] for block in row["result"]["message"]["content"]] == ["thinking", "text"]


def test_anthropic_reports_truncation(shared):
    row = shared.request_one("anthropic", max_tokens=20)
    assert row["result"]["message"]["stop_reason"] == "max_tokens"
    assert row["result"]["message"]["usage"]["output_tokens"] == 20


@pytest.mark.parametrize(
    ("model", "parameters", "has_reasoning", "inline"),
    [
        ("openai/gpt-oss-20b", {}, True, False),
        ("openai/gpt-oss-20b", {"include_reasoning": False}, False, False),
        ("qwen/qwen3-32b", {}, False, True),
        ("qwen/qwen3-32b", {"reasoning_format": "parsed"}, True, False),
        ("qwen/qwen3-32b", {"reasoning_format": "hidden"}, False, False),
        ("llama-3.3-70b-versatile", {}, False, False),
    ],
)
def test_groq_returns_reasoning_where_it_was_requested(shared, model, parameters, has_reasoning, inline):
    rows = shared.rows_of("groq", 5, model, **parameters)
    for row in shared.run("groq", rows).values():
        choice = row["response"]["body"]["choices"][0]
        if choice["finish_reason"] == "stop" and choice["message"]["content"]:
            assert ("reasoning" in choice["message"]) == has_reasoning
            assert choice["message"]["content"].startswith("<think>") == inline


def test_google_counts_thoughts_separately(shared):
    config = {"thinkingConfig": {"thinkingBudget": 1024}}
    usage = shared.request_one("google", "gemini-2.5-flash-lite", generationConfig=config)["response"]["usageMetadata"]
    assert usage["thoughtsTokenCount"] > 0
    parts = usage["promptTokenCount"] + usage["candidatesTokenCount"] + usage["thoughtsTokenCount"]
    assert usage["totalTokenCount"] == parts


def test_answers_do_not_depend_on_custom_ids(new_bench, tools):
    """Custom ids contain a submission, which differs from run to run; the responses of a demo should not."""

    def texts(prefix):
        bench = new_bench(batch_seconds=0)
        results = bench.run("openai", bench.rows_of("openai", 5, prefix=prefix))
        return [tools.text_of("openai", results[f"{prefix}-{number}"]) for number in range(5)]

    assert texts("one") == texts("two")
