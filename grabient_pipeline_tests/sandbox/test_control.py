"""The control API of the sandbox: its reports are enough to audit a ledger request by request."""

import json
from collections import Counter

import httpx
import pytest

PROVIDERS = ["anthropic", "openai", "groq", "google"]


def custom_ids(bench, **query):
    answer = httpx.get(bench.server.url + "/_sandbox/billed/custom_ids", params=query)
    assert answer.headers["content-type"].startswith("text/plain")
    return Counter(answer.text.split("\n")[:-1])


def billed_requests(bench, **query):
    answer = httpx.get(bench.server.url + "/_sandbox/billed/requests", params=query)
    return [json.loads(line) for line in answer.text.split("\n")[:-1]]


@pytest.mark.parametrize("provider", PROVIDERS)
def test_billed_custom_ids_are_those_with_a_response(bench, provider):
    batch = bench.wait(provider, bench.submit(provider, bench.rows_of(provider, 300)))
    answered = {custom_id for custom_id, row in bench.results(provider, batch).items() if succeeded(provider, row)}
    assert custom_ids(bench) == Counter(answered)
    assert len(answered) > 280


def succeeded(provider, row):
    if provider == "anthropic":
        return row["result"]["type"] == "succeeded"
    if provider == "google":
        return "response" in row
    return row["response"]["status_code"] == 200


def test_a_custom_id_that_was_billed_twice_is_listed_twice(bench):
    for _ in range(2):
        bench.wait("openai", bench.submit("openai", bench.rows_of("openai", 1)))
    bench.call("openai", "row-0")
    assert custom_ids(bench) == {"row-0": 3}


def test_billed_requests_are_listed_one_by_one(bench):
    batch = bench.wait("groq", bench.submit("groq", bench.rows_of("groq", 1)))
    bench.call("groq", "direct-1")
    bench.call("groq", None)
    in_batch, direct, nameless = billed_requests(bench)
    model = "llama-3.3-70b-versatile"
    question = in_batch["question"]
    counts = {name for name in in_batch if name.endswith("_tokens")}
    assert counts == {"input_tokens", "output_tokens", "cached_tokens", "cache_write_tokens", "reasoning_tokens"}
    assert in_batch == {
        "provider": "groq",
        "batch": batch.id,
        "custom_id": "row-0",
        "model": model,
        "question": question,
        "service_tier": "",
        "picture": "",
        **{name: in_batch[name] for name in counts},
    }
    assert in_batch["input_tokens"] > in_batch["output_tokens"] > 0
    same = ("provider", "model", "question", "input_tokens", "service_tier", "picture")
    assert {name: direct[name] for name in same} == {name: in_batch[name] for name in same}
    assert (direct["batch"], direct["custom_id"]) == (None, "direct-1")
    assert nameless["custom_id"] == ""
    # Calls without a custom id are not in this list.
    assert custom_ids(bench) == {"row-0": 1, "direct-1": 1}


def test_bills_can_be_limited_to_a_provider_or_a_batch(bench):
    batch_ids = {}
    for provider in PROVIDERS:
        batch_ids[provider] = bench.submit(provider, bench.rows_of(provider, 2, prefix=provider))
        bench.wait(provider, batch_ids[provider])
        bench.call(provider, f"{provider}-direct")
    assert custom_ids(bench).total() == 12
    assert custom_ids(bench, provider="groq") == {"groq-0": 1, "groq-1": 1, "groq-direct": 1}
    assert custom_ids(bench, batch=batch_ids["openai"]) == {"openai-0": 1, "openai-1": 1}
    assert custom_ids(bench, batch="batch_of_nobody") == {}
    answer = httpx.get(bench.server.url + "/_sandbox/billed/custom_ids", params={"provider": "acme"})
    assert answer.status_code == 400


def test_nothing_is_billed_before_a_batch_has_ended(new_bench):
    bench = new_bench(batch_seconds=3600)
    bench.submit("openai", bench.rows_of("openai", 3))
    assert custom_ids(bench) == {}
    assert bench.report("billed")["openai"]["requests"] == 0
    bench.end_batches()
    assert custom_ids(bench).total() == 3


def test_custom_ids_with_tabs_and_line_feeds_stay_on_one_line(bench):
    rows = bench.rows_of("openai", 2)
    rows[0]["custom_id"], rows[1]["custom_id"] = "a\tb\nc", "über"
    bench.wait("openai", bench.submit("openai", rows))
    assert custom_ids(bench) == {"a b c": 1, "über": 1}
    assert bench.report("billed")["openai"]["distinct_questions"] == 1


def test_batches_can_be_ended_at_once(new_bench):
    bench = new_bench(batch_seconds=3600)
    batch_ids = {provider: bench.submit(provider, bench.rows_of(provider, 3)) for provider in PROVIDERS}
    assert {batch["state"] for batch in bench.report("batches")["batches"]} <= {"validating", "running"}
    assert bench.end_batches(provider="groq") == [batch_ids["groq"]]
    assert bench.end_batches(batch=batch_ids["openai"]) == [batch_ids["openai"]]
    assert len(bench.end_batches()) == 2
    assert bench.end_batches() == []
    for provider, batch_id in batch_ids.items():
        assert len(bench.results(provider, bench.retrieve(provider, batch_id))) == 3


