"""The documents: what is made from the code is as the code makes it; every command, file and message in them exists."""

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
from grabient_pipeline.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]
TROUBLES = ROOT / "docs" / "troubleshooting.md"

_BLOCK = re.compile(r"^( *)```sh\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`(grabient [^`]+)`")
_LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
_TARGET = re.compile(r"^([a-z-]+):", re.MULTILINE)


def command_lines() -> list[tuple[str, str]]:
    """(document, line) of every line in a block of shell, and of every command in the text that is written out."""
    found: list[tuple[str, str]] = []
    for document in DOCUMENTS:
        text = document.read_text("utf-8")
        lines = [line.strip() for _, block in _BLOCK.findall(text) for line in block.splitlines()]
        lines = re.sub(r"\\\n\s*", " ", "\n".join(lines)).splitlines()
        lines += [line for line in _INLINE.findall(text) if not re.search(r"[A-Z]{2,}|, | or |\[", line)]
        found += [(document.name, line) for line in dict.fromkeys(lines) if line and not line.startswith("#")]
    return found


def words_of(line: str) -> list[str]:
    """The words of a line, without what comes before or after the command: variables, comments, pipes."""
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


def test_there_are_commands_in_the_documents():
    assert len(GRABIENT) > 30
    assert len(MAKE) > 5


@pytest.mark.parametrize(("document", "line"), GRABIENT)
def test_every_command_is_one_that_there_is(application: Any, document: str, line: str):
    """It is read with all its options; nothing is carried out."""
    command = application
    words = words_of(line)[1:]
    while hasattr(command, "commands") and words and not words[0].startswith("-"):
        name = words.pop(0).rstrip(",.")
        assert name in command.commands, f"{document}: there is no command {name!r}"
        command = command.commands[name]
    if words and "--help" not in words:
        command.make_parser(command.context_class(command)).parse_args(words)


@pytest.mark.parametrize(("document", "line"), MAKE)
def test_every_target_of_make_is_one_that_there_is(document: str, line: str):
    target = words_of(line)[1:2]
    if target:
        assert target[0] in _TARGET.findall((ROOT / "Makefile").read_text("utf-8")), document


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_leads_somewhere(document: Path):
    links = [link for link in _LINK.findall(document.read_text("utf-8")) if "://" not in link]
    assert [link for link in links if not (document.parent / link).exists()] == []


def test_every_document_is_linked_from_the_readme():
    readme = (ROOT / "README.md").read_text("utf-8")
    assert [path.name for path in (ROOT / "docs").glob("*.md") if f"(docs/{path.name}" not in readme] == []


def test_every_message_that_is_explained_is_one_that_there_is():
    """A heading quotes what a message says; an ellipsis stands for what differs."""
    source = " ".join(
        # Messages are written over several lines.
        re.sub(r'"\s*\n\s*(?:\+ )?f?"', "", path.read_text("utf-8"))
        for path in (ROOT / "grabient_pipeline").rglob("*.py")
    )
    messages = re.findall(r"^## `(.+)`$", TROUBLES.read_text("utf-8"), re.MULTILINE)
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


def test_the_tables_are_those_of_the_schema(write_docs: Any, tmp_path: Path):
    written = (ROOT / "docs" / "tables.md").read_text("utf-8")
    assert write_docs.tables(Pipeline(Settings(tmp_path), {})) == written, "python scripts/write_docs.py"
    assert "|  |\n" not in written, "a column without a comment"


def test_the_costs_are_those_of_a_dry_run(write_docs: Any, tmp_path: Path):
    keys = {provider.key_variable: "x" for provider in load_catalogue().providers.values()}
    pipeline = Pipeline(Settings(tmp_path), keys)
    pipeline.import_sample_palettes()
    costs = (ROOT / "docs" / "costs.md").read_text("utf-8")
    assert write_docs.tagging_costs(pipeline) in costs, "python scripts/write_docs.py"
