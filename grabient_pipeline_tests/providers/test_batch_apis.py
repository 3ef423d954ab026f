"""The four batch APIs through their real SDKs, on the sandbox: what is sent, what comes back, what goes wrong.

The one rule behind most of it: the creation of a batch is asked for once, and whoever cannot know whether it was done
says so.
"""

from __future__ import annotations

import datetime as dt
import http.server
import secrets
import socket
import threading
import time
from dataclasses import replace

import orjson
import pytest
from anthropic.types.messages import MessageBatch

from grabient_pipeline.batches.request_file import RequestTemplate, json_text
from grabient_pipeline.batches.stages import TAGGING
from grabient_pipeline.errors import ProviderRefused, ProviderUncertain, SettingsError
from grabient_pipeline.palette import describe_palettes, read_palette
from grabient_pipeline.providers import anthropic as anthropic_module
from grabient_pipeline.providers import chat_completions as chat_module
from grabient_pipeline.providers import google as google_module
from grabient_pipeline.providers.base import LookupRequest, ResultRow, Submission, UnreadableRow, result_rows
from grabient_pipeline.providers.catalogue import load_catalogue
from grabient_pipeline.providers.registry import open_provider
from grabient_pipeline.sandbox import SandboxServer
from grabient_pipeline.tagging import user_message

PROVIDERS = ("anthropic", "openai", "groq", "google")
MODELS = {
    "anthropic": "anthropic/claude-3-5-haiku-20241022",
    "openai": "openai/gpt-4o-mini",
    "groq": "groq/openai/gpt-oss-20b",
    "google": "google/gemini-2.5-flash-lite",
}
LONG_AGO = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
each_provider = pytest.mark.parametrize("key", PROVIDERS)


@pytest.fixture(scope="module")
def server():
    with SandboxServer(batch_seconds=0) as running:
        yield running


@pytest.fixture(autouse=True)
def well_behaved(server):
    yield
    server.sandbox.faults.disarm()


@pytest.fixture(scope="module")
def opened(server):
    """One client a provider for all tests: opening them takes longer than using them."""
    return {key: open_provider(key, server.environment()) for key in PROVIDERS}


@pytest.fixture(scope="module")
def texts(sample_rows):
    seeds = [row["seed"] for row in sample_rows[:3]]
    described = describe_palettes([read_palette(seed).canonical_seed for seed in seeds])
    return {
        seed: json_text(user_message(each.colour_data.decode())) for seed, each in zip(seeds, described, strict=True)
    }


class Api:
    """A provider with what a test wants to do with it."""

    def __init__(self, server, provider, texts, folder):
        self.server, self.provider, self.texts, self.folder = server, provider, texts, folder

    def submission(self, model=None):
        name = secrets.token_hex(8)
        model = load_catalogue().model(model or MODELS[self.provider.key])
        file = self.folder / f"{name}.requests"
        requests = [(f"{name}_{row:06d}", seed) for row, seed in enumerate(self.texts)]
        RequestTemplate.of(self.provider, model, TAGGING.payload).write(file, requests, self.texts)
        return Submission(name, model.id, file)

    def arm(self, name, times=None, **parameters):
        self.server.sandbox.faults.arm(name, self.provider.key, times, **parameters)

    def wait(self, batch_id):
        deadline = time.monotonic() + 20
        while (state := self.provider.poll(batch_id)).status == "submitted":
            assert time.monotonic() < deadline
            time.sleep(0.005)
        return state

    def rows(self, batch_id):
        folder = self.folder / secrets.token_hex(4)
        folder.mkdir()
        files = self.provider.download(batch_id, folder)
        assert not list(folder.glob("*.part"))
        return list(result_rows(self.provider, files))

    def find(self, submission, since=LONG_AGO, requests=3, known=()):
        return self.provider.find(LookupRequest(submission, since, requests, frozenset(known)))

    def there(self, submission):
        """The batches of this submission that exist at the provider."""
        return [
            batch for batch in self.server.sandbox.store.batches(self.provider.key)
            if batch.custom_id_prefix.startswith(f"{submission}_")
        ]  # fmt: skip

    def creations(self):
        return sum(
            call["method"] == "POST"
            and call["path"].startswith(f"/{self.provider.key}/")
            and call["path"].endswith(("/batches", ":batchGenerateContent"))
            for call in self.server.sandbox.requests
        )


