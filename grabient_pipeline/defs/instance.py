"""A home for Dagster below the data directory, wherever that is.

The project's `dagster.yaml` names its folders relative to the project, which is right for `dagster dev` in the project
with the usual data directory. Every process of Dagster takes them relative to its own working directory, so what
`grabient dev` starts gets a copy with the real places.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import yaml

from grabient_pipeline.atomic import write_atomic
from grabient_pipeline.errors import SettingsError
from grabient_pipeline.settings import PROJECT_ROOT, Settings

_USUAL_PLACE = Path("data/state/dagster")


def write_dagster_home(settings: Settings) -> Path:
    """Write the instance's `dagster.yaml` into its home and give the home.

    Raises:
        SettingsError: the project's `dagster.yaml` is missing or broken.
    """
    settings.create_directories()
    home = settings.dagster_dir
    source = PROJECT_ROOT / "dagster.yaml"
    try:
        configuration = yaml.safe_load(source.read_text("utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise SettingsError(f"{source} cannot be read ({type(error).__name__}); restore it (git checkout)") from error
    # Another Dagster process in this home sees the old file or the new one.
    text = yaml.safe_dump(_placed(configuration, home), sort_keys=False)
    write_atomic(home / "dagster.yaml", lambda part: part.write_text(text, "utf-8"))
    return home


def _placed(value: object, home: Path) -> object:
    """The same configuration with every `base_dir` in the home."""
    if not isinstance(value, dict):
        return value
    fields = cast("dict[str, Any]", value)
    return {
        name: str(home / Path(field).relative_to(_USUAL_PLACE)) if name == "base_dir" else _placed(field, home)
        for name, field in fields.items()
    }
