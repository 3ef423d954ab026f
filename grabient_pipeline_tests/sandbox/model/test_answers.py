"""What the models say: from the colours, each in its own way, the same again for the same seed."""

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
def say(tools):
    def answers(model, count=1, seed=20, ordinal=0, colours=None, **prompt):
        prompt = {"system": tools.system, "user": tools.user_text(colours or tools.palette), **prompt}
        speaker = ModelFactory(seed, CHARACTERS).create(model, ordinal)
        return [speaker.answer(Prompt(**prompt), hexes_in(prompt["user"])) for _ in range(count)]

    return answers


def test_the_same_seed_says_the_same(say):
    first = [answer.text for answer in say("gpt-4o-mini", 50)]
    assert first == [answer.text for answer in say("gpt-4o-mini", 50)]
    assert first != [answer.text for answer in say("gpt-4o-mini", 50, seed=21)]


def test_analyses_of_a_palette_differ(say):
    assert len({answer.text for answer in say("openai/gpt-oss-120b", 8)}) >= 6


def test_a_later_batch_answers_anew(say):
    """Otherwise what failed once would fail for ever."""
    assert say("gpt-4o-mini")[0].text != say("gpt-4o-mini", ordinal=1)[0].text


def test_models_differ(say):
    texts = {say(model, form="json")[0].text for model in MODELS}
    assert len(texts) == len(MODELS)


@pytest.mark.parametrize("model", MODELS)
def test_words_keep_to_their_ranges(say, tools, model):
    for answer in say(model, 60, form="schema", schema=full_schema()):
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


def test_models_mostly_agree_with_what_is_measured(say, tools):
    profile = ColourAnalyser().profile(" ".join(tools.greens))
    for model in MODELS:
        answers = say(model, 200, colours=tools.greens, form="schema", schema=full_schema())
        tags = [json.loads(answer.text) for answer in answers if answer.finish == "stop"]
        right = sum(each["temperature"] == profile.attributes["temperature"] for each in tags) / len(tags)
        assert abs(right - CHARACTERS[model].accuracy) < 0.12


def test_greens_bring_green_things_to_mind(say, tools):
    words = set()
    for answer in say("gpt-4o-mini", 30, colours=tools.greens, form="schema", schema=full_schema()):
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
def test_seasons(colours, season):
    assert season in ColourAnalyser().profile(" ".join(colours)).seasonal


def test_free_text_has_defects_at_the_documented_rates(say):
    model = "meta-llama/llama-4-scout-17b-16e-instruct"
    rates = CHARACTERS[model].defects
    answers = say(model, 4000)
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
def test_structured_output_is_clean(say, form):
    for model in MODELS:
        for answer in say(model, 300, form=form, schema=full_schema()):
            if answer.finish == "stop":
                assert set(json.loads(answer.text)) == set(full_schema()["properties"])


def test_every_model_has_a_character_of_its_own_with_known_defects():
    assert all(character != Character() for character in CHARACTERS.values())
    assert all(set(character.defects) <= set(DEFECTS) for character in CHARACTERS.values())


def test_reasoning_is_paid_for_and_may_use_up_the_limit(say):
    quiet, loud = say("gpt-5-nano", effort="minimal")[0], say("gpt-5-nano", effort="high")[0]
    assert loud.reasoning_tokens > quiet.reasoning_tokens > 0
    assert loud.output_tokens > loud.reasoning_tokens
    starved = say("gpt-5-nano", effort="high", output_limit=100)[0]
    assert (starved.finish, starved.text, starved.output_tokens) == ("length", "", 100)


def test_inline_reasoning_stands_before_the_answer(say):
    answers = say("qwen/qwen3-32b", 5, effort="default", reasoning="inline")
    assert all(answer.text.startswith("<think>") for answer in answers if answer.finish == "stop")


