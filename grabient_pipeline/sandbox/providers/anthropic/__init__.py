"""The Anthropic API: messages and message batches."""

from grabient_pipeline.sandbox.provider import SandboxProvider
from grabient_pipeline.sandbox.providers.anthropic.errors import error, reject_call
from grabient_pipeline.sandbox.providers.anthropic.models import LIMITS, MODELS, QUEUE
from grabient_pipeline.sandbox.providers.anthropic.requests import AnthropicDialect
from grabient_pipeline.sandbox.providers.anthropic.routes import routes

PROVIDER = SandboxProvider(
    key="anthropic",
    key_variable="ANTHROPIC_API_KEY",
    address_variable="ANTHROPIC_BASE_URL",
    address_path="/anthropic",
    routes_path="/anthropic",
    routes=routes,
    dialect=AnthropicDialect(),
    error=error,
    reject_call=reject_call,
    models=MODELS,
    limits=LIMITS,
    queue=QUEUE,
    calls={"cancel": "cancelling", "/batches": "creating", "/messages": "asking"},
    downloads=("/results",),
    faults=frozenset({"counts_as_strings", "foreign_results_url", "models_deprecated"}),
)
