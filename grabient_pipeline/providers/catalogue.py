"""The catalogue: which models there are, what they accept, how long they live, what they cost.

The facts are data (`catalogue.toml`); the prices come from genai-prices, which carries its list with it. Everything
else in the package asks here and holds no model name of its own.
"""

from __future__ import annotations

import datetime as dt
import tomllib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import metadata, resources
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from grabient_pipeline.errors import UnknownModelError

StructuredOutput = Literal["json_schema", "json_schema_best_effort", "json_object", "tool"]

# All four give half of the standard price for a batch.
BATCH_DISCOUNT = 0.5


class Provider(BaseModel):
    """A batch API: its limits, its variables, and what a person should know before using it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str
    name: str
    key_variable: str
    base_url_variable: str
    default_base_url: str
    max_requests: int = Field(gt=0)
    max_bytes: int = Field(gt=0)
    window_hours: int = Field(gt=0)
    retention_days: int = Field(gt=0)
    caveats: tuple[str, ...]


class Model(BaseModel):
    """A model of a provider, by the id that the provider's API takes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    provider: str
    id: str
    ends_on: dt.date | None = None
    replacement: str | None = None
    structured_output: StructuredOutput
    max_output_tokens: int = Field(gt=0)
    expected_output_tokens: int = Field(gt=0)
    parameters: dict[str, Any]
    enabled: bool
    note: str = ""

    @property
    def name(self) -> str:
        """`provider/id`: how people name it."""
        return f"{self.provider}/{self.id}"

    def retired(self, today: dt.date | None = None) -> bool:
        """Whether its provider has shut it down."""
        return self.ends_on is not None and self.ends_on <= (today or dt.datetime.now(dt.UTC).date())

    def lifecycle(self, today: dt.date | None = None) -> str:
        """`active`, `ends 2026-12-11` or `retired 2026-02-19`."""
        if self.ends_on is None:
            return "active"
        return f"{'retired' if self.retired(today) else 'ends'} {self.ends_on.isoformat()}"


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars for a million tokens, in a batch."""

    input_usd_per_million: float
    output_usd_per_million: float

    def cost(self, input_tokens: int, output_tokens: int) -> float:
        """US dollars for that many tokens."""
        return (input_tokens * self.input_usd_per_million + output_tokens * self.output_usd_per_million) / 1_000_000


class Catalogue(BaseModel):
    """All providers and models."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    providers: dict[str, Provider]
    models: tuple[Model, ...]

    @model_validator(mode="after")
    def _consistent(self) -> Catalogue:
        names = [model.name for model in self.models]
        if len(set(names)) != len(names):
            raise ValueError("a model stands in the catalogue twice")
        for model in self.models:
            if model.provider not in self.providers:
                raise ValueError(f"{model.name}: unknown provider")
            if model.replacement is not None and model.replacement not in names:
                raise ValueError(f"{model.name}: its replacement {model.replacement} is not in the catalogue")
            if model.ends_on is not None and model.replacement is None:
                raise ValueError(f"{model.name}: it ends, so it needs a replacement")
        return self

    def model(self, name: str) -> Model:
        """A model by `provider/id`; the id alone will do where only one provider has it.

        Raises:
            UnknownModelError: none or several are meant.
        """
        found = [model for model in self.models if name in (model.name, model.id)]
        if len(found) == 1:
            return found[0]
        raise UnknownModelError(
            f"there is no model {name!r}; grabient models lists them (write PROVIDER/MODEL, such as openai/gpt-4o-mini)"
        )

    def provider(self, key: str) -> Provider:
        """A provider by its key.

        Raises:
            UnknownModelError: there is no such provider.
        """
        if key not in self.providers:
            raise UnknownModelError(f"there is no provider {key!r}; there are {', '.join(self.providers)}")
        return self.providers[key]


@dataclass(frozen=True)
class Selection:
    """The models to ask, and those left out, each with the reason in a line."""

    models: tuple[Model, ...]
    left_out: tuple[str, ...]


def select_models(
    names: Sequence[str] = (),
    providers: Sequence[str] = (),
    *,
    include_retired: bool = False,
    keys: Collection[str],
    today: dt.date | None = None,
) -> Selection:
    """Choose whom to ask: the named models, else every enabled one, of the given providers, else of all.

    Args:
        keys: the providers that have a key; a model of another is left out with the name of the variable.
    """
    catalogue = load_catalogue()
    wanted = [catalogue.model(name) for name in names] or [m for m in catalogue.models if m.enabled]
    only = {catalogue.provider(key).key for key in providers}
    if only:
        wanted = [model for model in wanted if model.provider in only]
    chosen: list[Model] = []
    left_out: dict[str, None] = {}
    for model in {model.name: model for model in wanted}.values():
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
    return Selection(tuple(chosen), tuple(left_out))


@cache
def load_catalogue() -> Catalogue:
    """The catalogue of this package, checked."""
    text = resources.files(__package__ or "").joinpath("catalogue.toml").read_text("utf-8")
    data = tomllib.loads(text)
    providers = {key: {"key": key, **fields} for key, fields in data["providers"].items()}
    return Catalogue.model_validate({"providers": providers, "models": data["models"]})


def batch_price(model: Model) -> Price:
    """What a million tokens of this model cost in a batch today, from genai-prices."""
    return _price(model.provider, model.id, BATCH_DISCOUNT)


def full_price(model: Model) -> Price:
    """What they cost in ordinary calls."""
    return _price(model.provider, model.id, 1.0)


def known_batch_price(provider: str, model_id: str) -> Price | None:
    """The same for a model that the catalogue need not have; None if the price list does not know it either."""
    try:
        return _price(provider, model_id, BATCH_DISCOUNT)
    except LookupError:
        return None


@cache
def _price(provider: str, model_id: str, share: float) -> Price:
    # Loading the price list takes a quarter of a second: only those who ask for a price pay it.
    from genai_prices import Usage, calc_price

    million = calc_price(
        Usage(input_tokens=1_000_000, output_tokens=1_000_000), model_ref=model_id, provider_id=provider
    )
    return Price(
        float(million.input_price) * share,
        float(million.output_price) * share,
    )


def price_list_version() -> str:
    """Which price list the prices come from."""
    return f"genai-prices {metadata.version('genai-prices')}"
