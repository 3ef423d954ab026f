"""Uploads images to a bucket: Cloudflare R2, or any other S3-compatible storage.

The keys are passed from the environment to the client and are neither stored nor shown. Which images belong into the
bucket is decided in `sync.py`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar
from urllib.parse import urlsplit

from grabient_pipeline.errors import BucketError, SettingsError
from grabient_pipeline.progress import SILENT, Progress

if TYPE_CHECKING:
    from obstore.store import S3Store

T = TypeVar("T")

_REQUIRED: Final = {
    "name": "R2_BUCKET",
    "endpoint": "R2_ENDPOINT",
    "access_key_id": "R2_ACCESS_KEY_ID",
    "secret_access_key": "R2_SECRET_ACCESS_KEY",
    "public_url": "R2_PUBLIC_URL",
}
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9.-]{1,62}")
_PREFIX: Final = re.compile(r"[A-Za-z0-9_-]+(?:/[A-Za-z0-9_-]+)*")

_PARALLEL_UPLOADS: Final = 8
MAX_RETRIES: Final = 5
TIMEOUT_SECONDS: Final = 60
_STATUS: Final = re.compile(r"status code: ([0-9]{3})")
_CODE: Final = re.compile(r"<Code>([A-Za-z]{1,40})</Code>")
# The name determines the colours, so an image never changes.
_ATTRIBUTES: Final = {"Content-Type": "image/png", "Cache-Control": "public, max-age=31536000, immutable"}


@dataclass(frozen=True)
class Bucket:
    """The location and credentials of a bucket, and the public URL of its content."""

    name: str
    endpoint: str
    public_url: str
    access_key_id: str = field(repr=False)
    secret_access_key: str = field(repr=False)
    prefix: str = "palettes"
    region: str = "auto"

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Bucket | None:
        """Read the settings of the bucket, or return None if `R2_BUCKET` is not set.

        Requires `R2_ENDPOINT`, `R2_ACCESS_KEY_ID`, `R2_SECRET_ACCESS_KEY` and `R2_PUBLIC_URL`. `R2_PREFIX` and
        `R2_REGION` are optional.

        Raises:
            SettingsError: A setting is missing or invalid. The message never contains the value.
        """
        values = {name: environment.get(variable, "").strip() for name, variable in _REQUIRED.items()}
        if not values["name"]:
            return None
        missing = [_REQUIRED[name] for name, value in values.items() if not value]
        if missing:
            raise SettingsError(
                f"uploading images to {values['name']} needs settings: set {', '.join(missing)}; or unset R2_BUCKET"
            )
        prefix = environment.get("R2_PREFIX", "").strip().strip("/") or cls.prefix
        if not _NAME.fullmatch(values["name"]):
            raise SettingsError("R2_BUCKET is not a valid bucket name; check that you copied it correctly")
        if not _PREFIX.fullmatch(prefix):
            raise SettingsError("R2_PREFIX may contain only letters, digits, - and _, separated by single slashes")
        for name in ("endpoint", "public_url"):
            parts = urlsplit(values[name])
            if parts.scheme not in ("http", "https") or not parts.hostname or parts.query:
                raise SettingsError(f"{_REQUIRED[name]} is not a URL such as https://images.example.com")
            values[name] = values[name].rstrip("/")
        for name in ("access_key_id", "secret_access_key"):
            if not (values[name].isascii() and values[name].isprintable()):
                raise SettingsError(
                    f"{_REQUIRED[name]} contains characters that are not valid in a key; "
                    "check that you copied it correctly"
                )
        region = environment.get("R2_REGION", "").strip() or cls.region
        return cls(**values, prefix=prefix, region=region)

    @property
    def public_folder(self) -> str:
        """The public URL of the folder, with a slash at the end."""
        return f"{self.public_url}/{self.prefix}/"


def upload_missing(bucket: Bucket, folder: Path, names: Sequence[str], *, progress: Progress = SILENT) -> list[str]:
    """Upload the named files of a folder that are not in the bucket yet, and return their names.

    Raises:
        BucketError: The bucket cannot be reached or denies access; files uploaded so far stay there.
        SettingsError: A file cannot be read.
    """
    import obstore

    store = _store(bucket)
    existing = _explain_errors(bucket, lambda: _list_names(store))
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
                _explain_errors(bucket, each.result)
                progress.advance("uploading", 1, len(missing))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return missing


def _list_names(store: S3Store) -> set[str]:
    import obstore

    # The library's stubs leave the type of the entries partly unknown.
    pages = obstore.list(store)  # pyright: ignore[reportUnknownMemberType]
    return {entry["path"] for page in pages for entry in page}


def _store(bucket: Bucket) -> S3Store:
    # Imported here, because it is slow to load and most people have no bucket.
    from datetime import timedelta

    from obstore.store import S3Store

    return S3Store(
        bucket.name,
        prefix=bucket.prefix,
        endpoint=bucket.endpoint,
        region=bucket.region,
        access_key_id=bucket.access_key_id,
        secret_access_key=bucket.secret_access_key,
        virtual_hosted_style_request=False,
        client_options={
            "allow_http": bucket.endpoint.startswith("http://"),
            "timeout": timedelta(seconds=TIMEOUT_SECONDS),
        },
        retry_config={"max_retries": MAX_RETRIES, "retry_timeout": timedelta(seconds=TIMEOUT_SECONDS)},
    )


def _explain_errors(bucket: Bucket, action: Callable[[], T]) -> T:
    from obstore.exceptions import BaseError

    try:
        return action()
    except (BaseError, FileNotFoundError) as error:
        # The library has no exception class for a denied listing, and its messages contain the whole request.
        status, code = _STATUS.search(str(error)), _CODE.search(str(error))
        reason = ", ".join(match.group(1) for match in (status, code) if match) or type(error).__name__
        match status.group(1) if status else None:
            case "401" | "403":
                message = (
                    f"the bucket {bucket.name} rejects the key ({reason}); check that R2_ACCESS_KEY_ID and "
                    "R2_SECRET_ACCESS_KEY are allowed to list it and to write to it"
                )
            case "404":
                message = (
                    f"there is no bucket {bucket.name} at {bucket.endpoint} ({reason}); check R2_BUCKET and R2_ENDPOINT"
                )
            case _:
                message = (
                    f"the bucket {bucket.name} at {bucket.endpoint} cannot be used now ({reason}); try again later, "
                    "uploaded images are kept"
                )
        raise BucketError(message) from None
