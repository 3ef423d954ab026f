"""What the fork server imports in advance, so that a kill interrupts the work of a command and not its imports.

The fork server imports this module once. It opens no network connection.
"""

# ruff: noqa: F401
# pyright: reportUnusedImport=false

import atexit
import gc

import anthropic.types.messages
import groq.types
import numpy.ma
import openai.resources
import openai.types
import pyarrow
import pyarrow.dataset
import pytz

import grabient_pipeline.cli
import grabient_pipeline.cli.terminal
import grabient_pipeline.pipeline
import grabient_pipeline.retrieval.embedders.local
from grabient_pipeline.providers.catalogue import load_catalogue
from grabient_pipeline.providers.prices import batch_price
from grabient_pipeline.providers.registry import open_provider

_CATALOGUE = load_catalogue()
for _model in _CATALOGUE.models:
    batch_price(_model)
for _provider in _CATALOGUE.providers.values():
    # Loads the SDK, including the types that it builds on first use.
    open_provider(_provider.key, {_provider.key_variable: "no-key"})

# A garbage collection in a forked process would touch, and so copy, all these objects.
gc.freeze()
# Frozen objects survive the interpreter's final collection, and DuckDB's binding (nanobind) reports them as leaked.
atexit.register(gc.unfreeze)
