"""Where the catalogue is no longer what the providers and the price list say.

A source is asked elsewhere, and its facts are kept; what they mean for the catalogue is decided here each time they are
read, so that a finding is gone as soon as the catalogue is corrected.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from grabient_pipeline.errors import UnknownModelError
from grabient_pipeline.providers.base import OfferedModel
from grabient_pipeline.providers.catalogue import Catalogue, Model, Place
from grabient_pipeline.providers.panel import resolve_panel, resolve_refiner
from grabient_pipeline.providers.prices import ListedPrice
from grabient_pipeline.providers.transport.rows import read_day

# A model that ends sooner is a finding: time to choose another one and to compare its answers.
SOON: Final = dt.timedelta(days=60)

PRICE_LIST: Final = "genai-prices"
_SDK: Final = " SDK"

FindingKind = Literal[
    "ends_soon",
    "ended",
    "other_end",
    "unknown_end",
    "gone",
    "still_offered",
    "no_batches",
    "price_changed",
    "price_unchecked",
    "not_priced",
]


@dataclass(frozen=True, slots=True)
class ModelFact:
    """What a source says of a model, by its `provider/id`.

    `is_listed`: None if the source is no list of what can be called. Prices are US dollars per million tokens, without
    the discount of batches; None if the source is no price list, or lacks the model. The rest as in `OfferedModel`.
    """

    model: str
    is_listed: bool | None = None
    ends_on: dt.date | None = None
    unreadable_end: str | None = None
    is_deprecated: bool = False
    is_retired: bool = False
    takes_batches: bool | None = None
    input_usd_per_million: float | None = None
    output_usd_per_million: float | None = None


@dataclass(frozen=True, slots=True)
class SourceCheck:
    """What one source said of the catalogue's models. `source`: a provider's key for its list, or a name of another."""

    source: str
    checked_at: dt.datetime
    facts: tuple[ModelFact, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something in the catalogue that is no longer right, or soon will not be.

    `sentence` says it without the name of the model. `line` is what `catalogue.toml` should say below `under`; empty if
    nothing need be changed. `checked_at`: None if the catalogue alone says so.
    """

    model: str
    kind: FindingKind
    sentence: str
    under: str = ""
    line: str = ""
    in_use: bool = False
    checked_at: dt.datetime | None = None

    @property
    def change(self) -> str:
        """Where in the catalogue to write what; empty if nothing need be changed."""
        return f"catalogue.toml, {self.under}: {self.line}" if self.line else ""

    @property
    def text(self) -> str:
        """All of it in one line."""
        day = f" (checked on {self.checked_at:%Y-%m-%d})" if self.checked_at else ""
        return f"{self.model}: {self.sentence}{day}" + (f"; {self.change}" if self.line else "")


def models_in_use(refinement_model: str | None, today: dt.date, panel: Sequence[str] | None = None) -> frozenset[str]:
    """Return the models, as `provider/id`, that tag and refine on a day.

    Args:
        refinement_model: that of the settings, as provider/model; None if nothing is refined.
        today: decides which models have ended.
        panel: the models of the panel that a person chose; None is the default panel.
    """
    names = {model.name for model in resolve_panel(panel, today=today).models}
    if refinement_model is not None:
        try:
            refiner = resolve_refiner(refinement_model, today=today)
        except UnknownModelError:
            # What is wrong with the setting is said where it is used.
            return frozenset(names)
        if not refiner.retired(today):
            names.add(refiner.name)
    return frozenset(names)


def sdk_source(provider: str) -> str:
    """Return the name of the source that is the SDK of a provider."""
    return provider + _SDK


def offered_facts(catalogue: Catalogue, provider: str, offered: Iterable[OfferedModel]) -> tuple[ModelFact, ...]:
    """Return what a provider's list says of each of its models in the catalogue."""
    by_id = {each.id: each for each in offered}
    return tuple(
        ModelFact(model.name, is_listed=False)
        if (each := by_id.get(model.id)) is None
        else ModelFact(
            model.name,
            True,
            each.ends_on,
            each.unreadable_end,
            each.is_deprecated,
            each.is_retired,
            each.takes_batches,
        )
        for model in catalogue.models
        if model.provider == provider
    )


def announced_facts(catalogue: Catalogue, provider: str, ends: Iterable[tuple[str, str]]) -> tuple[ModelFact, ...]:
    """Return what a provider's SDK says of the ends of its models in the catalogue, given their ends by id as text."""
    days = {model_id: read_day(text) for model_id, text in ends}
    return tuple(
        ModelFact(model.name, None, *days.get(model.id, (None, None)), is_deprecated=model.id in days)
        for model in catalogue.models
        if model.provider == provider
    )


