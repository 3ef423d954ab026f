"""Unusual responses: each SDK gets them as from the real service, and only while they are armed."""

import json
import threading
import time
import warnings
from urllib.parse import urlencode

import groq
import httpx
import openai
import pydantic
import pytest
from anthropic import APIStatusError
from google.genai import errors

PROVIDERS = ["anthropic", "openai", "groq", "google"]
FILES = ["openai", "groq"]


# Any call.


CALLS = {
    "reading": lambda bench, provider: bench.listed(provider),
    "creating": lambda bench, provider: bench.submit(provider, bench.rows_of(provider, 1)),
    "asking": lambda bench, provider: bench.call(provider),
}


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("affected", CALLS)
@pytest.mark.parametrize(
    ("fault", "parameters", "status"), [("down", {"status": 500}, 500), ("rate_limited", {"retry_after": 3}, 429)]
)
def test_a_fault_affects_only_the_calls_that_it_was_armed_for(bench, provider, affected, fault, parameters, status):
    bench.arm(fault, provider, times=2, calls=affected, **parameters)
    for call, do in CALLS.items():
        if call != affected:
            do(bench, provider)
    for _ in range(2):
        with pytest.raises(Exception) as refused:
            CALLS[affected](bench, provider)
        assert bench.status_of(refused.value) == status
    CALLS[affected](bench, provider)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_downloads_and_cancellations_can_fail_separately(bench, provider):
    batch = bench.ended(provider, 2)
    bench.arm("down", provider, times=1, calls="downloading", status=503)
    bench.again(provider, batch)
    with pytest.raises(Exception) as refused:
        bench.lines(provider, batch)
    assert bench.status_of(refused.value) == 503
    assert len(bench.lines(provider, batch)) == 2
    bench.arm("slow_batch", provider)
    running = bench.submit(provider, bench.rows_of(provider, 1))
    bench.arm("down", provider, times=1, calls="cancelling uploading", status=500)
    with pytest.raises(Exception) as refused:
        bench.cancel(provider, running)
    assert bench.status_of(refused.value) == 500
    bench.cancel(provider, running)


@pytest.mark.parametrize("provider", ["openai", "groq", "google"])
def test_an_upload_can_hang(bench, provider):
    bench.arm("hang", provider, times=1, calls="uploading", seconds=0.05)
    with pytest.raises(Exception, match="onnect|closed"):
        bench.submit(provider, bench.rows_of(provider, 1))
    bench.submit(provider, bench.rows_of(provider, 1))


def test_an_sdk_retries_reads(bench):
    bench.arm("down", "openai", times=1, calls="reading", status=500)
    bench.arm("rate_limited", "openai", times=1, calls="reading", retry_after=0)
    assert bench.openai.with_options(max_retries=2).batches.list().data == []


# Creation.


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_creation_can_take_long_and_then_be_dropped(bench, provider):
    bench.arm("create_then_drop", provider, times=1, seconds=0.2)
    started = time.monotonic()
    with pytest.raises(Exception, match="onnect|closed"):
        bench.submit(provider, bench.rows_of(provider, 1))
    assert time.monotonic() - started >= 0.2
    (batch,) = bench.report("batches")["batches"]
    assert batch["creation_answered"] is False


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_batch_can_be_created_after_the_connection_was_lost(bench, provider):
    """A batch that is not found may still be created."""
    bench.arm("drop_then_create", provider, times=1, seconds=0.6)
    with pytest.raises(Exception, match="onnect|closed"):
        bench.submit(provider, bench.rows_of(provider, 3))
    assert bench.listed(provider) == []
    deadline = time.monotonic() + 5
    while not bench.listed(provider):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    batch = bench.wait(provider, bench.listed(provider)[0])
    assert len(bench.results(provider, batch)) == 3
    assert bench.report("batches")["batches"][0]["creation_answered"] is False


def test_an_answered_creation_is_reported_as_answered(bench):
    bench.submit("groq", bench.rows_of("groq", 1))
    assert bench.report("batches")["batches"][0]["creation_answered"] is True


# Whole batches.


