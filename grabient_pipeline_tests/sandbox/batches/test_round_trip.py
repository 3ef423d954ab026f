"""A batch at each provider, from its creation to its results, through the provider's SDK."""

import asyncio
import io
import json
import time
from concurrent.futures import ThreadPoolExecutor

import openai
import pytest
from google import genai

PROVIDERS = ["anthropic", "openai", "groq", "google"]


@pytest.mark.parametrize("provider", PROVIDERS)
def test_every_request_comes_back_once_in_another_order(bench, tools, provider):
    rows = bench.rows_of(provider, 200)
    batch = bench.wait(provider, bench.submit(provider, rows))
    ids = [json.loads(line).get("custom_id") or json.loads(line)["key"] for line in bench.lines(provider, batch)]

    sent = [f"row-{number}" for number in range(200)]
    assert sorted(ids) == sorted(sent)
    assert ids != sent


def test_anthropic_counts_requests_as_processing_until_the_batch_ends(new_bench):
    bench = new_bench(batch_seconds=0.4)
    created = bench.anthropic.messages.batches.create(requests=bench.rows_of("anthropic", 4))
    assert created.processing_status == "in_progress"
    assert created.request_counts.processing == 4
    assert created.results_url is None
    assert (created.expires_at - created.created_at).total_seconds() == 86_400

    ended = bench.wait("anthropic", created.id)
    assert ended.processing_status == "ended"
    assert ended.request_counts.succeeded + ended.request_counts.errored == 4
    assert ended.ended_at > ended.created_at
    kinds = {result.result.type for result in bench.anthropic.messages.batches.results(created.id)}
    assert kinds <= {"succeeded", "errored"}


def test_anthropic_messages_are_complete(shared):
    batch_id = shared.submit("anthropic", shared.rows_of("anthropic", 3))
    shared.wait("anthropic", batch_id)
    for result in shared.anthropic.messages.batches.results(batch_id):
        message = result.result.message
        assert message.role == "assistant"
        assert message.model == "claude-3-5-haiku-20241022"
        assert message.usage.service_tier == "batch"
        assert message.usage.input_tokens > 200
        assert message.usage.output_tokens > 20


@pytest.mark.parametrize("provider", ["openai", "groq"])
def test_openai_and_groq_pass_through_all_states(new_bench, provider):
    bench = new_bench(batch_seconds=0.6)
    batch_id = bench.submit(provider, bench.rows_of(provider, 4))
    states = []
    deadline = time.monotonic() + 5
    while "completed" not in states and time.monotonic() < deadline:
        batch = bench.retrieve(provider, batch_id)
        if batch.status not in states:
            states.append(batch.status)
        time.sleep(0.01)

    assert states == ["validating", "in_progress", "finalizing", "completed"]
    assert batch.request_counts.total == 4
    assert batch.metadata == {"submission": "token-1"}
    assert batch.created_at <= batch.in_progress_at <= batch.finalizing_at <= batch.completed_at


def test_openai_reports_model_and_usage_and_groq_does_not(shared):
    ended = shared.wait("openai", shared.submit("openai", shared.rows_of("openai", 4)))
    assert ended.model == "gpt-4o-mini"
    assert ended.usage.total_tokens == ended.usage.input_tokens + ended.usage.output_tokens > 0

    ended = shared.wait("groq", shared.submit("groq", shared.rows_of("groq", 4)))
    assert not hasattr(ended, "usage")


def test_a_google_operation_has_its_output_twice_and_counts_as_strings(shared):
    batch_id = shared.submit("google", shared.rows_of("google", 4))
    shared.wait("google", batch_id)
    client = shared.google._api_client
    operation = json.loads(client.request("get", batch_id, {}).body)

    assert operation["metadata"]["state"] == "BATCH_STATE_SUCCEEDED"
    assert operation["metadata"]["batchStats"]["requestCount"] == "4"
    assert operation["metadata"]["output"]["responsesFile"] == operation["response"]["responsesFile"]
    assert operation["done"] is True