@pytest.fixture
def api(server, opened, texts, tmp_path):
    return lambda key, provider=None: Api(server, provider or opened[key], texts, tmp_path)


@each_provider
def test_the_whole_way(api, key):
    it = api(key)
    it.provider.check()
    submission = it.submission()
    state = it.wait(it.provider.submit(submission))
    assert (state.status, state.completed, state.failed, state.error) == ("completed", 3, state.failed, None)
    assert abs(state.ended_at - dt.datetime.now(dt.UTC)) < dt.timedelta(minutes=5)
    rows = it.rows(
        it.there(submission.submission)[0].id if key != "google" else f"batches/{it.there(submission.submission)[0].id}"
    )
    assert {row.custom_id for row in rows} == {f"{submission.submission}_{row:06d}" for row in range(3)}
    for row in rows:
        assert row.outcome == "succeeded"
        assert TAGGING.parse(row.text, row.finish_reason).tags is not None, row
        assert row.input_tokens > 100
        assert row.output_tokens > 10


@pytest.mark.parametrize("model", load_catalogue().models, ids=lambda model: model.name)
def test_every_model_takes_what_it_is_sent(api, model):
    """The sandbox refuses what the real models refuse; a bad parameter would show as failed rows, a day later."""
    it = api(model.provider)
    batch_id = it.provider.submit(it.submission(model.name))
    state = it.wait(batch_id)
    assert (state.status, state.error) == ("completed", None)
    assert [(row.outcome, row.error) for row in it.rows(batch_id)] == [("succeeded", None)] * 3


class TestFinding:
    @each_provider
    def test_by_the_token(self, api, key):
        it = api(key)
        submission = it.submission()
        batch_id = it.provider.submit(submission)
        it.wait(batch_id)
        it.wait(it.provider.submit(it.submission()))
        found = it.find(submission.submission, dt.datetime.now(dt.UTC))
        assert (found.batch_id, found.thorough) == (batch_id, True)
        assert found.evidence

    @each_provider
    def test_what_was_never_there(self, api, key):
        it = api(key)
        it.wait(it.provider.submit(it.submission()))
        found = it.find("neverthere000000")
        assert (found.batch_id, found.thorough, found.candidates) == (None, True, ())

    @pytest.mark.parametrize("key", ["openai", "groq", "google"])
    def test_while_it_runs(self, api, key):
        it = api(key)
        it.arm("slow_batch", times=1)
        submission = it.submission()
        batch_id = it.provider.submit(submission)
        assert it.find(submission.submission).batch_id == batch_id
        it.provider.cancel(batch_id)

    def test_anthropic_cannot_tell_while_it_runs(self, api):
        """Nothing of ours travels with the batch but the custom ids, which can be read at the end."""
        it = api("anthropic")
        it.arm("slow_batch", times=1)
        submission = it.submission()
        batch_id = it.provider.submit(submission)
        found = it.find(submission.submission)
        assert (found.batch_id, found.thorough, found.candidates) == (None, False, (batch_id,))
        it.provider.cancel(batch_id)
        it.wait(batch_id)
        found = it.find(submission.submission)
        assert (found.batch_id, found.thorough) == (batch_id, True)

    @pytest.mark.parametrize(
        "told", [{"requests": 4}, {"known": True}], ids=["another number", "known to be another's"]
    )
    def test_anthropic_what_is_certainly_another_batch_is_no_candidate(self, api, told):
        it = api("anthropic")
        it.arm("slow_batch", times=1)
        batch_id = it.provider.submit(it.submission())
        found = it.find("neverthere000000", **({"known": [batch_id]} if "known" in told else told))
        it.provider.cancel(batch_id)
        assert batch_id not in found.candidates

    @pytest.mark.parametrize(
        ("counts", "told"),
        [
            ({"processing": 3, "succeeded": 1, "errored": 0, "canceled": 0, "expired": 0}, 4),
            ({"processing": "3", "succeeded": "1", "errored": "0", "canceled": "0", "expired": "0"}, 4),
            ({"processing": 3}, None),
            (None, None),
        ],
        ids=["numbers", "strings", "not all", "none"],
    )
    def test_anthropic_counts_that_cannot_be_read_tell_nothing(self, counts, told):
        """As another number, they would make a batch of ours somebody else's, and it would be paid for again."""
        batch = MessageBatch.construct(request_counts=counts)
        assert anthropic_module._request_count(batch) == told

    def test_anthropic_results_that_cannot_be_read_are_not_a_no(self, api):
        """Taken for somebody else's, a batch of ours would be paid for again."""
        it = api("anthropic")
        submission = it.submission()
        batch_id = it.provider.submit(submission)
        it.wait(batch_id)
        ours = it.there(submission.submission)[0]
        path = it.server.sandbox.store.content("anthropic", ours.outcome.output_file)
        content = path.read_bytes()
        path.write_bytes(b'{"custom_id": "half a r\n' + content)
        found = it.find(submission.submission)
        path.write_bytes(content)
        assert found.batch_id is None
        assert not found.thorough
        assert batch_id in found.candidates

    @pytest.mark.parametrize("key", ["openai", "groq"])
    def test_by_the_name_of_its_input_where_the_metadata_is_gone(self, api, key):
        it = api(key)
        submission = it.submission()
        batch_id = it.provider.submit(submission)
        it.there(submission.submission)[0].details["metadata"] = {}
        assert it.find(submission.submission).batch_id == batch_id


