"""The catalogue of providers and models: what they accept, their limits, and when models retire.

The facts are data in `catalogue.toml`; prices are in `prices.py`. The rest of the package reads the catalogue and
contains no model names of its own.
"""

from __future__ import annotations

import datetime as dt
import tomllib
from collections.abc import Collection
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Annotated, Any, Literal, TypeVar, cast

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from grabient_pipeline.errors import UnknownModelError, UnknownTierError

_Value = TypeVar("_Value")

StructuredOutput = Literal["json_schema", "json_schema_best_effort", "json_object", "tool"]


@dataclass(frozen=True, slots=True)
class QueueLimits:
    """The most that the batches of an account may hold until they end; None is no limit.

    `tokens` are of one model, `requests` and `jobs` of all models of the account. `assumed` says that the provider
    publishes none of these figures for this model.
    """

    tokens: int | None
    requests: int | None
    jobs: int | None
    assumed: bool


def _of_family(families: Collection[tuple[str, _Value]], model_id: str) -> _Value | None:
    """Return the value of the longest beginning of a model's id; None if none fits."""
    fitting = [pair for pair in families if model_id.startswith(pair[0])]
    return max(fitting, key=lambda pair: len(pair[0]))[1] if fitting else None


class Tier(BaseModel):
    """The limits of an account on one tier, with the page that states them and the day of reading it.

    `tokens` is the limit of every model, and `model_tokens` those of single models, by the beginning of their ids;
    the longest that fits counts. Figures that the provider does not publish are assumed: all of a tier with `assumed`,
    or only `tokens` with `tokens_assumed`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    number: int = Field(ge=0)
    name: str
    tokens: int | None = Field(default=None, gt=0)
    # Pairs, because a provider is part of keys of caches.
    model_tokens: tuple[tuple[str, Annotated[int, Field(gt=0)]], ...] = ()
    requests: int | None = Field(default=None, gt=0)
    jobs: int | None = Field(default=None, gt=0)
    assumed: bool = False
    tokens_assumed: bool = False
    source: str = Field(pattern=r"^https://")
    read_on: dt.date

    @field_validator("model_tokens", mode="before")
    @classmethod
    def _read_table(cls, value: object) -> object:
        return tuple(cast("dict[str, int]", value).items()) if isinstance(value, dict) else value

    @property
    def title(self) -> str:
        """The number and the name, as in `2 (Build)`."""
        return f"{self.number} ({self.name})"

    def limits(self, model_id: str) -> QueueLimits:
        """Return what may wait for a model."""
        tokens = _of_family(self.model_tokens, model_id)
        if tokens is not None:
            return QueueLimits(tokens, self.requests, self.jobs, self.assumed)
        return QueueLimits(self.tokens, self.requests, self.jobs, self.assumed or self.tokens_assumed)


# What a token of cached input costs in a batch: the discounted cached price, the cached price of ordinary calls, or the
# batch price of any other input.
CachedInBatches = Literal["discounted", "standard", "as_input"]


class CachedInput(BaseModel):
    """What cached input costs in a batch, with the page that states it and the day of reading it.

    `in_batches` is the rule of every model, and `of_models` those of single models, by the beginning of their ids; the
    longest that fits counts. `writes_unasked` says that models with a price for cache writes write without being asked.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    in_batches: CachedInBatches
    # Pairs, because a provider is part of keys of caches.
    of_models: tuple[tuple[str, CachedInBatches], ...] = ()
    writes_unasked: bool
    source: str = Field(pattern=r"^https://")
    read_on: dt.date

    @field_validator("of_models", mode="before")
    @classmethod
    def _read_table(cls, value: object) -> object:
        return tuple(cast("dict[str, str]", value).items()) if isinstance(value, dict) else value

    def of(self, model_id: str) -> CachedInBatches:
        """Return the rule of a model."""
        return _of_family(self.of_models, model_id) or self.in_batches


class ServiceTier(BaseModel):
    """What calls served by a service tier cost, as a share of the standard price, with the page that states it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z_]{1,40}$")
    share: float = Field(gt=0, le=10)
    source: str = Field(pattern=r"^https://")
    read_on: dt.date


class LongestWindow(BaseModel):
    """The most hours that a batch may be given, with the page that says so and the day of reading it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    hours: int = Field(gt=0)
    source: str = Field(pattern=r"^https://")
    read_on: dt.date


