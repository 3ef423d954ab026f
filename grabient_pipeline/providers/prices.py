"""What tokens cost: prices from genai-prices, which ships its price list in the package.

A price depends on the day, and for some models on the length of a request. `price_on` is the one place that asks.
Which models exist is in `catalogue.py`; how many tokens a batch takes is estimated in `batches/`.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from importlib import metadata
from typing import Final

from grabient_pipeline.providers.catalogue import Model

# All providers in the catalogue charge half of their standard price for a batch.
BATCH_DISCOUNT: Final = 0.5

# The input and output tokens of a tagging request. A refinement has about twice as many, and a call for embeddings at
# most 50,000; the lowest threshold of a price tier in the list is 100,000.
REQUEST_TOKENS: Final = (1_600, 400)

_MILLION: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars per million tokens."""

    input_usd_per_million: float
    output_usd_per_million: float

    def cost(self, input_tokens: int, output_tokens: int) -> float:
        """US dollars for these numbers of tokens."""
        return (input_tokens * self.input_usd_per_million + output_tokens * self.output_usd_per_million) / _MILLION

    def times(self, share: float) -> Price:
        """Return this share of the price, such as `BATCH_DISCOUNT`."""
        return Price(self.input_usd_per_million * share, self.output_usd_per_million * share)


def batch_price(model: Model) -> Price:
    """Return the model's current price in a batch."""
    return full_price(model).times(BATCH_DISCOUNT)


def full_price(model: Model) -> Price:
    """Return the model's current price in ordinary calls."""
    return price_on(_today(), model.provider, model.id)


def known_batch_price(provider: str, model_id: str) -> Price | None:
    """Return the batch price of a model that may be missing from the catalogue; None if the price list lacks it too."""
    try:
        return price_on(_today(), provider, model_id).times(BATCH_DISCOUNT)
    except LookupError:
        return None


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
    # Loading the price list takes a quarter of a second.
    from genai_prices import Usage, calc_price

    input_tokens, output_tokens = request_tokens
    cost = calc_price(
        Usage(input_tokens=input_tokens, output_tokens=output_tokens),
        model_ref=model_id,
        provider_id=provider,
        genai_request_timestamp=dt.datetime.combine(day, dt.time(12), dt.UTC),
    )
    return Price(_per_million(cost.input_price, input_tokens), _per_million(cost.output_price, output_tokens))


def _per_million(usd: Decimal, tokens: int) -> float:
    return float(usd * _MILLION / tokens)


def _today() -> dt.date:
    return dt.datetime.now(dt.UTC).date()