@pytest.mark.parametrize("provider", FILES)
@pytest.mark.parametrize("as_list", [False, True])
def test_a_batch_can_fail_as_a_whole(bench, provider, as_list):
    bench.arm("fail_batch", provider, times=1, code="token_limit_exceeded", message="too much at once", line=2)
    batch = bench.ended(provider)
    assert (batch.status, batch.output_file_id, batch.error_file_id) == ("failed", None, None)
    assert (batch.errors.data[0].code, batch.errors.data[0].line) == ("token_limit_exceeded", 2)
    if as_list:
        bench.arm("errors_as_list", provider)
        batch = bench.retrieve(provider, batch.id)
        assert isinstance(batch.errors, list)
        assert batch.errors[0].message == "too much at once"
    assert bench.report("billed")[provider]["requests"] == 0


def test_a_google_batch_can_fail_as_a_whole(bench):
    bench.arm("fail_batch", "google", times=1, message="too much at once")
    job = bench.ended("google")
    assert (job.state.name, job.dest, job.error) == ("JOB_STATE_FAILED", None, None)
    assert bench.document("google", job.name)["error"] == {"code": 3, "message": "too much at once"}


@pytest.mark.parametrize("provider", FILES)
def test_a_completed_batch_has_no_output_if_every_request_failed(bench, provider):
    bench.arm("fail_rows", provider, times=1, status=503, message="on purpose")
    batch = bench.ended(provider)
    assert (batch.status, batch.output_file_id) == ("completed", None)
    rows = bench.results(provider, batch).values()
    assert {row["response"]["status_code"] for row in rows} == {503}
    assert batch.request_counts.failed == len(rows) == 4


@pytest.mark.parametrize("provider", ["anthropic", *FILES, "google"])
def test_hostile_words_come_in_well_formed_responses(bench, provider):
    bench.arm("hostile_words", provider, times=1)
    batch = bench.ended(provider)
    texts = json.dumps(list(bench.results(provider, batch).values()))
    assert "<script>alert(1)</script>" in texts
    assert bench.report("billed")[provider]["requests"] == len(bench.results(provider, batch))


def test_a_google_batch_succeeds_even_if_every_request_failed(bench):
    bench.arm("fail_rows", "google", times=1, status=429)
    job = bench.ended("google")
    assert job.state.name == "JOB_STATE_SUCCEEDED"
    assert {row["error"]["code"] for row in bench.results("google", job).values()} == {8}
    assert bench.report("billed")["google"]["requests"] == 0


def test_a_share_of_the_requests_can_fail(bench):
    bench.arm("fail_rows", "anthropic", times=1, share=0.25, status=529)
    batch = bench.ended("anthropic", 40)
    kinds = [row["result"]["type"] for row in bench.results("anthropic", batch).values()]
    assert 10 <= kinds.count("errored") <= 12
    assert kinds.count("succeeded") == 40 - kinds.count("errored")
    assert bench.report("billed")["anthropic"]["requests"] == kinds.count("succeeded")


def test_rows_with_status_zero_count_as_completed(bench):
    bench.arm("status_zero_rows", "openai", times=1, count=3)
    batch = bench.ended("openai", 20)
    rows = [json.loads(line) for line in bench.openai.files.content(batch.error_file_id).read().splitlines()]
    lost = [row for row in rows if row["response"]["status_code"] == 0]
    assert len(lost) == 3
    assert lost[0]["response"] == {"status_code": 0, "request_id": "", "body": {}}
    assert lost[0]["error"] is None
    assert batch.request_counts.failed == len(rows) - 3
    assert batch.request_counts.completed == 20 - batch.request_counts.failed
    assert bench.report("billed")["openai"]["requests"] == 20 - len(rows)


# Reports of a batch.


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_state_can_be_unknown(bench, provider):
    batch_id = bench.submit(provider, bench.rows_of(provider, 1))
    bench.wait(provider, batch_id)
    bench.arm("unknown_state", provider, times=2, word="in_review")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        states = [bench.state(provider, bench.retrieve(provider, batch_id)) for _ in range(3)]
    assert [state.lower().removeprefix("batch_state_") for state in states[:2]] == ["in_review"] * 2
    assert "review" not in states[2].lower()


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_batch_can_vanish(bench, provider):
    batch = bench.ended(provider)
    bench.arm("batch_gone", provider, times=1)
    with pytest.raises(Exception) as refused:
        bench.again(provider, batch)
    assert bench.status_of(refused.value) == 404
    assert bench.again(provider, batch)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_an_ended_batch_can_name_no_results(bench, provider):
    batch = bench.ended(provider)
    bench.arm("no_output_file", provider, times=1)
    retrieved = bench.again(provider, batch)
    if provider == "anthropic":
        assert (retrieved.processing_status, retrieved.results_url) == ("ended", None)
    elif provider == "google":
        assert (retrieved.state.name, retrieved.dest) == ("JOB_STATE_SUCCEEDED", None)
    else:
        assert (retrieved.status, retrieved.output_file_id) == ("completed", None)
    assert len(bench.lines(provider, bench.again(provider, batch))) == 4


