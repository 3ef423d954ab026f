"""A bucket for the pictures: Cloudflare R2, or any other S3.

The keys go from the environment into the client and nowhere else.
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

_NEEDED: Final = {
    "name": "R2_BUCKET",
    "endpoint": "R2_ENDPOINT",
    "access_key_id": "R2_ACCESS_KEY_ID",
    "secret_access_key": "R2_SECRET_ACCESS_KEY",
    "public_url": "R2_PUBLIC_URL",
}
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9.-]{1,62}")
_PREFIX: Final = re.compile(r"[A-Za-z0-9_-]+(?:/[A-Za-z0-9_-]+)*")

_AT_ONCE: Final = 8
MAX_RETRIES: Final = 5
TIMEOUT_SECONDS: Final = 60
_STATUS: Final = re.compile(r"status code: ([0-9]{3})")
_CODE: Final = re.compile(r"<Code>([A-Za-z]{1,40})</Code>")
# The colours follow from the name, so that a picture never changes.
_ATTRIBUTES: Final = {"Content-Type": "image/png", "Cache-Control": "public, max-age=31536000, immutable"}


@dataclass(frozen=True)
class Bucket:
    """Where pictures are put, and the address at which people find them."""

    name: str
    endpoint: str
    public_url: str
    access_key_id: str = field(repr=False)
    secret_access_key: str = field(repr=False)
    prefix: str = "palettes"
    region: str = "auto"

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Bucket | None:
        """Read `R2_BUCKET`, `R2_ENDPOINT`, `R2_ACCESS_KEY_ID`, `R2_SECRET_ACCESS_KEY`, `R2_PUBLIC_URL`, and where they
        are set `R2_PREFIX` and `R2_REGION`; None without a bucket.

        Raises:
            SettingsError: something that belongs to the bucket is missing, or cannot be what it should.
        """
        values = {name: environment.get(variable, "").strip() for name, variable in _NEEDED.items()}
        if not values["name"]:
            return None
        missing = [_NEEDED[name] for name, value in values.items() if not value]
        if missing:
            raise SettingsError(f"to put pictures into {values['name']} set {', '.join(missing)}; or unset R2_BUCKET")
        prefix = environment.get("R2_PREFIX", "").strip().strip("/") or cls.prefix
        if not _NAME.fullmatch(values["name"]):
            raise SettingsError("R2_BUCKET is no name of a bucket; copy it again")
        if not _PREFIX.fullmatch(prefix):
            raise SettingsError("R2_PREFIX must be words of letters, digits, - and _, with slashes between them")
        for name in ("endpoint", "public_url"):
            parts = urlsplit(values[name])
            if parts.scheme not in ("http", "https") or not parts.hostname or parts.query:
                raise SettingsError(f"{_NEEDED[name]} is no address such as https://images.example.com")
            values[name] = values[name].rstrip("/")
        for name in ("access_key_id", "secret_access_key"):
            if not (values[name].isascii() and values[name].isprintable()):
                raise SettingsError(f"{_NEEDED[name]} has characters that are in no key; copy it again")
        region = environment.get("R2_REGION", "").strip() or cls.region
        return cls(**values, prefix=prefix, region=region)

    @property
    def public_folder(self) -> str:
        """Every picture's address is this and its file name."""
        return f"{self.public_url}/{self.prefix}/"


def upload_missing(bucket: Bucket, folder: Path, names: Sequence[str], *, progress: Progress = SILENT) -> list[str]:
    """Put those of these files of a folder into the bucket that it does not have; their names.

    Raises:
        BucketError: the bucket cannot be reached, or does not let us; what has been put there stays.
    """
    import obstore

    store = _store(bucket)
    there = _explained(bucket, lambda: _listed(store))
    missing = [name for name in names if name not in there]

    def put(name: str) -> None:
        try:
            picture = (folder / name).read_bytes()
        except OSError as error:
            raise SettingsError(f"cannot read {folder / name}: {error.strerror or error}") from error
        # Each is whole or not there, and putting the same again does no harm.
        obstore.put(store, name, picture, attributes=_ATTRIBUTES, use_multipart=False)

    with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
        puts = [pool.submit(put, name) for name in missing]
        try:
            for each in as_completed(puts):
                _explained(bucket, each.result)
                progress.advance("uploading", 1, len(missing))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return missing


def _listed(store: S3Store) -> set[str]:
    import obstore

    # (The library leaves a type open for those who have another one installed.)
    pages = obstore.list(store)  # pyright: ignore[reportUnknownMemberType]
    return {entry["path"] for page in pages for entry in page}


def _store(bucket: Bucket) -> S3Store:
    # Imported here: who has no bucket does not pay for it.
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


def _explained(bucket: Bucket, action: Callable[[], T]) -> T:
    from obstore.exceptions import BaseError

    try:
        return action()
    except (BaseError, FileNotFoundError) as error:
        # A listing that is refused has no class of its own, and what the library says has the whole request in it.
        status, code = _STATUS.search(str(error)), _CODE.search(str(error))
        said = ", ".join(found.group(1) for found in (status, code) if found) or type(error).__name__
        match status.group(1) if status else None:
            case "401" | "403":
                told = (
                    f"the bucket {bucket.name} does not take the key ({said}); check that R2_ACCESS_KEY_ID and "
                    "R2_SECRET_ACCESS_KEY may list it and write to it"
                )
            case "404":
                told = (
                    f"there is no bucket {bucket.name} at {bucket.endpoint} ({said}); check R2_BUCKET and R2_ENDPOINT"
                )
            case _:
                told = (
                    f"the bucket {bucket.name} at {bucket.endpoint} cannot be used now ({said}); what has been "
                    "uploaded stays, try again later"
                )
        raise BucketError(told) from None
