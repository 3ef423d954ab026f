"""Running the sandbox, its state across restarts, its reports and its limits."""

import json
import os
import subprocess
import sys
import time

import httpx
import pytest

from grabient_pipeline.sandbox import SandboxServer, SandboxServerError, environment
from grabient_pipeline.sandbox.capabilities import BatchLimits
from grabient_pipeline.sandbox.discovery import PROVIDERS as ALL_PROVIDERS

PROVIDERS = ["anthropic", "openai", "groq", "google"]


def test_environment_has_keys_and_addresses():
    variables = environment(4321)
    assert len(variables) == 2 * len(ALL_PROVIDERS)
    keys = [provider.key_variable for provider in ALL_PROVIDERS.values()]
    assert all(variables[name].startswith("sandbox-") for name in keys)
    assert variables["OPENAI_BASE_URL"] == "http://127.0.0.1:4321/openai/v1"
    assert variables["GROQ_BASE_URL"] == "http://127.0.0.1:4321/groq"


def test_a_server_in_a_thread_starts_fast():
    started = time.monotonic()
    with SandboxServer() as server:
        # About 0.03 s; the bound is for a busy machine.
        assert time.monotonic() - started < 1.0
        assert httpx.get(server.url + "/_sandbox/batches").json() == {"batches": []}


def test_the_sandbox_imports_nothing_of_the_pipeline():
    """It is an independent specification, so it must not share code with what it checks."""
    program = (
        "import sys, grabient_pipeline.sandbox\n"
        "foreign = ('dagster', 'duckdb', 'anthropic', 'openai', 'groq', 'google.genai',"
        " 'grabient_pipeline.providers', 'grabient_pipeline.batches',"
        " 'grabient_pipeline.tagging', 'grabient_pipeline.warehouse')\n"
        "print([name for name in foreign if name in sys.modules])"
    )
    completed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert completed.stdout.strip() == "[]"


def test_deleting_everything_deletes_batches_and_files(bench):
    bench.wait("openai", bench.submit("openai", bench.rows_of("openai", 1)))
    httpx.delete(bench.server.url + "/_sandbox/batches")
    assert not bench.openai.batches.list().data
    assert not bench.openai.files.list().data


def test_a_server_process_has_its_own_id_and_ends_with_the_block():
    with SandboxServer(where="process", batch_seconds=0) as server:
        assert server.pid != os.getpid()
        assert httpx.get(server.url + "/_sandbox/batches").json() == {"batches": []}
        with pytest.raises(SandboxServerError):
            _ = server.sandbox
    with pytest.raises(httpx.ConnectError):
        httpx.get(server.url)