@pytest.mark.parametrize("provider", FILES)
@pytest.mark.parametrize("value", [{}, "", []])
def test_a_missing_file_id_can_be_any_empty_value(bench, provider, value):
    batch = bench.ended(provider, 1)
    assert batch.error_file_id is None
    bench.arm("empty_file_ids", provider, times=1, value=value)
    retrieved = bench.retrieve(provider, batch.id)
    assert (retrieved.error_file_id, retrieved.output_file_id) == (value, batch.output_file_id)


@pytest.mark.parametrize("provider", FILES)
def test_counts_can_be_missing_or_strings(bench, provider):
    batch = bench.ended(provider, 2)
    bench.arm("no_counts", provider, times=1)
    assert bench.retrieve(provider, batch.id).request_counts is None
    bench.arm("counts_as_strings", provider, times=1)
    # These SDKs convert them to numbers.
    assert bench.retrieve(provider, batch.id).request_counts.total == 2
    bench.arm("counts_as_strings", provider, times=1)
    raw_answer = getattr(bench, provider).batches.with_raw_response.retrieve(batch.id)
    assert json.loads(raw_answer.http_response.content)["request_counts"]["total"] == "2"


def test_counts_of_anthropic_and_google_can_be_strings_or_missing(bench):
    batch = bench.ended("anthropic", 2)
    bench.arm("counts_as_strings", "anthropic", times=1)
    assert bench.retrieve("anthropic", batch.id).request_counts.succeeded == "2"
    job = bench.ended("google", 2)
    bench.arm("no_counts", "google", times=1)
    assert "batchStats" not in bench.document("google", job.name)["metadata"]
    assert bench.document("google", job.name)["metadata"]["batchStats"]["requestCount"] == "2"


def inline(bench, tools, temperature):
    request = {
        "contents": [{"role": "user", "parts": [{"text": tools.user_text()}]}],
        "config": {"temperature": temperature},
    }
    job = bench.google.batches.create(model="gemini-2.5-flash-lite", src=[request], config={"display_name": "inline"})
    return bench.wait("google", job.name).name


def test_a_poisoned_google_batch_is_unreadable_for_the_sdk(bench, tools):
    name = inline(bench, tools, 5)
    assert bench.google.batches.get(name=name).dest.inlined_responses[0].error.code == 3
    bench.arm("poisoned", "google")
    with pytest.raises(pydantic.ValidationError):
        bench.google.batches.get(name=name)
    with pytest.raises(pydantic.ValidationError):
        list(bench.google.batches.list())
    # Successful batches are read as before.
    assert bench.google.batches.get(name=inline(bench, tools, 1)).dest.inlined_responses[0].response


def test_another_clients_batch_can_make_the_list_unreadable(bench):
    name = bench.submit("google", bench.rows_of("google", 1))
    bench.arm("poisoned", "google")
    assert bench.google.batches.get(name=name).name == name
    with pytest.raises(pydantic.ValidationError):
        list(bench.google.batches.list())
    bench.disarm()
    assert bench.listed("google") == [name]


# Retention.


@pytest.mark.parametrize("provider", ["openai", "groq", "google"])
@pytest.mark.parametrize("status", [404, 410])
def test_results_can_be_gone(bench, provider, status):
    batch = bench.ended(provider)
    bench.arm("results_gone", provider, status=status)
    assert bench.state(provider, bench.again(provider, batch)) in (
        "completed",
        "JOB_STATE_SUCCEEDED",
    )
    with pytest.raises(Exception) as refused:
        bench.lines(provider, batch)
    assert bench.status_of(refused.value) == status
    bench.disarm()
    assert len(bench.lines(provider, batch)) == 4


def test_anthropic_results_can_be_archived(bench):
    batch = bench.ended("anthropic")
    bench.arm("results_gone", "anthropic")
    retrieved = bench.retrieve("anthropic", batch.id)
    assert retrieved.results_url is None
    assert (retrieved.archived_at - retrieved.created_at).days == 29
    assert bench.download("anthropic", batch).status_code == 404