def price_fact(model: Model, listed: ListedPrice | None) -> ModelFact:
    """Return what the price list says of a model."""
    if listed is None:
        return ModelFact(model.name)
    return ModelFact(
        model.name,
        is_deprecated=listed.is_deprecated,
        input_usd_per_million=listed.price.input_usd_per_million,
        output_usd_per_million=listed.price.output_usd_per_million,
    )


def find_ending(catalogue: Catalogue, in_use: Collection[str], today: dt.date) -> list[Finding]:
    """Return the models that end within 60 days by the catalogue itself, the first to end first."""
    ending = [
        (model.ends_on, model)
        for model in catalogue.models
        if model.ends_on is not None and today < model.ends_on <= today + SOON
    ]
    return [_ends_soon(catalogue, model, day, in_use, today) for day, model in sorted(ending, key=lambda each: each[0])]


def compare(
    catalogue: Catalogue,
    checks: Sequence[SourceCheck],
    in_use: Collection[str],
    today: dt.date,
    *,
    keeps_retired: bool = False,
) -> list[Finding]:
    """Return where the catalogue differs from what the sources said, those of models in use first.

    Args:
        catalogue: the catalogue as it is now, perhaps corrected since the check.
        checks: the newest of each source.
        in_use: the models that matter most, as `provider/id`.
        today: decides which models have ended.
        keeps_retired: whether the providers are the sandbox, which offers models that have ended.
    """
    models = {model.name: model for model in catalogue.models}
    found: dict[tuple[str, FindingKind, str], Finding] = {}
    named = {
        fact.model
        for check in checks
        for fact in check.facts
        if fact.is_listed and (fact.ends_on is not None or fact.is_retired)
    }
    # What names a day of an end or a retirement itself comes first, then the SDKs, which may be older.
    for check in sorted(checks, key=lambda each: (each.source == PRICE_LIST, each.source.endswith(_SDK), each.source)):
        for fact in check.facts:
            model = models.get(fact.model)
            if model is None or (check.source.endswith(_SDK) and fact.model in named):
                continue
            comparison = _Comparison(catalogue, check, model, fact, today)
            for kind, sentence, under, line in comparison.differences(keeps_retired=keeps_retired):
                finding = Finding(model.name, kind, sentence, under, line, model.name in in_use, check.checked_at)
                found.setdefault((model.name, kind, line), finding)
    return sorted(found.values(), key=lambda each: not each.in_use)


# A kind, a sentence, and what to write where.
_Difference = tuple[FindingKind, str, str, str]


