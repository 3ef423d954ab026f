"""The embedding APIs through the real SDKs: similarity by common words, strict validation, bills."""

import base64
import json

import httpx
import numpy as np
import openai
import pytest
from google.genai import errors, types
from hypothesis import given
from hypothesis import strategies as st

from grabient_pipeline.sandbox.model.vectors import shorten, vectors_of

SUNSET = "a warm sunset over the beach, calm and nostalgic"
DUSK = "calm, nostalgic dusk: a warm beach"
FOREST = "deep green forest with moss, ferns"


def openai_vectors(bench, texts, model="text-embedding-3-small", **options):
    answer = bench.openai.embeddings.create(model=model, input=texts, **options)
    assert [each.index for each in answer.data] == list(range(len(answer.data)))
    return np.array([each.embedding for each in answer.data])


def google_vectors(bench, texts, **config):
    answer = bench.google.models.embed_content(model="gemini-embedding-001", contents=texts, config=config or None)
    return np.array([each.values for each in answer.embeddings])


VECTORS = {"openai": openai_vectors, "google": google_vectors}
SIZE = {"openai": 1536, "google": 3072}


@pytest.mark.parametrize("provider", VECTORS)
def test_texts_with_common_words_have_similar_vectors(shared, provider):
    sunset, dusk, forest = VECTORS[provider](shared, [SUNSET, DUSK, FOREST])
    assert sunset.shape == (SIZE[provider],)
    assert sunset @ dusk > 0.5
    assert abs(sunset @ forest) < 0.1


@pytest.mark.parametrize("provider", VECTORS)
def test_vectors_have_unit_length_and_are_deterministic(shared, provider):
    once = VECTORS[provider](shared, [SUNSET, FOREST])
    assert np.allclose(np.linalg.norm(once, axis=1), 1, atol=1e-5)
    assert np.array_equal(VECTORS[provider](shared, [FOREST, SUNSET])[::-1], once)


def test_openai_normalises_shortened_vectors_and_google_does_not(shared):
    full, short = openai_vectors(shared, [SUNSET])[0], openai_vectors(shared, [SUNSET], dimensions=256)[0]
    assert short.shape == (256,)
    assert np.allclose(short, full[:256] / np.linalg.norm(full[:256]), atol=1e-6)
    full, short = google_vectors(shared, [SUNSET])[0], google_vectors(shared, [SUNSET], output_dimensionality=768)[0]
    assert np.array_equal(short, full[:768])
    assert np.linalg.norm(short) < 0.7


def test_shortened_vectors_still_distinguish_similar_from_different_texts(shared):
    sunset, dusk, forest = openai_vectors(shared, [SUNSET, DUSK, FOREST], dimensions=256)
    assert sunset @ dusk > 0.4 > 0.2 > abs(sunset @ forest)


def test_base64_and_numbers_are_equal(shared):
    """The SDK requests base64 by default and decodes it."""
    headers = {"authorization": "Bearer sandbox-o"}
    body = {"model": "text-embedding-3-large", "input": SUNSET, "encoding_format": "base64"}
    answer = httpx.post(shared.server.url + "/openai/v1/embeddings", headers=headers, json=body).json()
    decoded = np.frombuffer(base64.b64decode(answer["data"][0]["embedding"]), dtype="<f4")
    numbers = openai_vectors(shared, [SUNSET], "text-embedding-3-large", encoding_format="float")[0]
    assert decoded.shape == (3072,)
    assert np.allclose(decoded, numbers, atol=1e-7)


def test_models_have_unrelated_vectors(shared):
    small = openai_vectors(shared, [SUNSET])[0]
    large = openai_vectors(shared, [SUNSET], "text-embedding-3-large")[0]
    assert abs(small @ large[:1536]) < 0.1


def test_google_accepts_tasks_titles_and_contents(shared):
    plain = google_vectors(shared, [SUNSET])
    document = google_vectors(shared, [SUNSET], task_type="RETRIEVAL_DOCUMENT", title="a palette")
    content = types.Content(role="user", parts=[types.Part(text=SUNSET)])
    assert np.array_equal(document, plain)
    assert np.array_equal(google_vectors(shared, [content]), plain)


def test_google_embeds_a_single_content_too(shared):
    path = "/google/v1beta/models/gemini-embedding-001:embedContent"
    body = {"content": {"parts": [{"text": SUNSET}]}, "output_dimensionality": 256}
    answer = httpx.post(shared.server.url + path, headers={"x-goog-api-key": "sandbox-g"}, json=body).json()
    assert np.allclose(answer["embedding"]["values"], google_vectors(shared, [SUNSET])[0][:256])


