"""The documents: generated ones are current; every command, link and message in the others exists."""

from __future__ import annotations

import importlib.util
import re
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest
import typer

from grabient_pipeline.pipeline import Pipeline
from grabient_pipeline.providers.catalogue import load_catalogue
from grabient_pipeline.settings import VARIABLES, Settings

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
README = ROOT / "README.md"
README_MAX_LINES = 130
TROUBLESHOOTING = ROOT / "docs" / "troubleshooting.md"

_BLOCK = re.compile(r"^( *)```sh\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`(grabient [^`]+)`")
_LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
_TARGET = re.compile(r"^([a-z-]+):", re.MULTILINE)


def command_lines() -> list[tuple[str, str]]:
    """Return (document, line) for every line of a shell block and every complete command in the text."""
    found: list[tuple[str, str]] = []
    for document in DOCUMENTS:
        text = document.read_text("utf-8")
        lines = [line.strip() for _, block in _BLOCK.findall(text) for line in block.splitlines()]
        lines = re.sub(r"\\\n\s*", " ", "\n".join(lines)).splitlines()
        lines += [line for line in _INLINE.findall(text) if not re.search(r"[A-Z]{2,}|, | or |\[", line)]
        found += [(document.name, line) for line in dict.fromkeys(lines) if line and not line.startswith("#")]
    return found


def words_of(line: str) -> list[str]:
    """Return the words of a command, without variables before it and comments or pipes after it."""
    words = shlex.split(line.removesuffix("\\"), comments=True)
    while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
        words.pop(0)
    return [word for word in words[: words.index("|") if "|" in words else None] if word != "..."]


GRABIENT = [pair for pair in command_lines() if words_of(pair[1])[:1] in (["grabient"], [".venv/bin/grabient"])]
MAKE = [pair for pair in command_lines() if words_of(pair[1])[:1] == ["make"]]


@pytest.fixture(scope="module")
def application() -> Any:
    from grabient_pipeline.cli import app

    return typer.main.get_command(app)


def test_the_documents_contain_commands():
    assert len(GRABIENT) > 30
    assert len(MAKE) > 5


@pytest.mark.parametrize(("document", "line"), GRABIENT)
def test_every_command_exists(application: Any, document: str, line: str):
    """The command line is parsed with all its options, but not executed."""
    command = application
    words = words_of(line)[1:]
    while hasattr(command, "commands") and words and not words[0].startswith("-"):
        name = words.pop(0).rstrip(",.")
        assert name in command.commands, f"{document}: there is no command {name!r}"
        command = command.commands[name]
    if words and "--help" not in words:
        command.make_parser(command.context_class(command)).parse_args(words)


@pytest.mark.parametrize(("document", "line"), MAKE)
def test_every_make_target_exists(document: str, line: str):
    target = words_of(line)[1:2]
    if target:
        assert target[0] in _TARGET.findall((ROOT / "Makefile").read_text("utf-8")), document


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_relative_link_has_a_target(document: Path):
    links = [link for link in _LINK.findall(document.read_text("utf-8")) if "://" not in link]
    assert [link for link in links if not (document.parent / link).exists()] == []


def linked_from(document: Path) -> set[Path]:
    """Return the documents that a document links to."""
    links = (document.parent / link for link in _LINK.findall(document.read_text("utf-8")) if "://" not in link)
    return {link.resolve() for link in links if link.suffix == ".md"}


def test_every_document_is_linked_from_the_readme_or_from_an_index_that_it_links():
    linked = linked_from(README)
    indexes = {document for document in linked if document.name == "README.md"}
    linked = linked.union(*(linked_from(index) for index in indexes))
    assert [str(path.relative_to(ROOT)) for path in (ROOT / "docs").rglob("*.md") if path not in linked] == []


def test_the_readme_stays_short():
    assert len(README.read_text("utf-8").splitlines()) <= README_MAX_LINES


def test_every_explained_message_exists():
    """A heading quotes a message; an ellipsis stands for the part that varies."""
    source = " ".join(
        # Long messages span several lines of source.
        re.sub(r'"\s*\n\s*(?:\+ )?f?"', "", path.read_text("utf-8"))
        for path in (ROOT / "grabient_pipeline").rglob("*.py")
    )
    messages = re.findall(r"^## `(.+)`$", TROUBLESHOOTING.read_text("utf-8"), re.MULTILINE)
    assert len(messages) > 10
    parts = [part.strip() for message in messages for part in message.split("…")]
    assert [part for part in parts if part and part not in source] == []


@pytest.fixture(scope="module")
def write_docs() -> Any:
    spec = importlib.util.spec_from_file_location("write_docs", ROOT / "scripts" / "write_docs.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["write_docs"] = module
    spec.loader.exec_module(module)
    return module


def test_the_table_reference_is_current(write_docs: Any, tmp_path: Path):
    written = (ROOT / "docs" / "tables.md").read_text("utf-8")
    assert write_docs.tables(Pipeline(Settings(tmp_path), {})) == written, "python scripts/write_docs.py"
    assert "|  |\n" not in written, "a column without a comment"


def test_the_command_reference_is_current(write_docs: Any, monkeypatch: pytest.MonkeyPatch):
    written = (ROOT / "docs" / "reference.md").read_text("utf-8")
    for columns in ("40", "200"):
        monkeypatch.setenv("COLUMNS", columns)
        assert write_docs.reference() == written, "python scripts/write_docs.py reference"


def test_every_variable_is_in_the_reference():
    source = " ".join(path.read_text("utf-8") for path in (ROOT / "grabient_pipeline").rglob("*.py"))
    used = set(re.findall(r"""["']((?:GRABIENT|R2|CF|CLOUDFLARE)_[A-Z0-9_]+)["']""", source))
    assert {"GRABIENT_DATA_DIR", "CF_API_TOKEN", "R2_BUCKET"} <= used
    assert used - {variable.name for variable in VARIABLES} == set()


def test_the_costs_are_current(write_docs: Any, tmp_path: Path):
    keys = {provider.key_variable: "x" for provider in load_catalogue().providers.values()}
    pipeline = Pipeline(Settings(tmp_path), keys)
    pipeline.import_sample_palettes()
    costs = (ROOT / "docs" / "costs.md").read_text("utf-8")
    assert write_docs.tagging_costs(pipeline) in costs, "python scripts/write_docs.py"
