"""Who works in a data directory, and emptying the demo's own."""

from __future__ import annotations

import shutil
from collections.abc import Generator
from contextlib import contextmanager

import filelock

from grabient_pipeline.errors import SettingsError
from grabient_pipeline.settings import Settings

_IN_USE = "in_use.lock"
_WAREHOUSE = "warehouse.lock"


@contextmanager
def in_use(settings: Settings) -> Generator[None]:
    """Nobody else runs a demo or a Dagster in this data directory while the block runs.

    Raises:
        SettingsError: somebody does, or nothing can be written there.
    """
    settings.create_directories()
    with _locked(settings, _IN_USE):
        yield


def start_afresh(settings: Settings) -> None:
    """Delete what earlier demos wrote: the files and folders that are known by name, and nothing else.

    Raises:
        SettingsError: a command is at work on them.
    """
    with _locked(settings, _WAREHOUSE):
        settings.published.unlink(missing_ok=True)
        for folder in (settings.images_dir, settings.gallery.parent):
            if folder.exists():
                shutil.rmtree(folder)
        for path in settings.state_dir.iterdir():
            # A lock that is deleted while it is held lets the next one in.
            if path.name in (_IN_USE, _WAREHOUSE):
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()


@contextmanager
def _locked(settings: Settings, name: str) -> Generator[None]:
    try:
        with filelock.FileLock(settings.state_dir / name, timeout=0):
            yield
    except filelock.Timeout:
        raise SettingsError(
            f"another grabient command is at work in {settings.data_dir}; end it, or wait until it is done"
        ) from None