def test_google_output_can_be_downloaded_but_not_looked_up(shared):
    """Its name is longer than the files endpoint accepts."""
    batch = shared.wait("google", shared.submit("google", shared.rows_of("google", 2)))
    with pytest.raises(genai.errors.ClientError) as refused:
        shared.google.files.get(name=batch.dest.file_name)
    assert refused.value.code == 400


def test_google_inline_requests_come_back_inline(shared, tools):
    inline = [
        {
            "contents": [{"role": "user", "parts": [{"text": tools.user_text()}]}],
            "metadata": {"key": f"inline-{number}"},
            "config": {"system_instruction": tools.system, "response_mime_type": "application/json"},
        }
        for number in range(3)
    ]
    job = shared.google.batches.create(model="gemini-2.5-flash-lite", src=inline, config={"display_name": "inline"})
    job = shared.wait("google", job.name)
    answers = {each.metadata["key"]: each.response.text for each in job.dest.inlined_responses}
    assert answers.keys() == {"inline-0", "inline-1", "inline-2"}
    assert all(json.loads(text)["mood"] for text in answers.values())


def test_google_accepts_uploads_in_chunks(shared):
    rows = shared.rows_of("google", 1)
    padding = b" " * (9 * 1024 * 1024)
    content = json.dumps(rows[0]).encode() + padding + b"\n"
    file = shared.google.files.upload(file=io.BytesIO(content), config={"mime_type": "application/jsonl"})
    assert file.size_bytes == len(content)
    job = shared.google.batches.create(model="gemini-2.0-flash", src=file.name)
    assert shared.results("google", shared.wait("google", job.name)).keys() == {"row-0"}


def test_google_files_are_listed_and_deleted(bench):
    client = bench.google
    names = [f"files/part-{number}" for number in range(12)]
    for name in names:
        client.files.upload(file=io.BytesIO(b"{}\n"), config={"mime_type": "application/jsonl", "name": name})
    assert [file.name for file in client.files.list(config={"page_size": 5})] == names[::-1]
    client.files.delete(name=names[0])
    assert names[0] not in [file.name for file in client.files.list()]


@pytest.mark.parametrize("provider", PROVIDERS)
def test_batches_are_listed_in_pages_with_their_token_newest_first(bench, provider):
    ids = [bench.submit(provider, bench.rows_of(provider, 1), token=f"token-{number}") for number in range(5)]
    if provider == "anthropic":
        listed = list(bench.anthropic.messages.batches.list(limit=2))
        assert [batch.id for batch in listed] == ids[::-1]
    elif provider == "openai":
        listed = list(bench.openai.batches.list(limit=2))
        assert [batch.metadata["submission"] for batch in listed] == [f"token-{number}" for number in (4, 3, 2, 1, 0)]
    elif provider == "groq":
        listed, cursor = [], None
        while True:
            page = bench.groq.batches.list(extra_query={"limit": 2} | ({"cursor": cursor} if cursor else {}))
            listed += page.data
            cursor = page.paging["next_cursor"]
            if cursor is None:
                break
        assert [batch.id for batch in listed] == ids[::-1]
    else:
        listed = list(bench.google.batches.list(config={"page_size": 2}))
        assert [job.display_name for job in listed] == [f"token-{number}" for number in (4, 3, 2, 1, 0)]


def test_openai_files_are_listed_by_purpose(bench):
    bench.wait("openai", bench.submit("openai", bench.rows_of("openai", 1), token="mine"))
    assert [file.filename for file in bench.openai.files.list(purpose="batch", order="desc")] == ["mine.jsonl"]
    names = [file.filename for file in bench.openai.files.list()]
    assert len(names) == 2
    deleted = bench.openai.files.delete(bench.openai.files.list(purpose="batch").data[0].id)
    assert deleted.deleted
    assert not bench.openai.files.list(purpose="batch").data


def test_groq_files_are_listed(bench):
    bench.submit("groq", bench.rows_of("groq", 1), token="mine")
    uploads = [file.filename for file in bench.groq.files.list().data if file.purpose == "batch"]
    assert uploads == ["mine.jsonl"]


