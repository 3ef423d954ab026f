"""The Gemini API of Google: generated content, batches, files and embeddings."""

from grabient_pipeline.sandbox.provider import SandboxProvider
from grabient_pipeline.sandbox.providers.google.errors import error, reject_call
from grabient_pipeline.sandbox.providers.google.models import EMBEDDING_MODELS, LIMITS, MODELS, QUEUE
from grabient_pipeline.sandbox.providers.google.requests import GeminiDialect
from grabient_pipeline.sandbox.providers.google.routes import routes

PROVIDER = SandboxProvider(
    key="google",
    key_variable="GOOGLE_GENERATIVE_AI_API_KEY",
    address_variable="GOOGLE_GEMINI_BASE_URL",
    address_path="/google",
    routes_path="/google",
    routes=routes,
    dialect=GeminiDialect(),
    error=error,
    reject_call=reject_call,
    models=MODELS,
    limits=LIMITS,
    queue=QUEUE,
    embedding_models=EMBEDDING_MODELS,
    calls={
        "cancel": "cancelling",
        "mbedContents": "embedding",
        ":embedContent": "embedding",
        ":batchGenerateContent": "creating",
        ":generateContent": "asking",
    },
    downloads=(":download",),
    faults=frozenset({"fail_batch", "no_counts", "poisoned"}),
    wrong_method_status=404,
)
