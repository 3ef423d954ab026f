"""Locking a data directory against a second demo or Dagster, and emptying the demo's."""

from __future__ import annotations

import shutil
from collections.abc import Generator
from contextlib import contextmanager

from grabient_pipeline.errors import SettingsError
from grabient_pipeline.settings import Settings
from grabient_pipeline.warehouse.folder_lock import NAME as WAREHOUSE_LOCK
from grabient_pipeline.warehouse.folder_lock import hold_folder
from grabient_pipeline.warehouse.snapshots import backup_dir

_IN_USE = "in_use.lock"


@contextmanager
def in_use(settings: Settings) -> Generator[None]:
    """Lock a data directory against another demo or Dagster while the block runs.

    Raises:
        SettingsError: another one is running, or the directory is not writable.
    """
    settings.create_directories()
    with _locked(settings, _IN_USE):
        yield


def delete_demo(settings: Settings) -> None:
    """Delete the output of earlier demos, and no other files in the directory.

    Raises:
        SettingsError: a command is using them.
    """
    with _locked(settings, WAREHOUSE_LOCK):
        settings.published.unlink(missing_ok=True)
        for folder in (settings.images_dir, settings.gallery.parent, backup_dir(settings.data_dir)):
            if folder.exists():
                shutil.rmtree(folder)
        for path in settings.state_dir.iterdir():
            # Deleting a lock file while it is held would let a second process take the lock.
            if path.name in (_IN_USE, WAREHOUSE_LOCK):
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()


@contextmanager
def _locked(settings: Settings, name: str) -> Generator[None]:
    try:
        with hold_folder(settings.state_dir / name, 0):
            yield
    except TimeoutError:
        raise SettingsError(
            f"another grabient command is running in {settings.data_dir}; stop it or wait until it ends"
        ) from None
