"""An error says what to do: about the address, the key, the certificates or a proxy."""

from __future__ import annotations

import re
import socket
import ssl

import pytest

from grabient_pipeline.errors import ProviderBusy, ProviderError, ProviderRefused, ProviderUncertain
from grabient_pipeline.http_environment import tls_context
from grabient_pipeline.providers.base import LookupRequest
from grabient_pipeline.providers.registry import open_provider, provider_connection
from grabient_pipeline_tests.catalogue import ADDRESS_VARIABLES, KEYS, PROVIDERS
from grabient_pipeline_tests.certificates import write_certificate
from grabient_pipeline_tests.providers.conftest import LONG_AGO, each_provider
from grabient_pipeline_tests.providers.go_between import PAGE, json_answer

BATCH_IDS = {**dict.fromkeys(PROVIDERS, "none"), "google": "batches/none"}
SAME_PROJECT = "is it the key of the same project or workspace?"


def calls_of(api, folder):
    """Return every call to a provider, by name."""
    provider, batch_id = api.provider, BATCH_IDS[api.provider.key]
    return {
        "check": provider.check,
        "find": lambda: provider.find(LookupRequest("token", LONG_AGO, 3)),
        "submit": lambda: provider.submit(api.submission()),
        "poll": lambda: provider.poll(batch_id),
        "download": lambda: provider.download(batch_id, folder),
        "cancel": lambda: provider.cancel(batch_id),
    }


def failure_of(call):
    with pytest.raises(ProviderError) as failed:
        call()
    assert "\n" not in str(failed.value)
    return failed.value


def question_of(key, environment):
    variable = ADDRESS_VARIABLES[key]
    return f"is {variable} ({environment[variable]}) right?"


def is_creation(method, path):
    return method == "POST" and path.split("?")[0].endswith(("/batches", ":batchGenerateContent"))


class TestAddress:
    @each_provider
    def test_an_answer_of_another_host_names_the_address(self, open_api, go_between, tmp_path, key):
        go_between.answer = lambda *_: PAGE
        environment = go_between.environment()
        api = open_api(key, open_provider(key, environment))
        for call in calls_of(api, tmp_path).values():
            error = failure_of(call)
            assert re.search(r"failed: the answer is not \w+'s; ", str(error))
            assert str(error).endswith(question_of(key, environment))
            assert error.status in (None, 200), "there was an answer"

    @pytest.mark.parametrize(
        ("key", "change"),
        [
            ("openai", lambda address: address.removesuffix("/v1")),
            ("groq", lambda address: f"{address}/openai/v1"),
            ("anthropic", lambda address: f"{address}/v1"),
            ("google", lambda address: f"{address}/v1beta"),
        ],
    )
    def test_a_path_that_does_not_exist_names_the_address(self, open_api, server, tmp_path, key, change):
        environment = server.environment()
        environment[ADDRESS_VARIABLES[key]] = change(environment[ADDRESS_VARIABLES[key]])
        calls = calls_of(open_api(key, open_provider(key, environment)), tmp_path)
        for name in ("check", "find", "submit"):
            error = failure_of(calls[name])
            assert re.search(r"failed: HTTP 40[45]: .*; is ", str(error))
            assert str(error).endswith(question_of(key, environment))
            assert isinstance(error, ProviderRefused)

    @each_provider
    def test_a_page_that_was_not_found_names_the_address(self, open_api, go_between, tmp_path, key):
        """Nor does the host know a batch of another project."""
        go_between.answer = lambda *_: PAGE._replace(status=404)
        environment = go_between.environment()
        for call in calls_of(open_api(key, open_provider(key, environment)), tmp_path).values():
            assert str(failure_of(call)).endswith(f"failed: HTTP 404: Not Found; {question_of(key, environment)}")

    @each_provider
    def test_a_creation_answered_by_another_host_is_uncertain(self, open_api, go_between, key):
        """The page may hide the answer of the provider, which may have created the batch."""
        go_between.answer = lambda method, path: PAGE if is_creation(method, path) else None
        environment = go_between.environment()
        api = open_api(key, open_provider(key, environment))
        error = failure_of(lambda: api.provider.submit(api.submission()))
        assert isinstance(error, ProviderUncertain)
        assert f"creating the batch failed: the answer is not {error_name(key)}'s" in str(error)
        assert str(error).endswith(question_of(key, environment))

    @each_provider
    @pytest.mark.parametrize("document", [{}, [], None, {"error": "no"}], ids=str)
    def test_json_that_is_no_batch_is_no_batch(self, open_api, go_between, tmp_path, key, document):
        go_between.answer = lambda *_: json_answer(document)
        api = open_api(key, open_provider(key, go_between.environment()))
        for name in ("submit", "poll", "download"):
            assert "the answer is not" in str(failure_of(calls_of(api, tmp_path)[name]))

    @pytest.mark.parametrize("key", ["anthropic", "openai", "groq"])
    def test_an_answer_without_a_list_is_no_listing_that_found_nothing(self, open_api, go_between, key):
        """A batch that was not found is paid for again."""
        go_between.answer = lambda *_: json_answer({"object": "page"})
        api = open_api(key, open_provider(key, go_between.environment()))
        assert isinstance(failure_of(lambda: api.find("token")), ProviderUncertain)
        assert isinstance(failure_of(api.provider.check), ProviderUncertain)

    def test_an_empty_listing_of_groq_may_be_null(self, open_api, go_between):
        go_between.answer = lambda *_: json_answer({"object": "list", "data": None})
        api = open_api("groq", open_provider("groq", go_between.environment()))
        api.provider.check()
        assert api.find("token").thorough

    @each_provider
    def test_the_default_address_is_not_doubted(self, key):
        connection = provider_connection(key, KEYS)
        with pytest.raises(ProviderUncertain, match="is something in between, such as a proxy or a sign-in page\\?$"):
            with connection.translate_errors("polling"):
                raise AttributeError("'str' object has no attribute 'id'")
        assert connection.refusal_reason(404, "no such model", is_provider=True) == "HTTP 404: no such model"

    def test_a_password_in_the_address_is_not_shown(self):
        environment = {**KEYS, "OPENAI_BASE_URL": "https://user:hidden@gateway.example/v1"}
        connection = provider_connection("openai", environment)
        assert connection.endpoint == "gateway.example"
        assert "hidden" not in f"{connection!r} {connection.refusal_reason(404, 'x', is_provider=True)}"


