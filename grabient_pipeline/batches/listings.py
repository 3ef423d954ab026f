"""The providers' listings compared with the ledger: which batches it lacks, and whose they are.

A batch says whose it is by its metadata or its title, or else by the custom ids of its results, which are not there
before it has ended.
"""

from __future__ import annotations

import datetime as dt
import threading
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import duckdb

from grabient_pipeline.batches.custom_ids import RequestIdentity, model_digest, read_custom_id
from grabient_pipeline.batches.ledger import identified_batches
from grabient_pipeline.batches.prompt_versions import CURRENT
from grabient_pipeline.batches.workspace import Workspace
from grabient_pipeline.deadline import Deadline
from grabient_pipeline.errors import GrabientError
from grabient_pipeline.formatting import pluralize
from grabient_pipeline.providers.base import BatchIdentity, ListedBatch, Route
from grabient_pipeline.providers.catalogue import load_catalogue
from grabient_pipeline.warehouse import WAIT_SECONDS


@dataclass(frozen=True, slots=True)
class UnknownBatch:
    """A batch with the mark of a ledger that the ledger lacks, and what it says about itself.

    `window_hours`: after so many hours its provider ends it; None if it does not say.
    """

    route: Route
    batch_id: str
    identity: BatchIdentity
    created_at: dt.datetime | None
    window_hours: int | None = None

    @property
    def model(self) -> str:
        """The model's id at the provider."""
        return self.identity.model.partition("/")[2]


@dataclass(frozen=True)
class UnknownBatches:
    """What the listings showed that the ledger lacks.

    `ours` carry this ledger's id, and `others` the id of another one. By provider, `unreadable` has the ids of batches
    that show only when they have ended whose they are, and `foreign` those of other programs. `failures`: why a route
    could not be listed.
    """

    ours: tuple[UnknownBatch, ...] = ()
    others: tuple[UnknownBatch, ...] = ()
    unreadable: Mapping[str, Sequence[str]] = field(default_factory=dict[str, Sequence[str]])
    foreign: Mapping[str, Sequence[str]] = field(default_factory=dict[str, Sequence[str]])
    failures: Mapping[Route, str] = field(default_factory=dict[Route, str])

    @property
    def other_ledgers(self) -> dict[str, int]:
        """The ids of the other ledgers, and how many batches each has."""
        return dict(Counter(batch.identity.ledger for batch in self.others))

    @property
    def left(self) -> list[str]:
        """What is to be decided or waited for, a line for each ledger and provider."""
        lines = [
            f"the ledger lacks {pluralize(count, 'batch', 'batches')} of the ledger {ledger}; "
            f"grabient reconcile --adopt {ledger} takes over what was paid for"
            for ledger, count in self.other_ledgers.items()
        ]
        lines += [unreadable_line(provider, len(ids), ids[0]) for provider, ids in self.unreadable.items()]
        return lines


