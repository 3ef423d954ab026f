"""Results that are late, incomplete or replaced by something else, until the right ones are there."""

import pytest

PROVIDERS = ["anthropic", "openai", "groq", "google"]
FILES = ["openai", "groq"]


def armed(bench):
    return [fault["name"] for fault in bench.report("faults")["armed"]]


@pytest.mark.parametrize("provider", PROVIDERS)
def test_an_ended_batch_can_name_and_count_nothing(bench, provider):
    batch = bench.ended(provider)
    bench.arm("nothing_counted", provider, times=1)
    document = bench.document(provider, bench.id_of(provider, batch))
    if provider == "anthropic":
        assert (document["processing_status"], document["results_url"]) == ("ended", None)
        counts = {"processing": 0, "succeeded": 0, "errored": 0, "canceled": 0, "expired": 0}
        assert document["request_counts"] == counts
    elif provider == "google":
        assert document["metadata"]["state"] == "BATCH_STATE_SUCCEEDED"
        assert document["metadata"]["batchStats"] == {"requestCount": "4"}
        assert "response" not in document
        assert "output" not in document["metadata"]
    else:
        assert (document["status"], document["output_file_id"], document["error_file_id"]) == ("completed", None, None)
        assert document["request_counts"] == {"total": 0, "completed": 0, "failed": 0}
    assert len(bench.lines(provider, bench.again(provider, batch))) == 4


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_running_batch_does_not_use_up_nothing_counted(bench, provider):
    bench.arm("slow_batch", provider, times=1)
    batch_id = bench.submit(provider, bench.rows_of(provider, 4))
    bench.arm("nothing_counted", provider, times=1)
    bench.retrieve(provider, batch_id)
    assert armed(bench) == ["nothing_counted"]


@pytest.mark.parametrize("provider", FILES)
def test_the_output_file_can_be_later_than_the_error_file(bench, provider):
    bench.arm("fail_rows", provider, times=1, share=0.5)
    batch = bench.ended(provider)
    bench.arm("late_output_file", provider, times=1)
    late = bench.again(provider, batch)
    assert (late.status, late.output_file_id, late.error_file_id) == ("completed", None, batch.error_file_id)
    assert late.request_counts == batch.request_counts
    assert bench.again(provider, batch).output_file_id == batch.output_file_id


@pytest.mark.parametrize("provider", FILES)
def test_only_a_batch_with_an_output_file_uses_up_late_output_file(bench, provider):
    bench.arm("fail_rows", provider, times=1)
    batch = bench.ended(provider)
    bench.arm("late_output_file", provider, times=1)
    bench.again(provider, batch)
    assert armed(bench) == ["late_output_file"]


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("share", [0, 0.25, 0.5, 1])
def test_a_download_can_have_only_the_first_lines(bench, provider, share):
    batch = bench.ended(provider, 10)
    lines = bench.result_file(provider, batch).splitlines(keepends=True)
    bench.arm("short_download", provider, times=2, share=share)
    response = bench.download(provider, batch)
    assert response.status_code == 200
    assert response.content == b"".join(lines[: int(len(lines) * share)])
    assert int(response.headers["content-length"]) == len(response.content)
    assert bench.result_file(provider, batch) == response.content


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_short_download_can_end_in_the_middle_of_a_line(bench, provider):
    batch = bench.ended(provider)
    lines = bench.result_file(provider, batch).splitlines(keepends=True)
    bench.arm("short_download", provider, whole_lines=False)
    content = bench.result_file(provider, batch)
    assert content == lines[0] + lines[1] + lines[2][: len(lines[2]) // 2]


def test_a_short_download_is_a_share_of_the_damaged_rows(bench):
    batch = bench.ended("openai", 10)
    lines = bench.result_file("openai", batch).splitlines(keepends=True)
    bench.arm("missing_rows", "openai", count=2)
    bench.arm("short_download", "openai", share=0.5)
    assert bench.result_file("openai", batch) == b"".join(lines[2:6])


@pytest.mark.parametrize("provider", PROVIDERS)
def test_another_page_can_come_instead_of_the_results(bench, provider):
    batch = bench.ended(provider)
    bench.arm("foreign_download", provider, times=1)
    bench.arm("short_download", provider, times=1, share=0.5)
    response = bench.download(provider, batch)
    assert (response.status_code, response.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert response.content == b"<html><body>Sign in</body></html>"
    # The other fault is left for the next download.
    assert len(bench.lines(provider, batch)) == 2
    assert len(bench.lines(provider, batch)) == 4


def test_the_other_page_can_be_chosen(bench):
    batch = bench.ended("groq")
    bench.arm("foreign_download", media_type="application/json", body='{"busy": true}')
    response = bench.download("groq", batch)
    assert (response.headers["content-type"], response.json()) == ("application/json", {"busy": True})
