"""The file: its content, and how it is written. Needs no browser."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from grabient_pipeline.errors import SettingsError
from grabient_pipeline.gallery import build_gallery
from grabient_pipeline_tests.gallery.conftest import HOSTILE, MODELS, Gallery


class Document(HTMLParser):
    """The elements of a page, and the text of its scripts and styles as a browser parses it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[dict[str, str | None], str]] = []
        self._inside = False
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._inside = tag in ("script", "style")
        if self._inside:
            self.texts.append((dict(attrs), ""))

    def handle_data(self, data: str) -> None:
        if self._inside:
            attributes, text = self.texts[-1]
            self.texts[-1] = (attributes, text + data)

    def handle_endtag(self, tag: str) -> None:
        self._inside = False

    def json(self, **attributes: str) -> list[Any]:
        return [json.loads(text) for own, text in self.texts if attributes.items() <= own.items()]


@pytest.fixture(scope="module")
def document(gallery: Gallery) -> Document:
    return Document(gallery.path.read_text("utf-8"))


def test_an_unchanged_gallery_is_not_written(gallery: Gallery) -> None:
    before = gallery.path.stat()
    report = gallery.pipeline.build_gallery()
    assert (report.palettes, report.written, report.size) == (18, False, before.st_size)
    after = gallery.path.stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_changed_gallery_replaces_the_file(gallery: Gallery, tmp_path: Path) -> None:
    path = tmp_path / "gallery" / "index.html"
    path.parent.mkdir()
    path.write_text("an older one")
    with path.open() as reader:
        assert build_gallery(gallery.pipeline.settings.data_dir, path).written
        # A reader that has the old file open is not disturbed.
        assert reader.read() == "an older one"
    assert path.read_bytes() == gallery.path.read_bytes()
    assert [file.name for file in path.parent.iterdir()] == ["index.html"]
    assert path.stat().st_mode & 0o777 == 0o644


def test_an_unwritable_folder_is_explained(gallery: Gallery, tmp_path: Path) -> None:
    in_the_way = tmp_path / "gallery"
    in_the_way.write_text("a file in its place")
    with pytest.raises(SettingsError, match="cannot write the gallery to .*make its folder writable"):
        build_gallery(gallery.pipeline.settings.data_dir, in_the_way / "index.html")


def test_the_policy_allows_exactly_the_files_of_the_page(document: Document) -> None:
    (policy,) = [attributes["content"] for _, attributes in document.elements if "http-equiv" in attributes]
    rules = {name: values for name, *values in (rule.split() for rule in (policy or "").split(";"))}
    assert rules["default-src"] == ["'none'"]

    def hashes(texts: list[str]) -> set[str]:
        digests = [hashlib.sha256(text.encode()).digest() for text in texts]
        return {f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests}

    scripts = [text for attributes, text in document.texts if text.startswith('"use strict"')]
    assert len(scripts) > 5
    assert set(rules["script-src"]) == hashes(scripts)
    styles = [text for attributes, text in document.texts if text.startswith("/*")]
    assert set(rules["style-src"]) == hashes(styles)
    assert not set(rules) & {"connect-src", "font-src", "frame-src"}
    assert rules["img-src"] == ["data:"]


def test_nothing_is_fetched(document: Document) -> None:
    for _, attributes in document.elements:
        assert not set(attributes) & {"src", "srcset", "action", "style", "onload", "onclick", "onerror"}
        assert (attributes.get("href") or "#").startswith(("#", "data:"))
    for attributes, text in document.texts:
        if "type" not in attributes:
            assert not re.search(r"https?://|@import|url\(|innerHTML|eval\(", text)


def test_no_word_closes_its_script_element(gallery: Gallery, document: Document) -> None:
    page = gallery.path.read_text("utf-8")
    assert not [character for character in "\u2028\u2029" if character in page]
    assert "window.broken" in page
    (palettes,) = document.json(id="palettes-data")
    assert set(HOSTILE) <= set(palettes["words"])
    # A word that closed its script element would have changed the number of scripts.
    blocks = document.json(**{"class": "details"})
    assert len(document.texts) == 1 + 10 + 2 + len(blocks)


def test_the_data_equal_the_tables(gallery: Gallery, document: Document) -> None:
    (palettes,) = document.json(id="palettes-data")
    assert palettes["models"] == sorted(MODELS)
    (block,) = document.json(**{"class": "details"})
    words = palettes["words"]
    counted = {
        (palette, field, tag): (round(100 * share), answers, models)
        for palette, field, tag, share, answers, models in gallery.rows(
            "SELECT palette_id, field, tag, share, answers, models FROM consensus_tags JOIN palettes USING (seed)"
        )
    }
    (vocabulary,) = document.json(id="vocabulary")
    embedded = {}
    for palette, fields in zip(palettes["id"], block["votes"], strict=True):
        for field, flat in zip(vocabulary["fields"], fields, strict=True):
            for word, share, answers, models in zip(*[iter(flat)] * 4, strict=True):
                names = [palettes["models"][model] for model in palettes["model_sets"][models]]
                embedded[palette, field, words[word]] = (share, answers, names)
    assert embedded == counted
    assert len(embedded) > 300


def test_costs_include_unusable_answers(gallery: Gallery, document: Document) -> None:
    (palettes,) = document.json(id="palettes-data")
    paid = gallery.value("SELECT sum(cost_usd) FROM tag_batches")
    assert sum(palettes["cost"]) / 1e6 == pytest.approx(paid, abs=1e-6 * len(palettes["id"]))


@pytest.mark.parametrize("name", ["many_palettes", "empty_gallery"])
def test_galleries_without_tags(request: pytest.FixtureRequest, name: str) -> None:
    gallery: Gallery = request.getfixturevalue(name)
    document = Document(gallery.path.read_text("utf-8"))
    (palettes,) = document.json(id="palettes-data")
    assert set(palettes["id"]) == gallery.ids("true")
    assert palettes["models"] == []
    assert all(source == "measured" for source in palettes["text_source"])
    assert [block["first"] for block in document.json(**{"class": "details"})] == list(
        range(0, len(palettes["id"]), 200)
    )
