"""The queues of the providers: what batches occupy until they end, the limits, and what others occupy.

Nothing is limited unless it is said, at the start or through the control API. How a provider refuses a batch that does
not fit is in its own module.
"""

import threading
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, cast

from starlette.requests import Request

from grabient_pipeline.sandbox.batch import Batch
from grabient_pipeline.sandbox.capabilities import QUEUE_KINDS, QueueKind, QueueRules
from grabient_pipeline.sandbox.json_values import as_object
from grabient_pipeline.sandbox.store import Store, now

_SETTINGS = frozenset({"provider", "model", "tier", "retry_after", "counts_output", *QUEUE_KINDS})
_OCCUPATIONS = frozenset({"provider", "model", "fraction", *QUEUE_KINDS})


class UnknownLimitError(ValueError):
    """A limit of a provider, tier or kind that does not exist, or an invalid value."""


@dataclass(frozen=True, slots=True)
class FullQueue:
    """A batch does not fit: what there is too much of, the limit, and when to try again, if the provider says so."""

    kind: QueueKind
    limit: int
    retry_after: float | None


@dataclass(slots=True)
class _Limits:
    """The limits of one provider; `tokens` and `models` are by model, the others for all."""

    tokens: dict[str, int] = field(default_factory=dict[str, int])
    requests: int | None = None
    jobs: int | None = None
    models: dict[str, dict[QueueKind, int | None]] = field(default_factory=dict[str, dict[QueueKind, int | None]])
    retry_after: float | None = None
    counts_output: bool = False

    def limit(self, kind: QueueKind, model: str) -> int | None:
        """The limit for a model; None if there is none."""
        special = self.models.get(model, {})
        if kind in special:
            return special[kind]
        if kind != "tokens":
            return self.requests if kind == "requests" else self.jobs
        families = [family for family in self.tokens if model.startswith(family)]
        return self.tokens[max(families, key=len)] if families else None

    def document(self) -> dict[str, Any]:
        """Their description in the control API; the empty name stands for all models."""
        return {
            "tokens": self.tokens,
            "requests": self.requests,
            "jobs": self.jobs,
            "models": self.models,
            "retry_after": self.retry_after,
            "counts_output": self.counts_output,
        }


@dataclass(slots=True)
class _Counts:
    """What happened to the batches of one model."""

    met_full_queue: int = 0
    most_waiting: dict[QueueKind, int] = field(default_factory=lambda: dict.fromkeys(QUEUE_KINDS, 0))


