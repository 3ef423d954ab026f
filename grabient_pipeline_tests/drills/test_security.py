"""API keys are written nowhere, adversarial responses stay plain text, servers listen on localhost only."""

from __future__ import annotations

import csv
import io
import os
import re
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg
import duckdb
import httpx2
import pytest

import grabient_pipeline
from drills.environment import MODELS, PALETTES
from grabient_pipeline.defs.asset_checks import CHECKS
from grabient_pipeline.defs.assets import ASSETS
from grabient_pipeline.defs.assets.batches import BackfillConfig
from grabient_pipeline.defs.assets.palettes import PalettesConfig
from grabient_pipeline.defs.instance import write_dagster_home
from grabient_pipeline.defs.resources import PipelineResource
from grabient_pipeline.sandbox import SandboxServer
from grabient_pipeline.sandbox.faults.adversarial import WORDS
from grabient_pipeline.settings import SAMPLE_PALETTES, Settings
from grabient_pipeline_tests.catalogue import KEY_VARIABLES, PROVIDER_ASSETS

GRABIENT = Path(sys.executable).with_name("grabient")


def make_keys() -> dict[str, str]:
    """Unique keys that the sandbox accepts."""
    return {name: f"sandbox-{secrets.token_hex(16)}" for name in KEY_VARIABLES.values()}


@pytest.fixture
def keys() -> dict[str, str]:
    return make_keys()


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[SandboxServer]:
    with SandboxServer(batch_seconds=0, state=tmp_path / "sandbox") as server:
        yield server


def build_variables(sandbox: SandboxServer, keys: dict[str, str], data_dir: Path) -> dict[str, str]:
    return {
        **sandbox.environment(),
        **keys,
        "GRABIENT_DATA_DIR": str(data_dir),
        "GRABIENT_SANDBOX": "1",
        "GRABIENT_DEBUG": "1",
        "COLUMNS": "200",
    }


