"""`grabient config`: the settings that are stored in the database."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from grabient_pipeline.cli import lazy, terminal
from grabient_pipeline.cli.command_line import Json, application

if TYPE_CHECKING:
    from grabient_pipeline.batches.account_limits import AccountTier
    from grabient_pipeline.pipeline import Pipeline
    from grabient_pipeline.providers.catalogue import Provider
    from grabient_pipeline.providers.queue_refusals import QueueKind
    from grabient_pipeline.warehouse import Warehouse

_DEFAULT = "default"
# What a setting is called, and its values in an example.
_EXAMPLES = {
    "tag-analysis-count": "4",
    "patience-hours": "24",
    "refine-after-hours": "48",
    "refine-share": "0.6",
    "backups": "3,7,4",
    "tier": "openai 3",
    "limits": "openai/gpt-4o-mini tokens=4000000 jobs=50",
    "window": "groq 72h",
}

_Name = Literal[
    "tag-analysis-count", "patience-hours", "refine-after-hours", "refine-share", "backups", "tier", "limits", "window"
]


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    group = application(
        "config",
        "Show or change settings. They say how often each model describes each palette, how long missing results are "
        "waited for, when a palette is refined without some models, how many backups are kept, what the accounts at "
        "the providers may hold, and how long batches may take.",
    )
    group.command("get", epilog="Example: grabient config get")(get)
    group.command("set", epilog="Example: grabient config set tier openai 3")(set_)
    app.add_typer(group)


def get(json: Json = False) -> None:
    """Show the settings, with the tier of each account, and the figures that replace those of its tier."""
    pipeline = lazy.Pipeline.from_environment()
    with pipeline.warehouse.connect() as connection:
        backups = str(lazy.read_retention(connection))
        unlimited = pipeline.workspace.unlimited
        tiers = [
            lazy.read_account_tier(connection, provider, unlimited=unlimited)
            for provider in lazy.load_catalogue().providers
        ]
        windows = lazy.read_windows(connection)
    values = {
        "tag-analysis-count": pipeline.analysis_count(),
        "patience-hours": _whole(lazy.read_patience(pipeline.warehouse)),
        "refine-after-hours": _whole(lazy.read_refine_after(pipeline.warehouse)),
        "refine-share": _whole(lazy.read_refine_share(pipeline.warehouse)),
        "backups": backups,
    }
    figures = {
        setting.name: setting.figures for setting in lazy.read_account_settings(pipeline.warehouse) if setting.figures
    }
    if json:
        described = {tier.provider: _describe(tier) for tier in tiers}
        choices = {
            provider.key: {
                "hours": windows.get(provider.key, provider.window_hours),
                "source": "set" if provider.key in windows else "not set",
            }
            for provider in _choosing_windows()
        }
        terminal.say_json({**values, "tiers": described, "limits": figures, "windows": choices})
        return
    for name, value in values.items():
        terminal.say(f"{name} {value}")
    for tier in tiers:
        terminal.say(f"tier {tier.provider} {tier}")
    for provider in _choosing_windows():
        terminal.say(f"window {provider.key} {_window_words(provider, windows)}")
    for name, theirs in figures.items():
        terminal.say(f"limits {name} {_assignments(theirs)}")


def _choosing_windows() -> list[Provider]:
    """Return the providers whose window can be chosen."""
    return [each for each in lazy.load_catalogue().providers.values() if each.longest_window is not None]


def _window_words(provider: Provider, windows: Mapping[str, int]) -> str:
    hours, source = windows.get(provider.key, provider.window_hours), "set" if provider.key in windows else "not set"
    return f"{hours}h, {source}"


def set_(
    name: Annotated[_Name, typer.Argument(help="The setting.")],
    values: Annotated[
        list[str],
        typer.Argument(
            metavar="VALUE...",
            help="tag-analysis-count: from 1 to 20. "
            "patience-hours: from 0 to 720; 24 at first. refine-after-hours: how "
            "long a palette waits for models that cannot be asked, from 0 to 720; 48 at first. refine-share: of its "
            "models, the share that must have answered by then, above 0 and at most 1; 0.6 at first. backups: how many "
            "are kept, as LAST,DAILY,WEEKLY; 3,7,4 at first, off for none by itself. tier: a provider and the tier of "
            "the account, or none for an account without limits. limits: a provider or a model, and what may wait in "
            "batches, as tokens=N (of each model), requests=N and jobs=N (of all models). window: a provider, and how "
            "long its future batches may take, such as 72h or 3d; only Groq lets it be chosen, from 24h to 7d. The "
            "word default takes a tier, a figure or a window back.",
        ),
    ],
) -> None:
    """Change a setting."""
    pipeline = lazy.Pipeline.from_environment()
    terminal.say(f"{name} {_SETTERS[name](pipeline, values)}")


def _set_analysis_count(pipeline: Pipeline, values: Sequence[str]) -> str:
    number = _number("tag-analysis-count", values)
    if number != int(number):
        raise typer.BadParameter(f"tag-analysis-count must be a whole number from 1 to 20, not {number:g}")
    pipeline.set_analysis_count(int(number))
    return f"{number:g}"


def _set_patience(pipeline: Pipeline, values: Sequence[str]) -> str:
    return _write_number(pipeline, lazy.write_patience, _number("patience-hours", values))


def _set_refine_after(pipeline: Pipeline, values: Sequence[str]) -> str:
    return _write_number(pipeline, lazy.write_refine_after, _number("refine-after-hours", values))


def _set_refine_share(pipeline: Pipeline, values: Sequence[str]) -> str:
    return _write_number(pipeline, lazy.write_refine_share, _number("refine-share", values))


def _write_number(pipeline: Pipeline, write: Callable[[Warehouse, float], None], number: float) -> str:
    with pipeline.publishing() as workspace:
        write(workspace.warehouse, number)
    return f"{number:g}"


def _set_backups(pipeline: Pipeline, values: Sequence[str]) -> str:
    retention = lazy.Retention.parse(_single("backups", values))
    with pipeline.publishing() as workspace, workspace.warehouse.connect() as connection:
        lazy.write_retention(connection, retention)
    return str(retention)


def _set_tier(pipeline: Pipeline, values: Sequence[str]) -> str:
    if len(values) != 2:
        raise _usage("tier", "a provider and its tier")
    provider, tier = values
    with pipeline.publishing() as workspace:
        if tier == _DEFAULT:
            lazy.take_back_tier(workspace.warehouse, provider)
        else:
            lazy.write_tier(workspace.warehouse, provider, tier)
    with pipeline.warehouse.connect() as connection:
        return f"{provider} {lazy.read_account_tier(connection, provider, unlimited=pipeline.workspace.unlimited)}"


def _set_limits(pipeline: Pipeline, values: Sequence[str]) -> str:
    account, *assignments = values
    if not assignments:
        raise _usage("limits", "a provider or a model, and at least one figure")
    provider, model = lazy.account_named(account)
    figures = dict(map(_figure, assignments))
    if len(figures) < len(assignments):
        raise _usage("limits", "each figure once")
    new = {kind: figure for kind, figure in figures.items() if figure is not None}
    with pipeline.publishing() as workspace:
        lazy.write_figures(workspace.warehouse, provider, model, **new, taken_back=figures.keys() - new.keys())
    settings = {setting.name: setting.figures for setting in lazy.read_account_settings(pipeline.warehouse)}
    name = f"{provider}/{model}" if model else provider
    return f"{name} {_assignments(settings.get(name, {})) or _DEFAULT}"


def _set_window(pipeline: Pipeline, values: Sequence[str]) -> str:
    if len(values) != 2:
        raise _usage("window", "a provider and its window")
    provider, window = values
    with pipeline.publishing() as workspace:
        if window == _DEFAULT:
            lazy.take_back_window(workspace.warehouse, provider)
        else:
            lazy.write_window(workspace.warehouse, provider, window)
    with pipeline.warehouse.connect() as connection:
        return f"{provider} {_window_words(lazy.load_catalogue().provider(provider), lazy.read_windows(connection))}"


def _figure(assignment: str) -> tuple[QueueKind, int | None]:
    """Read a figure, such as `tokens=4000000`; None for one that is taken back."""
    kind, _, text = assignment.partition("=")
    if kind not in lazy.QUEUE_KINDS or not text:
        raise typer.BadParameter(f"a limit is tokens=N, requests=N or jobs=N, not {assignment!r}")
    if text == _DEFAULT:
        return kind, None
    # A mistyped digit group or a unit must not become another number.
    if not (text.isascii() and text.replace("_", "").isdigit()):
        raise typer.BadParameter(f"{kind} must be a whole number such as 4000000, or {_DEFAULT}; not {text!r}")
    return kind, int(text.replace("_", ""))


_SETTERS: Mapping[str, Callable[[Any, Sequence[str]], str]] = {
    "tag-analysis-count": _set_analysis_count,
    "patience-hours": _set_patience,
    "refine-after-hours": _set_refine_after,
    "refine-share": _set_refine_share,
    "backups": _set_backups,
    "tier": _set_tier,
    "limits": _set_limits,
    "window": _set_window,
}


def _usage(name: str, wanted: str) -> typer.BadParameter:
    return typer.BadParameter(f"{name} takes {wanted}, such as: grabient config set {name} {_EXAMPLES[name]}")


def _single(name: str, values: Sequence[str]) -> str:
    if len(values) != 1:
        raise _usage(name, "one value")
    return values[0]


def _number(name: str, values: Sequence[str]) -> float:
    value = _single(name, values)
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise typer.BadParameter(f"{name} must be a number, not {value!r}")
    return number


def _whole(number: float) -> float | int:
    """Return a number as people write it: 24, not 24.0."""
    return int(number) if number == int(number) else number


def _describe(tier: AccountTier) -> dict[str, Any]:
    """Describe the tier of an account in JSON, with the page that documents it."""
    known = tier.tier
    return {
        "tier": known.number if known else None,
        "name": known.name if known else None,
        "source": tier.source,
        "documented_at": known.source if known else None,
        "read_on": known.read_on if known else None,
    }


def _assignments(figures: Mapping[QueueKind, int]) -> str:
    return " ".join(f"{kind}={figure}" for kind, figure in figures.items())
