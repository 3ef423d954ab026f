"""What tokens cost: prices from genai-prices, which ships its price list in the package.

Which models exist is in `catalogue.py`; how many tokens a batch takes is estimated in `batches/`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import metadata
from typing import Final

from grabient_pipeline.providers.catalogue import Model

# All providers in the catalogue charge half of their standard price for a batch.
BATCH_DISCOUNT: Final = 0.5

_MILLION: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars per million tokens."""

    input_usd_per_million: float
    output_usd_per_million: float

    def cost(self, input_tokens: int, output_tokens: int) -> float:
        """US dollars for these numbers of tokens."""
        return (input_tokens * self.input_usd_per_million + output_tokens * self.output_usd_per_million) / _MILLION


def batch_price(model: Model) -> Price:
    """Return the model's current price in a batch."""
    return _price(model.provider, model.id, BATCH_DISCOUNT)


def full_price(model: Model) -> Price:
    """Return the model's current price in ordinary calls."""
    return _price(model.provider, model.id, 1.0)


def known_batch_price(provider: str, model_id: str) -> Price | None:
    """Return the batch price of a model that may be missing from the catalogue; None if the price list lacks it too."""
    try:
        return _price(provider, model_id, BATCH_DISCOUNT)
    except LookupError:
        return None


@cache
def input_usd_per_million(provider: str, model_id: str) -> float:
    """Return the price of a million input tokens, which is all that an embedding model charges for."""
    # Loading the price list takes a quarter of a second.
    from genai_prices import Usage, calc_price

    return float(calc_price(Usage(input_tokens=_MILLION), model_ref=model_id, provider_id=provider).total_price)


def price_list_version() -> str:
    """Return the name and version of the price list."""
    return f"genai-prices {metadata.version('genai-prices')}"


@cache
def _price(provider: str, model_id: str, share: float) -> Price:
    # Loading the price list takes a quarter of a second.
    from genai_prices import Usage, calc_price

    usage = Usage(input_tokens=_MILLION, output_tokens=_MILLION)
    prices = calc_price(usage, model_ref=model_id, provider_id=provider)
    return Price(float(prices.input_price) * share, float(prices.output_price) * share)
