"""The data directory, with and without a checkout."""

from __future__ import annotations

from pathlib import Path

from grabient_pipeline import settings as settings_module
from grabient_pipeline.settings import PROJECT_ROOT, SAMPLE_PALETTES, Settings


def test_a_checkout_has_its_own_data_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert Path(__file__).parents[1] == PROJECT_ROOT
    assert Settings.from_environment({}).data_dir == PROJECT_ROOT / "data"


def test_a_wheel_uses_the_data_directory_in_the_working_directory(tmp_path, monkeypatch):
    monkeypatch.setattr(settings_module, "PROJECT_ROOT", None)
    monkeypatch.chdir(tmp_path)
    assert Settings.from_environment({}).data_dir == tmp_path / "data"
    assert Settings.from_environment({"GRABIENT_DATA_DIR": ""}).data_dir == tmp_path / "data"
    assert Settings.from_environment({"GRABIENT_DATA_DIR": "here"}).data_dir == tmp_path / "here"


def test_the_sample_palettes_are_part_of_the_package():
    assert SAMPLE_PALETTES.parent.parent == Path(settings_module.__file__).parent
    assert SAMPLE_PALETTES.with_name("SAMPLE_PALETTES.md").is_file()


def test_only_the_default_data_directory_announces_a_new_ledger(tmp_path, monkeypatch):
    monkeypatch.setattr(settings_module, "PROJECT_ROOT", None)
    monkeypatch.chdir(tmp_path)
    settings = Settings.from_environment({})
    assert settings.new_ledger_notice == (
        f"Starting a new ledger in {tmp_path / 'data'} (set GRABIENT_DATA_DIR to use another folder)"
    )
    assert settings.demo().new_ledger_notice is None
    assert Settings.from_environment({"GRABIENT_SANDBOX": "1"}).new_ledger_notice is None
    assert Settings.from_environment({"GRABIENT_DATA_DIR": "elsewhere"}).new_ledger_notice is None