def find_unknown(
    workspace: Workspace,
    routes: Collection[Route],
    deadline: Deadline,
    *,
    since: Mapping[str, dt.datetime] | None = None,
    wait_seconds: float = WAIT_SECONDS,
) -> UnknownBatches:
    """List the batches of these routes, all routes at once, and compare them with the ledger.

    Args:
        deadline: when the listings must be complete; a route whose listing is not becomes a failure.
        since: by provider, the creation time before which batches need not be listed.
        wait_seconds: how long to wait for the database before.

    Raises:
        WarehouseBusy: another process held the database for longer.
    """
    with workspace.warehouse.connect(wait_seconds) as connection:
        ledger = _Ledger.read(connection)
    listings = _Listings(workspace, ledger, since or {})
    budget = deadline.remaining()
    # Daemon threads: a pool's thread would keep the process alive while its call hangs.
    threads = [threading.Thread(target=listings.list_route, args=(route,), daemon=True) for route in routes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(deadline.remaining())
    return listings.compare(routes, f"no complete list of its batches within {budget:.0f} s")


def every_route(workspace: Workspace) -> list[Route]:
    """Return the routes that may have batches: of every provider with a key, by batches and by ordinary calls."""
    keys = sorted(workspace.providers.keys)
    return [Route(key) for key in keys] + [Route(key, "direct") for key in keys]


def _carries_mark(batch: ListedBatch) -> bool:
    """Whether a batch is a ledger's, even if it is about a model that is not known here."""
    return batch.identity is not None or (batch.custom_id is not None and read_custom_id(batch.custom_id) is not None)


def batches_at(provider: str, count: int, example: str) -> str:
    """Name batches at a provider by their number and one id."""
    return f"{pluralize(count, 'batch', 'batches')} at {provider} ({example}{', …' if count > 1 else ''})"


def unreadable_line(provider: str, count: int, example: str) -> str:
    """Say that batches do not show their owner before they have ended, and what to do."""
    return f"{batches_at(provider, count, example)} may belong to this ledger; run grabient poll after the end"


@dataclass(frozen=True, slots=True)
class _Ledger:
    """What the ledger knows before the listings.

    `identified`: by provider, the ids of batches whose owner is known. `submissions`: whether each was released.
    `models`: by provider, the ids of those in the ledger and in the catalogue. `versions`: of the prompts.
    """

    ledger_id: str
    identified: Mapping[str, frozenset[str]]
    submissions: Mapping[str, bool]
    models: Mapping[str, frozenset[str]]
    versions: frozenset[str]

    @classmethod
    def read(cls, connection: duckdb.DuckDBPyConnection) -> _Ledger:
        ((ledger_id,),) = connection.execute("SELECT ledger_id FROM config").fetchall()
        submissions = connection.execute("SELECT submission, status = 'released' FROM tag_batches").fetchall()
        models = connection.execute("SELECT provider, list(DISTINCT model) FROM tag_batches GROUP BY provider")
        used = {provider: frozenset(names) for provider, names in models.fetchall()}
        catalogue = load_catalogue()
        versions = connection.execute("SELECT version FROM prompt_versions").fetchall()
        return cls(
            ledger_id,
            identified_batches(connection),
            dict(submissions),
            {
                key: used.get(key, frozenset()) | {model.id for model in catalogue.models if model.provider == key}
                for key in catalogue.providers
            },
            frozenset(version for (version,) in versions) | CURRENT.keys(),
        )

    def lacks(self, identity: BatchIdentity) -> bool:
        """Whether the batch is not in the ledger, or was released because its provider did not list it.

        One that is reserved is looked for by `reconcile`.
        """
        return self.submissions.get(identity.submission, True)

    def identify(self, route: Route, listed: ListedBatch) -> BatchIdentity | None:
        """Return what a batch is about; None if it is not a ledger's, or is not about a model of this provider."""
        if listed.identity is not None:
            is_of_provider = listed.identity.model.startswith(f"{route.provider}/")
            return replace(listed.identity, request_count=self._count(listed)) if is_of_provider else None
        said = read_custom_id(listed.custom_id) if listed.custom_id else None
        if said is None:
            return None
        models = [name for name in self.models[route.provider] if model_digest(route.provider, name) == said.model]
        if not models:
            return None
        return BatchIdentity(
            said.submission,
            said.ledger,
            said.stage,
            f"{route.provider}/{min(models)}",
            self._version(said),
            self._count(listed),
        )

    def _version(self, said: RequestIdentity) -> str:
        return min((version for version in self.versions if version.startswith(said.prompt)), default=said.prompt)

    @staticmethod
    def _count(listed: ListedBatch) -> int:
        # Some listings count nothing before the batch has ended.
        return listed.request_count or (listed.identity.request_count if listed.identity else 0)


class _Listings:
    """What the routes listed; a thread per route adds to it."""

    def __init__(self, workspace: Workspace, ledger: _Ledger, since: Mapping[str, dt.datetime]) -> None:
        self._workspace = workspace
        self._ledger = ledger
        self._since = since
        self._outcomes: dict[Route, list[ListedBatch] | str] = {}
        self._lock = threading.Lock()

    def list_route(self, route: Route) -> None:
        """List the batches of a route whose owner is not known."""
        outcome = self._list(route)
        with self._lock:
            self._outcomes[route] = outcome

    def _list(self, route: Route) -> list[ListedBatch] | str:
        try:
            provider = self._workspace.providers.open(route)
            identified = self._ledger.identified.get(route.provider, frozenset())
            return list(provider.list_batches(self._since.get(route.provider), identified))
        except GrabientError as error:
            return str(error)
        except Exception as error:
            return f"{route.label}: unexpected response ({type(error).__name__})"

    def compare(self, routes: Iterable[Route], late: str) -> UnknownBatches:
        """Compare with the ledger. `late`: why a route has no listing."""
        with self._lock:
            outcomes = dict(self._outcomes)
        ours: list[UnknownBatch] = []
        others: list[UnknownBatch] = []
        unreadable: defaultdict[str, list[str]] = defaultdict(list)
        foreign: defaultdict[str, list[str]] = defaultdict(list)
        failures: dict[Route, str] = {}
        for route in routes:
            outcome = outcomes.get(route, f"{route.label}: {late}")
            if isinstance(outcome, str):
                failures[route] = outcome
                continue
            for batch in outcome:
                identity = self._ledger.identify(route, batch)
                if identity is not None:
                    if self._ledger.lacks(identity):
                        unknown = UnknownBatch(route, batch.batch_id, identity, batch.created_at, batch.window_hours)
                        (ours if identity.ledger == self._ledger.ledger_id else others).append(unknown)
                elif route.access == "batch" and not _carries_mark(batch):
                    # The folder of direct calls is shared by all providers, and has no batches of other programs.
                    (unreadable if batch.is_unreadable else foreign)[route.provider].append(batch.batch_id)
        return UnknownBatches(tuple(ours), tuple(others), unreadable, foreign, failures)
