"""`grabient models`: the catalogue of providers and models."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from grabient_pipeline.cli import lazy, recording, terminal
from grabient_pipeline.cli.command_line import Json, failed
from grabient_pipeline.formatting import pluralize

if TYPE_CHECKING:
    from collections.abc import Collection

    from grabient_pipeline.batches.catalogue_check import CatalogueReport
    from grabient_pipeline.providers.catalogue import Catalogue, Model, Provider

# What cached input costs in a batch.
_CACHED = {
    "discounted": "half",
    "standard": "standard",
    "as_input": "no discount",
}

# How a model's answers are held to their schema, in one word.
_FORMATS = {
    "json_schema": "schema",
    "json_schema_best_effort": "schema*",
    "json_object": "JSON",
    "tool": "tool",
}


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("models", epilog="Example: grabient models --check")(models)


def models(
    check: Annotated[
        bool,
        typer.Option(
            "--check",
            help="Ask the providers and the price list whether the catalogue is still right. Exits with 1 if it has to "
            "be changed about a model in use.",
        ),
    ] = False,
    json: Json = False,
) -> None:
    """List the models. Shows prices, limits, retirement dates, and which models a backfill includes."""
    if check:
        _check(json=json)
        return
    catalogue = lazy.load_catalogue()
    keys = lazy.provider_keys()
    panel = {model.name for model in lazy.Pipeline.from_environment().panel().models}
    if json:
        terminal.say_json(
            {
                "price_list": lazy.price_list_version(),
                "providers": [_provider_facts(each, each.key in keys) for each in catalogue.providers.values()],
                "models": [_model_facts(each, each.name in panel) for each in catalogue.models],
            }
        )
        return
    _say_models(catalogue, keys, panel)
    terminal.say()
    _say_limits(catalogue, keys)
    terminal.say()
    terminal.say(f"$: US dollars per million tokens, batch price ({lazy.price_list_version()})", "dim")
    terminal.say("format: how answers are constrained; schema* is shown to the model but not enforced", "dim")
    terminal.say("requests, MB, hours: the limits of a batch", "dim")
    terminal.say("cached: price of cached input in a batch: halved, standard, or that of other input", "dim")
    terminal.say("backfill: whether it includes the model (grabient panel); named: only with --model", "dim")


def _check(*, json: bool) -> None:
    pipeline = lazy.Pipeline.from_environment()
    report = pipeline.check_catalogue()
    for line in report.left_out:
        terminal.warn(line)
    if json:
        findings = [{**asdict(each), "change": each.change} for each in report.findings]
        terminal.say_json({"sources": report.sources, "left_out": report.left_out, "findings": findings})
    else:
        _say_findings(report)
    recording.record(pipeline.settings, "grabient models --check", {"catalogue_findings": report})
    if report.to_change:
        count = len({each.model for each in report.to_change})
        raise failed(f"the catalogue has to be changed about {pluralize(count, 'model')} in use")


def _say_findings(report: CatalogueReport) -> None:
    terminal.say(f"Asked: {', '.join(report.sources)}")
    for title, in_use in (("Models in use", True), ("Other models", False)):
        findings = [each for each in report.findings if each.in_use == in_use]
        if findings:
            terminal.say()
            terminal.say(title, "bold")
        for finding in findings:
            terminal.say(f"- {finding.model}: {finding.sentence}", "yellow" if in_use else "")
            if finding.line:
                terminal.say(f"  {finding.change}")
    if not report.findings:
        terminal.say("The catalogue agrees with them.")


def _say_models(catalogue: Catalogue, keys: Collection[str], panel: Collection[str]) -> None:
    rows: list[list[object]] = []
    styles: list[str] = []
    for provider in catalogue.providers.values():
        rows.append([provider.name, *[""] * 6])
        styles.append("bold")
        for model in [each for each in catalogue.models if each.provider == provider.key]:
            rows.append(_row(model, model.provider in keys, model.name in panel))
            styles.append("" if model.name in panel else "dim")
    headers = ["model", "$ in", "$ out", "direct", "format", "lifecycle", "backfill"]
    terminal.say_table(headers, rows, right={"$ in", "$ out"}, styles=styles)


def _say_limits(catalogue: Catalogue, keys: Collection[str]) -> None:
    terminal.say_table(
        ["provider", "requests", "MB", "hours", "cached", "key"],
        [
            [
                provider.name,
                f"{provider.max_requests:,}",
                f"{provider.max_bytes / 1e6:,.0f}",
                _hours(provider),
                _CACHED[provider.cached_input.in_batches],
                f"{provider.key_variable} is {'set' if provider.key in keys else 'not set'}",
            ]
            for provider in catalogue.providers.values()
        ],
        right={"requests", "MB", "hours"},
    )


def _hours(provider: Provider) -> str:
    most = provider.longest_window_hours
    return f"{provider.window_hours}" if most == provider.window_hours else f"{provider.window_hours} to {most}"


def _row(model: Model, has_key: bool, in_panel: bool) -> list[object]:
    price = lazy.batch_price(model)
    replaced = f"\n → {model.replacement.removeprefix(model.provider + '/')}" if model.replacement else ""
    return [
        f" {model.id}{replaced}",
        f"{price.input_usd_per_million:.3f}",
        f"{price.output_usd_per_million:.3f}",
        "full" if model.flex is None else "flex",
        _FORMATS[model.structured_output],
        model.lifecycle(),
        _in_backfill(model, has_key, in_panel),
    ]


def _in_backfill(model: Model, has_key: bool, in_panel: bool) -> str:
    """Return whether a backfill without `--model` includes a model."""
    if not in_panel:
        return "no" if model.retired() else "named"
    return "yes" if has_key else "no key"


def _provider_facts(provider: Provider, has_key: bool) -> dict[str, Any]:
    return {
        "provider": provider.key,
        "name": provider.name,
        "key_variable": provider.key_variable,
        "has_key": has_key,
        "max_requests": provider.max_requests,
        "max_bytes": provider.max_bytes,
        "window_hours": provider.window_hours,
        "longest_window_hours": provider.longest_window_hours,
        "retention_days": provider.retention_days,
        "caveats": provider.caveats,
        "cached_input": {
            "in_batches": provider.cached_input.in_batches,
            "of_models": dict(provider.cached_input.of_models),
            "writes_unasked": provider.cached_input.writes_unasked,
            "source": provider.cached_input.source,
            "read_on": provider.cached_input.read_on,
        },
        "service_tiers": [tier.model_dump() for tier in provider.service_tiers],
    }


def _model_facts(model: Model, in_panel: bool) -> dict[str, Any]:
    price = lazy.batch_price(model)
    return {
        "model": model.name,
        "provider": model.provider,
        "id": model.id,
        "enabled": in_panel,
        "lifecycle": model.lifecycle(),
        "retired": model.retired(),
        "ends_on": model.ends_on,
        "replacement": model.replacement,
        "structured_output": model.structured_output,
        "flex": None if model.flex is None else model.flex.model_dump(),
        "max_output_tokens": model.max_output_tokens,
        **price.columns,
        "note": model.note,
    }