class Provider(BaseModel):
    """A batch API: its implementation, environment variables, limits, and caveats for the people who use it.

    `module` names the class that implements it, as `package.module:Class`. `colour` is its colour in charts.
    `window_hours` is when a batch expires, unless a longer window is chosen; None in `longest_window` if none can be.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str
    name: str
    module: str = Field(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")
    colour: str = Field(pattern=r"^#[0-9a-f]{6}$")
    key_variable: str
    base_url_variable: str
    default_base_url: str
    max_requests: int = Field(gt=0)
    max_bytes: int = Field(gt=0)
    window_hours: int = Field(gt=0)
    longest_window: LongestWindow | None = None
    retention_days: int = Field(gt=0)
    caveats: tuple[str, ...]
    tiers: tuple[Tier, ...] = Field(min_length=1)
    cached_input: CachedInput
    service_tiers: tuple[ServiceTier, ...] = ()

    @model_validator(mode="after")
    def _check_tiers(self) -> Provider:
        numbers = [tier.number for tier in self.tiers]
        if numbers != sorted(set(numbers)):
            raise ValueError(f"{self.key}: its tiers are not numbered in ascending order")
        names = [tier.name for tier in self.service_tiers]
        if len(set(names)) != len(names):
            raise ValueError(f"{self.key}: it has a service tier twice")
        return self

    @property
    def longest_window_hours(self) -> int:
        """The most hours that a batch may be given."""
        return self.window_hours if self.longest_window is None else self.longest_window.hours

    def allows_window(self, hours: int) -> bool:
        """Whether a batch may be given so many hours."""
        return self.window_hours <= hours <= self.longest_window_hours

    def tier(self, wanted: int | str) -> Tier:
        """Return a tier by its number or its name, in upper or lower case.

        Raises:
            UnknownTierError: There is no such tier.
        """
        text = str(wanted).strip().casefold()
        for tier in self.tiers:
            if text in (str(tier.number), tier.name.casefold()):
                return tier
        known = ", ".join(tier.title for tier in self.tiers)
        raise UnknownTierError(f"{self.name} has no tier {wanted!r}; there are {known}")

    def limits(self, model_id: str, tier: int | str) -> QueueLimits:
        """Return what the batches of an account on a tier may hold, given the model's id.

        Raises:
            UnknownTierError: There is no such tier.
        """
        return self.tier(tier).limits(model_id)

    def service_tier_shares(self) -> dict[str, float]:
        """Return what the service tiers cost, as shares of the standard price, by name."""
        return {tier.name: tier.share for tier in self.service_tiers}


class Flex(BaseModel):
    """That a model can be called at the price of a batch, with the page that says so and the day of reading it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str = Field(pattern=r"^https://")
    read_on: dt.date


class ImageInput(BaseModel):
    """How a model takes the picture of a palette, with the page that states it and the day of reading it.

    `tokens` are billed for one picture of `palette.PICTURE_FORMAT`, by `rule`; `assumed` if the provider publishes none
    for this model. `parameters` are sent with a picture: beside its address (chat completions), or in the generation
    config (Google).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    tokens: int = Field(gt=0)
    rule: str
    assumed: bool = False
    parameters: dict[str, str] = {}
    source: str = Field(pattern=r"^https://")
    read_on: dt.date


class Model(BaseModel):
    """A model of a provider, by the id that the provider's API expects.

    `ends_on` is the day on which the provider shuts it down. `token_factor`: how many tokens its tokenizer makes of a
    text, relative to most models; for estimates. `flex`: None for a model whose calls cost the full price. `images`:
    how it takes pictures in batches; None if it takes none.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    provider: str
    id: str
    ends_on: dt.date | None = None
    replacement: str | None = None
    structured_output: StructuredOutput
    max_output_tokens: int = Field(gt=0)
    expected_output_tokens: int = Field(gt=0)
    token_factor: float = Field(default=1.0, ge=1.0)
    flex: Flex | None = None
    parameters: dict[str, Any]
    note: str = ""
    images: ImageInput | None = None

    @property
    def name(self) -> str:
        """The name that people use: `provider/id`."""
        return f"{self.provider}/{self.id}"

    @property
    def direct_tier(self) -> Literal["flex"] | None:
        """The service tier that its ordinary calls ask for; None is the provider's standard one."""
        return None if self.flex is None else "flex"

    @property
    def takes_images(self) -> bool:
        """Whether it takes pictures in batches."""
        return self.images is not None

    @property
    def image_parameters(self) -> dict[str, str]:
        """What is sent with a picture."""
        return {} if self.images is None else self.images.parameters

    def retired(self, today: dt.date | None = None) -> bool:
        """Whether its provider has shut it down by the given day, by default today."""
        return self.ends_on is not None and self.ends_on <= (today or dt.datetime.now(dt.UTC).date())

    def lifecycle(self, today: dt.date | None = None) -> str:
        """Return `active`, `ends 2026-12-11` or `retired 2026-02-19`."""
        if self.ends_on is None:
            return "active"
        return f"{'retired' if self.retired(today) else 'ends'} {self.ends_on.isoformat()}"


