"""`grabient gallery`."""

from __future__ import annotations

from pathlib import Path

import pytest

from grabient_pipeline_tests.cli.conftest import Grabient


def test_it_prints_the_path(grabient: Grabient, three_palettes: Path, data_dir: Path) -> None:
    path = data_dir / "gallery" / "index.html"
    assert grabient("gallery").out == f"3 palettes in {path}\n"
    assert grabient("gallery").out == f"3 palettes in {path}, unchanged\n"
    result = grabient("gallery", "--json").json
    assert result == {"palettes": 3, "path": str(path), "size_bytes": path.stat().st_size, "written": False}


def test_an_empty_gallery_has_a_page(grabient: Grabient, data_dir: Path) -> None:
    assert grabient("gallery").out == f"0 palettes in {data_dir / 'gallery' / 'index.html'}\n"


def test_it_opens_in_the_browser(process: Grabient, three_palettes: Path, data_dir: Path, tmp_path: Path) -> None:
    opened = tmp_path / "opened"
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\nprintf %s "$1" > {opened}\n')
    browser.chmod(0o755)
    result = process("gallery", "--open", BROWSER=f"{browser} %s")
    assert result.status == 0
    assert opened.read_text() == (data_dir / "gallery" / "index.html").as_uri()


def test_without_a_browser_it_names_the_page(
    process: Grabient, three_palettes: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    result = process("gallery", "--open", BROWSER="/bin/false %s", PATH="")
    assert result.status == 1
    assert str(data_dir / "gallery" / "index.html") in result.err
