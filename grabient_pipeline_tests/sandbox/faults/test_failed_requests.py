"""Batches that fail as a whole without having run, and answers that are billed but come inside an error."""

import json

import groq
import pytest

JSON_MODE = {"response_format": {"type": "json_object"}}


@pytest.mark.parametrize("provider", ["openai", "groq"])
@pytest.mark.parametrize("code", ["billing_hard_limit_reached", "token_limit_exceeded", "too_many_tasks"])
def test_a_batch_that_fails_as_a_whole_has_no_files_and_counts_nothing(bench, provider, code):
    bench.arm("fail_batch", provider, times=1, code=code, message="not run")
    batch = bench.ended(provider)
    assert (batch.status, batch.output_file_id, batch.error_file_id) == ("failed", None, None)
    assert batch.request_counts.to_dict() == {"total": 0, "completed": 0, "failed": 0}
    assert [(problem.code, problem.message) for problem in batch.errors.data] == [(code, "not run")]
    assert [file["purpose"] for file in bench.report("files")["files"]] == ["batch"]
    assert bench.report("billed")[provider]["requests"] == 0


def test_a_google_batch_that_fails_as_a_whole_counts_nothing(bench):
    bench.arm("fail_batch", "google", times=1, code="billing_hard_limit_reached", message="not run")
    operation = bench.document("google", bench.ended("google").name)
    assert operation["metadata"]["state"] == "BATCH_STATE_FAILED"
    assert operation["metadata"]["batchStats"] == {"requestCount": "4"}
    assert operation["error"]["message"] == "not run"
    assert not {"response", "output"} & {*operation, *operation["metadata"]}


def failed_texts(bench, batch):
    """Return the texts of a batch's answers that came inside errors."""
    rows = bench.results("groq", batch).values()
    bodies = [row["response"]["body"] for row in rows if row["response"]["status_code"] == 400]
    assert all(body["error"]["code"] == "json_validate_failed" for body in bodies)
    return [body["error"]["failed_generation"] for body in bodies]


def test_answers_of_a_batch_can_come_inside_errors(bench):
    bench.arm("failed_generation", "groq", times=1)
    batch = bench.ended("groq", **JSON_MODE)
    assert (batch.output_file_id, batch.request_counts.failed) == (None, 4)
    assert [json.loads(text).keys() >= {"mood", "style"} for text in failed_texts(bench, batch)] == [True] * 4
    # The tokens are spent.
    bill = bench.report("billed")["groq"]
    assert bill["requests"] == 4
    assert bill["output_tokens"] > 0
    (reported,) = bench.report("batches")["batches"]
    assert (reported["billed"]["requests"], reported["errored"]) == (4, 4)


def test_a_failed_generation_can_be_unreadable(bench):
    bench.arm("failed_generation", "groq", times=1, readable=False)
    for text in failed_texts(bench, bench.ended("groq", **JSON_MODE)):
        assert text.startswith("{")
        with pytest.raises(json.JSONDecodeError):
            json.loads(text)


def test_a_share_of_the_answers_can_come_inside_errors(bench):
    bench.arm("failed_generation", "groq", times=1, share=0.25)
    batch = bench.ended("groq", 8, **JSON_MODE)
    assert len(failed_texts(bench, batch)) == batch.request_counts.failed == 2
    assert bench.report("billed")["groq"]["requests"] == 8


@pytest.mark.parametrize("readable", [True, False])
def test_an_ordinary_answer_can_come_inside_an_error(bench, readable):
    bench.arm("failed_generation_answer", "groq", times=1, readable=readable)
    with pytest.raises(groq.BadRequestError) as refused:
        bench.call("groq", **JSON_MODE)
    error = refused.value.response.json()["error"]
    assert (error["type"], error["code"]) == ("invalid_request_error", "json_validate_failed")
    assert error["message"].startswith("Failed to generate JSON.")
    assert error["failed_generation"].startswith("{")
    assert error["failed_generation"].endswith("}") == readable
    assert bench.report("billed")["groq"]["direct_requests"] == 1
    assert bench.call("groq", **JSON_MODE)
