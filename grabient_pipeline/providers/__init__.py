"""Batch APIs of language models behind one small protocol, and the catalogue of providers and models.

    base.py              the protocol and its values       catalogue.py   providers and models (catalogue.toml)
    registry.py          opens a provider by its key       prices.py      what tokens cost
    anthropic.py openai.py groq.py google.py               one implementation each
    chat_completions.py  what OpenAI-like APIs share       direct.py      ordinary calls instead of batches
    transport/           errors, rows, paging, files

Knows neither Dagster nor DuckDB. A new provider is one module and one table in `catalogue.toml` that names it.
"""