def error_name(key):
    return provider_connection(key, KEYS).provider.name


class TestKeys:
    @each_provider
    def test_an_unknown_batch_raises_the_question_of_the_project(self, open_api, tmp_path, key):
        calls = calls_of(open_api(key), tmp_path)
        for name in ("poll", "download", "cancel"):
            error = failure_of(calls[name])
            assert str(error).endswith(f"; {SAME_PROJECT}")
            assert error.status == 404

    @each_provider
    @pytest.mark.parametrize("status", [401, 403])
    def test_a_refused_key_is_known_by_the_status(self, open_api, tmp_path, key, status):
        api = open_api(key)
        api.arm("down", status=status)
        for call in calls_of(api, tmp_path).values():
            error = failure_of(call)
            assert isinstance(error, ProviderRefused)
            assert error.status == status

    def test_so_it_is_in_the_calls_that_do_without_googles_sdk(self, open_api, go_between):
        api = open_api("google", open_provider("google", go_between.environment()))
        batch_id = api.provider.submit(api.submission())
        api.wait(batch_id)
        reads = iter([None, json_answer({"error": {"code": 403, "message": "no"}}, 403)])
        go_between.answer = lambda *_: next(reads)
        error = failure_of(lambda: api.provider.poll(batch_id))
        assert (error.status, str(error)) == (403, f"google: asking for the batch {batch_id} failed: HTTP 403: no")

    def test_google_states_the_wait_in_the_body(self, open_api, go_between):
        details = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "7.5s"}]
        go_between.answer = lambda *_: json_answer({"error": {"code": 429, "message": "slow", "details": details}}, 429)
        api = open_api("google", open_provider("google", go_between.environment()))
        with pytest.raises(ProviderBusy) as busy:
            api.provider.ask("gemini-2.5-flash-lite", {"key": "a_1", "request": {}})
        assert busy.value.retry_after_seconds == 7.5


@pytest.fixture
def fresh_tls_context():
    """Certificates are read again, before and after the test."""
    tls_context.cache_clear()
    yield
    tls_context.cache_clear()


@pytest.fixture
def encrypted(go_between, tmp_path, fresh_tls_context):
    """A host with a certificate that nobody has signed, and the file of its certificate."""
    certificate, key = write_certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    go_between.server.socket = context.wrap_socket(go_between.server.socket, server_side=True)
    go_between.scheme = "https"
    return go_between, certificate


class TestCertificates:
    @each_provider
    def test_an_untrusted_certificate_says_what_to_set(self, open_api, encrypted, tmp_path, key):
        host, _ = encrypted
        api = open_api(key, open_provider(key, host.environment()))
        for call in calls_of(api, tmp_path).values():
            error = failure_of(call)
            assert isinstance(error, ProviderRefused), "nothing was sent"
            assert re.search("failed: its certificate is not trusted .*; set SSL_CERT_FILE to a file", str(error))
        assert host.calls == []

    @each_provider
    def test_a_certificate_in_ssl_cert_file_is_trusted(self, open_api, encrypted, monkeypatch, key):
        host, certificate = encrypted
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        open_provider(key, host.environment()).check()
        assert host.calls


class TestProxies:
    @each_provider
    def test_a_proxy_that_is_down_is_no_connection(self, server, monkeypatch, key):
        monkeypatch.setattr("tenacity.nap.time.sleep", lambda seconds: None)
        with socket.socket() as reserved:
            reserved.bind(("127.0.0.1", 0))
            monkeypatch.setenv("ALL_PROXY", f"http://127.0.0.1:{reserved.getsockname()[1]}")
            provider = open_provider(key, server.environment())
            error = failure_of(provider.check)
        assert isinstance(error, ProviderRefused)
        assert "no connection; is the network up and the address right?" in str(error)

    @each_provider
    def test_a_proxy_that_refuses_a_connection_is_no_connection(self, open_api, go_between, monkeypatch, key):
        monkeypatch.setenv("HTTPS_PROXY", go_between.url)
        api = open_api(key, open_provider(key, KEYS))
        error = failure_of(lambda: api.provider.submit(api.submission()))
        assert isinstance(error, ProviderRefused), "nothing was sent"
        assert "no connection; the proxy refused it (407 Proxy Authentication Required)" in str(error)
