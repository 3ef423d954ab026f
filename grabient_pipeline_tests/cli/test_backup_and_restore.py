"""`grabient backup`, `grabient restore`, `grabient resume`, and what the others say about backups."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from grabient_pipeline.settings import Settings
from grabient_pipeline.warehouse.restore import back_up
from grabient_pipeline.warehouse.warehouse import Warehouse
from grabient_pipeline_tests.cli.conftest import CommandResult, Grabient
from grabient_pipeline_tests.object_server import make_bucket, object_server

SECRET = "secret-77aa"


@pytest.fixture
def ledger(grabient: Grabient, three_palettes: Path, data_dir: Path) -> Settings:
    """A ledger of three palettes, published."""
    assert grabient("status").status == 0
    return Settings(data_dir)


def line_of(result: CommandResult) -> str:
    (line,) = result.err.splitlines()
    assert (result.status, result.out) == (1, "")
    return line


COMMANDS = (
    *("status", "poll", "dev", "config get", "config set backups 1,1,1", "prompts list", "plan", "gallery", "import"),
    *("reconcile", "quarantine", "cancel --all", "backup", "export", "resume"),
)


def test_every_command_names_the_way_back(grabient: Grabient, ledger: Settings) -> None:
    shutil.rmtree(ledger.state_dir)
    before = ledger.published.read_bytes()
    for command in COMMANDS:
        line = line_of(grabient(*command.split()))
        assert "is missing, but its copy" in line, command
        assert line.endswith("grabient restore puts the newest good copy back"), command
        assert not ledger.state_dir.exists(), command
    assert ledger.published.read_bytes() == before


def test_a_lost_ledger_is_restored(grabient: Grabient, ledger: Settings) -> None:
    shutil.rmtree(ledger.state_dir)
    assert "pass --yes to confirm" in grabient("restore").err
    assert not ledger.warehouse.exists()
    result = grabient("restore", "--yes")
    assert result.status == 0, result.err
    assert "chosen: " in result.err
    assert "Restored " in result.out
    assert "0 answers, 0 batches (0 open), $0.00, revision 2" in result.out
    assert "No provider was asked, because no API key is set" in result.out
    status = grabient("status")
    assert "grabient resume lifts it" in status.out
    assert grabient("resume").out == "What is paid for by itself goes on.\n"
    assert grabient("resume").out == "Nothing is paused after a restore.\n"
    assert "grabient resume" not in grabient("status").out


def test_a_good_ledger_is_left_alone(grabient: Grabient, ledger: Settings) -> None:
    before = ledger.warehouse.read_bytes()
    assert grabient("restore", "--yes").out.startswith("Nothing was restored: ")
    assert ledger.warehouse.read_bytes() == before
    ledger.published.write_bytes(b"\0" * 8192)
    result = grabient("restore", "--yes", "--json").json
    (kept,) = result["kept"]
    assert Path(kept).read_bytes() == b"\0" * 8192
    assert grabient("status").status == 0


def test_what_a_copy_lacks_is_said(grabient: Grabient, ledger: Settings) -> None:
    older = back_up(Warehouse.at(ledger), ledger.data_dir / "backups")
    grabient("config", "set", "tag-analysis-count", 3)
    result = grabient("restore", older.path)
    assert result.status == 1
    assert f"{ledger.warehouse} is ahead (revision 3, not 2)" in result.err
    assert f"chosen: {older.path}" in result.err


def test_restore_in_json(grabient: Grabient, ledger: Settings) -> None:
    shutil.rmtree(ledger.state_dir)
    result = grabient("restore", "--yes", "--json").json
    assert (result["revision"], result["restored_revision"], result["kept"]) == (2, 3, [])


def test_backups_are_written_and_shown(grabient: Grabient, ledger: Settings, tmp_path: Path) -> None:
    assert "backups         none yet" in grabient("status").out
    written = grabient("backup").out
    (snapshot,) = (ledger.data_dir / "backups").iterdir()
    assert written.startswith(f"Wrote {snapshot} (")
    assert (
        f"backups         1 ({snapshot.stat().st_size / 1e6:,.1f} MB), the newest 0 min old" in grabient("status").out
    )
    assert grabient("status", "--json").json["backups"]["newest"] == str(snapshot)
    assert Path(grabient("backup", tmp_path / "other", "--json").json["path"]).parent == tmp_path / "other"


@pytest.mark.parametrize(("value", "stored"), [("2,0,0", "2,0,0"), ("off", "0,0,0")])
def test_the_number_of_backups_is_a_setting(grabient: Grabient, ledger: Settings, value: str, stored: str) -> None:
    assert grabient("config", "set", "backups", value).out == f"backups {stored}\n"
    assert grabient("config", "get", "--json").json["backups"] == stored
    assert "three numbers such as 3,7,4" in line_of(grabient("config", "set", "backups", "many"))


def test_damage_that_a_reader_meets_is_explained(grabient: Grabient, ledger: Settings) -> None:
    content = bytearray(ledger.published.read_bytes())
    for place in range(12_288 + 1_000, len(content), 262_144):
        content[place : place + 7] = b"damaged"
    stamp = ledger.published.stat().st_mtime_ns
    ledger.published.write_bytes(content)
    os.utime(ledger.published, ns=(stamp, stamp))
    line = line_of(grabient("status"))
    assert "is damaged (" in line
    assert line.endswith("grabient restore puts the newest good copy back")


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with object_server() as address:
        yield address


class TestBucket:
    @pytest.fixture
    def bucket(
        self, server: str, ledger: Settings, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
    ) -> str:
        name = f"backups-{abs(hash(request.node.nodeid)) % 10**9}"
        make_bucket(server, name)
        for variable, value in (
            ("R2_ENDPOINT", server),
            ("R2_ACCESS_KEY_ID", "key-id"),
            ("R2_SECRET_ACCESS_KEY", SECRET),
        ):
            monkeypatch.setenv(variable, value)
        return f"s3://{name}/grabient/copies"

    def test_a_lost_data_directory_comes_back(self, grabient: Grabient, ledger: Settings, bucket: str) -> None:
        address = grabient("backup", bucket, "--json").json["address"]
        grabient("config", "set", "tag-analysis-count", 3)
        grabient("backup", bucket)
        shutil.rmtree(ledger.data_dir)
        assert grabient("restore", bucket, "--yes").status == 0
        assert "tag-analysis-count 3" in grabient("config", "get").out
        assert grabient("restore", address, "--yes").status == 0
        assert "tag-analysis-count 8" in grabient("config", "get").out

    def test_what_is_wrong_is_said_in_one_line(
        self, grabient: Grabient, ledger: Settings, bucket: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert "there is no backup of a ledger at" in line_of(grabient("restore", bucket, "--yes"))
        assert "is not a place such as s3://bucket/folder" in line_of(grabient("backup", "s3://"))
        assert "there is no bucket" in line_of(grabient("backup", "s3://absent-bucket/x"))
        monkeypatch.delenv("R2_ENDPOINT")
        line = line_of(grabient("backup", bucket))
        assert "a backup in a bucket needs settings: set R2_ENDPOINT" in line
        assert SECRET not in line
