"""Results are downloaded completely, and only from the provider's own host."""

from __future__ import annotations

import orjson
import pytest

from grabient_pipeline.errors import ProviderRefused, ProviderUncertain
from grabient_pipeline.providers.base import ResultRow, UnreadableRow
from grabient_pipeline.providers.registry import open_provider
from grabient_pipeline_tests.catalogue import PROVIDERS
from grabient_pipeline_tests.providers.conftest import each_provider
from grabient_pipeline_tests.providers.go_between import TEXT_PAGE, UNMARKED_PAGE, Answer

DOWNLOADS = ("/content", "/results", ":download")


def is_download(path):
    return path.split("?")[0].endswith(DOWNLOADS)


class TestDownloading:
    def test_results_are_fetched_at_the_base_url_and_not_where_the_batch_says(self, open_api, go_between):
        """Behind a gateway, `results_url` is Anthropic's own address, which does not know the gateway's key."""
        api = open_api("anthropic")
        batch_id = api.provider.submit(api.submission())
        api.wait(batch_id)
        api.arm("foreign_results_url", host=go_between.url.removeprefix("http://"))
        assert len(api.rows(batch_id)) == 3
        assert go_between.calls == [], "the key was sent to another host"

    def test_a_batch_is_looked_up_through_the_gateway(self, open_api, go_between):
        """The listing names the sandbox's address for the results, and not that of the host between."""
        api = open_api("anthropic", open_provider("anthropic", go_between.environment()))
        submission = api.submission()
        batch_id = api.provider.submit(submission)
        api.wait(batch_id)
        assert api.find(submission.submission).batch_id == batch_id
        assert ("GET", f"/anthropic/v1/messages/batches/{batch_id}/results") in go_between.calls

    def test_no_redirect_takes_the_key_to_another_host(self, open_api, server, go_between):
        api = open_api("anthropic", open_provider("anthropic", go_between.environment()))
        batch_id = api.provider.submit(api.submission())
        api.wait(batch_id)
        elsewhere = {"Location": f"http://localhost:{server.port}/anthropic/v1/messages/batches/{batch_id}/results"}
        go_between.answer = lambda method, path: Answer(302, elsewhere, b"") if is_download(path) else None
        with pytest.raises(ProviderRefused, match="refused to call localhost; the key was not sent there"):
            api.rows(batch_id)

    def test_a_port_that_goes_without_saying_is_the_same_host(self, open_api):
        environment = {"ANTHROPIC_API_KEY": "k", "ANTHROPIC_BASE_URL": "http://LOCALHOST:80"}
        api = open_api("anthropic", open_provider("anthropic", environment))
        with pytest.raises(ProviderRefused, match="no connection|HTTP"):
            api.provider.check()

    # Google's SDK shows no headers of a download.
    @pytest.mark.parametrize(
        ("key", "page"),
        [*((key, UNMARKED_PAGE) for key in PROVIDERS), *((key, TEXT_PAGE) for key in PROVIDERS if key != "google")],
    )
    def test_a_web_page_is_no_result(self, open_api, go_between, tmp_path, key, page):
        api = open_api(key, open_provider(key, go_between.environment()))
        batch_id = api.provider.submit(api.submission())
        api.wait(batch_id)
        go_between.answer = lambda method, path: page if is_download(path) else None
        before = sorted(tmp_path.iterdir())
        with pytest.raises(ProviderUncertain, match="is a web page, not results; is something in between, such as"):
            api.provider.download(batch_id, tmp_path)
        assert sorted(tmp_path.iterdir()) == before
        go_between.answer = lambda method, path: None
        assert len(api.rows(batch_id)) == 3

    @each_provider
    def test_an_interrupted_download_is_retried_and_complete(self, open_api, key):
        api = open_api(key)
        submission = api.submission()
        batch_id = api.provider.submit(submission)
        api.wait(batch_id)
        api.arm("cut_download", times=1, bytes=500)
        assert sorted(row.custom_id for row in api.rows(batch_id)) == [
            f"{submission.submission}_{row:06d}" for row in range(3)
        ]

    @pytest.mark.parametrize("key", ["openai", "groq"])
    def test_the_output_file_and_the_error_file_are_read(self, open_api, key):
        """The counts of a batch do not show whether there is an error file."""
        api = open_api(key)
        submission = api.submission()
        lines = submission.file.read_bytes().splitlines()
        invalid = orjson.loads(lines[1])
        invalid["body"]["temperature"] = 17
        lines[1] = orjson.dumps(invalid)
        submission.file.write_bytes(b"\n".join(lines) + b"\n")
        batch_id = api.provider.submit(submission)
        state = api.wait(batch_id)
        assert (state.status, state.completed, state.failed) == ("completed", 2, 1)
        outcomes = {row.custom_id[-1]: row.outcome for row in api.rows(batch_id)}
        assert outcomes == {"0": "succeeded", "1": "errored", "2": "succeeded"}

    @each_provider
    def test_corrupted_rows_are_returned_as_unreadable(self, open_api, key):
        api = open_api(key)
        batch_id = api.provider.submit(api.submission())
        api.wait(batch_id)
        api.arm("garbage_rows", count=2)
        rows = api.rows(batch_id)
        assert sum(isinstance(row, UnreadableRow) for row in rows) == 2
        assert sum(isinstance(row, ResultRow) for row in rows) == 3