def test_an_early_end_survives_a_restart(new_bench, tmp_path):
    first = new_bench(batch_seconds=3600, state=tmp_path)
    batch_id = first.submit("openai", first.rows_of("openai", 3))
    first.end_batches()
    first.server.stop()
    second = new_bench(batch_seconds=3600, state=tmp_path)
    assert len(second.results("openai", second.retrieve("openai", batch_id))) == 3


def test_the_report_of_a_batch(bench):
    bench.arm("slow_batch", "anthropic")
    batch_id = bench.submit("anthropic", bench.rows_of("anthropic", 4))
    bench.cancel("anthropic", batch_id)
    (batch,) = bench.report("batches")["batches"]
    assert (batch["id"], batch["state"], batch["creation_answered"]) == (batch_id, "cancelling", True)
    assert batch["cancel_asked_at"] >= batch["created_at"]
    bench.end_batches()
    bench.anthropic.messages.batches.delete(batch_id)
    (batch,) = bench.report("batches")["batches"]
    assert (batch["state"], batch["deleted"], batch["unfinished"]) == ("cancelled", True, 4)


@pytest.mark.parametrize("provider", ["openai", "groq", "google"])
def test_files_are_listed_with_deleted_ones_marked(bench, provider):
    bench.ended(provider)
    (batch,) = bench.report("batches")["batches"]
    results, upload = bench.report("files", provider=provider)["files"]
    assert (results["purpose"], upload["purpose"]) == ("batch_output", "batch")
    assert (upload["id"], upload["provider"], upload["deleted"]) == (batch["input_file"], provider, False)
    assert upload["size"] > 0
    assert upload["created"] <= batch["created_at"]
    if provider == "google":
        bench.google.files.delete(name=f"files/{upload['id']}")
    else:
        getattr(bench, provider).files.delete(upload["id"])
    assert bench.report("files")["files"] == [results, {**upload, "deleted": True}]


def test_only_files_at_a_provider_are_listed(new_bench, tools):
    bench = new_bench(batch_seconds=3600)
    bench.submit("anthropic", bench.rows_of("anthropic", 1))
    contents = [{"role": "user", "parts": [{"text": tools.user_text()}]}]
    bench.google.batches.create(model="gemini-2.5-flash-lite", src=[{"contents": contents}])
    bench.submit("groq", bench.rows_of("groq", 1))
    # Neither requests that came with a creation nor results of a batch that has not ended.
    assert [file["provider"] for file in bench.report("files")["files"]] == ["groq"]
    inputs = {batch["provider"]: batch["input_file"] for batch in bench.report("batches")["batches"]}
    assert (inputs["anthropic"], inputs["google"]) == (None, None)
    assert httpx.get(bench.server.url + "/_sandbox/files?provider=acme").status_code == 400


def test_calls_are_counted_by_kind_and_status(bench):
    bench.wait("openai", bench.submit("openai", bench.rows_of("openai", 1)))
    bench.call("openai")
    bench.openai.embeddings.create(model="text-embedding-3-small", input="x")
    bench.arm("create_then_drop", "openai")
    with pytest.raises(Exception, match="onnect"):
        bench.submit("openai", bench.rows_of("openai", 1))
    calls = bench.report("calls")["openai"]
    assert calls["creating"] == {"200": 1, "unanswered": 1}
    assert calls["uploading"] == {"200": 2}
    assert calls["asking"] == calls["embedding"] == {"200": 1}
    assert calls["reading"]["200"] >= 1
    assert calls["most_answered_at_once"] == 1
    assert bench.report("calls")["groq"] == {"most_answered_at_once": 0}


def test_deleting_everything_deletes_bills_and_counts(bench):
    bench.call("google")
    bench.wait("openai", bench.submit("openai", bench.rows_of("openai", 1)))
    bench.arm("down", "openai")
    httpx.delete(bench.server.url + "/_sandbox/batches")
    assert billed_requests(bench) == []
    assert bench.report("faults")["armed"] == []
    assert bench.report("calls")["google"] == {"most_answered_at_once": 0}
    assert bench.report("billed")["google"]["direct_requests"] == 0


def test_armed_faults_are_listed_and_can_be_disarmed(bench):
    bench.arm("expire", "groq", times=2, share=0.25)
    (armed,) = bench.report("faults")["armed"]
    assert armed == {"name": "expire", "provider": "groq", "times": 2, "parameters": {"share": 0.25}}
    bench.disarm()
    assert bench.report("faults")["armed"] == []


def test_several_faults_are_armed_together_or_not_at_all(bench):
    url = bench.server.url + "/_sandbox/faults"
    assert httpx.post(url, json=[{"name": "down"}, {"name": "flood"}]).status_code == 400
    assert httpx.post(url, content=b"{").status_code == 400
    assert bench.report("faults")["armed"] == []
    assert httpx.post(url, json=[{"name": "down"}, {"name": "hang", "seconds": 1}]).status_code == 200
    assert len(bench.report("faults")["armed"]) == 2
