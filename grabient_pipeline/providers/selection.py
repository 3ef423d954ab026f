"""Which models a backfill asks: those that are named, else the panel, and of these those that can be asked."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from grabient_pipeline.providers.catalogue import Model, load_catalogue
from grabient_pipeline.providers.panel import Panel, resolve_panel


@dataclass(frozen=True)
class Selection:
    """The selected models, and one line for each model or provider that was left out, with the reason.

    `places`: the places that models have taken from others, by `provider/id` of the model.
    """

    models: tuple[Model, ...]
    left_out: tuple[str, ...]
    places: Mapping[str, str] = field(default_factory=dict[str, str])


def select_models(  # what a person names, and what is known of the day
    names: Sequence[str] = (),
    providers: Sequence[str] = (),
    *,
    include_retired: bool = False,
    keys: Collection[str],
    panel: Sequence[str] | None = None,
    today: dt.date | None = None,
) -> Selection:
    """Select models for a backfill.

    Args:
        names: Models by name; empty selects the panel.
        providers: Restricts the selection to these providers; empty allows all.
        include_retired: Whether to keep models that their provider has shut down.
        keys: The providers whose API key is set. Models of other providers are left out.
        panel: The models that a person's panel is made of; None is the mission's panel.
        today: The day that decides which models are retired.

    Raises:
        UnknownModelError: A model or a provider is not in the catalogue.
    """
    catalogue = load_catalogue()
    today_panel = resolve_panel(panel, include_retired=include_retired, today=today)
    wanted = [catalogue.model(name) for name in names] or today_panel.models
    only = {catalogue.provider(key).key for key in providers}
    chosen: list[Model] = []
    left_out = dict.fromkeys([] if names else _succession_lines(today_panel, of_mission=panel is None))
    for model in {model.name: model for model in wanted if not only or model.provider in only}.values():
        provider = catalogue.providers[model.provider]
        if model.retired(today) and not include_retired:
            left_out[
                f"{model.name} left out: {provider.name} retired it on {model.ends_on}; "
                f"its replacement is {model.replacement} (--model {model.replacement}, or --include-retired)"
            ] = None
        elif model.provider not in keys:
            left_out[f"{provider.name} left out: {provider.key_variable} is not set"] = None
        else:
            chosen.append(model)
    seats = (today_panel.seat_of(model.name) for model in chosen)
    places = {seat.model.name: seat.place for seat in seats if seat is not None and seat.model and seat.is_succeeded}
    return Selection(tuple(chosen), tuple(left_out), places)


def _succession_lines(panel: Panel, *, of_mission: bool) -> list[str]:
    if not panel.retired:
        return []
    whose = "the mission's models" if of_mission else "the panel's models"
    verb = "is" if panel.retired == 1 else "are"
    successors = "its successor answers" if panel.retired == 1 else "their successors answer"
    return [f"{panel.retired} of {whose} {verb} retired; {successors} (grabient panel)"]