@pytest.fixture
def environment(
    tmp_path: Path, keys: dict[str, str], sandbox: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> dict[str, str]:
    variables = build_variables(sandbox, keys, tmp_path / "data")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return {**os.environ, **variables}


def write_palettes(folder: Path) -> Path:
    lines = SAMPLE_PALETTES.read_text("utf-8").splitlines()[:PALETTES]
    path = folder / "palettes.jsonl"
    path.write_text("\n".join(lines), "utf-8")
    return path


@pytest.fixture
def palettes(tmp_path: Path) -> Path:
    return write_palettes(tmp_path)


def run(tmp_path: Path, environment: dict[str, str], *arguments: object) -> int:
    """Run a command as a process; its output goes to a file beside the data directory."""
    with (tmp_path / "output.txt").open("ab") as output:
        return subprocess.run(
            [GRABIENT, *map(str, arguments)], env=environment, stdout=output, stderr=output, timeout=120, check=False
        ).returncode


def materialize(instance: dg.DagsterInstance, palettes: Path, *names: str, raise_on_error: bool = True) -> None:
    config: dict[str, dg.Config] = {"palettes": PalettesConfig(files=[str(palettes)])}
    config |= {name: BackfillConfig(analysis_count=1) for name in PROVIDER_ASSETS}
    dg.materialize(
        [*ASSETS, *CHECKS],
        selection=list(names),
        instance=instance,
        resources={"pipeline": PipelineResource()},
        run_config=dg.RunConfig({name: value for name, value in config.items() if name in names}),
        raise_on_error=raise_on_error,
    )


def find_words(folder: Path, words: dict[str, str]) -> list[str]:
    """Return every file of any format in a folder that contains one of the words, with the name of the word."""
    found: list[str] = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        content = path.read_bytes()
        found += [f"{name} in {path.relative_to(folder)}" for name, word in words.items() if word.encode() in content]
    return found


class TestKeys:
    def test_no_key_is_in_anything_that_is_written(
        self,
        tmp_path: Path,
        environment: dict[str, str],
        keys: dict[str, str],
        palettes: Path,
        sandbox: SandboxServer,
        capfd: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """Normal use and its failures, with all tracebacks enabled."""
        models = [word for name in MODELS.values() for word in ("--model", name)]
        once = ("--analysis-count", 1)
        assert run(tmp_path, environment, "import", palettes) == 0
        # One provider repeats the key in its error message; the responses of two others get lost.
        sandbox.sandbox.faults.arm("refuse", "openai", 1, status=401, message=f"wrong key {keys['OPENAI_API_KEY']}")
        sandbox.sandbox.faults.arm("create_then_500", "groq", 1)
        sandbox.sandbox.faults.arm("create_then_drop", "anthropic", 1)
        assert run(tmp_path, environment, "backfill", *models, *once) == 1
        sandbox.sandbox.faults.arm("down", status=403)
        assert run(tmp_path, environment, "poll") == 1
        sandbox.sandbox.faults.disarm()
        assert run(tmp_path, environment, "poll") == 0

        home = write_dagster_home(Settings(tmp_path / "data"))
        monkeypatch.setenv("DAGSTER_HOME", str(home))
        with dg.DagsterInstance.get() as instance:
            materialize(instance, palettes, "palettes", *PROVIDER_ASSETS)
            sandbox.sandbox.faults.arm("down", status=401)
            materialize(instance, palettes, "openai_batches", raise_on_error=False)
            sandbox.sandbox.faults.disarm()
            materialize(instance, palettes, "tag_responses", "palette_tags")
        output = capfd.readouterr()
        (tmp_path / "dagster.txt").write_text(output.out + output.err, "utf-8")
        (tmp_path / "calls.txt").write_text(
            httpx2.get(f"{sandbox.url}/_sandbox/requests").text + httpx2.get(f"{sandbox.url}/_sandbox/batches").text,
            "utf-8",
        )

        assert find_words(tmp_path, keys) == []
        # The search does find what was written, and Dagster's storage has its runs.
        assert find_words(tmp_path, {"a state": "in_flight"})
        assert list(home.rglob("*.db"))

    def test_the_search_finds_a_key_that_was_written(self, tmp_path: Path, keys: dict[str, str]) -> None:
        (tmp_path / "deep").mkdir()
        (tmp_path / "deep" / "log").write_bytes(b"\x00" + keys["GROQ_API_KEY"].encode() + b"\xff")
        assert find_words(tmp_path, keys) == [f"GROQ_API_KEY in {Path('deep') / 'log'}"]


@pytest.fixture(scope="session")
def adversarial_run(make_once: Callable[[str, Callable[[Path], None]], Path]) -> tuple[Path, str]:
    """A data directory with adversarial responses only, in both stages, and the output of the commands."""

    def make(folder: Path) -> None:
        models = [word for name in MODELS.values() for word in ("--model", name)]
        with SandboxServer(batch_seconds=0, faults=[{"name": "hostile_words"}]) as server:
            environment = {**os.environ, **build_variables(server, make_keys(), folder / "data")}
            assert run(folder, environment, "import", write_palettes(folder)) == 0
            assert run(folder, environment, "backfill", *models, "--analysis-count", 2) == 0
            assert run(folder, environment, "poll", "--watch", "--interval", 0.1) == 0
            for command in ("status", "quarantine", "scorecard"):
                assert run(folder, environment, command) == 0

    folder = make_once("adversarial", make)
    return folder / "data", (folder / "output.txt").read_text("utf-8")


@pytest.fixture
def adversarial_data(adversarial_run: tuple[Path, str]) -> Path:
    return adversarial_run[0]


class TestAdversarialResponses:
    """Raw responses are kept unchanged, and everything derived from them is plain text."""

    def test_they_are_stored_and_every_table_exists(self, adversarial_data: Path) -> None:
        with grabient_pipeline.connect(adversarial_data) as connection:
            raw = "\n".join(text for (text,) in connection.execute("SELECT text FROM tag_responses").fetchall() if text)
            ((palettes, refined),) = connection.execute(
                "SELECT (SELECT count(*) FROM palettes), (SELECT count(*) FROM palette_tag_refined)"
            ).fetchall()
        assert "drop/**/table/**/palettes" in raw
        assert "<script>alert(1)</script>" in raw
        assert palettes == refined == PALETTES

    def test_tags_are_harmless_in_every_format(self, adversarial_data: Path) -> None:
        tags = select_tags(adversarial_data)
        assert tags
        for tag in tags:
            assert tag.isprintable(), tag
            assert not re.search(r"[<>{}\[\]\"\\|]", tag), tag
            assert tag[0] not in "=+-@", tag
            assert "\u202e" not in tag

    def test_an_export_contains_no_spreadsheet_formula(self, adversarial_data: Path, tmp_path: Path) -> None:
        export, texts = tmp_path / "tags.csv", tmp_path / "texts.csv"
        with grabient_pipeline.connect(adversarial_data) as connection:
            connection.sql(
                "SELECT seed, unnest(tags.associations) AS tag FROM palette_tags WHERE tags IS NOT NULL"
            ).write_csv(str(export))
            connection.sql("SELECT embed_text FROM palette_tag_refined").write_csv(str(texts))
        for path in (export, texts):
            rows = list(csv.reader(io.StringIO(path.read_text("utf-8"))))
            assert len(rows) > 1
            # A seed may start with a minus; it is not the model's.
            assert not [row for row in rows if row[-1].startswith(("=", "+", "-", "@", "\t", "\r"))]

    def test_terminal_output_has_no_control_characters(self, adversarial_run: tuple[Path, str]) -> None:
        _, output = adversarial_run
        assert "usable" in output
        assert [character for character in output if not (character.isprintable() or character == "\n")] == []

    def test_dagster_metadata_contains_no_markup(self, adversarial_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("GRABIENT_DATA_DIR", str(adversarial_data))
        monkeypatch.setenv("GRABIENT_REFINEMENT_MODEL", "none")
        monkeypatch.setenv("DAGSTER_HOME", str(write_dagster_home(Settings(adversarial_data))))
        texts: list[str] = []
        with dg.DagsterInstance.get() as instance:
            materialize(instance, adversarial_data, "palette_tags", "palette_tag_consensus", "palette_tag_refined")
            for name in ("palette_tags", "palette_tag_consensus", "palette_tag_refined"):
                event = instance.get_latest_materialization_event(dg.AssetKey(name))
                assert event is not None
                assert event.asset_materialization is not None
                for value in event.asset_materialization.metadata.values():
                    # The UI renders Markdown only: our own pictures, and rows of plain words.
                    if isinstance(value, dg.MarkdownMetadataValue):
                        for line in (value.md_str or "").splitlines():
                            assert re.fullmatch(rf"{_PICTURE}|(\| ({_PICTURE})?[\w ,.;'/-]*)+\|", line), line
                    else:
                        texts.append(str(value.value))
        assert len(texts) > 3
        assert not any(re.search(r"<\w|javascript:|\x1b", text) for text in texts)


_PICTURE = r"!\[[\w ]*\]\(data:image/png;base64,[\w+/=]+\)"


def test_the_sandbox_sends_every_kind_of_adversarial_text() -> None:
    """The tests above prove nothing about a kind of text that the sandbox never sends."""
    for kind in ("drop/**/table", "<script>", "onerror=", "javascript:", "\x1b[", "\x1b]", "\u202e", "=cmd", "@sum"):
        assert any(kind in word for word in WORDS), kind


def select_tags(data_dir: Path) -> set[str]:
    fields = ("mood", "style", "harmony", "seasonal", "associations")
    tags: set[str] = set()
    with grabient_pipeline.connect(data_dir) as connection:
        for table in ("palette_tags", "palette_tag_refined", "palette_tag_consensus"):
            for field in fields:
                column = (
                    f"tags.{field}" if table != "palette_tag_consensus" else f"list_transform({field}, lambda x: x.tag)"
                )
                tags |= select_words(connection, f"SELECT DISTINCT unnest({column}) FROM {table}")  # noqa: S608
    return tags


def select_words(connection: duckdb.DuckDBPyConnection, sql: str) -> set[str]:
    return {word for (word,) in connection.execute(sql).fetchall() if word is not None}


def find_listeners(pids: set[int]) -> list[tuple[str, int]]:
    """Return the addresses and ports on which these processes listen, from /proc."""
    inodes: set[str] = set()
    for pid in pids:
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            if match := re.fullmatch(r"socket:\[(\d+)\]", str(descriptor.readlink())):
                inodes.add(match[1])
    found: list[tuple[str, int]] = []
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            # 0A is the state of a listening socket.
            if fields[3] == "0A" and fields[9] in inodes:
                address, port = fields[1].split(":")
                found.append((address, int(port, 16)))
    return found


# 127.0.0.1 in /proc/net/tcp.
LOOPBACK = "0100007F"


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="needs Linux's /proc")
def test_the_sandbox_listens_on_localhost_only() -> None:
    with SandboxServer(where="process") as server:
        assert find_listeners({server.pid}) == [(LOOPBACK, server.port)]