@pytest.mark.parametrize("provider", ["anthropic", "openai", "groq"])
def test_a_cancelled_batch_keeps_its_finished_responses(new_bench, provider):
    bench = new_bench(batch_seconds=1.0)
    batch_id = bench.submit(provider, bench.rows_of(provider, 100))
    time.sleep(0.4)
    if provider == "anthropic":
        assert bench.anthropic.messages.batches.cancel(batch_id).processing_status == "canceling"
    else:
        assert getattr(bench, provider).batches.cancel(batch_id).status == "cancelling"
    batch = bench.wait(provider, batch_id)
    results = bench.results(provider, batch)

    assert len(results) == 100
    if provider == "anthropic":
        kinds = [row["result"]["type"] for row in results.values()]
        assert batch.cancel_initiated_at is not None
        assert 10 < kinds.count("canceled") < 95
        assert batch.request_counts.canceled == kinds.count("canceled")
    else:
        unfinished = [row for row in results.values() if row["response"] is None]
        assert 10 < len(unfinished) < 95
        assert {row["error"]["code"] for row in unfinished} == {"batch_cancelled"}
        assert batch.status == "cancelled"


def test_a_cancelled_google_batch_has_no_output(new_bench):
    bench = new_bench(batch_seconds=2.0)
    batch_id = bench.submit("google", bench.rows_of("google", 10))
    assert bench.google.batches.cancel(name=batch_id) is None
    job = bench.wait("google", batch_id)
    assert job.state.name == "JOB_STATE_CANCELLED"
    assert job.dest is None


@pytest.mark.parametrize("provider", ["anthropic", "openai", "google"])
def test_an_ended_batch_cannot_be_cancelled(bench, provider):
    batch_id = bench.submit(provider, bench.rows_of(provider, 1))
    bench.wait(provider, batch_id)
    with pytest.raises(Exception, match=r"cannot be cancel|Cannot cancel"):
        if provider == "anthropic":
            bench.anthropic.messages.batches.cancel(batch_id)
        elif provider == "openai":
            bench.openai.batches.cancel(batch_id)
        else:
            bench.google.batches.cancel(name=batch_id)


def test_anthropic_and_google_batches_can_be_deleted(bench):
    batch_id = bench.submit("anthropic", bench.rows_of("anthropic", 1))
    bench.wait("anthropic", batch_id)
    assert bench.anthropic.messages.batches.delete(batch_id).type == "message_batch_deleted"
    assert not list(bench.anthropic.messages.batches.list())

    name = bench.submit("google", bench.rows_of("google", 1))
    bench.wait("google", name)
    bench.google.batches.delete(name=name)
    assert not list(bench.google.batches.list())


def test_openai_batches_cannot_be_deleted(shared):
    batch_id = shared.submit("openai", shared.rows_of("openai", 1))
    with pytest.raises(openai.APIStatusError):
        shared.openai.delete(f"/batches/{batch_id}", cast_to=object)


def test_the_asynchronous_clients_work_too(shared, tools):
    async def run() -> list[str]:
        client = openai.AsyncOpenAI(api_key="sandbox-o", base_url=shared.environment["OPENAI_BASE_URL"])
        content = json.dumps(shared.rows_of("openai", 1)[0]).encode()
        file = await client.files.create(file=("a.jsonl", content, "application/jsonl"), purpose="batch")
        batch = await client.batches.create(
            input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h"
        )
        while batch.status != "completed":
            await asyncio.sleep(0.01)
            batch = await client.batches.retrieve(batch.id)
        text = (await client.files.content(batch.output_file_id)).text
        google = shared.new_google()
        job = await google.aio.batches.create(
            model="gemini-2.0-flash", src=[{"contents": [{"parts": [{"text": tools.user_text()}], "role": "user"}]}]
        )
        while not job.done:
            await asyncio.sleep(0.01)
            job = await google.aio.batches.get(name=job.name)
        return [text, job.dest.inlined_responses[0].response.text]

    # In a separate thread, because the browser tests leave an event loop running in this one.
    with ThreadPoolExecutor(max_workers=1) as pool:
        texts = pool.submit(asyncio.run, run()).result()
    assert all(texts)
