"""Prompt versions: which there are, what changed between two, and which of them count.

A version is recorded with its full content when it is first sent, or imported from the earlier system under the hash
that it had there. `tagging.prompts` decides what a version consists of.
"""

from __future__ import annotations

import datetime as dt
import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import cast

import duckdb
import orjson

from grabient_pipeline.errors import UnknownPromptError
from grabient_pipeline.tagging import REFINEMENT_PROMPT, TAGGING_IMAGE_PROMPT, TAGGING_PROMPT, Prompt
from grabient_pipeline.warehouse import Warehouse, sql, transaction

CURRENT = {prompt.version: prompt for prompt in (TAGGING_PROMPT, TAGGING_IMAGE_PROMPT, REFINEMENT_PROMPT)}


@dataclass(frozen=True, slots=True)
class PromptVersion:
    """A version and its results. `content` is empty if it is not known; costs are US dollars.

    `created_at`: None for today's prompt if it was never sent. `counts`: whether consensus or refinement use it.
    `with_image`: whether the picture of the palette is attached. `counts_last`: whether it counts only for palettes for
    which no other version does, since it has pictures and was not chosen.
    """

    version: str
    stage: str
    content: str
    message: str | None
    created_at: dt.datetime | None
    answers: int
    usable: int
    palettes: int
    models: int
    cost_usd: float
    counts: bool
    with_image: bool
    counts_last: bool

    @property
    def current(self) -> bool:
        """Whether it is the one sent today."""
        return self.version in CURRENT


def list_prompts(warehouse: Warehouse) -> list[PromptVersion]:
    """Return all versions, the newest of each stage first; today's also if they were never sent."""
    with warehouse.connect() as connection:
        return _read_versions(connection)


def find_prompt(warehouse: Warehouse, version: str) -> PromptVersion:
    """Return a version by its hash or the beginning of it.

    Raises:
        UnknownPromptError: none or several begin like that.
    """
    return _match(list_prompts(warehouse), version)


def diff_prompts(before: PromptVersion, after: PromptVersion) -> str:
    """Return a unified diff of two contents as people read them."""
    lines = difflib.unified_diff(
        readable(before.content).splitlines(),
        readable(after.content).splitlines(),
        before.version,
        after.version,
        lineterm="",
    )
    return "\n".join(lines)


def count_prompts(warehouse: Warehouse, versions: Sequence[str]) -> list[PromptVersion]:
    """Let only these versions of their stages count from now on; with none, all count again.

    Raises:
        UnknownPromptError: there is no such version; nothing is changed.
    """
    with warehouse.connect() as connection, transaction(connection):
        known = _read_versions(connection)
        chosen = {_match(known, version).version for version in versions}
        connection.execute("DELETE FROM counted_prompt_versions")
        for version in sorted(chosen):
            connection.execute("INSERT INTO counted_prompt_versions VALUES (?, now())", [version])
            if version in CURRENT:
                # It may never have been sent, and counts from its first response on.
                register_prompt(connection, CURRENT[version])
        return [each for each in _read_versions(connection) if each.counts]


def register_prompt(connection: duckdb.DuckDBPyConnection, prompt: Prompt) -> None:
    """Record a prompt version with its full content, unless it is recorded already."""
    connection.execute(
        sql(__package__, "register_prompt"),
        {
            "version": prompt.version,
            "stage": prompt.stage,
            "content": prompt.content,
            "with_image": prompt.with_image,
        },
    )


def readable(content: str) -> str:
    """Return a content as people read it: ours is JSON, and its texts are shown with their line breaks."""
    try:
        parts = orjson.loads(content)
    except orjson.JSONDecodeError:
        return content
    if not isinstance(parts, dict):
        return content
    return "\n".join(_lines(cast("dict[str, object]", parts)))


def _lines(parts: dict[str, object]) -> Iterator[str]:
    for name, part in parts.items():
        yield f"== {name}"
        yield part if isinstance(part, str) else orjson.dumps(part, option=orjson.OPT_INDENT_2).decode()


def _read_versions(connection: duckdb.DuckDBPyConnection) -> list[PromptVersion]:
    found = [PromptVersion(*row) for row in connection.execute(sql(__package__, "prompt_versions")).fetchall()]
    ((chosen,),) = connection.execute(
        "SELECT coalesce(list(DISTINCT stage), []) FROM counted_prompt_versions JOIN prompt_versions USING (version)"
    ).fetchall()
    known = {each.version for each in found}
    unsent = [
        _unsent(version, prompt, counts=prompt.stage not in chosen)
        for version, prompt in CURRENT.items()
        if version not in known
    ]
    return sorted([*unsent, *found], key=lambda each: each.stage, reverse=True)


def _unsent(version: str, prompt: Prompt, *, counts: bool) -> PromptVersion:
    """Return a version of today that was never sent."""
    return PromptVersion(
        version,
        prompt.stage,
        prompt.content,
        message=None,
        created_at=None,
        answers=0,
        usable=0,
        palettes=0,
        models=0,
        cost_usd=0.0,
        counts=counts,
        with_image=prompt.with_image,
        counts_last=counts and prompt.with_image,
    )


def _match(known: Sequence[PromptVersion], version: str) -> PromptVersion:
    matching = [each for each in known if each.version.startswith(version)] if version else []
    exact = [each for each in matching if each.version == version]
    if len(exact or matching) == 1:
        return (exact or matching)[0]
    several = (
        f"{len(matching)} prompt versions begin with {version!r}"
        if matching
        else f"there is no prompt version {version!r}"
    )
    raise UnknownPromptError(f"{several}; grabient prompts list shows them")