@pytest.mark.parametrize(
    ("options", "status", "words"),
    [
        ({"model": "text-embedding-9"}, 404, "does not exist"),
        ({"model": "gpt-4o-mini"}, 403, "not allowed to generate embeddings"),
        ({"input": ""}, 400, "'$.input' is invalid"),
        ({"input": []}, 400, "'$.input' is invalid"),
        ({"input": ["x", ""]}, 400, "'$.input' is invalid"),
        ({"input": ["x"] * 2049}, 400, "'$.input' is invalid"),
        ({"input": "word " * 9000}, 400, "maximum context length is 8192"),
        ({"input": ["word " * 5000] * 100}, 400, "max 300000 tokens"),
        ({"dimensions": 1537}, 400, "less than or equal to 1536"),
        ({"dimensions": 0}, 400, "dimensions"),
        ({"encoding_format": "hex"}, 400, "'hex' is not one of"),
        ({"extra_body": {"task": "search"}}, 400, "Unrecognized request argument"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_openai_rejects_invalid_requests(shared, options, status, words):
    before = shared.report("billed")["openai"]["embedding_texts"]
    with pytest.raises(openai.APIStatusError) as refused:
        shared.openai.embeddings.create(**{"model": "text-embedding-3-small", "input": "x", **options})
    assert refused.value.status_code == status
    assert words in refused.value.message
    assert shared.report("billed")["openai"]["embedding_texts"] == before


def test_openai_accepts_2048_texts(shared):
    assert openai_vectors(shared, [f"word {number}" for number in range(2048)], dimensions=8).shape == (2048, 8)


@pytest.mark.parametrize(
    ("model", "contents", "config", "status", "words"),
    [
        ("gemini-embedding-9", ["x"], {}, 404, "not found for API version"),
        ("gemini-2.0-flash", ["x"], {}, 404, "not found for API version"),
        ("gemini-embedding-001", ["x"] * 101, {}, 400, "at most 100 requests"),
        ("gemini-embedding-001", [""], {}, 400, "empty Part"),
        ("gemini-embedding-001", ["x", ""], {}, 400, "empty Part"),
        ("gemini-embedding-001", ["x"], {"output_dimensionality": 3073}, 400, "range [128, 3072]"),
        ("gemini-embedding-001", ["x"], {"output_dimensionality": 64}, 400, "range [128, 3072]"),
        ("gemini-embedding-001", ["x"], {"task_type": "SINGING"}, 400, "TaskType"),
        ("gemini-embedding-001", ["x"], {"title": "a palette"}, 400, "RETRIEVAL_DOCUMENT"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_google_rejects_invalid_requests(shared, model, contents, config, status, words):
    with pytest.raises(errors.ClientError) as refused:
        shared.google.models.embed_content(model=model, contents=contents, config=config)
    assert refused.value.code == status
    assert words in refused.value.message


def test_google_truncates_long_texts(shared):
    cut, whole = google_vectors(shared, ["sunset " * 1200, "sunset " * 1200 + "forest " * 5000])
    assert np.allclose(cut, whole)


@pytest.mark.parametrize("method", ["batchEmbedContents", "embedContent"])
@pytest.mark.parametrize(
    "body",
    [b"{", b"{}", b"[]", b'{"requests": []}', b'{"requests": [{"content": 5}]}', b'{"requests": [], "more": 1}'],
)
def test_google_rejects_malformed_bodies(shared, method, body):
    path = f"/google/v1beta/models/gemini-embedding-001:{method}"
    answer = httpx.post(shared.server.url + path, headers={"x-goog-api-key": "sandbox-g"}, content=body)
    assert answer.status_code == 400
    assert answer.json()["error"]["message"]


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"model": 5}', b'{"model": "text-embedding-3-small", "input": [[1]]}'])
def test_openai_rejects_malformed_bodies(shared, body):
    headers = {"authorization": "Bearer sandbox-o"}
    answer = httpx.post(shared.server.url + "/openai/v1/embeddings", headers=headers, content=body)
    assert answer.status_code == 400


def test_embeddings_are_billed(bench):
    openai_vectors(bench, [SUNSET, FOREST])
    usage = bench.openai.embeddings.create(model="text-embedding-3-small", input=SUNSET).usage
    google_vectors(bench, [SUNSET])
    billed = bench.report("billed")
    assert usage.prompt_tokens == usage.total_tokens == 12
    names = ("embedding_requests", "embedding_texts", "distinct_embedding_texts", "embedding_tokens")
    assert [billed["openai"][name] for name in names] == [2, 3, 2, 12 + 9 + 12]
    assert [billed["google"][name] for name in names] == [1, 1, 1, 12]
    # The same text with another dimension is another vector.
    openai_vectors(bench, [SUNSET], dimensions=256)
    assert bench.report("billed")["openai"]["distinct_embedding_texts"] == 3
    assert bench.report("billed")["openai"]["direct_requests"] == 0


def test_faults_apply_to_embeddings(bench):
    bench.arm("answer_then_drop", "openai", times=1, calls="embedding")
    with pytest.raises(openai.APIConnectionError):
        openai_vectors(bench, [SUNSET])
    bench.arm("limit_rate", "openai", requests=1, calls="embedding")
    openai_vectors(bench, [SUNSET])
    with pytest.raises(openai.RateLimitError):
        openai_vectors(bench, [SUNSET])
    assert bench.call("openai")
    assert bench.report("billed")["openai"]["embedding_requests"] == 2


@given(st.lists(st.text(max_size=40), min_size=1, max_size=5))
def test_every_text_has_a_vector_of_unit_length(texts):
    vectors = vectors_of("a model", texts, 64)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert np.allclose(np.linalg.norm(shorten(vectors, 16, True), axis=1), 1, atol=1e-5)
    for text, vector in zip(texts, vectors, strict=True):
        assert np.allclose(vectors_of("a model", [text], 64)[0], vector)


def test_the_order_of_words_does_not_matter():
    one, other = vectors_of("a model", ["warm calm beach", "Beach, calm; warm!"], 256)
    assert np.allclose(one, other)


def test_a_repeated_word_has_a_slightly_higher_weight():
    often, once, word = vectors_of("a model", ["sea sea sea sky", "sea sky", "sea"], 1024)
    assert once @ word < often @ word < 1


def test_embeddings_in_json_have_single_precision(shared):
    """Double precision would double the size of the response."""
    headers = {"authorization": "Bearer sandbox-o"}
    body = {"model": "text-embedding-3-small", "input": SUNSET}
    text = httpx.post(shared.server.url + "/openai/v1/embeddings", headers=headers, json=body).text
    assert len(text) < 1536 * 18
    assert len(json.loads(text)["data"][0]["embedding"]) == 1536
