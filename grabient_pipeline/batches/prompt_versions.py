"""The versions of the prompts: which there were, what changed from one to another, and which of them count.

A version is registered with its full content when it is first sent, or comes from the earlier system with the hash that
it had there. What a version is made of is decided by `tagging.prompts`.
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
from grabient_pipeline.tagging import REFINEMENT_PROMPT, TAGGING_PROMPT
from grabient_pipeline.warehouse import Warehouse, sql, transaction

CURRENT = {prompt.version: prompt for prompt in (TAGGING_PROMPT, REFINEMENT_PROMPT)}


@dataclass(frozen=True, slots=True)
class PromptVersion:
    """A version and what was made of it. `content` is empty for one whose content nobody has; costs are US dollars.

    `created_at`: None for today's prompt if it was never sent. `counts`: whether consensus or refinement use it.
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

    @property
    def current(self) -> bool:
        """Whether it is what is sent today."""
        return self.version in CURRENT


def list_prompts(warehouse: Warehouse) -> list[PromptVersion]:
    """All versions, the newest of each stage first; today's also if they were never sent."""
    with warehouse.connect() as connection:
        return _listed(connection)


def find_prompt(warehouse: Warehouse, version: str) -> PromptVersion:
    """A version by its hash or the beginning of it.

    Raises:
        UnknownPromptError: none or several begin so.
    """
    return _found(list_prompts(warehouse), version)


def diff_prompts(before: PromptVersion, after: PromptVersion) -> str:
    """What changed, as a unified diff of the contents as people read them."""
    lines = difflib.unified_diff(
        readable(before.content).splitlines(),
        readable(after.content).splitlines(),
        before.version,
        after.version,
        lineterm="",
    )
    return "\n".join(lines)


def count_prompts(warehouse: Warehouse, versions: Sequence[str]) -> list[PromptVersion]:
    """Let only these versions count from now on, of the stages that they are of; with none, all do again.

    Raises:
        UnknownPromptError: there is no such version; nothing is changed.
    """
    with warehouse.connect() as connection, transaction(connection):
        known = _listed(connection)
        chosen = {_found(known, version).version for version in versions}
        connection.execute("DELETE FROM counted_prompt_versions")
        for version in sorted(chosen):
            connection.execute("INSERT INTO counted_prompt_versions VALUES (?, now())", [version])
            if version in CURRENT:
                # It may never have been sent, and counts from its first answer on.
                prompt = CURRENT[version]
                connection.execute(
                    "INSERT OR IGNORE INTO prompt_versions (version, stage, content, created_at) "
                    "VALUES (?, ?, ?, now())",
                    [version, prompt.stage, prompt.content],
                )
        return [each for each in _listed(connection) if each.counts]


def readable(content: str) -> str:
    """A content as people read it: ours is JSON, whose texts are shown as the lines that they have."""
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


def _listed(connection: duckdb.DuckDBPyConnection) -> list[PromptVersion]:
    found = [PromptVersion(*row) for row in connection.execute(sql(__package__, "prompt_versions")).fetchall()]
    ((chosen,),) = connection.execute(
        "SELECT coalesce(list(DISTINCT stage), []) FROM counted_prompt_versions JOIN prompt_versions USING (version)"
    ).fetchall()
    known = {each.version for each in found}
    unsent = [
        PromptVersion(version, prompt.stage, prompt.content, None, None, 0, 0, 0, 0, 0.0, prompt.stage not in chosen)
        for version, prompt in CURRENT.items()
        if version not in known
    ]
    return sorted([*unsent, *found], key=lambda each: each.stage, reverse=True)


def _found(known: Sequence[PromptVersion], version: str) -> PromptVersion:
    begun = [each for each in known if each.version.startswith(version)] if version else []
    exact = [each for each in begun if each.version == version]
    if len(exact or begun) == 1:
        return (exact or begun)[0]
    several = (
        f"{len(begun)} prompt versions begin with {version!r}" if begun else f"there is no prompt version {version!r}"
    )
    raise UnknownPromptError(f"{several}; grabient prompts list shows them")
