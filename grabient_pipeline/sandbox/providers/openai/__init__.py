"""The OpenAI API: chat completions, batches, files and embeddings. Groq speaks most of it too."""

from functools import partial

from starlette.routing import BaseRoute

from grabient_pipeline.sandbox.batches.context import Context
from grabient_pipeline.sandbox.batches.dialect import Rejection
from grabient_pipeline.sandbox.json_values import names_in
from grabient_pipeline.sandbox.provider import SandboxProvider
from grabient_pipeline.sandbox.providers.openai.embeddings import embedding_routes
from grabient_pipeline.sandbox.providers.openai.errors import error, reject_call
from grabient_pipeline.sandbox.providers.openai.flavour import CHAT_FIELDS, ChatFlavour
from grabient_pipeline.sandbox.providers.openai.models import EMBEDDING_MODELS, LIMITS, MODELS, QUEUE
from grabient_pipeline.sandbox.providers.openai.requests import ChatDialect
from grabient_pipeline.sandbox.providers.openai.routes import CALLS, DOWNLOADS, chat_routes

FLAVOUR = ChatFlavour(
    provider="openai",
    models=MODELS,
    fields=CHAT_FIELDS
    | names_in(
        """
        verbosity metadata store safety_identifier prompt_cache_key prompt_cache_retention prediction modalities audio
        web_search_options
        """
    ),
    file_prefix="file-",
    longest_window=24,
    mixed_models=False,
    newer_fields=True,
    single_choice=False,
    lists_activity=False,
    embedding_models=EMBEDDING_MODELS,
    key_page="https://platform.openai.com/account/api-keys",
    invalid_key="Incorrect API key provided: {shown}. Find yours at {page}.",
    unknown_field="Unrecognized request argument supplied: {name}",
    no_effort=Rejection(400, "invalid_request_error", "Unrecognized request argument supplied: reasoning_effort"),
    no_batch_access=Rejection(403, "", "Your project does not have access to the Batch API."),
    tiers={
        "auto": "default",
        "default": "default",
        "flex": "flex",
        "scale": "default",
        "priority": "priority",
        "fast": "priority",
    },
    details=("auto", "low", "high", "original"),
    no_images="Invalid content type. image_url is only supported by certain models.",
)
DIALECT = ChatDialect(FLAVOUR)


def routes(context: Context) -> list[BaseRoute]:
    """The routes below `/openai/v1`."""
    return [*chat_routes(context, DIALECT), *embedding_routes(context)]


PROVIDER = SandboxProvider(
    key="openai",
    key_variable="OPENAI_API_KEY",
    address_variable="OPENAI_BASE_URL",
    address_path="/openai/v1",
    routes_path="/openai/v1",
    routes=routes,
    dialect=DIALECT,
    error=error,
    reject_call=partial(reject_call, flavour=FLAVOUR),
    models=MODELS,
    limits=LIMITS,
    queue=QUEUE,
    embedding_models=EMBEDDING_MODELS,
    calls={**CALLS, "/embeddings": "embedding"},
    downloads=DOWNLOADS,
    faults=frozenset(
        {
            "fail_batch",
            "status_zero_rows",
            "stuck_finalizing",
            "late_output_file",
            "empty_file_ids",
            "errors_as_list",
            "no_counts",
            "counts_as_strings",
            "models_deprecated",
            "flex_full",
            "flex_refused",
        }
    ),
)
