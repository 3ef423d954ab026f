"""The request file is byte for byte what rendering each request separately would give, only faster."""

from __future__ import annotations

import dataclasses

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grabient_pipeline.batches.custom_ids import new_submission
from grabient_pipeline.batches.piece_sizes import piece_size
from grabient_pipeline.batches.request_file import RequestTemplate, json_text, rendered_contents
from grabient_pipeline.batches.stages import TAGGING, TAGGING_WITH_IMAGE, Subject
from grabient_pipeline.palette import read_palette
from grabient_pipeline.providers.catalogue import load_catalogue
from grabient_pipeline.providers.registry import open_provider, request_format
from grabient_pipeline_tests.catalogue import KEYS

ADVERSARIAL_TEXTS = [
    "",
    'say "no"',
    "back\\slash \\u0000 \\",
    "two\nlines\r\n\ttab",
    "\x00custom-id\x00",
    "\x00text\x00",
    "\x00\x01\x1f\x7f\x80",
    "\u2028\u2029\u0085",
    "blåbær 🎨 \U0001f3a8 汉字",
    '"},{"custom_id":"x"',
    "{colour_data}",
]
MODELS = load_catalogue().models


@pytest.fixture(scope="module")
def providers():
    return {key: open_provider(key, KEYS) for key in load_catalogue().providers}


def write_and_render(path, provider, model, texts):
    """Return the file that the template writes, and the requests rendered one by one."""
    requests = [(f"{'a' * 51}{row:06d}", f"seed {row}") for row in range(len(texts))]
    by_seed = {seed: json_text(text) for (_, seed), text in zip(requests, texts, strict=True)}
    RequestTemplate.of(provider, model, TAGGING.payload).write(path, requests, by_seed)
    rendered = [
        orjson.dumps(provider.request(model, TAGGING.payload, name, text))
        for (name, _), text in zip(requests, texts, strict=True)
    ]
    return path.read_bytes(), rendered


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_the_file_equals_the_rendered_requests(providers, tmp_path, model):
    provider = providers[model.provider]
    content, rendered = write_and_render(tmp_path / "requests", provider, model, ADVERSARIAL_TEXTS)
    framing = provider.framing
    assert content == framing.head + framing.separator.join(rendered) + framing.tail


@given(texts=st.lists(st.text(), min_size=1, max_size=5))
def test_the_file_equals_the_rendered_requests_for_any_text(providers, tmp_path_factory, texts):
    model = load_catalogue().model("groq/openai/gpt-oss-20b")
    path = tmp_path_factory.mktemp("requests") / "file"
    content, rendered = write_and_render(path, providers["groq"], model, texts)
    assert content == b"\n".join(rendered) + b"\n"


def test_the_body_of_anthropics_single_call_is_json(providers, tmp_path):
    content, rendered = write_and_render(tmp_path / "requests", providers["anthropic"], MODELS[-1], ADVERSARIAL_TEXTS)
    assert orjson.loads(content) == {"requests": [orjson.loads(line) for line in rendered]}


@pytest.mark.parametrize("key", ["openai", "groq", "google"])
def test_every_request_is_one_line(providers, tmp_path, key):
    model = next(model for model in MODELS if model.provider == key)
    content, rendered = write_and_render(tmp_path / "requests", providers[key], model, ADVERSARIAL_TEXTS)
    assert content.endswith(b"\n")
    assert content.split(b"\n")[:-1] == rendered


def test_a_prompt_with_special_characters_is_split_at_its_placeholders(providers, tmp_path):
    payload = dataclasses.replace(TAGGING.payload, system='say "no"\n\x00 text \x00 {text} \\ 🎨')
    model = load_catalogue().model("openai/gpt-4o-mini")
    path = tmp_path / "requests"
    RequestTemplate.of(providers["openai"], model, payload).write(path, [("a_1", "s")], {"s": json_text("hello")})
    assert path.read_bytes() == orjson.dumps(providers["openai"].request(model, payload, "a_1", "hello")) + b"\n"


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_the_size_of_a_line_is_known_before_it_is_written(providers, tmp_path, model):
    """The limits of the providers are enforced with it."""
    provider = providers[model.provider]
    content, _ = write_and_render(tmp_path / "requests", provider, model, ADVERSARIAL_TEXTS)
    template = RequestTemplate.of(provider, model, TAGGING.payload)
    known = sum(template.line_bytes(57) + len(json_text(text)) for text in ADVERSARIAL_TEXTS)
    frame = len(provider.framing.head) + len(provider.framing.tail)
    assert known - len(provider.framing.separator) + frame == len(content)


