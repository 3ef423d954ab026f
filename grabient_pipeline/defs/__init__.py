"""Everything that Dagster sees: assets, asset checks, jobs, the sensor, the resource.

Thin: each definition calls one step of the pipeline and reports what it did. Nothing outside this package imports
Dagster, except `definitions.py`, which assembles it, and the jobs of `convex/`.
"""
