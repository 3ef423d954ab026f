"""Report to Dagster what a command did, so that it shows in the UI of the same data directory.

Which metadata an asset gets is decided in `grabient_pipeline.defs`; commands pass the reports of their steps.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from grabient_pipeline.cli import lazy, terminal

if TYPE_CHECKING:
    from grabient_pipeline.settings import Settings


def record(settings: Settings, command: str, reports: Mapping[str, object]) -> None:
    """Report assets as materialized by a command. Never fails, because the work itself is done.

    Args:
        settings: whose Dagster instance it is.
        command: such as `grabient import`.
        reports: what each step did, by the name of its asset; see `grabient_pipeline.defs.runless.METADATA`. Nothing
            is recorded if it is empty.
    """
    if not reports:
        return
    try:
        os.environ["DAGSTER_HOME"] = str(lazy.write_dagster_home(settings))
        os.environ["DAGSTER_DISABLE_TELEMETRY"] = "1"
        # Dagster takes a second to import, and reads these variables.
        lazy.runless.report(settings.data_dir, reports, command)
    except Exception as error:
        terminal.warn(f"done, but the Dagster UI will not show it ({type(error).__name__})")