@pytest.mark.parametrize("access", ["batch", "direct"])
@pytest.mark.parametrize("model", [model for model in MODELS if model.takes_images], ids=lambda model: model.name)
def test_a_file_with_pictures_equals_the_rendered_requests(tmp_path, model, access):
    form = request_format(model.provider, access)
    payload = TAGGING_WITH_IMAGE.payload
    template = RequestTemplate.of(form, model, payload)
    rows = {f"a_{row}": (text, f"{'iVBORw0KGgo' * row}==") for row, text in enumerate(ADVERSARIAL_TEXTS)}
    contents = {name: template.content(json_text(text), picture) for name, (text, picture) in rows.items()}
    template.write(tmp_path / "requests", [(name, name) for name in rows], contents)
    rendered = [
        orjson.dumps(form.request(model, payload, name, text, picture)) for name, (text, picture) in rows.items()
    ]
    framing = form.framing
    written = (tmp_path / "requests").read_bytes()
    assert written == framing.head + framing.separator.join(rendered) + framing.tail
    known = sum(template.line_bytes(len(name)) + len(content) for name, content in contents.items())
    assert known - len(framing.separator) + len(framing.head) + len(framing.tail) == len(written)


def test_every_request_with_a_picture_holds_that_of_its_palette(sample_rows):
    model = load_catalogue().model("openai/gpt-4o-mini")
    template = RequestTemplate.of(request_format("openai", "batch"), model, TAGGING_WITH_IMAGE.payload)
    subjects = {row["seed"]: Subject(read_palette(row["seed"]).canonical_seed, "") for row in sample_rows[:3]}
    contents, text_sizes = rendered_contents(template, TAGGING_WITH_IMAGE, subjects)
    plain, plain_sizes = rendered_contents(template, TAGGING, subjects)
    assert text_sizes.tolist() == plain_sizes.tolist() == [len(text) for text in plain.values()]
    pictures = TAGGING_WITH_IMAGE.pictures(subjects)
    for seed, content in contents.items():
        assert content.startswith(pictures[seed].encode())
        assert content.endswith(plain[seed])
    assert TAGGING.pictures(subjects) == {}


def test_a_submission_is_an_identifier_that_every_provider_accepts():
    submissions = {new_submission() for _ in range(500)}
    assert len(submissions) == 500
    for submission in submissions:
        assert len(submission) == 16
        assert submission.isascii()
        assert submission.isalnum()
        assert submission == submission.lower()


def cut(sizes, max_requests, max_bytes):
    """Cut requests of these sizes into batches, one after another: (start, end) of each."""
    bounds, start = [], 0
    while start < len(sizes):
        left = np.array(sizes[start:], dtype=np.int64)
        end = start + piece_size([(left, max_bytes)], len(left), max_requests)
        bounds.append((start, end))
        start = end
    return bounds


class TestPieces:
    @given(
        sizes=st.lists(st.integers(1, 400), max_size=60),
        max_requests=st.integers(1, 20),
        max_bytes=st.integers(400, 3000),
    )
    def test_all_requests_are_in_order_and_within_the_limits(self, sizes, max_requests, max_bytes):
        bounds = cut(sizes, max_requests, max_bytes)
        covered = [row for start, end in bounds for row in range(start, end)]
        assert covered == list(range(len(sizes)))
        for start, end in bounds:
            assert 1 <= end - start <= max_requests
            assert sum(sizes[start:end]) <= max_bytes

    @given(count=st.integers(1, 200), size=st.integers(1, 400), max_requests=st.integers(1, 20))
    def test_equal_requests_make_as_few_batches_as_possible_of_equal_sizes(self, count, size, max_requests):
        lengths = [end - start for start, end in cut([size] * count, max_requests, 400 * 12)]
        most = min(max_requests, 400 * 12 // size)
        assert len(lengths) == -(-count // most)
        assert max(lengths) - min(lengths) <= 1

    def test_batches_have_equal_sizes_where_the_limits_allow(self):
        """Not 20, 20 and 5."""
        assert cut([10] * 45, 20, 10_000) == [(0, 15), (15, 30), (30, 45)]

    def test_a_request_above_the_limit_has_its_own_batch(self):
        """The provider rejects it; cutting must still terminate."""
        assert cut([10, 5000, 10], 100, 100) == [(0, 1), (1, 2), (2, 3)]

    def test_sums_may_exceed_32_bits(self):
        assert len(cut([2_000_000_000] * 10, 100, 5_000_000_000)) == 5

    def test_the_strictest_limit_counts(self):
        lines, tokens = np.full(100, 50, dtype=np.int64), np.full(100, 1.5)
        assert piece_size([(lines, 1_000), (tokens, 1e9)], 100, 100) == 20
        assert piece_size([(lines, 1_000), (tokens, 15.0)], 100, 100) == 10
        assert piece_size([(lines, 1_000), (tokens, None)], 100, 5) == 5
