"""Results are downloaded completely, and only from the provider's own host."""

from __future__ import annotations

import http.server
import threading

import orjson
import pytest

from grabient_pipeline.errors import ProviderRefused
from grabient_pipeline.providers.base import ResultRow, UnreadableRow
from grabient_pipeline_tests.providers.conftest import each_provider


class TestDownloading:
    def test_results_at_another_host_are_not_fetched(self, open_api):
        """The SDK would follow the URL and send the key along."""
        api = open_api("anthropic")
        batch_id = api.provider.submit(api.submission())
        api.wait(batch_id)
        api.arm("foreign_results_url", host="results.invalid")
        with pytest.raises(ProviderRefused, match="another host .*results.invalid.*the key was not sent"):
            api.rows(batch_id)

    def test_results_are_not_fetched_if_the_host_changes_after_the_check(self, open_api, tmp_path):
        """The SDK requests the URL once more before it follows it."""
        authorizations = []

        class ForeignHost(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                authorizations.append(self.headers.get("authorization"))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_):
                pass

        with http.server.HTTPServer(("127.0.0.1", 0), ForeignHost) as foreign_host:
            threading.Thread(target=foreign_host.serve_forever, daemon=True).start()
            api = open_api("anthropic")
            batch_id = api.provider.submit(api.submission())
            api.wait(batch_id)
            api.arm("foreign_results_url", host=f"127.0.0.1:{foreign_host.server_address[1]}")
            with pytest.raises(ProviderRefused, match="the key was not sent"):
                api.provider._download(batch_id, tmp_path / "output.jsonl")
            foreign_host.shutdown()
        assert authorizations == []

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