class CheckedPrices(BaseModel):
    """The standard prices that the catalogue was made with: US dollars per million tokens in and out, by model.

    `checked_on`: when all of them were those of the price list.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    checked_on: dt.date
    usd_per_million: dict[str, tuple[Annotated[float, Field(ge=0)], Annotated[float, Field(ge=0)]]]


class Place(BaseModel):
    """A seat in a panel: the model that has it first, and those that may take it, in turn, when that has ended.

    All are `provider/id` names.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    successors: tuple[str, ...] = ()

    def predecessors(self, ended: Collection[str], model: str) -> tuple[str, ...]:
        """Return the models whose answers count for another one that has the place now: those that have ended."""
        return tuple(name for name in (self.model, *self.successors) if name in ended and name != model)


class Catalogue(BaseModel):
    """All providers and models, validated: names are unique, and every model that ends has a replacement.

    `places`: those of the mission's panel. `refiner`: that of the refining model. `checked_prices`: what a check of the
    prices compares them with; nothing is billed or estimated by it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    providers: dict[str, Provider]
    models: tuple[Model, ...]
    places: tuple[Place, ...] = Field(min_length=1)
    refiner: Place
    checked_prices: CheckedPrices

    @model_validator(mode="after")
    def _check_references(self) -> Catalogue:
        names = [model.name for model in self.models]
        if len(set(names)) != len(names):
            raise ValueError("the catalogue lists a model twice")
        for model in self.models:
            if model.provider not in self.providers:
                raise ValueError(f"{model.name}: unknown provider")
            if model.replacement is not None and model.replacement not in names:
                raise ValueError(f"{model.name}: its replacement {model.replacement} is not in the catalogue")
            if model.ends_on is not None and model.replacement is None:
                raise ValueError(f"{model.name}: it ends, so it needs a replacement")
        for name in self.checked_prices.usd_per_million:
            if name not in names:
                raise ValueError(f"{name} has a checked price and is not in the catalogue")
        self._check_places(set(names))
        return self

    def _check_places(self, names: set[str]) -> None:
        placed = [name for place in (*self.places, self.refiner) for name in (place.model, *place.successors)]
        for name in placed:
            if name not in names:
                raise ValueError(f"{name} has a place and is not in the catalogue")
            if placed.count(name) > 1:
                raise ValueError(f"{name} has two places")

    @property
    def mission(self) -> tuple[Model, ...]:
        """The ten models that the places were made for."""
        return tuple(self.model(place.model) for place in self.places)

    def ended(self, today: dt.date | None = None) -> frozenset[str]:
        """Return the names of the models that have ended by the given day, by default today."""
        return frozenset(model.name for model in self.models if model.retired(today))

    def place_with(self, name: str) -> Place | None:
        """Return the place that a model has or may take, that of the refiner included; None if it has none."""
        places = (*self.places, self.refiner)
        return next((place for place in places if name in (place.model, *place.successors)), None)

    def place_of(self, name: str) -> Place:
        """Return the place that a model has first; one without successors if the catalogue names none.

        Raises:
            UnknownModelError: the catalogue does not have the model.
        """
        model = self.model(name).name
        return next((place for place in self.places if place.model == model), Place(model=model))

    def model(self, name: str) -> Model:
        """Return a model by `provider/id`, or by its id alone where only one provider has it.

        Raises:
            UnknownModelError: No model matches, or several do.
        """
        found = [model for model in self.models if name in (model.name, model.id)]
        if len(found) == 1:
            return found[0]
        raise UnknownModelError(
            f"there is no model {name!r}; grabient models lists them (write PROVIDER/MODEL, such as openai/gpt-4o-mini)"
        )

    def known(self, name: str) -> Model | None:
        """Return a model by `provider/id`; None if another version of this program had it."""
        return next((model for model in self.models if model.name == name), None)

    def provider(self, key: str) -> Provider:
        """Return a provider by its key.

        Raises:
            UnknownModelError: There is no such provider.
        """
        if key not in self.providers:
            raise UnknownModelError(f"there is no provider {key!r}; there are {', '.join(self.providers)}")
        return self.providers[key]


@cache
def load_catalogue() -> Catalogue:
    """Load and validate the catalogue of this package."""
    text = resources.files(__package__ or "").joinpath("catalogue.toml").read_text("utf-8")
    data = tomllib.loads(text)
    providers = {key: {"key": key, **fields} for key, fields in data["providers"].items()}
    return Catalogue.model_validate({**data, "providers": providers})