@dataclass(frozen=True, slots=True)
class _Comparison:
    """A model in the catalogue, and what a source said of it."""

    catalogue: Catalogue
    check: SourceCheck
    model: Model
    fact: ModelFact
    today: dt.date

    def differences(self, *, keeps_retired: bool) -> Iterator[_Difference]:
        has_ended = self.model.retired(self.today)
        if self.check.source == PRICE_LIST:
            yield from () if has_ended else self._price()
        elif has_ended:
            yield from self._of_ended(keeps_retired=keeps_retired)
        else:
            yield from self._of_living()
            if self.fact.takes_batches is False and not self.fact.is_retired:
                line = 'note = "takes no batches"'
                yield "no_batches", f"{self._who} says that it takes no batches", self._table, line

    def _of_living(self) -> Iterator[_Difference]:
        """Compare the ends of a model that has not ended by the catalogue."""
        fact = self.fact
        if fact.is_listed is False:
            yield self._end("gone", f"{self._who} does not list it, or not for this key", self._checked_on)
        elif fact.is_retired:
            yield self._end("ended", f"{self._who} has retired it", fact.ends_on or self._checked_on)
        elif fact.ends_on is not None:
            if fact.ends_on != self.model.ends_on:
                yield self._named_end(fact.ends_on)
        elif fact.unreadable_end is not None:
            yield self._end("unknown_end", f"{self._who} says that it ends: {fact.unreadable_end}", None)
        elif fact.is_deprecated and self.model.ends_on is None:
            yield self._end("unknown_end", f"{self._who} says that it ends, and not when", None)

    def _of_ended(self, *, keeps_retired: bool) -> Iterator[_Difference]:
        """Compare the end of a model that has ended by the catalogue."""
        fact = self.fact
        if fact.ends_on is not None:
            if fact.ends_on != self.model.ends_on:
                yield self._named_end(fact.ends_on)
        elif fact.is_listed and not fact.is_retired and not keeps_retired:
            sentence = f"{self._who} lists it, and the catalogue says that it ended on {self.model.ends_on}"
            yield "still_offered", sentence, self._table, "remove ends_on and replacement"

    def _named_end(self, day: dt.date) -> _Difference:
        if day <= self.today and not self.model.retired(self.today):
            return self._end("ended", f"{self._who} says that it ended on {day}", day)
        now = f"not on {self.model.ends_on}" if self.model.ends_on else "and the catalogue names no end"
        return self._end("other_end", f"{self._who} says that it ends on {day}, {now}", day)

    def _price(self) -> Iterator[_Difference]:
        fact, checked = self.fact, self.catalogue.checked_prices
        incoming, outgoing = fact.input_usd_per_million, fact.output_usd_per_million
        if incoming is None or outgoing is None:
            sentence = "the price list does not have it, so it cannot be estimated or billed: update genai-prices"
            yield "not_priced", sentence, self._table, 'note = "not in the price list"'
            return
        if fact.is_deprecated and self.model.ends_on is None:
            yield self._end("unknown_end", "the price list says that it is deprecated, and not when it ends", None)
        known = checked.usd_per_million.get(self.model.name)
        where, line = "[checked_prices.usd_per_million]", f'"{self.model.name}" = [{incoming:g}, {outgoing:g}]'
        if known is None:
            yield "price_unchecked", f"it costs {_usd(incoming, outgoing)}, which was never checked", where, line
        elif not all(map(math.isclose, known, (incoming, outgoing))):
            sentence = f"it costs {_usd(incoming, outgoing)}; on {checked.checked_on} it was {_usd(*known)}"
            yield "price_changed", sentence, where, line

    def _end(self, kind: FindingKind, sentence: str, day: dt.date | None) -> _Difference:
        line = f"ends_on = {day or 'YYYY-MM-DD'}"
        if self.model.replacement is None:
            place = self.catalogue.place_with(self.model.name)
            others = (name for name in (place.successors if place else ()) if name != self.model.name)
            line += f' and replacement = "{_first_living(self.catalogue, others, day or self.today) or "PROVIDER/ID"}"'
        return kind, sentence, self._table, line

    @property
    def _who(self) -> str:
        source = self.check.source
        name = self.catalogue.provider(source.removesuffix(_SDK)).name
        return f"{name}'s SDK" if source.endswith(_SDK) else name

    @property
    def _table(self) -> str:
        return f"[[models]] {self.model.name}"

    @property
    def _checked_on(self) -> dt.date:
        return self.check.checked_at.astimezone(dt.UTC).date()


def _ends_soon(catalogue: Catalogue, model: Model, day: dt.date, in_use: Collection[str], today: dt.date) -> Finding:
    sentence = f"ends on {day}, in {(day - today).days} days"
    if model.name not in in_use:
        return Finding(model.name, "ends_soon", sentence)
    place = catalogue.place_with(model.name)
    heir = None if place is None else _heir(catalogue, place, day)
    if heir is not None:
        return Finding(model.name, "ends_soon", f"{sentence}; {heir} is next for its place", in_use=True)
    # A model has one place at most.
    is_free = model.replacement is not None and catalogue.place_with(model.replacement) is None
    line = f'successors = ["{model.replacement if is_free else "PROVIDER/ID"}"]'
    under = f"[[places]] {place.model}" if place and place != catalogue.refiner else "[refiner]"
    return Finding(model.name, "ends_soon", f"{sentence}; no other is named for its place", under, line, in_use=True)


def _heir(catalogue: Catalogue, place: Place, day: dt.date) -> str | None:
    """Return the model that has a place on a day; None if nobody has it."""
    if place == catalogue.refiner:
        model = resolve_refiner(place.model, today=day, catalogue=catalogue)
        return None if model.retired(day) else model.name
    seats = resolve_panel(today=day, catalogue=catalogue).seats
    return next((seat.model.name for seat in seats if seat.place == place.model and seat.model is not None), None)


def _first_living(catalogue: Catalogue, names: Iterable[str], day: dt.date) -> str | None:
    return next((name for name in names if not catalogue.model(name).retired(day)), None)


def _usd(incoming: float, outgoing: float) -> str:
    return f"${incoming:g} in and ${outgoing:g} out per million tokens"
