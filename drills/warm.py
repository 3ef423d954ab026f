"""What a process of a command has loaded before it begins, so that a kill hits its work and not its imports.

The fork server imports this once; no connection is made.
"""

# ruff: noqa: F401
# pyright: reportUnusedImport=false

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
    # Its SDK, and the types that the SDK makes when they are first needed.
    open_provider(_provider.key, {_provider.key_variable: "no-key"})

# A collection in a forked process would touch, and so copy, all that was loaded here.
gc.freeze()
