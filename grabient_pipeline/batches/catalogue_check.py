"""Ask the providers and the price list about the models in the catalogue, keep what they say, and compare.

Every source is asked at once. A provider without a key, or that cannot be reached, is left out, and what it said before
is kept.
"""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path
from typing import Final

import duckdb
import polars as pl

from grabient_pipeline.batches.panel import read_panel
from grabient_pipeline.batches.workspace import Workspace
from grabient_pipeline.deadline import Deadline
from grabient_pipeline.errors import GrabientError, ProviderUncertain
from grabient_pipeline.formatting import pluralize
from grabient_pipeline.providers.base import Route
from grabient_pipeline.providers.catalogue import load_catalogue
from grabient_pipeline.providers.catalogue_age import (
    PRICE_LIST,
    Finding,
    ModelFact,
    SourceCheck,
    announced_facts,
    compare,
    find_ending,
    models_in_use,
    offered_facts,
    price_fact,
    sdk_source,
)
from grabient_pipeline.providers.prices import listed_on
from grabient_pipeline.providers.registry import announced_ends
from grabient_pipeline.warehouse import Warehouse, connect, registered, sql, transaction

# How long the providers have to list their models.
CHECK_SECONDS: Final = 60.0

_MOST_LINES: Final = 3

_COLUMNS: Final = {
    "source": pl.String,
    "model": pl.String,
    "checked_at": pl.Datetime("us", "UTC"),
    "is_listed": pl.Boolean,
    "ends_on": pl.Date,
    "unreadable_end": pl.String,
    "is_deprecated": pl.Boolean,
    "is_retired": pl.Boolean,
    "takes_batches": pl.Boolean,
    "input_usd_per_million": pl.Float64,
    "output_usd_per_million": pl.Float64,
}


@dataclass(frozen=True)
class CatalogueReport:
    """What a check of the catalogue showed.

    `sources`: those that were asked and answered. `left_out`: why others did not, a line each. `findings`: by what the
    newest check of every source said, and by the catalogue itself; those of models in use first.
    """

    sources: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()

    @property
    def to_change(self) -> tuple[Finding, ...]:
        """The findings about models in use that ask for a change of the catalogue."""
        return tuple(each for each in self.findings if each.in_use and each.line)


def check_catalogue(
    workspace: Workspace, refinement_model: str | None, deadline: Deadline, *, keeps_retired: bool = False
) -> CatalogueReport:
    """Ask every source about the models in the catalogue, and keep the answers.

    Args:
        refinement_model, keeps_retired: as in `read_findings`.
        deadline: when the lists must be complete.
    """
    others: list[SourceCheck | str | None] = []

    def ask_others() -> None:
        others.extend([_ask_price_list(), *map(_ask_sdk, load_catalogue().providers)])

    answers = [*_Asked(workspace).ask_lists(deadline, ask_others).values(), *others]
    checks = [each for each in answers if isinstance(each, SourceCheck)]
    keep_checks(workspace.warehouse, checks)
    with workspace.warehouse.connect() as connection:
        findings = read_findings(connection, refinement_model, keeps_retired=keeps_retired)
    left_out = tuple(each for each in answers if isinstance(each, str))
    return CatalogueReport(tuple(each.source for each in checks), left_out, tuple(findings))


def keep_checks(warehouse: Warehouse, checks: Sequence[SourceCheck]) -> None:
    """Replace what these sources said before."""
    rows = [
        {"source": check.source, "checked_at": check.checked_at, **asdict(fact)}
        for check in checks
        for fact in check.facts
    ]
    frame = pl.DataFrame(rows, schema=_COLUMNS)
    with warehouse.connect() as connection, transaction(connection), registered(connection, "checked", frame):
        connection.execute(sql(__package__, "forget_catalogue_findings"))
        connection.execute(sql(__package__, "keep_catalogue_findings"))


