"""Uploads images to a bucket: Cloudflare R2, or any other S3-compatible storage.

Which images belong into the bucket is decided in `sync.py`; the connection is in `object_storage.py`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from grabient_pipeline.credentials import read_variables
from grabient_pipeline.errors import SettingsError
from grabient_pipeline.object_storage import (
    REQUIRED,
    ObjectStorage,
    checked_url,
    explain_errors,
    is_bucket_name,
    list_names,
    open_storage,
)
from grabient_pipeline.progress import SILENT, Progress

_REQUIRED: Final = {**REQUIRED, "public_url": "R2_PUBLIC_URL"}
_PREFIX: Final = re.compile(r"[A-Za-z0-9_-]+(?:/[A-Za-z0-9_-]+)*")
_DEFAULT_PREFIX: Final = "palettes"

_PARALLEL_UPLOADS: Final = 8
# The name determines the colours, so an image never changes.
_ATTRIBUTES: Final = {"Content-Type": "image/png", "Cache-Control": "public, max-age=31536000, immutable"}


@dataclass(frozen=True)
class Bucket:
    """The folder of a bucket for images, and the public URL of the bucket's content."""

    storage: ObjectStorage
    public_url: str

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Bucket | None:
        """Read the settings of the bucket, or return None if `R2_BUCKET` is not set.

        Requires `R2_ENDPOINT`, `R2_ACCESS_KEY_ID`, `R2_SECRET_ACCESS_KEY` and `R2_PUBLIC_URL`. `R2_PREFIX` and
        `R2_REGION` are optional.

        Raises:
            SettingsError: A setting is missing or invalid. The message never contains the value.
        """
        name = environment.get("R2_BUCKET", "").strip()
        if not name:
            return None
        values, missing = read_variables(environment, _REQUIRED)
        if missing:
            raise SettingsError(
                f"uploading images to {name} needs settings: set {', '.join(missing)}; or unset R2_BUCKET"
            )
        if not is_bucket_name(name):
            raise SettingsError("R2_BUCKET is not a valid bucket name; check that you copied it correctly")
        prefix = environment.get("R2_PREFIX", "").strip().strip("/") or _DEFAULT_PREFIX
        if not _PREFIX.fullmatch(prefix):
            raise SettingsError("R2_PREFIX may contain only letters, digits, - and _, separated by single slashes")
        storage = ObjectStorage.from_environment(environment, name, prefix, f"uploading images to {name}")
        return cls(storage, checked_url("R2_PUBLIC_URL", values["public_url"]))

    @property
    def public_folder(self) -> str:
        """The public URL of the folder, with a slash at the end."""
        return f"{self.public_url}/{self.storage.prefix}/"


def upload_missing(bucket: Bucket, folder: Path, names: Sequence[str], *, progress: Progress = SILENT) -> list[str]:
    """Upload the named files of a folder that are not in the bucket yet, and return their names.

    Raises:
        BucketError: The bucket cannot be reached or denies access; files uploaded so far stay there.
        SettingsError: A file cannot be read.
    """
    import obstore

    store = open_storage(bucket.storage)
    kept = "uploaded images are kept"
    existing = explain_errors(bucket.storage, lambda: list_names(store), kept=kept)
    missing = [name for name in names if name not in existing]

    def upload(name: str) -> None:
        try:
            image = (folder / name).read_bytes()
        except OSError as error:
            raise SettingsError(f"cannot read {folder / name}: {error.strerror or error}") from error
        # A put is atomic, and repeating it is harmless.
        obstore.put(store, name, image, attributes=_ATTRIBUTES, use_multipart=False)

    with ThreadPoolExecutor(max_workers=_PARALLEL_UPLOADS) as pool:
        uploads = [pool.submit(upload, name) for name in missing]
        try:
            for each in as_completed(uploads):
                explain_errors(bucket.storage, each.result, kept=kept)
                progress.advance("uploading", 1, len(missing))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return missing
