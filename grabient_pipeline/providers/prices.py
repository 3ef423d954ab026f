"""What tokens cost: prices from genai-prices, which ships its price list in the package.

A price depends on the day, and for some models on the length of a request. `price_on` is the one place that asks, and
`booked_price` says what of it is charged in a batch or by a service tier, which the catalogue has as data.
Which models exist is in `catalogue.py`; how many tokens a batch takes is estimated in `batches/`.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import asdict, dataclass, replace
from decimal import Decimal
from functools import cache
from importlib import metadata
from typing import Any, Final

from grabient_pipeline.providers.base import AccessMode
from grabient_pipeline.providers.catalogue import Model, load_catalogue

# All providers in the catalogue charge half of their standard price for a batch.
BATCH_DISCOUNT: Final = 0.5

# The input and output tokens of a tagging request. A refinement has about twice as many, and a call for embeddings at
# most 50,000; the lowest threshold of a price tier in the list is 100,000.
REQUEST_TOKENS: Final = (1_600, 400)

_MILLION: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars per million tokens; None for input that costs what any input costs.

    Input is read from the provider's cache, or written into it: for minutes, or for an hour. The rest of the input has
    nothing to do with a cache.
    """

    input_usd_per_million: float
    output_usd_per_million: float
    cached_input_usd_per_million: float | None = None
    cache_write_usd_per_million: float | None = None
    cache_write_hour_usd_per_million: float | None = None

    def cost(self, input_tokens: int, output_tokens: int) -> float:
        """US dollars for these numbers of tokens, none of them cached."""
        return (input_tokens * self.input_usd_per_million + output_tokens * self.output_usd_per_million) / _MILLION

    def times(self, share: float) -> Price:
        """Return this share of the price, such as `BATCH_DISCOUNT`."""
        shares: dict[str, Any] = {name: None if usd is None else usd * share for name, usd in self.columns.items()}
        return Price(**shares)

    @property
    def columns(self) -> dict[str, float | None]:
        """The prices by the names that they have here and in `tag_batches`."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class ListedPrice:
    """What the price list says of a model: its standard price, and whether its provider means to end it."""

    price: Price
    is_deprecated: bool


def batch_price(model: Model) -> Price:
    """Return the model's current price in a batch."""
    return booked_price(model.provider, model.id, "batch")


def full_price(model: Model) -> Price:
    """Return the model's current price in ordinary calls."""
    return booked_price(model.provider, model.id, "direct")


def direct_price(model: Model) -> Price:
    """Return the model's current price in ordinary calls as they are sent: with flex, the price of a batch."""
    return booked_price(model.provider, model.id, "direct", model.direct_tier)


def direct_ratio(model: Model | None) -> float:
    """Return how many times the price of a batch an ordinary call to a model costs; None is a model without flex."""
    return 1.0 if model is not None and model.flex is not None else 1.0 / BATCH_DISCOUNT


def known_batch_price(provider: str, model_id: str) -> Price | None:
    """Return the batch price of a model that may be missing from the catalogue; None if the price list lacks it too."""
    try:
        return booked_price(provider, model_id, "batch")
    except LookupError:
        return None


def booked_price(
    provider: str,
    model_id: str,
    access: AccessMode,
    service_tier: str | None = None,
    *,
    day: dt.date | None = None,
    request_tokens: tuple[int, int] = REQUEST_TOKENS,
) -> Price:
    """Return the price that a batch of requests is booked at; neither provider nor model need be in the catalogue.

    Args:
        provider: The provider's key.
        model_id: The model's id at the provider.
        access: How the requests are sent.
        service_tier: The tier that ordinary calls ask for; None asks for none, which is the standard price.
        day: The day of the price in UTC; by default today.
        request_tokens: As in `price_on`.

    Raises:
        LookupError: The price list does not have the model.
    """
    price = price_on(day or _today(), provider, model_id, request_tokens)
    if access == "direct":
        return price.times(tier_share(provider, service_tier))
    known = load_catalogue().providers.get(provider)
    rule = "as_input" if known is None else known.cached_input.of(model_id)
    halved = price.times(BATCH_DISCOUNT)
    if rule == "discounted":
        return halved
    return replace(
        halved,
        cached_input_usd_per_million=price.cached_input_usd_per_million if rule == "standard" else None,
        cache_write_usd_per_million=None,
        cache_write_hour_usd_per_million=None,
    )


def tier_share(provider: str, service_tier: str | None) -> float:
    """Return what a service tier costs, as a share of the standard price; 1 for a tier that the catalogue lacks."""
    known = load_catalogue().providers.get(provider)
    return 1.0 if known is None else known.service_tier_shares().get(service_tier or "", 1.0)


def input_usd_per_million(provider: str, model_id: str) -> float:
    """Return the price of a million input tokens, which is all that an embedding model charges for."""
    return price_on(_today(), provider, model_id).input_usd_per_million


def price_list_version() -> str:
    """Return the name and version of the price list."""
    return f"genai-prices {metadata.version('genai-prices')}"


@cache
def price_on(day: dt.date, provider: str, model_id: str, request_tokens: tuple[int, int] = REQUEST_TOKENS) -> Price:
    """Return the standard price of a model, batch discount not applied, on a day in UTC.

    Some models charge more for every token of a long request: gpt-6-luna twice as much for input, and half as much
    again for output, above 272,000 input tokens. The price list picks the tier by the tokens that it is asked for. It
    is therefore asked for one request, and the answer is scaled to a million tokens. A question for a million tokens
    at once would be a question for one enormous request, at the highest tier.

    Args:
        request_tokens: the input and output tokens of a request, both above 0.

    Raises:
        LookupError: the price list does not have the model.
    """
    return _listed(day, provider, model_id, request_tokens).price


def listed_on(day: dt.date, provider: str, model_id: str) -> ListedPrice | None:
    """Return what the price list says of a model on a day in UTC; None if it does not have the model."""
    try:
        return _listed(day, provider, model_id, REQUEST_TOKENS)
    except LookupError:
        return None


def _listed(day: dt.date, provider: str, model_id: str, request_tokens: tuple[int, int]) -> ListedPrice:
    # Loading the price list takes a quarter of a second.
    from genai_prices import Usage, calc_price
    from genai_prices.types import PriceCalculation

    input_tokens, output_tokens = request_tokens

    def calculate(**cached: int) -> PriceCalculation:
        return calc_price(
            Usage(input_tokens=input_tokens, output_tokens=output_tokens, **cached),
            model_ref=model_id,
            provider_id=provider,
            genai_request_timestamp=dt.datetime.combine(day, dt.time(12), dt.UTC),
        )

    # All of the input from the cache, or into it.
    plain, read = calculate(), calculate(cache_read_tokens=input_tokens)
    written = calculate(cache_write_tokens=input_tokens)
    for_an_hour = calculate(cache_write_tokens=input_tokens, cache_write_1h_tokens=input_tokens)
    usd, *of_cache = (_per_million(each.input_price, input_tokens) for each in (plain, read, written, for_an_hour))
    output_usd = _per_million(plain.output_price, output_tokens)
    price = Price(usd, output_usd, *(None if each == usd else each for each in of_cache))
    return ListedPrice(price, bool(plain.model.deprecated))


def _per_million(usd: Decimal, tokens: int) -> float:
    return float(usd * _MILLION / tokens)


def _today() -> dt.date:
    return dt.datetime.now(dt.UTC).date()