class Queues:
    """The queues of all providers. Methods may be called from several threads.

    Args:
        store: Where batches are kept; those that have not ended occupy their queue from the start.
        rules: What each provider limits.
        limits: The limits at the start, as in the control API.
    """

    def __init__(self, store: Store, rules: Mapping[str, QueueRules], limits: Any = None) -> None:
        self._store = store
        self._rules = rules
        self._lock = threading.Lock()
        self._limits = {provider: _Limits(retry_after=each.retry_after) for provider, each in rules.items()}
        self._others: dict[str, dict[str | None, dict[str, float]]] = {provider: {} for provider in rules}
        self._counts: dict[tuple[str, str], _Counts] = defaultdict(_Counts)
        self._live = [batch for batch in store.batches() if not batch.phase(now()).ended and not batch.deleted]
        if limits:
            self.limit(limits)

    # Batches.

    def counts_output(self, provider: str) -> bool:
        """Whether the output limits of requests count as tokens that wait."""
        return self._limits[provider].counts_output

    def admit(self, batch: Batch, account: str) -> FullQueue | None:
        """Let a new batch into the queue of its account, or say why it does not fit."""
        batch.account = account
        limits = self._limits[batch.provider]
        counts = self._counts[batch.provider, batch.model]
        with self._lock:
            self._forget_ended()
            for kind in self._rules[batch.provider].kinds:
                limit = limits.limit(kind, batch.model)
                if limit is None:
                    continue
                used = self._used(kind, batch) + self._used_by_others(kind, batch, limit)
                if used + _size(kind, batch) > limit:
                    counts.met_full_queue += 1
                    return FullQueue(kind, limit, limits.retry_after)
            self._live.append(batch)
            waiting = self._waiting(batch.provider, batch.model)
            counts.most_waiting = {kind: max(counts.most_waiting[kind], waiting[kind]) for kind in QUEUE_KINDS}
        return None

    def forget(self) -> None:
        """Forget all batches, counts and limits, and what others occupy."""
        with self._lock:
            self._live.clear()
            self._counts.clear()
        self.lift()
        self.vacate()

    def _forget_ended(self) -> None:
        moment = now()
        self._live = [batch for batch in self._live if not batch.phase(moment).ended and not batch.deleted]

    def _used(self, kind: QueueKind, batch: Batch) -> int:
        shared = kind in self._rules[batch.provider].shared
        return sum(
            _size(kind, other)
            for other in self._live
            if (other.provider, other.account) == (batch.provider, batch.account)
            and (shared or other.model == batch.model)
        )

    def _used_by_others(self, kind: QueueKind, batch: Batch, limit: int) -> int:
        occupied = self._others[batch.provider]
        parameters = occupied.get(batch.model) or occupied.get(None) or {}
        return int(parameters.get(kind, limit * parameters.get("fraction", 0.0)))

    def _waiting(self, provider: str, model: str) -> dict[QueueKind, int]:
        found = [batch for batch in self._live if (batch.provider, batch.model) == (provider, model)]
        return {kind: sum(_size(kind, batch) for batch in found) for kind in QUEUE_KINDS}

    # Settings.

    def limit(self, wanted: Any) -> None:
        """Set limits, as described by one JSON document or a list of them; if one is invalid, none is set.

        Raises:
            UnknownLimitError: A document names what does not exist, or has an invalid value.
        """
        documents = _documents(wanted, _SETTINGS)
        changes = [(provider, document) for document in documents for provider in self._concerned(document)]
        for provider, document in changes:
            self._check_limit(provider, document)
        with self._lock:
            for provider, document in changes:
                self._set_limit(provider, document)

    def lift(self) -> None:
        """Remove all limits."""
        with self._lock:
            self._limits = {provider: _Limits(retry_after=each.retry_after) for provider, each in self._rules.items()}

    def occupy(self, wanted: Any) -> None:
        """Let others occupy a part of queues, as described by one JSON document or a list of them.

        Raises:
            UnknownLimitError: A document names what does not exist, or has an invalid value.
        """
        documents = _documents(wanted, _OCCUPATIONS)
        changes = [(provider, document) for document in documents for provider in self._concerned(document)]
        with self._lock:
            for provider, document in changes:
                values = {name: document[name] for name in ("fraction", *QUEUE_KINDS) if document.get(name) is not None}
                self._others[provider][document.get("model")] = values

    def vacate(self) -> None:
        """Let others occupy nothing."""
        with self._lock:
            for others in self._others.values():
                others.clear()

    def _concerned(self, document: dict[str, Any]) -> Iterable[str]:
        provider = document.get("provider")
        if provider is None:
            return self._rules
        if provider not in self._rules:
            raise UnknownLimitError(f"no provider {provider!r}; there are {', '.join(self._rules)}")
        return (provider,)

    def _check_limit(self, provider: str, document: dict[str, Any]) -> None:
        rules, tier = self._rules[provider], document.get("tier")
        known = tier is None or tier in rules.tiers or (document.get("provider") is None and tier > max(rules.tiers))
        if not known:
            raise UnknownLimitError(f"{provider} has no tier {tier}; there are {', '.join(map(str, rules.tiers))}")
        if tier is not None and document.get("model") is not None:
            raise UnknownLimitError("a tier is of all models of a provider")
        for kind in QUEUE_KINDS:
            if document.get("provider") and document.get(kind) is not None and kind not in rules.kinds:
                raise UnknownLimitError(f"{provider} has no limit of {kind}; it has those of {', '.join(rules.kinds)}")

    def _set_limit(self, provider: str, document: dict[str, Any]) -> None:
        model = document.get("model")
        if model is not None:
            values: dict[QueueKind, int | None] = {kind: document[kind] for kind in QUEUE_KINDS if kind in document}
            self._limits[provider].models[model] = values
            return
        rules = self._rules[provider]
        limits = _Limits(
            retry_after=document.get("retry_after", rules.retry_after),
            counts_output=document.get("counts_output", False),
        )
        tier = document.get("tier")
        if tier is not None:
            sizes = rules.tiers[max(number for number in rules.tiers if number <= tier)]
            limits.tokens, limits.requests, limits.jobs = dict(sizes.tokens), sizes.requests, sizes.jobs
        if "tokens" in document:
            limits.tokens = {} if document["tokens"] is None else {"": document["tokens"]}
        limits.requests = document.get("requests", limits.requests)
        limits.jobs = document.get("jobs", limits.jobs)
        self._limits[provider] = limits

    # Reports.

    def limits(self) -> dict[str, Any]:
        """The limits of each provider, with its tiers."""
        return {
            provider: {**self._limits[provider].document(), "kinds": rules.kinds, "tiers": list(rules.tiers)}
            for provider, rules in self._rules.items()
        }

    def occupied(self) -> list[dict[str, Any]]:
        """What others occupy."""
        return [
            {"provider": provider, "model": model, **values}
            for provider, others in self._others.items()
            for model, values in others.items()
        ]

    def report(self) -> dict[str, dict[str, Any]]:
        """By provider and model: what waits now, the most that waited at once, and creations that met a full queue."""
        with self._lock:
            self._forget_ended()
            models = {**{(batch.provider, batch.model): None for batch in self._live}, **dict.fromkeys(self._counts)}
            found: dict[str, dict[str, Any]] = {provider: {} for provider in self._rules}
            for provider, model in sorted(models):
                counts = self._counts[provider, model]
                found[provider][model] = {
                    "waiting": self._waiting(provider, model),
                    "most_waiting": counts.most_waiting,
                    "met_full_queue": counts.met_full_queue,
                }
        return found


def account_of(request: Request) -> str:
    """The account of a call: a digest of its key."""
    headers = request.headers
    key = headers.get("x-goog-api-key") or headers.get("x-api-key") or headers.get("authorization", "")
    key = key or request.query_params.get("key", "")
    return blake2b(key.encode(), digest_size=12).hexdigest()


def _size(kind: QueueKind, batch: Batch) -> int:
    if kind == "jobs":
        return 1
    return batch.tokens if kind == "tokens" else batch.request_count


def _documents(wanted: Any, known: frozenset[str]) -> list[dict[str, Any]]:
    documents = [as_object(each) for each in cast(list[Any], wanted if isinstance(wanted, list) else [wanted])]
    for document in documents:
        unknown = document.keys() - known
        if unknown or not document:
            raise UnknownLimitError(f"unknown name {min(unknown, default='')!r}; there are {', '.join(sorted(known))}")
        for name, value in document.items():
            if not _is_valid(name, value):
                raise UnknownLimitError(f"{name} cannot be {value!r}")
    return documents


def _is_valid(name: str, value: Any) -> bool:
    if name == "counts_output":
        return isinstance(value, bool)
    if value is None:
        return name != "fraction"
    if name in ("provider", "model"):
        return isinstance(value, str)
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        return False
    return isinstance(value, int) or name in ("fraction", "retry_after")
