"""Snapshots in a bucket: uploading one, and fetching the one that has come furthest."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Final
from urllib.parse import urlsplit

from grabient_pipeline.errors import BucketError, SettingsError, WarehouseError
from grabient_pipeline.object_storage import ObjectStorage, explain_errors, list_names, open_storage
from grabient_pipeline.warehouse.snapshots import parse_name

_SCHEME: Final = "s3://"
_KEPT: Final = "nothing was changed"


def is_bucket_location(place: str) -> bool:
    """Whether a place is in a bucket."""
    return place.startswith(_SCHEME)


def upload_snapshot(path: Path, location: str, environment: Mapping[str, str]) -> str:
    """Upload a snapshot to `s3://bucket/prefix`; return its address.

    Raises:
        BucketError: the bucket cannot be used, or has another number of bytes than the file.
        SettingsError: a variable `R2_*` is missing, or the location is not valid.
    """
    import obstore

    storage = _storage(location, environment, "a backup in a bucket")
    store = open_storage(storage)
    # A put is atomic: an interrupted upload leaves no object.
    explain_errors(storage, lambda: obstore.put(store, path.name, path), kept=_KEPT)
    size = explain_errors(storage, lambda: obstore.head(store, path.name), kept=_KEPT)["size"]
    if size != path.stat().st_size:
        raise BucketError(f"the bucket {storage.name} has {size:,} bytes of {path.name}, not {path.stat().st_size:,}")
    return f"{_SCHEME}{storage.name}/{PurePosixPath(storage.prefix) / path.name}"


def fetch_snapshot(location: str, folder: Path, environment: Mapping[str, str]) -> Path:
    """Download a snapshot from `s3://bucket/prefix`, or that very object, into a folder.

    Raises:
        BucketError: the bucket cannot be used.
        SettingsError: a variable `R2_*` is missing, or the location is not valid.
        WarehouseError: there is no snapshot, there are those of several ledgers, or the file cannot be written.
    """
    import obstore

    wanted = PurePosixPath(location).name if location.endswith(".duckdb") else None
    parent = location.removesuffix(wanted) if wanted else location
    storage = _storage(parent, environment, "a backup in a bucket")
    store = open_storage(storage)
    name = wanted or _furthest(explain_errors(storage, lambda: list_names(store), kept=_KEPT), location)
    part = folder / f".taking-{name}.part"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as file:
            found = explain_errors(storage, lambda: obstore.get(store, name), kept=_KEPT)
            for chunk in found.stream():
                file.write(chunk)
        return part.replace(folder / name)
    except OSError as error:
        raise WarehouseError(f"cannot write to {folder}: {error.strerror or error}") from error
    finally:
        part.unlink(missing_ok=True)


def _furthest(names: set[str], location: str) -> str:
    snapshots = [snapshot for name in names if (snapshot := parse_name(Path(name))) and "/" not in name]
    if not snapshots:
        raise WarehouseError(f"there is no backup of a ledger at {location}")
    ledgers = sorted({each.ledger_id for each in snapshots})
    if len(ledgers) > 1:
        raise WarehouseError(
            f"there are backups of {len(ledgers)} ledgers at {location} ({', '.join(ledgers)}); "
            "name the file to restore"
        )
    return max(snapshots, key=lambda each: (each.revision, each.taken_at)).path.name


def _storage(location: str, environment: Mapping[str, str], purpose: str) -> ObjectStorage:
    parts = urlsplit(location)
    if parts.query or parts.fragment or not parts.netloc:
        raise SettingsError(f"{location} is not a place such as s3://bucket/folder")
    return ObjectStorage.from_environment(environment, parts.netloc, parts.path.strip("/"), purpose)
