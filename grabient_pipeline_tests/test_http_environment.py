"""Certificates and proxies that cannot be used are named by their variable, wherever a client is opened."""

from __future__ import annotations

import functools

import pytest

from grabient_pipeline.errors import SettingsError
from grabient_pipeline.http_environment import explain_client_errors, tls_context
from grabient_pipeline.imports import d1
from grabient_pipeline.providers.registry import open_provider
from grabient_pipeline.retrieval.embedders.registry import open_embedder_named
from grabient_pipeline_tests.catalogue import KEYS, PROVIDERS
from grabient_pipeline_tests.certificates import write_certificate

ACCESS = d1.D1Access("account", "database", "token")
CLIENTS = {
    **{provider: functools.partial(open_provider, provider, KEYS) for provider in PROVIDERS},
    "embedding at OpenAI": lambda: open_embedder_named("openai/text-embedding-3-small", KEYS),
    "embedding at Google": lambda: open_embedder_named("google/gemini-embedding-001", KEYS),
    "Cloudflare D1": lambda: d1._open_client(ACCESS),
}
HIDDEN = "hidden-password"
UNUSABLE = [
    ("SSL_CERT_FILE", "/nowhere/certificates.pem", "is not a file of certificates (No such file or directory)"),
    ("SSL_CERT_FILE", __file__, "is not a file of certificates (no certificate or crl found)"),
    ("SSL_CERT_DIR", "/nowhere", "is not a folder of certificates"),
    ("ALL_PROXY", f"socks5://user:{HIDDEN}@127.0.0.1:9", "is a SOCKS proxy, which needs the package socksio"),
    ("https_proxy", f"http://user:{HIDDEN}@proxy:port", "is not the address of a proxy such as http://proxy"),
    ("HTTP_PROXY", f"ftp://user:{HIDDEN}@proxy", "is not the address of a proxy such as http://proxy"),
]


@pytest.fixture(autouse=True)
def fresh_clients():
    """Certificates are read again, and embedders opened again, before and after each test."""
    from grabient_pipeline.retrieval.embedders import registry

    for cached in (tls_context, registry._open_once):
        cached.cache_clear()
    yield
    for cached in (tls_context, registry._open_once):
        cached.cache_clear()


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize(("variable", "value", "problem"), UNUSABLE)
def test_a_variable_that_cannot_be_used_is_named(monkeypatch, client, variable, value, problem):
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError) as failed:
        CLIENTS[client]()
    assert str(failed.value).startswith(variable)
    assert problem in str(failed.value)
    assert HIDDEN not in str(failed.value)
    # A failure is not remembered.
    monkeypatch.delenv(variable)
    CLIENTS[client]()


def test_a_folder_with_names_that_openssl_finds_is_used(monkeypatch, tmp_path):
    certificate, _ = write_certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    with pytest.raises(SettingsError, match="openssl rehash"):
        tls_context()
    certificate.rename(tmp_path / "0a1b2c3d.0")
    tls_context()


def test_other_errors_pass():
    with pytest.raises(ImportError, match="no such thing"):
        with explain_client_errors():
            raise ImportError("no such thing")
