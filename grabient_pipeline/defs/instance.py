"""A Dagster home below the data folder: the instance and the workspace of `grabient dev`.

The `dagster.yaml` and `workspace.yaml` of the checkout name folders relative to it, which suits `dagster dev` there
with the default data folder. Dagster resolves them against each process's working directory, so the copies written
here have absolute paths. A wheel carries both files inside the package.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import yaml

from grabient_pipeline.atomic import write_atomic
from grabient_pipeline.errors import SettingsError
from grabient_pipeline.settings import PACKAGE, PROJECT_ROOT, Settings

_CONFIGURED_HOME = Path("data/state/dagster")


def write_dagster_home(settings: Settings) -> Path:
    """Write `dagster.yaml` and `workspace.yaml` into the home and return its path.

    Raises:
        SettingsError: one of the originals is missing or invalid.
    """
    settings.create_directories()
    home = settings.dagster_dir
    _write(home / "dagster.yaml", _with_absolute_folders(_read("dagster.yaml"), home))
    _write(home / "workspace.yaml", _with_importable_locations(_read("workspace.yaml")))
    return home


def _read(name: str) -> dict[str, Any]:
    source = (PROJECT_ROOT or PACKAGE) / name
    try:
        return yaml.safe_load(source.read_text("utf-8"))
    except (OSError, yaml.YAMLError) as error:
        remedy = "git checkout" if PROJECT_ROOT else "reinstall the package"
        raise SettingsError(f"{source} cannot be read ({type(error).__name__}); restore it ({remedy})") from error


def _write(path: Path, configuration: object) -> None:
    # Another Dagster process in this home sees the old file or the new one.
    text = yaml.safe_dump(configuration, sort_keys=False)
    write_atomic(path, lambda part: part.write_text(text, "utf-8"))


def _with_absolute_folders(value: object, home: Path) -> object:
    """The same configuration with every `base_dir` in the home."""
    if not isinstance(value, dict):
        return value
    fields = cast("dict[str, Any]", value)
    return {
        name: str(home / Path(field).relative_to(_CONFIGURED_HOME))
        if name == "base_dir"
        else _with_absolute_folders(field, home)
        for name, field in fields.items()
    }


def _with_importable_locations(workspace: dict[str, Any]) -> dict[str, Any]:
    """The same code locations, importable from any working directory."""
    for location in workspace["load_from"]:
        location["python_module"].pop("working_directory", None)
        if PROJECT_ROOT:
            location["python_module"]["working_directory"] = str(PROJECT_ROOT)
    return workspace
