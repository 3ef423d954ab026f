"""Expensive imports of the commands, on first use.

`from grabient_pipeline.cli import lazy` costs nothing; `lazy.Pipeline` imports `grabient_pipeline.pipeline` (0.6 s on a
fast machine, 2 s on a slow one). This keeps `--help` and completion fast without imports inside functions. Modules that
import quickly do not belong here.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from grabient_pipeline import sandbox as sandbox
    from grabient_pipeline.batches.abandon import abandonable as abandonable
    from grabient_pipeline.batches.account_limits import QUEUE_KINDS as QUEUE_KINDS
    from grabient_pipeline.batches.account_limits import account_named as account_named
    from grabient_pipeline.batches.account_limits import read_account_settings as read_account_settings
    from grabient_pipeline.batches.account_limits import read_account_tier as read_account_tier
    from grabient_pipeline.batches.account_limits import take_back_tier as take_back_tier
    from grabient_pipeline.batches.account_limits import write_figures as write_figures
    from grabient_pipeline.batches.account_limits import write_tier as write_tier
    from grabient_pipeline.batches.catalogue_check import finding_lines as finding_lines
    from grabient_pipeline.batches.collect import ended_batches as ended_batches
    from grabient_pipeline.batches.config import read_patience as read_patience
    from grabient_pipeline.batches.config import read_refine_after as read_refine_after
    from grabient_pipeline.batches.config import read_refine_share as read_refine_share
    from grabient_pipeline.batches.config import write_patience as write_patience
    from grabient_pipeline.batches.config import write_refine_after as write_refine_after
    from grabient_pipeline.batches.config import write_refine_share as write_refine_share
    from grabient_pipeline.batches.orders import BackfillRequest as BackfillRequest
    from grabient_pipeline.batches.orders import RefinementRequest as RefinementRequest
    from grabient_pipeline.batches.orders import check_analysis_count as check_analysis_count
    from grabient_pipeline.batches.parse import ParseReport as ParseReport
    from grabient_pipeline.batches.poll import PollReport as PollReport
    from grabient_pipeline.batches.prompt_versions import diff_prompts as diff_prompts
    from grabient_pipeline.batches.prompt_versions import readable as readable
    from grabient_pipeline.batches.status import failure_reasons as failure_reasons
    from grabient_pipeline.batches.status import models_without_usable_answers as models_without_usable_answers
    from grabient_pipeline.batches.windows import read_windows as read_windows
    from grabient_pipeline.batches.windows import take_back_window as take_back_window
    from grabient_pipeline.batches.windows import write_window as write_window
    from grabient_pipeline.cli.data_directory import delete_demo as delete_demo
    from grabient_pipeline.cli.data_directory import in_use as in_use
    from grabient_pipeline.cli.local_sandbox import proxy_exceptions as proxy_exceptions
    from grabient_pipeline.cli.local_sandbox import running_sandbox as running_sandbox
    from grabient_pipeline.defs import runless as runless
    from grabient_pipeline.defs.instance import write_dagster_home as write_dagster_home
    from grabient_pipeline.exports.palettes import FORMATS as FORMATS
    from grabient_pipeline.follow_up import follow_up as follow_up
    from grabient_pipeline.imports.palettes import ImportReport as ImportReport
    from grabient_pipeline.pipeline import Pipeline as Pipeline
    from grabient_pipeline.providers.catalogue import load_catalogue as load_catalogue
    from grabient_pipeline.providers.panel import mission_price_usd as mission_price_usd
    from grabient_pipeline.providers.panel import panel_ends as panel_ends
    from grabient_pipeline.providers.panel import request_price as request_price
    from grabient_pipeline.providers.prices import batch_price as batch_price
    from grabient_pipeline.providers.prices import price_list_version as price_list_version
    from grabient_pipeline.providers.registry import provider_keys as provider_keys
    from grabient_pipeline.retrieval.evaluation import DEPTH as DEPTH
    from grabient_pipeline.retrieval.evaluation import RANKERS as RANKERS
    from grabient_pipeline.scorecard.plot import plot_scores as plot_scores
    from grabient_pipeline.settings import Settings as Settings
    from grabient_pipeline.warehouse import Warehouse as Warehouse
    from grabient_pipeline.warehouse.bucket_copies import fetch_snapshot as fetch_snapshot
    from grabient_pipeline.warehouse.bucket_copies import is_bucket_location as is_bucket_location
    from grabient_pipeline.warehouse.bucket_copies import upload_snapshot as upload_snapshot
    from grabient_pipeline.warehouse.damage import explain_database_error as explain_database_error
    from grabient_pipeline.warehouse.restore import back_up as back_up
    from grabient_pipeline.warehouse.restore import choose_copy as choose_copy
    from grabient_pipeline.warehouse.restore import find_copies as find_copies
    from grabient_pipeline.warehouse.restore import republish as republish
    from grabient_pipeline.warehouse.restore import restore as restore
    from grabient_pipeline.warehouse.retention import Retention as Retention
    from grabient_pipeline.warehouse.retention import read_retention as read_retention
    from grabient_pipeline.warehouse.retention import write_retention as write_retention

_NAMES = {
    "batches.abandon": ("abandonable",),
    "batches.account_limits": (
        "QUEUE_KINDS",
        "account_named",
        "read_account_settings",
        "read_account_tier",
        "take_back_tier",
        "write_figures",
        "write_tier",
    ),
    "batches.catalogue_check": ("finding_lines",),
    "batches.collect": ("ended_batches",),
    "batches.config": (
        "read_patience",
        "read_refine_after",
        "read_refine_share",
        "write_patience",
        "write_refine_after",
        "write_refine_share",
    ),
    "batches.orders": ("BackfillRequest", "RefinementRequest", "check_analysis_count"),
    "batches.parse": ("ParseReport",),
    "batches.poll": ("PollReport",),
    "batches.prompt_versions": ("diff_prompts", "readable"),
    "batches.status": ("failure_reasons", "models_without_usable_answers"),
    "batches.windows": ("read_windows", "take_back_window", "write_window"),
    "cli.data_directory": ("delete_demo", "in_use"),
    "cli.local_sandbox": ("proxy_exceptions", "running_sandbox"),
    "defs.instance": ("write_dagster_home",),
    "exports.palettes": ("FORMATS",),
    "follow_up": ("follow_up",),
    "imports.palettes": ("ImportReport",),
    "pipeline": ("Pipeline",),
    "providers.catalogue": ("load_catalogue",),
    "providers.panel": ("mission_price_usd", "panel_ends", "request_price"),
    "providers.prices": ("batch_price", "price_list_version"),
    "providers.registry": ("provider_keys",),
    "retrieval.evaluation": ("DEPTH", "RANKERS"),
    "scorecard.plot": ("plot_scores",),
    "settings": ("Settings",),
    "warehouse": ("Warehouse",),
    "warehouse.bucket_copies": ("fetch_snapshot", "is_bucket_location", "upload_snapshot"),
    "warehouse.damage": ("explain_database_error",),
    "warehouse.restore": ("back_up", "choose_copy", "find_copies", "republish", "restore"),
    "warehouse.retention": ("Retention", "read_retention", "write_retention"),
}
_MODULES = {"runless": "defs.runless", "sandbox": "sandbox"}
_OWNERS = {name: module for module, names in _NAMES.items() for name in names}


def load(name: str, owners: Mapping[str, str]) -> object:
    """Import what `owners` has under this name. Raises `AttributeError`, as a module without the name does."""
    if name not in owners:
        raise AttributeError(f"there is no lazy name {name!r}")
    return getattr(import_module(f"grabient_pipeline.{owners[name]}"), name)


def __getattr__(name: str) -> object:
    if name in _MODULES:
        return import_module(f"grabient_pipeline.{_MODULES[name]}")
    return load(name, _OWNERS)
