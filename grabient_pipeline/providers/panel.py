"""The panel: which models answer by default, and whose place each of them takes when a model has ended.

A panel has places, each named after the model that has it first. While that model lives, it answers for its place. When
it has ended, the first of the place's successors does that lives, is no dearer than `MAX_PRICE_RATIO` times the median
of the mission's panel, and answers for no other place; if there is none, the place stays empty. Which places there are
is data of the catalogue, or a person's choice.
"""

from __future__ import annotations

import datetime as dt
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from grabient_pipeline.providers.catalogue import Catalogue, Model, Place, load_catalogue
from grabient_pipeline.providers.prices import batch_price

# A model that costs more than so many times the median of the mission's panel takes nobody's place by itself.
MAX_PRICE_RATIO: Final = 2.0

# The input tokens of a tagging request at most models.
_INPUT_TOKENS: Final = 1_600


@dataclass(frozen=True, slots=True)
class Seat:
    """A place of a panel on a day.

    `place`: the model that has it first, as `provider/id`. `model`: the one that answers for it; None if it is empty.
    `reason`: why it is empty. `predecessors`: ended models whose answers count for the place.
    """

    place: str
    model: Model | None
    reason: str = ""
    predecessors: tuple[str, ...] = ()

    @property
    def is_succeeded(self) -> bool:
        """Whether another model answers for the one that has the place first."""
        return self.model is not None and self.model.name != self.place


@dataclass(frozen=True, slots=True)
class Panel:
    """The places of a panel on a day, in order."""

    seats: tuple[Seat, ...]

    @property
    def models(self) -> tuple[Model, ...]:
        """The models that answer."""
        return tuple(seat.model for seat in self.seats if seat.model is not None)

    @property
    def retired(self) -> int:
        """How many of the models that its places are named after do not answer any more."""
        return sum(seat.model is None or seat.is_succeeded for seat in self.seats)

    @property
    def price_usd(self) -> float:
        """What one analysis of a palette by all its models costs in batches, in US dollars."""
        return sum(request_price(model) for model in self.models)

    def seat_of(self, name: str) -> Seat | None:
        """Return the seat of a model that answers; None if it has none."""
        return next((seat for seat in self.seats if seat.model is not None and seat.model.name == name), None)


def request_price(model: Model) -> float:
    """What a typical tagging request to a model costs in a batch, in US dollars.

    Raises:
        LookupError: the price list does not have the model.
    """
    return batch_price(model).cost(round(_INPUT_TOKENS * model.token_factor), model.expected_output_tokens)


def mission_price_usd(catalogue: Catalogue | None = None) -> float:
    """What one analysis of a palette by the mission's ten models costs at list prices, in US dollars."""
    return sum(request_price(model) for model in (catalogue or load_catalogue()).mission)


def resolve_panel(
    names: Sequence[str] | None = None,
    *,
    include_retired: bool = False,
    today: dt.date | None = None,
    catalogue: Catalogue | None = None,
) -> Panel:
    """Return the panel of a day.

    Args:
        names: the models that its places are named after, as `provider/id`; by default the mission's.
        include_retired: whether ended models keep their places.
        today: the day; by default today.

    Raises:
        UnknownModelError: the catalogue does not have one of the models.
    """
    catalogue = catalogue or load_catalogue()
    places = [catalogue.place_of(name) for name in names] if names is not None else list(catalogue.places)
    first = [catalogue.model(place.model) for place in places]
    taken = {model.name: model.name for model in first if include_retired or not model.retired(today)}
    seats: dict[str, Seat] = {name: Seat(name, catalogue.model(name)) for name in taken}
    # The place that became free first chooses first, so that later ends change nothing about it.
    for place, model in sorted(zip(places, first, strict=True), key=lambda pair: pair[1].ends_on or dt.date.max):
        if model.name not in seats:
            seats[model.name] = seat = _succeed(catalogue, place, taken, today)
            if seat.model is not None:
                taken[seat.model.name] = place.model
    return Panel(tuple(seats[model.name] for model in first))


def resolve_refiner(name: str, *, today: dt.date | None = None, catalogue: Catalogue | None = None) -> Model:
    """Return the model that refines on a day: the named one, or its successor if that has ended.

    Raises:
        UnknownModelError: the catalogue does not have the model.
    """
    catalogue = catalogue or load_catalogue()
    model, place = catalogue.model(name), catalogue.refiner
    if model.name != place.model or not model.retired(today):
        return model
    living = [each for each in map(catalogue.model, place.successors) if not each.retired(today)]
    return living[0] if living else model


def panel_ends(panel: Panel, today: dt.date | None = None) -> list[dt.date]:
    """Return the days on which a model of the panel ends, the next one first."""
    return sorted({model.ends_on for model in panel.models if model.ends_on is not None and not model.retired(today)})


def place_names(names: Sequence[str], default: Panel, catalogue: Catalogue | None = None) -> tuple[str, ...]:
    """Return the places that models stand for: a model that has a place by default keeps it.

    Raises:
        UnknownModelError: the catalogue does not have one of the models.
    """
    catalogue = catalogue or load_catalogue()
    places: dict[str, None] = {}
    for name in names:
        model = catalogue.model(name)
        seat = default.seat_of(model.name)
        places[seat.place if seat is not None else model.name] = None
    return tuple(places)


def _succeed(catalogue: Catalogue, place: Place, taken: Mapping[str, str], today: dt.date | None) -> Seat:
    """Give a place whose model has ended to the first successor that may take it."""
    reasons: list[str] = []
    candidates = [catalogue.model(name) for name in place.successors]
    for model in candidates:
        reason = _objection(catalogue, model, taken, today)
        if reason is None:
            return Seat(place.model, model, predecessors=place.predecessors(catalogue.ended(today), model.name))
        reasons.append(reason)
    replacement = catalogue.model(place.model).replacement
    if replacement is not None and replacement not in place.successors:
        other = taken.get(replacement)
        reasons.append(
            f"its replacement {replacement} answers for {other if other != replacement else 'a place of its own'}"
            if other is not None
            else f"its replacement is {replacement} (grabient panel add {replacement})"
        )
    return Seat(place.model, None, "; ".join(reasons) or "the catalogue names no successor")


def _objection(catalogue: Catalogue, model: Model, taken: Mapping[str, str], today: dt.date | None) -> str | None:
    """Return why a model cannot take a place; None if it can."""
    if model.retired(today):
        return f"{model.name} has ended"
    if model.name in taken:
        return f"{model.name} answers for {taken[model.name]}"
    try:
        ratio = request_price(model) / statistics.median(map(request_price, catalogue.mission))
    except LookupError:
        return f"{model.name} has no price"
    if ratio > MAX_PRICE_RATIO:
        return f"{model.name} costs {ratio:.1f} times the median (grabient panel add {model.name})"
    return None