# Lists.


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_new_batch_can_be_listed_late(bench, provider):
    bench.arm("listing_lag", provider, seconds=0.6)
    batch_id = bench.submit(provider, bench.rows_of(provider, 1))
    assert bench.listed(provider) == []
    # It can be retrieved by its id at once.
    assert bench.retrieve(provider, batch_id)
    deadline = time.monotonic() + 5
    while bench.listed(provider) != [batch_id]:
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_pages_can_be_shorter_than_requested(bench, provider):
    ids = [bench.submit(provider, bench.rows_of(provider, 1)) for _ in range(5)]
    bench.arm("short_pages", provider, size=2)
    before = len(bench.report("requests")["requests"])
    assert bench.listed(provider) == ids[::-1]
    assert len(bench.report("requests")["requests"]) - before >= 3


@pytest.mark.parametrize("provider", PROVIDERS)
def test_an_empty_page_misleads_the_sdks_but_not_a_client_that_follows_the_cursor(bench, provider):
    ids = [bench.submit(provider, bench.rows_of(provider, 1)) for _ in range(5)]
    bench.arm("empty_page", provider)
    if provider == "google":
        # Its pager expects every page to have members.
        with pytest.raises(IndexError):
            bench.listed(provider, 2)
    elif provider != "groq":
        assert bench.listed(provider, 2) == ids[:2:-1]
    assert list_all_pages(bench, provider) == ids[::-1]
    bench.disarm()
    assert bench.listed(provider, 2) == ids[::-1]


def list_all_pages(bench, provider):
    """Return the ids of all pages, empty pages included."""
    if provider == "groq":
        # Its SDK leaves the cursors to the client.
        return bench.listed(provider, 2)
    found, query = [], {}
    while True:
        if provider == "google":
            answer = bench.google._api_client.request("get", f"batches?{urlencode({'pageSize': 2, **query})}", {})
            page = json.loads(answer.body)
            found += [operation["name"] for operation in page.get("operations", [])]
            if "nextPageToken" not in page:
                return found
            query = {"pageToken": page["nextPageToken"]}
            continue
        batches = bench.anthropic.messages.batches if provider == "anthropic" else bench.openai.batches
        page = batches.list(limit=2, **query)
        found += [batch.id for batch in page.data]
        if not page.has_more:
            return found
        query = {"after_id": page.last_id} if provider == "anthropic" else {"after": page.model_extra["last_id"]}


def test_a_page_of_files_can_be_empty(bench):
    for number in range(3):
        bench.openai.files.create(file=(f"{number}.jsonl", b"{}\n"), purpose="batch")
    bench.arm("empty_page", "openai", times=1)
    assert len(list(bench.openai.files.list(limit=2))) == 2
    assert len(list(bench.openai.files.list(limit=2))) == 3


# Cancelling.


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_batch_can_be_cancelled_although_the_response_is_an_error(bench, provider):
    bench.arm("slow_batch", provider)
    batch_id = bench.submit(provider, bench.rows_of(provider, 4))
    bench.arm("cancel_then_500", provider, times=1)
    with pytest.raises(Exception) as refused:
        bench.cancel(provider, batch_id)
    assert bench.status_of(refused.value) == 500
    assert bench.end_batches() == [batch_id.removeprefix("batches/")]
    batch = bench.retrieve(provider, batch_id)
    assert bench.state(provider, batch) in ("ended", "cancelled", "JOB_STATE_CANCELLED")
    assert bench.report("batches")["batches"][0]["state"] == "cancelled"


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_batch_can_end_before_it_is_cancelled(bench, provider):
    bench.arm("slow_batch", provider)
    batch_id = bench.submit(provider, bench.rows_of(provider, 4))
    bench.arm("cancel_too_late", provider, times=1)
    with pytest.raises(Exception, match="cancel") as refused:
        bench.cancel(provider, batch_id)
    assert bench.status_of(refused.value) == (409 if provider in FILES else 400)
    batch = bench.retrieve(provider, batch_id)
    assert bench.state(provider, batch) in ("ended", "completed", "JOB_STATE_SUCCEEDED")
    assert len(bench.results(provider, batch)) == 4


@pytest.mark.parametrize("provider", ["anthropic", "openai", "groq"])
def test_the_finished_share_of_a_cancelled_batch_can_be_set(bench, provider):
    bench.arm("slow_batch", provider)
    batch_id = bench.submit(provider, bench.rows_of(provider, 40))
    bench.arm("cancel_keeps", provider, share=0.75)
    bench.cancel(provider, batch_id)
    bench.end_batches()
    results = bench.results(provider, bench.retrieve(provider, batch_id))
    unfinished = [
        row
        for row in results.values()
        if (row["result"]["type"] == "canceled" if provider == "anthropic" else row["response"] is None)
    ]
    assert (len(results), len(unfinished)) == (40, 10)


