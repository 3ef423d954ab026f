"""A local server that speaks the APIs of Anthropic, OpenAI, Groq and Google, strictly and without a network.

The official SDKs work with it unchanged, given its base URLs (`SandboxServer.environment`). The demo and the tests run
on it. It knows nothing of the pipeline except its colour measurements: what it accepts and rejects is written down here
a second time. `docs/sandbox.md` is its documentation.

    server app control     running it; the application; its control API
    provider discovery     what a provider declares; all providers
    providers/             one module or package per provider: its models, routes and request formats
    batches/               the worker, ordinary calls, creating and cancelling, bills
    batch store            a batch; what is kept on disk
    model/                 how answers and embeddings are made
    faults/                misbehaviour on demand
    capabilities           the types of the providers' tables
    responses json_*       HTTP responses; reading JSON
"""

from grabient_pipeline.sandbox.batches.queues import UnknownLimitError
from grabient_pipeline.sandbox.server import SandboxServer, SandboxServerError, environment, serve

__all__ = ["SandboxServer", "SandboxServerError", "UnknownLimitError", "environment", "serve"]
