"""Pictures in requests: accepted where the models take them, refused in the providers' words, billed by their rules."""

import base64
import json
from io import BytesIO

import pytest
from PIL import Image

from grabient_pipeline.sandbox.batches.tokens import TokenCounter
from grabient_pipeline.sandbox.pictures import (
    by_gemini_tiles,
    by_patches,
    by_resolution,
    by_tiles_of_336,
    by_tiles_of_512,
    read_picture,
)
from grabient_pipeline_tests.sandbox.conftest import GREENS, PALETTE, SYSTEM, error_of, text_of, user_text

SEEING = {
    "anthropic": "claude-haiku-4-5-20251001",
    "openai": "gpt-5-nano",
    "groq": "qwen/qwen3.8-27b",
    "google": "gemini-3.5-flash-lite",
}
TOKENS = {"anthropic": 112, "openai": 207, "groq": 86, "google": 1120}
PROVIDERS = list(SEEING)


def picture(colours=PALETTE, kind="PNG", size=(384, 224)):
    image = Image.new("RGB", size)
    width, height = size
    for x in range(width):
        colour = colours[x * len(colours) // width]
        image.paste(colour, (x, 0, x + 1, height))
    file = BytesIO()
    image.save(file, format=kind)
    return base64.b64encode(file.getvalue()).decode()


def content(provider, data, media_type="image/png", user=None, **options):
    """Return the parameters of a request whose message has a picture before its text."""
    user = user or user_text()
    if provider == "google":
        blob = {"inlineData": {"mimeType": media_type, "data": data}}
        return {"contents": [{"role": "user", "parts": [blob, {"text": user}]}], **options}
    if provider == "anthropic":
        source = {"type": "base64", "media_type": media_type, "data": data, **options}
        blocks = [{"type": "image", "source": source}, {"type": "text", "text": user}]
        return {"messages": [{"role": "user", "content": blocks}]}
    image = {"url": f"data:{media_type};base64,{data}", **options}
    parts = [{"type": "image_url", "image_url": image}, {"type": "text", "text": user}]
    return {"messages": [{"role": "system", "content": SYSTEM}, {"role": "user", "content": parts}]}


def run(bench, provider, data, model=None, **options):
    rows = bench.rows_of(provider, 1, model or SEEING[provider], **content(provider, data, **options))
    return next(iter(bench.run(provider, rows, model or SEEING[provider]).values()))


def input_tokens(provider, row):
    if provider == "anthropic":
        return row["result"]["message"]["usage"]["input_tokens"]
    if provider == "google":
        return row["response"]["usageMetadata"]["promptTokenCount"]
    return row["response"]["body"]["usage"]["prompt_tokens"]


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_picture_is_answered_and_billed_by_the_rule(bench, provider):
    plain = bench.run(provider, bench.rows_of(provider, 1, SEEING[provider]), SEEING[provider])
    row = run(bench, provider, picture())
    assert text_of(provider, row)
    assert input_tokens(provider, row) - input_tokens(provider, next(iter(plain.values()))) == TOKENS[provider]
    bill = bench.report("billed")[provider]
    assert (bill["requests_with_pictures"], bill["pictures_of_other_palettes"]) == (1, 0)


def test_the_picture_of_another_palette_is_in_the_books(bench):
    run(bench, "openai", picture(GREENS))
    assert bench.report("billed")["openai"]["pictures_of_other_palettes"] == 1


@pytest.mark.parametrize(
    ("provider", "model", "words"),
    [
        ("groq", "openai/gpt-oss-20b", "messages[1].content must be a string"),
        ("groq", "llama-3.3-70b-versatile", "messages[1].content must be a string"),
    ],
)
def test_a_model_that_takes_none_refuses_it(bench, provider, model, words):
    assert words in error_of(provider, run(bench, provider, picture(), model))


NO_PICTURE = base64.b64encode(b"these are only words").decode()


@pytest.mark.parametrize(
    ("provider", "data", "media_type", "words"),
    [
        ("anthropic", NO_PICTURE, "image/png", "does not match the provided media type"),
        ("anthropic", picture(), "image/jpeg", "does not match the provided media type"),
        ("anthropic", picture(), "image/bmp", "media_type: Input should be one of"),
        ("anthropic", "not base64!", "image/png", "invalid base64"),
        ("openai", NO_PICTURE, "image/png", "make sure your image is valid"),
        ("openai", picture(), "text/plain", "Invalid MIME type"),
        ("openai", "not base64!", "image/png", "Invalid base64"),
        ("groq", NO_PICTURE, "image/png", "make sure your image is valid"),
        ("google", NO_PICTURE, "image/png", "Unable to process input image"),
        ("google", picture(), "image/bmp", "Unsupported MIME type: image/bmp"),
        ("google", "not base64!", "image/png", "Base64 decoding failed"),
    ],
)
def test_what_is_no_picture_of_its_type_is_refused(bench, provider, data, media_type, words):
    assert words in error_of(provider, run(bench, provider, data, media_type=media_type))


def test_an_unknown_detail_and_an_address_are_refused(bench):
    assert "detail" in error_of("groq", run(bench, "groq", picture(), detail="original"))
    address = content("openai", picture())
    address["messages"][1]["content"][0]["image_url"]["url"] = "https://example.com/picture.png"
    rows = bench.rows_of("openai", 1, SEEING["openai"], **address)
    assert "data URLs" in error_of("openai", next(iter(bench.run("openai", rows).values())))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP"])
def test_every_kind_is_read(kind):
    found = read_picture(f"image/{kind.lower()}", picture(kind=kind, size=(40, 20)))
    assert (found.width, found.height) == (40, 20)


@pytest.mark.parametrize(
    ("rule", "size", "detail", "tokens"),
    [
        (by_patches(28), (1000, 1000), "", 1296),
        (by_patches(28), (200, 200), "", 64),
        (by_patches(32), (1024, 1024), "auto", 1024),
        (by_patches(32, factor=2.46), (384, 224), "low", 207),
        (by_tiles_of_512(85, 170), (1024, 1024), "high", 765),
        (by_tiles_of_512(85, 170), (2048, 4096), "high", 1105),
        (by_tiles_of_512(2833, 5667), (384, 224), "low", 2833),
        (by_tiles_of_512(2833, 5667), (384, 224), "auto", 8500),
        (by_tiles_of_336(144), (384, 224), "", 432),
        (by_tiles_of_336(144), (300, 300), "", 144),
        (by_gemini_tiles, (384, 384), "", 258),
        (by_gemini_tiles, (960, 540), "", 1548),
        (by_gemini_tiles, (384, 224), "MEDIA_RESOLUTION_LOW", 64),
        (by_resolution({"MEDIA_RESOLUTION_LOW": 280}, 1120), (9, 9), "MEDIA_RESOLUTION_LOW", 280),
        (by_resolution({"MEDIA_RESOLUTION_LOW": 280}, 1120), (9, 9), "", 1120),
    ],
)
def test_the_rules_give_the_figures_of_the_documents(rule, size, detail, tokens):
    assert rule(*size, detail) == tokens


def test_the_queue_counts_a_picture_by_its_rule_and_not_its_base64():
    def line(data):
        return json.dumps({"custom_id": "a", "body": content("openai", data, detail="low")}).encode()

    def count(data, picture_rule):
        counter = TokenCounter(picture_rule=lambda line: picture_rule)
        for _ in range(3):
            counter.add(line(data))
        return counter.total

    small, large = picture(), picture(size=(1024, 1024))
    rule = by_tiles_of_512(2833, 5667)
    assert count(small, rule) == count(large, rule)
    empty = count("", None)
    assert count(small, rule) - empty == pytest.approx(3 * 2833, abs=60)