def test_google_does_not_bill_results_that_it_does_not_return(bench):
    bench.arm("slow_batch", "google", times=1)
    cancelled = bench.submit("google", bench.rows_of("google", 10))
    bench.arm("cancel_keeps", "google", share=0.5)
    bench.cancel("google", cancelled)
    bench.end_batches()
    assert bench.retrieve("google", cancelled).dest is None
    bench.arm("expire", "google", share=0.5)
    bench.wait("google", bench.submit("google", bench.rows_of("google", 10)))
    assert bench.report("billed")["google"]["requests"] == 0
    assert [batch["unfinished"] for batch in bench.report("batches")["batches"]] == [10, 10]


# Rows and downloads.


@pytest.mark.parametrize("provider", PROVIDERS)
def test_lines_can_end_with_cr_lf(bench, provider):
    batch = bench.ended(provider, 5)
    content = bench.result_file(provider, batch)
    bench.arm("crlf_lines", provider)
    assert bench.result_file(provider, batch) == content.replace(b"\n", b"\r\n")


@pytest.mark.parametrize("provider", PROVIDERS)
def test_rows_can_contain_unicode_line_separators(bench, provider):
    """`str.splitlines` and the SDKs' iterators treat them as line ends."""
    batch = bench.ended(provider, 30)
    content = bench.result_file(provider, batch)
    bench.arm("line_separators", provider)
    separated = bench.result_file(provider, batch)
    assert "\u2028" in separated.decode()
    assert "\u0085" in separated.decode()
    assert len(separated.decode().splitlines()) > len(separated.split(b"\n")) - 1 == 30
    for before, after in zip(content.split(b"\n")[:-1], separated.split(b"\n")[:-1], strict=True):
        json.loads(after)
        assert after.decode().replace("\u2028", " ").replace("\u0085", " ") == before.decode()


@pytest.mark.parametrize("provider", PROVIDERS)
def test_rows_can_lack_their_custom_id(bench, provider):
    batch = bench.ended(provider, 6)
    bench.arm("keyless_rows", provider, count=2)
    rows = [json.loads(line) for line in bench.result_file(provider, batch).splitlines()]
    key = "key" if provider == "google" else "custom_id"
    assert [key in row for row in rows[:3]] == [False, False, True]


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("with_crlf", [False, True])
def test_results_can_lack_their_content_type(bench, provider, with_crlf):
    batch = bench.ended(provider, 2)
    bench.arm("no_content_type", provider, times=1)
    if with_crlf:
        bench.arm("crlf_lines", provider, times=1)
    assert "content-type" not in bench.download(provider, batch).headers
    assert "content-type" in bench.download(provider, batch).headers


def test_several_faults_apply_at_once(bench):
    batch = bench.ended("groq", 10)
    for name, parameters in {"missing_rows": {"count": 2}, "garbage_rows": {"count": 1}, "crlf_lines": {}}.items():
        bench.arm(name, "groq", times=1, **parameters)
    content = bench.result_file("groq", batch)
    assert content.count(b"\r\n") == 9
    assert len(bench.result_file("groq", batch).splitlines()) == 10


# Errors of the SDKs are the same as with the real services.


def test_the_sdks_raise_their_own_errors(bench):
    bench.arm("down", times=5, status=500, calls="reading")
    with pytest.raises(APIStatusError):
        bench.anthropic.messages.batches.list()
    with pytest.raises(openai.InternalServerError):
        bench.openai.batches.list()
    with pytest.raises(groq.InternalServerError):
        bench.groq.batches.list()
    with pytest.raises(errors.ServerError):
        list(bench.google.batches.list())


def test_faults_are_consumed_exactly_once_by_concurrent_calls(bench):
    bench.arm("down", "openai", times=20, calls="reading")
    headers, statuses = {"authorization": "Bearer sandbox-o"}, []

    def read():
        for _ in range(10):
            statuses.append(httpx.get(bench.server.url + "/openai/v1/batches", headers=headers).status_code)

    readers = [threading.Thread(target=read) for _ in range(4)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    assert (statuses.count(503), statuses.count(200)) == (20, 20)
