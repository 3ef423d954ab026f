"""What an account may hold in the queues of its provider: what a person said, what the provider named, else its tier.

Without a word, an account is on the lowest tier of the catalogue. Own figures replace those of the tier, and a limit
that the provider named later in a refusal replaces both.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final, Literal

import duckdb

from grabient_pipeline.errors import SettingsError, UnknownModelError, UnknownTierError
from grabient_pipeline.providers.catalogue import Model, Provider, Tier, load_catalogue
from grabient_pipeline.providers.queue_refusals import QueueKind
from grabient_pipeline.warehouse import Warehouse, sql, transaction

QUEUE_KINDS: Final[tuple[QueueKind, ...]] = ("tokens", "requests", "jobs")
# The word for an account without limits.
NO_TIER: Final = "none"
# Above this, it is no figure of an account.
_HIGHEST: Final = 10**15


@dataclass(frozen=True, slots=True)
class AccountLimits:
    """The most that may wait: tokens of one model, requests and batches of all models; None is no limit.

    The sources say in plain words where the figures are from.
    """

    tokens: int | None
    requests: int | None
    jobs: int | None
    tokens_source: str
    requests_source: str
    jobs_source: str

    @property
    def has_no_queue(self) -> bool:
        """Whether the provider named a limit of 0: waiting does not help."""
        return 0 in (self.tokens, self.requests, self.jobs)


UNLIMITED: Final = AccountLimits(None, None, None, "no limit", "no limit", "no limit")


@dataclass(frozen=True, slots=True)
class AccountSetting:
    """What a person said of an account, or of one of its models; `model` is empty for all of them."""

    provider: str
    model: str
    tier: str | None
    tokens: int | None
    requests: int | None
    jobs: int | None
    set_at: dt.datetime

    @property
    def name(self) -> str:
        """The provider, or the model as `provider/model`."""
        return f"{self.provider}/{self.model}" if self.model else self.provider

    @property
    def figures(self) -> dict[QueueKind, int]:
        """The figures that replace those of the tier, by their kind."""
        figures: dict[QueueKind, int | None] = {"tokens": self.tokens, "requests": self.requests, "jobs": self.jobs}
        return {kind: figure for kind, figure in figures.items() if figure is not None}


@dataclass(frozen=True, slots=True)
class AccountTier:
    """The tier of an account, None for one without limits. `source` says in plain words who says so."""

    provider: str
    tier: Tier | None
    source: Literal["set", "not set", "the sandbox"]

    def __str__(self) -> str:
        return f"{self.tier.title if self.tier else NO_TIER}, {self.source}"


def read_account_limits(
    connection: duckdb.DuckDBPyConnection, model: Model, *, unlimited: bool, now: dt.datetime | None = None
) -> AccountLimits:
    """Return what batches of a model may hold.

    Args:
        connection: to the working database.
        model: the model.
        unlimited: whether an account of which nothing is said has no limits, as on the sandbox.
        now: the moment; by default the present.
    """
    parameters = {"provider": model.provider, "model": model.id}
    settings = _settings(connection, model.provider, model.id)
    figures = _figures_of_tier(_tier_in_force(model.provider, settings, unlimited=unlimited).tier, model)
    # Those of the model come first, so that they are written last.
    for setting in reversed(settings):
        figures.update({kind: (figure, "set") for kind, figure in setting.figures.items()})
    moment = now or dt.datetime.now(dt.UTC)
    named = connection.execute(sql(__package__, "named_limits"), {**parameters, "now": moment}).fetchall()
    for kind, limit, refused_at in named:
        figures[kind] = (limit, f"named by the provider on {refused_at.astimezone(dt.UTC):%d %b}")
    (tokens, tokens_source), (requests, requests_source), (jobs, jobs_source) = (figures[kind] for kind in QUEUE_KINDS)
    return AccountLimits(tokens, requests, jobs, tokens_source, requests_source, jobs_source)


def read_account_tier(connection: duckdb.DuckDBPyConnection, provider: str, *, unlimited: bool) -> AccountTier:
    """Return the tier of an account. `unlimited` as in `read_account_limits`."""
    return _tier_in_force(provider, _settings(connection, provider, ""), unlimited=unlimited)


def read_account_settings(warehouse: Warehouse) -> list[AccountSetting]:
    """Return everything that a person said of accounts, by provider and model."""
    with warehouse.connect() as connection:
        return sorted(_settings(connection, None, None), key=lambda setting: (setting.provider, setting.model))


def write_tier(warehouse: Warehouse, provider: str, tier: str) -> str:
    """Set the tier of an account, and return it as it is stored. Own figures stay.

    Args:
        warehouse: where it is stored.
        provider: the provider's key.
        tier: its number or name, or `none` for an account without limits.

    Raises:
        UnknownModelError: there is no such provider.
        UnknownTierError: the provider has no such tier.
    """
    stored = check_tier(provider, tier)
    _merge_tier(warehouse, provider, stored)
    return stored


def check_tier(provider: str, tier: str) -> str:
    """Return a tier as `write_tier` stores it. Raises like `write_tier`."""
    found = load_catalogue().provider(provider)
    word = tier.strip().casefold()
    try:
        return word if word == NO_TIER else str(found.tier(tier).number)
    except UnknownTierError as error:
        raise UnknownTierError(f"{error}, or {NO_TIER} for an account without limits") from None


def take_back_tier(warehouse: Warehouse, provider: str) -> None:
    """Take back what was said of the tier of an account. Raises `UnknownModelError`."""
    _merge_tier(warehouse, load_catalogue().provider(provider).key, None)


def write_figures(  # noqa: PLR0913 - by name only
    warehouse: Warehouse,
    provider: str,
    model: str | None,
    *,
    tokens: int | None = None,
    requests: int | None = None,
    jobs: int | None = None,
    taken_back: Collection[QueueKind] = (),
) -> None:
    """Set own figures of an account, or of one of its models. What is None stays as it is.

    Args:
        warehouse: where they are stored.
        provider: the provider's key.
        model: the model's id at the provider; None for all of its models.
        tokens: the tokens that may wait, of each model.
        requests: the requests that may wait, of all models.
        jobs: the batches that may wait, of all models.
        taken_back: the kinds that are those of the tier again.

    Raises:
        UnknownModelError: there is no such provider or model.
        SettingsError: a figure is not a whole number above 0.
    """
    key = load_catalogue().provider(provider).key
    if model is not None:
        load_catalogue().model(f"{key}/{model}")
    figures: Mapping[str, int | None] = {"tokens": tokens, "requests": requests, "jobs": jobs}
    for kind, figure in figures.items():
        _check_figure(kind, figure)
    parameters = {"provider": key, "model": model or "", **figures, "taken_back": list(taken_back)}
    with warehouse.connect() as connection, transaction(connection):
        connection.execute(sql(__package__, "merge_figures"), parameters)
        connection.execute(sql(__package__, "forget_empty_settings"))


def account_named(name: str) -> tuple[str, str | None]:
    """Return the provider and the model's id of a `provider` or `provider/model`; None for all models.

    Raises:
        UnknownModelError: there is no such provider or model.
    """
    catalogue = load_catalogue()
    if name in catalogue.providers:
        return name, None
    try:
        model = catalogue.model(name)
    except UnknownModelError:
        known = ", ".join(catalogue.providers)
        raise UnknownModelError(
            f"there is no provider or model {name!r}; the providers are {known}, and grabient models lists the models"
        ) from None
    return model.provider, model.id


def _check_figure(kind: str, figure: object) -> None:
    if figure is None:
        return
    if isinstance(figure, bool) or not isinstance(figure, int) or not 0 < figure <= _HIGHEST:
        raise SettingsError(f"the limit of {kind} is {figure!r}; it must be a whole number from 1 to {_HIGHEST:,}")


def _merge_tier(warehouse: Warehouse, provider: str, tier: str | None) -> None:
    with warehouse.connect() as connection, transaction(connection):
        connection.execute(sql(__package__, "merge_tier"), {"provider": provider, "tier": tier})
        connection.execute(sql(__package__, "forget_empty_settings"))


def _settings(connection: duckdb.DuckDBPyConnection, provider: str | None, model: str | None) -> list[AccountSetting]:
    """Return what was said, in all or of one account and one of its models; that of the model first."""
    rows = connection.execute(sql(__package__, "account_settings"), {"provider": provider, "model": model}).fetchall()
    return [AccountSetting(*row) for row in rows]


def _tier_in_force(key: str, settings: Collection[AccountSetting], *, unlimited: bool) -> AccountTier:
    said = next((setting.tier for setting in settings if setting.tier is not None), None)
    provider = load_catalogue().provider(key)
    if said is None:
        if unlimited and not settings:
            return AccountTier(key, None, "the sandbox")
        return AccountTier(key, provider.tiers[0], "not set")
    return AccountTier(key, None if said == NO_TIER else _tier(provider, said), "set")


def _tier(provider: Provider, number: str) -> Tier:
    try:
        return provider.tier(number)
    except UnknownTierError:
        # Another version of this program had it.
        return provider.tiers[0]


def _figures_of_tier(tier: Tier | None, model: Model) -> dict[QueueKind, tuple[int | None, str]]:
    """Return the figures of a tier by kind, each with its source."""
    if tier is None:
        return dict.fromkeys(QUEUE_KINDS, (None, "no limit"))
    limits = tier.limits(model.id)
    stated, assumed = f"tier {tier.title}", f"tier {tier.number}, assumed"
    figures: dict[QueueKind, tuple[int | None, str]] = {
        "tokens": (limits.tokens, assumed if limits.assumed else stated),
        "requests": (limits.requests, assumed if tier.assumed else stated),
        "jobs": (limits.jobs, assumed if tier.assumed else stated),
    }
    return {kind: (figure, source if figure is not None else "no limit") for kind, (figure, source) in figures.items()}