def test_a_server_process_ends_when_its_parent_is_killed():
    program = (
        "import time\n"
        "from grabient_pipeline.sandbox import SandboxServer\n"
        "server = SandboxServer(where='process').start()\n"
        "print(server.port, flush=True)\n"
        "time.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    port = int(parent.stdout.readline())
    assert httpx.get(f"http://127.0.0.1:{port}/_sandbox/batches").status_code == 200
    parent.kill()
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            httpx.get(f"http://127.0.0.1:{port}/_sandbox/batches")
        except httpx.TransportError:
            # The process has ended, perhaps during the response.
            return
        time.sleep(0.05)
    pytest.fail("the sandbox outlived its parent")


def test_an_occupied_port_is_reported():
    with SandboxServer() as server:
        refused = subprocess.run(
            [sys.executable, "-m", "grabient_pipeline.sandbox", "--port", str(server.port)],
            capture_output=True,
            text=True,
            check=False,
        )
    assert refused.returncode != 0
    assert "cannot listen" in refused.stderr


def test_batches_survive_a_restart(new_bench, tmp_path):
    first = new_bench(batch_seconds=0, state=tmp_path)
    ended = {provider: first.submit(provider, first.rows_of(provider, 5)) for provider in PROVIDERS}
    before = {provider: first.results(provider, first.wait(provider, ended[provider])) for provider in PROVIDERS}
    first.server.stop()

    second = new_bench(batch_seconds=0, state=tmp_path)
    for provider in PROVIDERS:
        assert second.results(provider, second.wait(provider, ended[provider])) == before[provider]
    assert second.openai.batches.list().data[0].id == ended["openai"]


def test_unfinished_batches_are_finished_after_a_restart(new_bench, tmp_path):
    first = new_bench(batch_seconds=0.5, state=tmp_path)
    batch_id = first.submit("openai", first.rows_of("openai", 5))
    first.server.stop()
    for path in (tmp_path / "batches").glob("*.json"):
        document = json.loads(path.read_text())
        path.write_text(json.dumps({**document, "checked": False, "outcome": None}))

    second = new_bench(batch_seconds=0.5, state=tmp_path)
    assert len(second.results("openai", second.wait("openai", batch_id))) == 5


def test_bills_count_requests_custom_ids_and_questions(bench):
    bench.wait("openai", bench.submit("openai", bench.rows_of("openai", 8)))
    bench.wait("openai", bench.submit("openai", bench.rows_of("openai", 8)))
    billed = httpx.get(bench.server.url + "/_sandbox/billed").json()
    assert 14 <= billed["openai"]["requests"] <= 16
    assert billed["openai"]["custom_ids"] == 8
    assert billed["openai"]["custom_ids_billed_more_than_once"] >= 6
    assert billed["openai"]["distinct_questions"] == 1
    assert billed["openai"]["input_tokens"] > 0
    assert billed["groq"]["requests"] == 0


def test_refused_and_unfinished_requests_are_not_billed(bench):
    bench.wait("openai", bench.submit("openai", bench.rows_of("openai", 3, "gpt-5-nano", temperature=0)))
    assert httpx.get(bench.server.url + "/_sandbox/billed").json()["openai"]["requests"] == 0


@pytest.mark.parametrize("provider", PROVIDERS)
def test_batches_show_their_token(bench, provider):
    bench.wait(provider, bench.submit(provider, bench.rows_of(provider, 3, prefix="tok9_r"), token="tok9"))
    (batch,) = httpx.get(bench.server.url + "/_sandbox/batches").json()["batches"]
    assert batch["provider"] == provider
    assert batch["state"] == "completed"
    assert batch["request_count"] == 3
    assert batch["token"].startswith("tok9")
    assert batch["found_in"]["custom_id_prefix"] == "tok9_r-"


def test_the_log_of_calls_has_no_keys(bench):
    bench.openai.batches.list()
    httpx.get(bench.server.url + "/google/v1beta/batches?key=sandbox-secret")
    answer = httpx.get(bench.server.url + "/_sandbox/requests")
    assert "sandbox-" not in answer.text
    calls = [(call["method"], call["path"], call["status"]) for call in answer.json()["requests"]]
    assert calls[:2] == [("GET", "/openai/v1/batches", 200), ("GET", "/google/v1beta/batches", 200)]


# Google limits only the size of the file.
@pytest.mark.parametrize("provider", ["anthropic", "openai", "groq"])
def test_a_batch_with_too_many_requests_is_rejected(bench, provider, monkeypatch):
    monkeypatch.setitem(bench.server.sandbox.context.limits, provider, BatchLimits(4, 2_000_000))
    rows = bench.rows_of(provider, 5)
    if provider == "anthropic":
        with pytest.raises(Exception, match="at most 4 items"):
            bench.submit(provider, rows)
    else:
        batch = bench.wait(provider, bench.submit(provider, rows))
        assert batch.errors.data[0].code == "too_many_tasks"


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_batch_with_too_many_bytes_is_rejected(bench, provider, monkeypatch):
    monkeypatch.setitem(bench.server.sandbox.context.limits, provider, BatchLimits(1000, 2_000))
    with pytest.raises(Exception, match=r"exceeds|too large|larger than"):
        bench.submit(provider, bench.rows_of(provider, 200))