def test_a_refinement_asks_for_longer_lists_and_prefers_counted_words(say, tools):
    user = tools.user_text() + "\nassociations: " + json.dumps({"ultraviolet lamp": 9, "wizard robe": 4})
    for answer in say("claude-opus-4-5-20251101", 5, system=REFINING, user=user):
        tags = json.loads(answer.text.strip("`json\n"))
        assert list(tags) == ["mood", "style", "harmony", "seasonal", "associations"]
        assert 3 <= len(tags["mood"]) <= 8
        assert 10 <= len(tags["associations"]) <= 20
        assert {"ultraviolet lamp", "wizard robe"} & set(tags["associations"])


def test_any_schema_is_filled(say):
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
    value = json.loads(say("gemini-2.5-flash-lite", form="schema", schema=schema)[0].text)
    assert isinstance(value["title"], str)
    assert 3 <= len(value["keywords"]) <= 4
    assert isinstance(value["confidence"], float)
    assert isinstance(value["count"], int)
    assert isinstance(value["sure"], bool)
    assert isinstance(value["inner"]["mood"], str)


def test_a_question_that_is_no_tagging_gets_prose(say):
    assert say("gpt-4o-mini", system="You are terse.", user="Hello")[0].text.startswith("The colours")


def test_the_vocabulary_is_rich_and_fit_for_tags():
    for region in vocabulary.REGIONS.values():
        words = {*region.dark, *region.mid, *region.light, *region.mood, *region.style}
        assert len(words) >= 36
        for word in words:
            assert word == word.lower()
            assert 1 <= len(word.split()) <= 2


# Forms of answers in the providers' envelopes.


def test_anthropic_tools(shared, tools):
    tool = {"name": "tag", "input_schema": tools.schema}
    row = shared.ask("anthropic", tools=[tool], tool_choice={"type": "tool", "name": "tag"})
    message = row["result"]["message"]
    assert message["stop_reason"] == "tool_use"
    assert message["content"][0]["type"] == "tool_use"
    assert set(message["content"][0]["input"]) == set(tools.schema["properties"])


def test_anthropic_structured_output(shared, tools):
    wanted = {"format": {"type": "json_schema", "schema": tools.schema}, "effort": "low"}
    row = shared.ask("anthropic", "claude-opus-4-5-20251101", output_config=wanted)
    assert set(json.loads(tools.text_of("anthropic", row))) == set(tools.schema["properties"])


def test_anthropic_thinking_comes_first(shared):
    thinking = {"type": "enabled", "budget_tokens": 1500}
    row = shared.ask("anthropic", "claude-opus-4-5-20251101", thinking=thinking)
    assert [block["type"] for block in row["result"]["message"]["content"]] == ["thinking", "text"]


def test_anthropic_truncation(shared):
    row = shared.ask("anthropic", max_tokens=20)
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
def test_groq_reasoning_goes_where_it_was_asked_for(shared, model, parameters, has_reasoning, inline):
    rows = shared.rows_of("groq", 5, model, **parameters)
    for row in shared.run("groq", rows).values():
        choice = row["response"]["body"]["choices"][0]
        if choice["finish_reason"] == "stop" and choice["message"]["content"]:
            assert ("reasoning" in choice["message"]) == has_reasoning
            assert choice["message"]["content"].startswith("<think>") == inline


def test_google_thoughts_are_counted_apart(shared):
    config = {"thinkingConfig": {"thinkingBudget": 1024}}
    usage = shared.ask("google", "gemini-2.5-flash-lite", generationConfig=config)["response"]["usageMetadata"]
    assert usage["thoughtsTokenCount"] > 0
    parts = usage["promptTokenCount"] + usage["candidatesTokenCount"] + usage["thoughtsTokenCount"]
    assert usage["totalTokenCount"] == parts


def test_answers_do_not_depend_on_custom_ids(new_bench, tools):
    """A token in the custom ids differs from run to run; the answers of a demo should not."""

    def texts(prefix):
        bench = new_bench(batch_seconds=0)
        results = bench.run("openai", bench.rows_of("openai", 5, prefix=prefix))
        return [tools.text_of("openai", results[f"{prefix}-{number}"]) for number in range(5)]

    assert texts("one") == texts("two")
