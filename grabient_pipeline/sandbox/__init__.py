"""A local server that speaks the batch APIs of Anthropic, OpenAI, Groq and Google, strictly and without a network.

The official SDKs work on it unchanged, with other base URLs (`SandboxServer.environment`). It is what people try the
pipeline on and what the tests run against. It knows nothing of the pipeline but its colour measurements: what it
accepts and refuses is written down here a second time.

    server.py       running it: in a thread, in a process, in the foreground
    app.py          the application, and what it tells about itself under `/_sandbox`
    anthropic.py  openai.py (also Groq)  chat.py  google.py       the dialects
    abilities.py  schemas.py                                      what models take and refuse
    production.py  answers.py  asked.py  colours.py  vocabulary.py   how answers are made
    store.py  context.py  json_rows.py  documents.py              what is kept, and how it is read and streamed
    faults.py       misbehaviour on demand
"""

from grabient_pipeline.sandbox.server import SandboxServer, SandboxServerError, environment, serve

__all__ = ["SandboxServer", "SandboxServerError", "environment", "serve"]
