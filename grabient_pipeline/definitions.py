"""The code location: everything that Dagster sees, assembled in one place."""

# pyright: reportUnknownMemberType=false
# (Dagster leaves type arguments open in the signature of `replace_attributes`.)

from __future__ import annotations

import warnings
from typing import Any

import dagster as dg

from grabient_pipeline.convex.defs import MIGRATION_JOBS
from grabient_pipeline.defs.asset_checks import CHECKS
from grabient_pipeline.defs.assets import ASSETS
from grabient_pipeline.defs.automation import automation_conditions
from grabient_pipeline.defs.jobs import JOBS, SCHEDULES
from grabient_pipeline.defs.resources import PipelineResource
from grabient_pipeline.defs.sensors import build_poll_sensor, refresh_derived
from grabient_pipeline.errors import SettingsError, UnknownModelError
from grabient_pipeline.providers.catalogue import load_catalogue
from grabient_pipeline.settings import DEFAULT_EMBEDDING_MODEL, DEFAULT_POLL_SECONDS, Settings


def build_definitions(**overrides: Any) -> dg.Definitions:
    """Assemble all definitions; those given by name (`resources`, `sensors`, ...) replace ours.

    The environment is read here and not at import. A variable that cannot be used does not take the code location down:
    defaults stand in, and every run reports the variable.
    """
    settings = _usable_settings()
    conditions = automation_conditions(settings.embedding_model if settings else DEFAULT_EMBEDDING_MODEL)
    refiner = _refining_provider(settings)

    def complete(spec: dg.AssetSpec) -> dg.AssetSpec:
        if spec.key in conditions:
            spec = spec.replace_attributes(automation_condition=conditions[spec.key])
        if refiner and spec.key == dg.AssetKey("refinement_batches"):
            spec = spec.replace_attributes(kinds={*spec.kinds, refiner})
        return spec

    parts: dict[str, Any] = {
        "assets": dg.map_asset_specs(complete, ASSETS),
        "asset_checks": CHECKS,
        "jobs": [*JOBS, *MIGRATION_JOBS],
        "sensors": [
            build_poll_sensor(settings.poll_seconds if settings else DEFAULT_POLL_SECONDS),
            refresh_derived,
        ],
        "schedules": SCHEDULES,
        "resources": {"pipeline": PipelineResource()},
        # The steps are short and share one database: a process for each would cost two seconds and gain nothing.
        "executor": dg.in_process_executor,
    }
    return dg.Definitions(**{**parts, **overrides})


def _usable_settings() -> Settings | None:
    try:
        return Settings.from_environment()
    except SettingsError as error:
        warnings.warn(f"{error}; until then the sensor and the assets use their defaults", stacklevel=3)
        return None


def _refining_provider(settings: Settings | None) -> str | None:
    """Return the provider of the refining model, if there is one, for the asset's page."""
    name = settings.refinement_model if settings else None
    try:
        return load_catalogue().model(name).provider if name else None
    except UnknownModelError:
        # A run reports what is wrong with the name.
        return None


defs = build_definitions()
