"""What every module of `sandbox.providers` declares: one frozen object per provider."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from grabient_pipeline.sandbox.batches.context import Context
from grabient_pipeline.sandbox.batches.dialect import Dialect
from grabient_pipeline.sandbox.capabilities import BatchLimits, EmbeddingModel, Models, QueueRules
from grabient_pipeline.sandbox.faults.registry import Call
from grabient_pipeline.sandbox.responses import ErrorResponse


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxProvider:
    """One provider of the sandbox.

    Attributes:
        key: The provider's key, which is also the first segment of its paths.
        key_variable: The environment variable with its API key.
        address_variable: The environment variable with its base address.
        address_path: The path of the base address that its SDK is given.
        routes_path: The path below which its routes are mounted.
        routes: Makes its routes.
        dialect: Its batch format.
        error: Makes an error in its format.
        reject_call: The response to a call without valid credentials, or None if the call is accepted.
        models: Its models, by name.
        limits: The most that one batch may hold.
        queue: What all batches together may hold.
        embedding_models: Its embedding models.
        calls: The kinds of its POST calls, by the end of the path; the first match counts. Uploads are known anyway.
        downloads: The ends of the paths from which contents are downloaded.
        faults: The faults, of those that are not universal, that can happen here.
        wrong_method_status: The status of a call with a method that a path does not have.
    """

    key: str
    key_variable: str
    address_variable: str
    address_path: str
    routes_path: str
    routes: Callable[[Context], list[BaseRoute]]
    dialect: Dialect
    error: ErrorResponse
    reject_call: Callable[[Request], Response | None]
    models: Models
    limits: BatchLimits
    queue: QueueRules
    calls: Mapping[str, Call]
    downloads: tuple[str, ...]
    embedding_models: tuple[EmbeddingModel, ...] = ()
    faults: frozenset[str] = frozenset()
    wrong_method_status: int = 405