@each_provider
def test_a_cancelled_batch_ends_and_gives_what_was_finished(api, key):
    it = api(key)
    it.arm("slow_batch", times=1, seconds=0.6)
    submission = it.submission()
    batch_id = it.provider.submit(submission)
    it.provider.cancel(batch_id)
    assert it.wait(batch_id).status == "cancelled"
    rows = it.rows(batch_id)
    if key != "google":  # which gives nothing then
        assert {row.custom_id for row in rows} == {f"{submission.submission}_{row:06d}" for row in range(3)}
        assert {row.outcome for row in rows} <= {"succeeded", "cancelled"}


@each_provider
def test_an_expired_batch_gives_what_was_finished(api, key):
    it = api(key)
    it.arm("expire", times=1, share=0.4)
    batch_id = it.provider.submit(it.submission())
    assert it.wait(batch_id).status == "expired"
    outcomes = sorted(row.outcome for row in it.rows(batch_id))
    assert outcomes == ([] if key == "google" else ["expired", "expired", "succeeded"])


class TestCreation:
    @each_provider
    def test_the_moment_before_it_is_told(self, api, key):
        """Until then nothing can have been made; from then on it may have been."""
        it = api(key)
        seen = []
        submission = replace(it.submission(), before_creation=lambda: seen.append(it.creations()))
        before = it.creations()
        it.wait(it.provider.submit(submission))
        assert seen == [before]
        assert it.creations() == before + 1

    @each_provider
    @pytest.mark.parametrize("fault", ["create_then_500", "create_then_drop", "create_then_timeout"])
    def test_a_lost_answer_is_uncertain_and_never_asked_for_again(self, api, server, monkeypatch, key, fault):
        """With the SDKs' own retries, one lost answer makes two or three paid batches."""
        provider = None
        if fault == "create_then_timeout":
            for module in (anthropic_module, chat_module, google_module):
                monkeypatch.setattr(module, "CREATE_TIMEOUT_SECONDS", 0.3)
            provider = open_provider(key, server.environment())
        it = api(key, provider)
        it.arm(fault, **({"seconds": 1.0} if fault == "create_then_timeout" else {}))
        submission = it.submission()
        before = it.creations()
        with pytest.raises(ProviderUncertain) as uncertain:
            it.provider.submit(submission)
        assert len(it.there(submission.submission)) == 1
        assert it.creations() == before + 1
        assert uncertain.value.provider == key
        assert "\n" not in str(uncertain.value)

    @each_provider
    @pytest.mark.parametrize("status", [500, 502, 503, 504, 529])
    def test_an_error_of_the_server_is_uncertain(self, api, key, status):
        it = api(key)
        it.arm("refuse", times=1, status=status)
        before = it.creations()
        with pytest.raises(ProviderUncertain, match=str(status)):
            it.provider.submit(it.submission())
        assert it.creations() == before + 1

    @each_provider
    @pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 422, 429])
    def test_a_refusal_is_certain(self, api, key, status):
        it = api(key)
        it.arm("refuse", times=1, status=status, message="not today")
        submission = it.submission()
        before = it.creations()
        with pytest.raises(ProviderRefused, match=f"{status}: not today"):
            it.provider.submit(submission)
        assert it.creations() == before + 1
        assert not it.there(submission.submission)

    @pytest.mark.parametrize("key", ["openai", "groq", "google"])
    def test_an_upload_that_fails_has_made_no_batch(self, api, monkeypatch, key):
        monkeypatch.setattr("tenacity.nap.time.sleep", lambda seconds: None)
        it = api(key)
        before = it.creations()
        it.arm("down")
        with pytest.raises(ProviderRefused, match="uploading the requests failed"):
            it.provider.submit(it.submission())
        assert it.creations() == before

    @pytest.mark.parametrize("key", ["openai", "groq", "google"])
    def test_an_upload_may_be_tried_again(self, api, key):
        it = api(key)
        it.arm("down", times=1)
        submission = it.submission()
        it.provider.submit(submission)
        assert len(it.there(submission.submission)) == 1

    def test_anthropic_that_is_down(self, api):
        it = api("anthropic")
        it.arm("down", times=1)
        with pytest.raises(ProviderUncertain, match="503"):
            it.provider.submit(it.submission())


