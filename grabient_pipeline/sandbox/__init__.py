"""A local server that speaks the APIs of Anthropic, OpenAI, Groq and Google, strictly and without a network.

The official SDKs work on it unchanged, with other base URLs (`SandboxServer.environment`). It is what people try the
pipeline on and what the tests run against. It knows nothing of the pipeline but its colour measurements: what it
accepts and refuses is written down here a second time. For people there is `docs/sandbox.md`.

    server.py    running it: in a thread, in a process, in the foreground
    app.py  control.py    the application; what it tells about itself
    anthropic.py  openai.py (also Groq)  google.py    calls, batches and files of each API
    anthropic_rows.py  openai_rows.py  chat.py  google_rows.py    requests, in a batch or alone
    embeddings.py  vectors.py    the embedding APIs
    creating.py  cancelling.py    what is the same for all providers when batches begin and end
    abilities.py  schemas.py    what models take and refuse
    production.py  desk.py    where batches are worked on, and ordinary calls answered
    answers.py  asked.py  colours.py  vocabulary.py    how answers are made
    store.py  billing.py    what is kept, and what was billed
    context.py  json_rows.py  documents.py    what the modules share; reading JSON
    faults.py  spoiling.py    misbehaviour on demand
"""

from grabient_pipeline.sandbox.server import SandboxServer, SandboxServerError, environment, serve

__all__ = ["SandboxServer", "SandboxServerError", "environment", "serve"]