def read_findings(
    connection: duckdb.DuckDBPyConnection, refinement_model: str | None, *, keeps_retired: bool = False
) -> list[Finding]:
    """Return where the catalogue is not what the sources last said, and which models end soon.

    Findings about models that tag and refine today come first.

    Args:
        refinement_model: that of the settings, as `provider/id`; None if nothing is refined.
        keeps_retired: whether the providers are the sandbox, whose models do not end.
    """
    catalogue, today = load_catalogue(), dt.datetime.now(dt.UTC).date()
    in_use = models_in_use(refinement_model, today, read_panel(connection))
    ending = [] if keeps_retired else find_ending(catalogue, in_use, today)
    differences = compare(catalogue, _read_checks(connection), in_use, today, keeps_retired=keeps_retired)
    return sorted([*ending, *differences], key=lambda each: not each.in_use)


def published_findings(data_dir: Path, refinement_model: str | None, *, keeps_retired: bool = False) -> list[Finding]:
    """Return the findings as published; see `read_findings`.

    Raises:
        WarehouseError: nothing has been published yet.
    """
    with connect(data_dir) as connection:
        return read_findings(connection, refinement_model, keeps_retired=keeps_retired)


def finding_lines(findings: Sequence[Finding]) -> list[str]:
    """Say in a few lines what is no longer right about models in use: one for those that end, and three at most."""
    ending = [each for each in findings if each.kind == "ends_soon"]
    others = [each.text for each in findings if each.kind != "ends_soon"]
    lines: list[str] = []
    if ending:
        days = [f"{each.model} on {load_catalogue().model(each.model).ends_on}" for each in ending]
        advice = "; grabient models --check says what to change" if any(each.line for each in ending) else ""
        lines.append(f"{pluralize(len(ending), 'model')} in use will end: {', '.join(days)}{advice}")
    lines += others[:_MOST_LINES]
    if len(others) > _MOST_LINES:
        more = pluralize(len(others) - _MOST_LINES, "more finding")
        lines.append(f"{more} about the catalogue (see grabient models --check)")
    return lines


def _read_checks(connection: duckdb.DuckDBPyConnection) -> list[SourceCheck]:
    rows = connection.execute(sql(__package__, "catalogue_findings")).fetchall()
    return [
        SourceCheck(source, checked_at, tuple(ModelFact(*row[2:]) for row in of_source))
        for (source, checked_at), of_source in groupby(rows, key=lambda row: (row[0], row[1]))
    ]


class _Asked:
    """What the providers have answered so far; several threads write to it."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._answers: dict[str, SourceCheck | str] = {}

    def ask_lists(self, deadline: Deadline, meanwhile: Callable[[], None]) -> dict[str, SourceCheck | str]:
        """Return the list of each provider, or why there is none.

        Args:
            deadline: when the lists must be complete.
            meanwhile: is called once all are asked, before they are waited for.
        """
        providers = load_catalogue().providers
        budget = deadline.remaining()
        # Daemon threads: a pool's thread would keep the process alive while its call hangs.
        threads = [threading.Thread(target=self._ask, args=(provider,), daemon=True) for provider in providers]
        for thread in threads:
            thread.start()
        meanwhile()
        for thread in threads:
            thread.join(deadline.remaining())
        # One lookup each, because a thread may still be at work.
        late = f"no complete list of its models within {budget:.0f} s"
        return {provider: self._answers.get(provider, f"{provider}: {late}") for provider in providers}

    def _ask(self, provider: str) -> None:
        try:
            offered = list(self._workspace.providers.open(Route(provider)).list_models())
            if not offered:
                # Every model would count as gone.
                raise ProviderUncertain(provider, "the list of models is empty")
        except GrabientError as error:
            self._answers[provider] = str(error)
        else:
            self._answers[provider] = _checked_now(provider, offered_facts(load_catalogue(), provider, offered))


def _ask_sdk(provider: str) -> SourceCheck | str | None:
    """Return what the SDK of a provider says, or why it cannot be read; None if it says nothing of ends."""
    try:
        ends = announced_ends(provider)
    except GrabientError as error:
        return str(error)
    return (
        _checked_now(sdk_source(provider), announced_facts(load_catalogue(), provider, ends.items())) if ends else None
    )


def _ask_price_list() -> SourceCheck:
    today = dt.datetime.now(dt.UTC).date()
    facts = [price_fact(each, listed_on(today, each.provider, each.id)) for each in load_catalogue().models]
    return _checked_now(PRICE_LIST, tuple(facts))


def _checked_now(source: str, facts: tuple[ModelFact, ...]) -> SourceCheck:
    return SourceCheck(source, dt.datetime.now(dt.UTC), facts)
