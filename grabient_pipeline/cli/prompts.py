"""`grabient prompts`: the versions of the prompts."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from grabient_pipeline.cli import lazy, terminal
from grabient_pipeline.cli.command_line import Json, application
from grabient_pipeline.formatting import dollars, pluralize

if TYPE_CHECKING:
    from grabient_pipeline.batches.prompt_versions import PromptVersion

_Version = Annotated[str, typer.Argument(metavar="VERSION", help="A version, or its first characters.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    group = application("prompts", "List, read, compare and choose prompt versions.")
    group.command("list", epilog="Example: grabient prompts list")(list_)
    group.command("show", epilog="Example: grabient prompts show 3f2a")(show)
    group.command("diff", epilog="Example: grabient prompts diff 3f2a 91bc")(diff)
    group.command("count", epilog="Example: grabient prompts count 3f2a 91bc; grabient prompts count --all")(count)
    app.add_typer(group)


def list_(json: Json = False) -> None:
    """List prompt versions with their results. The newest version of each stage comes first."""
    versions = lazy.Pipeline.from_environment().list_prompts()
    if json:
        terminal.say_json({"prompts": [_facts(each) for each in versions]})
        return
    terminal.say_table(
        ["version", "stage", "first used", "palettes", "models", "answers", "usable", "cost", "counts", ""],
        [
            [
                each.version,
                each.stage,
                f"{each.created_at:%Y-%m-%d}" if each.created_at else "never",
                f"{each.palettes:,}",
                f"{each.models:,}",
                f"{each.answers:,}",
                f"{each.usable:,}",
                dollars(each.cost_usd),
                "last" if each.counts_last else "yes" if each.counts else "no",
                ", ".join(_notes(each)),
            ]
            for each in versions
        ],
        right={"palettes", "models", "answers", "usable", "cost"},
        styles=["" if each.counts else "dim" for each in versions],
    )
    if any(each.counts_last and each.answers for each in versions):
        terminal.note(
            "last: counts for palettes without an answer to another version; grabient prompts count VERSION chooses it"
        )


def show(version: _Version, json: Json = False) -> None:
    """Show the full text of a version."""
    prompt = lazy.Pipeline.from_environment().find_prompt(version)
    if json:
        terminal.say_json({**_facts(prompt), "content": prompt.content})
        return
    for line in lazy.readable(prompt.content).splitlines() or ["(the text of this version is not known)"]:
        terminal.say(line)


def diff(
    before: Annotated[str, typer.Argument(metavar="A", help="A version, or its first characters.")],
    after: Annotated[str, typer.Argument(metavar="B", help="Another version.")],
) -> None:
    """Show the changes between two versions as a unified diff."""
    pipeline = lazy.Pipeline.from_environment()
    changes = lazy.diff_prompts(pipeline.find_prompt(before), pipeline.find_prompt(after)).splitlines()
    for line in changes:
        terminal.say(line, {"+": "green", "-": "red", "@": "cyan"}.get(line[:1], ""))
    if not changes:
        terminal.note("The two versions have the same text.")


def count(
    versions: Annotated[
        list[str] | None, typer.Argument(metavar="[VERSION]...", help="The versions that count.", show_default=False)
    ] = None,
    all_: Annotated[bool, typer.Option("--all", help="Let all versions count again.")] = False,
    json: Json = False,
) -> None:
    """Choose the versions that count towards consensus and refinement. A stage without a named version counts all."""
    if bool(versions) == all_:
        raise typer.BadParameter("name the versions that count, or pass --all")
    counting = lazy.Pipeline.from_environment().count_prompts(versions or ())
    if json:
        terminal.say_json({"counting": [each.version for each in counting]})
        return
    for each in counting:
        terminal.say(f"{each.version} {each.stage}, {pluralize(each.usable, 'usable answer')}")


def _notes(prompt: PromptVersion) -> list[str]:
    return [
        note
        for note, holds in (
            ("current", prompt.current),
            ("with pictures", prompt.with_image),
            ("text not known", not prompt.content),
            (prompt.message or "", bool(prompt.message)),
        )
        if holds
    ]


def _facts(prompt: PromptVersion) -> dict[str, Any]:
    facts = asdict(prompt)
    del facts["content"]
    return {**facts, "current": prompt.current, "has_content": bool(prompt.content)}
