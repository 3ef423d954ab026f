"""The batch APIs of four providers behind one small protocol, and the catalogue of their models.

Knows neither Dagster nor DuckDB. Adding a provider is one module, one entry in `catalogue.toml` and one in `access.py`.
"""