@pytest.fixture(scope="module")
def nobody_there():
    """An address where nothing listens."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{reserved.getsockname()[1]}"


def environment_at(server, base, **keys):
    environment = server.environment()
    moved = {name: value.replace(server.url, base) for name, value in environment.items()}
    return {**moved, **keys}


class TestNobodyThere:
    @each_provider
    def test_a_provider_that_cannot_be_reached_has_done_nothing(self, api, server, nobody_there, monkeypatch, key):
        monkeypatch.setattr("tenacity.nap.time.sleep", lambda seconds: None)
        provider = open_provider(key, environment_at(server, nobody_there))
        with pytest.raises(ProviderRefused, match="no connection; is the network up") as refused:
            provider.submit(api(key, provider).submission())
        assert "\n" not in str(refused.value)


SECRET = "distinctive-Pr1vate-k3y-0123456789"
KEY_VARIABLES = {
    "anthropic": "ANTHROPIC_API_KEY",
    "openai": "OPENAI_API_KEY",
    "groq": "GROQ_API_KEY",
    "google": "GOOGLE_GENERATIVE_AI_API_KEY",
}


def everything_said_by(error):
    """The message, and whatever a traceback would show with it."""
    said = []
    while error is not None:
        said += [str(error), repr(error), repr(getattr(error, "__notes__", ""))]
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return "\n".join(said)


class TestKeys:
    @each_provider
    def test_no_error_shows_the_key(self, api, server, tmp_path, key):
        provider = open_provider(key, {**server.environment(), KEY_VARIABLES[key]: SECRET})
        it = api(key, provider)
        batch_id = "batches/none" if key == "google" else "none"
        calls = [
            provider.check,
            lambda: provider.submit(it.submission()),
            lambda: provider.poll(batch_id),
            lambda: provider.download(batch_id, tmp_path),
            lambda: provider.cancel(batch_id),
            lambda: provider.find(LookupRequest("token", LONG_AGO, 3)),
        ]
        for call in calls:
            with pytest.raises(ProviderRefused) as refused:
                call()
            assert SECRET not in everything_said_by(refused.value)

    @each_provider
    def test_a_provider_that_repeats_the_key_is_not_repeated(self, api, server, key):
        """Nor where its message is cut short."""
        secret = f"sandbox-{SECRET}"
        provider = open_provider(key, {**server.environment(), KEY_VARIABLES[key]: secret})
        it = api(key, provider)
        for padding in (0, 255, 262, 270, 280):
            it.arm("refuse", times=1, status=401, message=f"{'x' * padding} your key {secret} is wrong")
            with pytest.raises(ProviderRefused) as refused:
                provider.submit(it.submission())
            said = everything_said_by(refused.value)
            assert not any(secret[start : start + 12] in said for start in range(len(secret) - 12))

    @each_provider
    @pytest.mark.parametrize("middle", ["\n", "\r\n", "\t", "\x00", "\x7f", "é", "\u200b"], ids=repr)
    def test_a_key_that_was_pasted_badly_is_not_shown(self, server, key, middle):
        """The HTTP libraries quote the header that they refuse to send."""
        pasted = f"left-{SECRET}{middle}right-{SECRET}"
        with pytest.raises(SettingsError, match=f"{KEY_VARIABLES[key]} contains .* check that you copied it") as failed:
            open_provider(key, {**server.environment(), KEY_VARIABLES[key]: pasted})
        assert SECRET not in everything_said_by(failed.value)


class TestDownloading:
    def test_results_at_another_host_are_not_fetched(self, api):
        """The SDK would follow, and take the key along."""
        it = api("anthropic")
        batch_id = it.provider.submit(it.submission())
        it.wait(batch_id)
        it.arm("foreign_results_url", host="results.invalid")
        with pytest.raises(ProviderRefused, match="another host .*results.invalid.*the key was not sent"):
            it.rows(batch_id)

    def test_not_even_when_the_address_changes_meanwhile(self, api, tmp_path):
        """The SDK asks for the address once more before it follows it."""
        asked = []

        class Thief(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                asked.append(self.headers.get("authorization"))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_):
                pass

        with http.server.HTTPServer(("127.0.0.1", 0), Thief) as thief:
            threading.Thread(target=thief.serve_forever, daemon=True).start()
            it = api("anthropic")
            batch_id = it.provider.submit(it.submission())
            it.wait(batch_id)
            it.arm("foreign_results_url", host=f"127.0.0.1:{thief.server_address[1]}")
            with pytest.raises(ProviderRefused, match="the key was not sent"):
                it.provider._download(batch_id, tmp_path / "output.jsonl")
            thief.shutdown()
        assert asked == []

    @each_provider
    def test_a_cut_download_is_tried_again_and_whole(self, api, key):
        it = api(key)
        submission = it.submission()
        batch_id = it.provider.submit(submission)
        it.wait(batch_id)
        it.arm("cut_download", times=1, bytes=500)
        assert sorted(row.custom_id for row in it.rows(batch_id)) == [
            f"{submission.submission}_{row:06d}" for row in range(3)
        ]

    @pytest.mark.parametrize("key", ["openai", "groq"])
    def test_both_files_are_read(self, api, key):
        """The counts of a batch do not tell whether there is an error file."""
        it = api(key)
        submission = it.submission()
        lines = submission.file.read_bytes().splitlines()
        spoilt = orjson.loads(lines[1])
        spoilt["body"]["temperature"] = 17
        lines[1] = orjson.dumps(spoilt)
        submission.file.write_bytes(b"\n".join(lines) + b"\n")
        batch_id = it.provider.submit(submission)
        state = it.wait(batch_id)
        assert (state.status, state.completed, state.failed) == ("completed", 2, 1)
        outcomes = {row.custom_id[-1]: row.outcome for row in it.rows(batch_id)}
        assert outcomes == {"0": "succeeded", "1": "errored", "2": "succeeded"}

    @each_provider
    def test_what_was_spoilt_on_the_way_is_kept_and_told(self, api, key):
        it = api(key)
        batch_id = it.provider.submit(it.submission())
        it.wait(batch_id)
        it.arm("garbage_rows", count=2)
        rows = it.rows(batch_id)
        assert sum(isinstance(row, UnreadableRow) for row in rows) == 2
        assert sum(isinstance(row, ResultRow) for row in rows) == 3


class Told:
    """A hand-written SDK client of the chat providers that tells of one batch."""

    def __init__(self, **fields):
        self.fields = fields
        self.batches = self

    def retrieve(self, batch_id):
        return self

    def model_dump(self, warnings):
        return self.fields


class TestStates:
    @pytest.mark.parametrize("key", ["openai", "groq"])
    @pytest.mark.parametrize(
        ("errors", "shown"),
        [
            (None, None),
            ({"object": "list", "data": [{"code": "token_limit_exceeded", "message": "too many"}]},
             "token_limit_exceeded: too many"),
            ([{"code": "a", "message": "one"}, {"message": "two"}], "a: one; two"),
            ({"data": None}, None),
            ({}, None),
            ([None, 7], "unknown error; unknown error"),
        ],
        ids=["none", "an object", "a list", "no data", "empty", "nonsense"],
    )  # fmt: skip
    def test_the_reasons_of_a_failed_batch_in_either_form(self, opened, monkeypatch, key, errors, shown):
        monkeypatch.setattr(
            opened[key], "_client", Told(id="b", status="failed", errors=errors, failed_at=1_790_000_000)
        )
        state = opened[key].poll("b")
        assert (state.status, state.error) == ("failed", shown)
        assert state.ended_at == dt.datetime.fromtimestamp(1_790_000_000, dt.UTC)

    @pytest.mark.parametrize("key", ["openai", "groq"])
    def test_an_absent_file_may_be_an_empty_object(self, opened, monkeypatch, key, tmp_path):
        monkeypatch.setattr(
            opened[key], "_client", Told(id="b", status="completed", output_file_id=None, error_file_id={})
        )
        assert opened[key].download("b", tmp_path) == []

    @pytest.mark.parametrize("key", ["openai", "groq"])
    @pytest.mark.parametrize("word", ["validating", "in_progress", "finalizing", "cancelling", "resting\x1b", "", None])
    def test_a_state_that_is_no_end_is_under_way(self, opened, monkeypatch, key, word):
        """A word that is new to us is kept and shown, never guessed at."""
        monkeypatch.setattr(opened[key], "_client", Told(id="b", status=word))
        state = opened[key].poll("b")
        assert state.status == "submitted"
        assert state.provider_status.isprintable()
        assert state.provider_status.startswith(str(word)[:6])

    @pytest.mark.filterwarnings("ignore:.*is not a valid:UserWarning")
    @pytest.mark.parametrize(
        ("word", "status"),
        [
            ("BATCH_STATE_PENDING", "submitted"),
            ("BATCH_STATE_PAUSED", "submitted"),
            ("BATCH_STATE_RESTING", "submitted"),
            ("BATCH_STATE_SUCCEEDED", "completed"),
            ("BATCH_STATE_PARTIALLY_SUCCEEDED", "completed"),
            ("BATCH_STATE_FAILED", "failed"),
            ("BATCH_STATE_CANCELLED", "cancelled"),
            ("BATCH_STATE_EXPIRED", "expired"),
        ],
    )
    def test_the_states_of_google(self, api, monkeypatch, word, status):
        from grabient_pipeline.sandbox.providers.google import operations as dialect

        it = api("google")
        batch_id = it.provider.submit(it.submission())
        it.wait(batch_id)
        monkeypatch.setattr(dialect, "_STATES", dict.fromkeys(dialect._STATES, word))
        state = it.provider.poll(batch_id)
        assert state.status == status
        assert state.provider_status == word.removeprefix("BATCH_STATE_")

    def test_the_reason_that_googles_sdk_throws_away(self, api):
        it = api("google")
        submission = it.submission()
        submission.file.write_bytes(b"not JSON\n")
        state = it.wait(it.provider.submit(submission))
        assert state.status == "failed"
        assert "Line 1 of the input file is not valid JSON" in state.error

    @each_provider
    def test_a_batch_that_is_not_there(self, opened, key):
        with pytest.raises(ProviderRefused, match="404"):
            opened[key].poll("batches/none" if key == "google" else "none")
