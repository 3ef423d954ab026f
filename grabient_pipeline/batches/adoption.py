"""Adopting batches that a provider has and the ledger lacks, and holding back what they may have paid for already.

The ledger lacks a batch if an older copy of it was restored, or if it is a new one. What the batch contains is paid
for, so it must not be requested again. A batch with this ledger's id is adopted at once, and one of another ledger if a
person says so. Its requests are not known before its results are there (`found_requests`).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import duckdb
import orjson

from grabient_pipeline.batches.ledger import RECORD_WAIT_SECONDS, insert_batch
from grabient_pipeline.batches.listings import (
    UnknownBatch,
    UnknownBatches,
    batches_at,
    every_route,
    find_unknown,
    unreadable_line,
)
from grabient_pipeline.batches.prompt_versions import CURRENT, register_prompt
from grabient_pipeline.batches.reconcile import Finding
from grabient_pipeline.batches.stages import STAGES
from grabient_pipeline.batches.workspace import Workspace
from grabient_pipeline.crash_points import crash_point
from grabient_pipeline.deadline import Deadline
from grabient_pipeline.errors import UnknownBatchesError, UnknownModelError
from grabient_pipeline.formatting import pluralize
from grabient_pipeline.providers.base import Route
from grabient_pipeline.providers.catalogue import load_catalogue
from grabient_pipeline.providers.prices import REQUEST_TOKENS, Price, booked_price, price_list_version
from grabient_pipeline.warehouse import WAIT_SECONDS, Warehouse, sql, transaction

# How long the providers have to list their batches, unless the caller's deadline is earlier.
LISTING_SECONDS: Final = 120.0

# A listing that follows a complete one begins so much earlier: clocks differ, and listings lag behind.
_OVERLAP: Final = dt.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class AdoptionReport:
    """What the listings showed: the batches that were adopted, and in `found` what was not."""

    adopted: tuple[Finding, ...] = ()
    found: UnknownBatches = field(default_factory=UnknownBatches)

    @property
    def reasons(self) -> dict[str, str]:
        """Why routes could not be listed."""
        return {route.label: reason for route, reason in self.found.failures.items()}


def adopt_listed(
    workspace: Workspace,
    deadline: Deadline,
    *,
    ledgers: Collection[str] = (),
    only_unreadable: bool = False,
    wait_seconds: float = WAIT_SECONDS,
) -> AdoptionReport:
    """Adopt every batch with this ledger's id, or that of one of `ledgers`, which the providers have.

    Args:
        deadline: when the listings must be complete.
        only_unreadable: list only providers with batches that did not show whose they are when last listed.
        wait_seconds: how long to wait for the database before the listings.

    Raises:
        WarehouseBusy: another process held the database for longer.
    """
    routes = every_route(workspace)
    if only_unreadable:
        providers = _unreadable_providers(workspace.warehouse, wait_seconds)
        routes = [route for route in routes if route.provider in providers and route.access == "batch"]
        if not routes:
            return AdoptionReport()
    found = find_unknown(workspace, routes, deadline, wait_seconds=wait_seconds)
    chosen = [*found.ours, *(batch for batch in found.others if batch.identity.ledger in ledgers)]
    adopted = tuple(map(_finding, _adopt(workspace, chosen)))
    _record_seen(workspace.warehouse, found, _listed(routes, found))
    left = tuple(batch for batch in found.others if batch.identity.ledger not in ledgers)
    return AdoptionReport(adopted, replace(found, ours=(), others=left))


def check_listings(workspace: Workspace, routes: Collection[Route], *, ignore: bool = False) -> dict[Route, str]:
    """Compare the listings of some routes with the ledger, before anything is sent there.

    The first time for an account, and after a restore, everything is listed, and a route that cannot be listed cannot
    be used. Later only new batches are listed, if the provider answers.

    Args:
        routes: the routes that something is about to be sent to.
        ignore: go on whatever is found. Batches of other ledgers are not asked about again.

    Returns:
        why a route cannot be used.

    Raises:
        UnknownBatchesError: the providers have batches that the ledger lacks; those of this ledger are adopted by now.
    """
    accounts, listed_at = _read_listings(workspace, routes)
    since = {provider: at - _OVERLAP for provider, at in listed_at.items()}
    first = [route for route in routes if route.provider not in since]
    everything = find_unknown(workspace, routes, Deadline.after(LISTING_SECONDS), since=since)
    adopted = _adopt(workspace, everything.ours)
    found = _of(everything, first)
    listed = _listed(first, found)
    _record_seen(workspace.warehouse, found, listed, foreign=found.others if ignore else ())
    if not ignore and (adopted or found.others or found.unreadable):
        raise UnknownBatchesError(_refusal(adopted, found))
    if not adopted:
        stale = dt.datetime.now(dt.UTC) - _OVERLAP / 24
        due = {*listed, *_listed(routes, everything)} - {key for key, at in listed_at.items() if at > stale}
        _record_listings(workspace.warehouse, due, accounts)
    return {} if ignore else dict(found.failures)


def unread_batches(connection: duckdb.DuckDBPyConnection, stage: str) -> dict[str, str]:
    """Return the models, as `provider/model`, that wait for the results of an adopted batch, and why in one line."""
    rows = connection.execute(sql(__package__, "unread_batches"), {"stage": stage}).fetchall()
    return {
        f"{provider}/{model}": f"{provider}/{model} waits for the adopted batch {batch_id}: what it was asked is not "
        "known before its results are there (--ignore-unknown does not wait)"
        for provider, model, batch_id in rows
    }


def read_unresolved(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """Say in lines which batches may contain what the ledger does not know yet."""
    rows = connection.execute(sql(__package__, "unresolved_batches")).fetchall()
    return [
        f"{batches_at(provider, count, example)} adopted, but not collected yet; run grabient poll"
        if is_adopted
        else unreadable_line(provider, count, example)
        for provider, is_adopted, count, example in rows
    ]


def refuse_unresolved(warehouse: Warehouse) -> None:
    """Raise `UnknownBatchesError` while batches may contain what the ledger does not know yet."""
    with warehouse.connect() as connection:
        lines = read_unresolved(connection)
    if lines:
        raise UnknownBatchesError(f"nothing was resumed, because it may be paid for already: {'; '.join(lines)}")


def _of(found: UnknownBatches, routes: Collection[Route]) -> UnknownBatches:
    """Return what was found on some of the routes."""
    providers = {route.provider for route in routes}
    return replace(
        found,
        others=tuple(batch for batch in found.others if batch.route in routes),
        unreadable={provider: ids for provider, ids in found.unreadable.items() if provider in providers},
        failures={route: reason for route, reason in found.failures.items() if route in routes},
    )


def _listed(routes: Iterable[Route], found: UnknownBatches) -> set[str]:
    """Return the providers of which every route was listed."""
    return {route.provider for route in routes} - {route.provider for route in found.failures}


def _adopt(workspace: Workspace, batches: Sequence[UnknownBatch]) -> tuple[UnknownBatch, ...]:
    """Record batches that the ledger lacks as submitted; return those that no other process has adopted first.

    A ledger that lacked a batch has lost something, so the next backfill asks for complete listings.
    """
    if not batches:
        return ()
    with workspace.warehouse.connect(RECORD_WAIT_SECONDS) as connection, transaction(connection):
        adopted = tuple(
            batch for batch in batches if _insert(connection, batch, workspace.providers.endpoint(batch.route.provider))
        )
        if adopted:
            connection.execute("DELETE FROM listings")
        crash_point("adopt.recording")
    crash_point("adopt.recorded")
    return adopted


def _insert(connection: duckdb.DuckDBPyConnection, batch: UnknownBatch, endpoint: str) -> bool:
    identity = batch.identity
    known = {
        "submission": identity.submission,
        "batch_id": batch.batch_id,
        "evidence": f"adopted: {_evidence(batch)}",
    }
    connection.execute(
        "DELETE FROM other_batches WHERE provider = ? AND batch_id = ?", [batch.route.provider, batch.batch_id]
    )
    released = "SELECT 1 FROM tag_batches WHERE submission = ? AND batch_id IS NULL AND status = 'released'"
    if connection.execute(released, [identity.submission]).fetchall():
        connection.execute(sql(__package__, "revive_released_batch"), known)
        return True
    if (prompt := CURRENT.get(identity.prompt_version)) is not None:
        # Whether it has a picture attached decides what its answers count for.
        register_prompt(connection, prompt)
    price = _price(batch)
    tokens_in, tokens_out = REQUEST_TOKENS
    if prompt is not None and prompt.with_image:
        tokens_in += _picture_tokens(batch)
    tokens_in *= identity.request_count
    tokens_out = round(tokens_out * identity.request_count * STAGES[identity.stage].output_ratio)
    return insert_batch(
        connection,
        {
            **known,
            "stage": identity.stage,
            "provider": batch.route.provider,
            "access": batch.route.access,
            "model": batch.model,
            "endpoint": endpoint,
            "request_count": identity.request_count,
            "prompt_version": identity.prompt_version,
            # With which parameters the requests were sent is not known.
            "parameters": orjson.dumps({"price_list": price_list_version()}).decode(),
            **price.columns,
            "estimated_input_tokens": tokens_in,
            "estimated_output_tokens": tokens_out,
            "estimated_cost_usd": price.cost(tokens_in, tokens_out),
            "created_at": batch.created_at,
            "window_hours": _window(batch),
        },
    )


def _evidence(batch: UnknownBatch) -> str:
    return f"it carries the mark of the ledger {batch.identity.ledger}, and was not in this one"


def _finding(batch: UnknownBatch) -> Finding:
    return Finding(batch.identity.submission, batch.route.provider, batch.model, _evidence(batch), batch.batch_id)


def _window(batch: UnknownBatch) -> int | None:
    """Return what the provider says, if it can be, else the usual time; None for direct calls, which have none."""
    if batch.route.access == "direct":
        return None
    provider = load_catalogue().provider(batch.route.provider)
    said = batch.window_hours
    return said if said is not None and provider.allows_window(said) else provider.window_hours


def _picture_tokens(batch: UnknownBatch) -> int:
    """Return the tokens of one picture; 0 for a model that the catalogue does not have, or that takes none."""
    try:
        images = load_catalogue().model(f"{batch.route.provider}/{batch.model}").images
    except UnknownModelError:
        return 0
    return 0 if images is None else images.tokens


def _price(batch: UnknownBatch) -> Price:
    """Return the price on the day of the batch; 0 for a model that the price list does not have."""
    day = (batch.created_at or dt.datetime.now(dt.UTC)).date()
    try:
        return booked_price(batch.route.provider, batch.model, batch.route.access, day=day)
    except LookupError:
        return Price(0.0, 0.0)


def _record_seen(
    warehouse: Warehouse, found: UnknownBatches, listed: Collection[str], *, foreign: Iterable[UnknownBatch] = ()
) -> None:
    """Record which batches are of other programs, and which are still unreadable.

    Args:
        listed: the providers of which everything was listed; earlier unreadable batches there are forgotten.
        foreign: batches of other ledgers that are to stay theirs.
    """
    rows = [(provider, batch_id, "foreign") for provider, ids in found.foreign.items() for batch_id in ids]
    rows += [(batch.route.provider, batch.batch_id, "foreign") for batch in foreign]
    rows += [(provider, batch_id, "unreadable") for provider, ids in found.unreadable.items() for batch_id in ids]
    if not rows and not listed:
        return
    with warehouse.connect(RECORD_WAIT_SECONDS) as connection, transaction(connection):
        for provider in listed:
            connection.execute("DELETE FROM other_batches WHERE provider = ? AND kind = 'unreadable'", [provider])
        for provider, batch_id, kind in rows:
            parameters = {"provider": provider, "batch_id": batch_id, "kind": kind}
            connection.execute(sql(__package__, "remember_batch"), parameters)


def _refusal(adopted: Sequence[UnknownBatch], found: UnknownBatches) -> str:
    """Say in one line why nothing was submitted, and what to do."""
    parts: list[str] = []
    if adopted:
        providers = ", ".join(sorted({batch.route.provider for batch in adopted}))
        parts.append(
            f"the ledger lacked {pluralize(len(adopted), 'batch', 'batches')} of its own at {providers}, adopted now; "
            "run grabient poll to collect the answers"
        )
    parts += found.left
    return (
        f"nothing was submitted, because it may be paid for already: {'; '.join(parts)} (--ignore-unknown submits it)"
    )


def _read_listings(workspace: Workspace, routes: Iterable[Route]) -> tuple[dict[str, str], dict[str, dt.datetime]]:
    """Return by provider a digest of its API key and address, and when that account was listed since the last restore.

    The digest is salted with the id of the ledger, and reveals neither.
    """
    with workspace.warehouse.connect() as connection:
        ((ledger_id,),) = connection.execute("SELECT ledger_id FROM config").fetchall()
        rows: list[tuple[str, str, dt.datetime]] = connection.execute(sql(__package__, "listed_before")).fetchall()
    accounts = {route.provider: workspace.providers.account(route.provider, ledger_id) for route in routes}
    return accounts, {provider: at for provider, account, at in rows if accounts.get(provider) == account}


def _record_listings(warehouse: Warehouse, providers: Collection[str], accounts: Mapping[str, str]) -> None:
    if not providers:
        return
    with warehouse.connect(RECORD_WAIT_SECONDS) as connection, transaction(connection):
        for provider in providers:
            connection.execute(
                sql(__package__, "record_listing"), {"provider": provider, "account": accounts[provider]}
            )


def _unreadable_providers(warehouse: Warehouse, wait_seconds: float) -> frozenset[str]:
    with warehouse.connect(wait_seconds) as connection:
        rows = connection.execute("SELECT DISTINCT provider FROM other_batches WHERE kind = 'unreadable'").fetchall()
    return frozenset(provider for (provider,) in rows)
