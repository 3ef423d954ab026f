"""`grabient prompts` and `grabient plan`: what is asked, what was asked before, and what asking anew would cost."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from grabient_pipeline.cli.command_line import application
from grabient_pipeline.formatting import dollars, pluralize

if TYPE_CHECKING:
    from grabient_pipeline.batches.plan import Plan
    from grabient_pipeline.batches.prompt_versions import PromptVersion

_Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
_Version = Annotated[str, typer.Argument(metavar="VERSION", help="A version, or the beginning of one.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    group = application("prompts", "List, read, compare and choose prompt versions.")
    group.command("list", epilog="Example: grabient prompts list")(list_)
    group.command("show", epilog="Example: grabient prompts show 3f2a")(show)
    group.command("diff", epilog="Example: grabient prompts diff 3f2a 91bc")(diff)
    group.command("count", epilog="Example: grabient prompts count 3f2a 91bc; grabient prompts count --all")(count)
    app.add_typer(group)
    app.command("plan", epilog="Example: grabient plan --analysis-count 4")(plan)


def list_(json: _Json = False) -> None:
    """List the versions, the newest of each stage first, with what was made of them."""
    from grabient_pipeline.cli import terminal
    from grabient_pipeline.pipeline import Pipeline

    versions = Pipeline.from_environment().list_prompts()
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
                "yes" if each.counts else "no",
                ", ".join(_notes(each)),
            ]
            for each in versions
        ],
        right={"palettes", "models", "answers", "usable", "cost"},
        styles=["" if each.counts else "dim" for each in versions],
    )


def show(version: _Version, json: _Json = False) -> None:
    """Show the full content of a version."""
    from grabient_pipeline.batches.prompt_versions import readable
    from grabient_pipeline.cli import terminal
    from grabient_pipeline.pipeline import Pipeline

    found = Pipeline.from_environment().find_prompt(version)
    if json:
        terminal.say_json({**_facts(found), "content": found.content})
        return
    for line in readable(found.content).splitlines() or ["(its content is not known here)"]:
        terminal.say(line)


def diff(
    before: Annotated[str, typer.Argument(metavar="A", help="A version, or the beginning of one.")],
    after: Annotated[str, typer.Argument(metavar="B", help="Another.")],
) -> None:
    """Show what changed from one version to another, as a unified diff."""
    from grabient_pipeline.batches.prompt_versions import diff_prompts
    from grabient_pipeline.cli import terminal
    from grabient_pipeline.pipeline import Pipeline

    pipeline = Pipeline.from_environment()
    changes = diff_prompts(pipeline.find_prompt(before), pipeline.find_prompt(after)).splitlines()
    for line in changes:
        terminal.say(line, {"+": "green", "-": "red", "@": "cyan"}.get(line[:1], ""))
    if not changes:
        terminal.note("They have the same content.")


def count(
    versions: Annotated[
        list[str] | None, typer.Argument(metavar="[VERSION]...", help="The versions that count.", show_default=False)
    ] = None,
    all_: Annotated[bool, typer.Option("--all", help="Every version counts again.")] = False,
    json: _Json = False,
) -> None:
    """Choose the versions that consensus and refinement count. Of a stage that none is named of, all go on counting."""
    from grabient_pipeline.cli import terminal
    from grabient_pipeline.pipeline import Pipeline

    if bool(versions) == all_:
        raise typer.BadParameter("name the versions that count, or say --all")
    counting = Pipeline.from_environment().count_prompts(versions or ())
    if json:
        terminal.say_json({"counting": [each.version for each in counting]})
        return
    for each in counting:
        terminal.say(f"{each.version} {each.stage}, {pluralize(each.usable, 'usable answer')}")


def plan(
    analysis_count: Annotated[
        int | None, typer.Option(help="How often each model describes each palette.", show_default="the setting")
    ] = None,
    include_retired: Annotated[
        bool, typer.Option("--include-retired", help="Plan for models too that their provider has retired.")
    ] = False,
    json: _Json = False,
) -> None:
    """Tell what asking anew would cost. What today's prompts make stale; asks nobody and needs no key."""
    from grabient_pipeline.cli import terminal
    from grabient_pipeline.pipeline import Pipeline

    planned = Pipeline.from_environment().plan(analysis_count, include_retired=include_retired or None)
    if json:
        terminal.say_json(
            {
                **asdict(planned),
                "requests": planned.requests,
                "tagging_cost_usd": planned.tagging_cost_usd,
                "total_cost_usd": planned.tagging_cost_usd + planned.refinement_cost_usd,
            }
        )
        return
    _say_plan(planned)


def _say_plan(planned: Plan) -> None:
    from grabient_pipeline.cli import terminal

    for line in planned.left_out:
        terminal.note(line)
    terminal.say(
        f"Tagging by prompt {planned.tagging_prompt}, {planned.analysis_count} answers a palette and model", "bold"
    )
    terminal.say_table(
        ["model", "answered", "stale", "to ask", "estimated", ""],
        [
            [
                f"{model.provider}/{model.model}",
                f"{model.answered:,}",
                f"{model.stale:,}",
                f"{model.requests:,}",
                dollars(model.estimated_cost_usd),
                "" if model.has_key else "no key",
            ]
            for model in planned.models
        ],
        right={"answered", "stale", "to ask", "estimated"},
    )
    terminal.say(f"{planned.requests:,} requests, estimated {dollars(planned.tagging_cost_usd)}: grabient backfill")
    terminal.say()
    if planned.refining_model is None:
        terminal.say("Refinement is off.")
        return
    terminal.say(f"Refinement by prompt {planned.refinement_prompt}, {planned.refining_model}", "bold")
    terminal.say(
        f"{planned.refinements:,} palettes, estimated {dollars(planned.refinement_cost_usd)}; "
        f"{planned.stale_refinements:,} of them have been refined otherwise: grabient refine --stale"
    )
    terminal.note("Nothing was asked. What the answers change in the consensus makes refinements stale later on.")


def _notes(each: PromptVersion) -> list[str]:
    return [
        note
        for note, holds in (
            ("today's", each.current),
            ("content not known", not each.content),
            (each.message or "", bool(each.message)),
        )
        if holds
    ]


def _facts(each: PromptVersion) -> dict[str, Any]:
    facts = asdict(each)
    del facts["content"]
    return {**facts, "current": each.current, "has_content": bool(each.content)}
