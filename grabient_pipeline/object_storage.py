"""Access to a bucket: Cloudflare R2, or any other S3-compatible storage. For images and for backups.

The keys are passed from the environment to the client and are neither stored nor shown.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeVar
from urllib.parse import urlsplit

from grabient_pipeline.credentials import check_secret, read_variables
from grabient_pipeline.errors import BucketError, SettingsError

if TYPE_CHECKING:
    from obstore.store import S3Store

T = TypeVar("T")

MAX_RETRIES: Final = 5
TIMEOUT_SECONDS: Final = 60
# By the field that they fill.
REQUIRED: Final = {
    "endpoint": "R2_ENDPOINT",
    "access_key_id": "R2_ACCESS_KEY_ID",
    "secret_access_key": "R2_SECRET_ACCESS_KEY",
}
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9.-]{1,62}")
_STATUS: Final = re.compile(r"status code: ([0-9]{3})")
_CODE: Final = re.compile(r"<Code>([A-Za-z]{1,40})</Code>")


@dataclass(frozen=True)
class ObjectStorage:
    """The location of a folder in a bucket, and the credentials."""

    name: str
    endpoint: str
    access_key_id: str = field(repr=False)
    secret_access_key: str = field(repr=False)
    prefix: str = ""
    region: str = "auto"

    @classmethod
    def from_environment(cls, environment: Mapping[str, str], name: str, prefix: str, purpose: str) -> ObjectStorage:
        """Read the endpoint, the credentials and the region of a bucket.

        Args:
            purpose: what it is needed for, for the message.

        Raises:
            SettingsError: a setting is missing or invalid. The message never contains the value.
        """
        values, missing = read_variables(environment, REQUIRED)
        if missing:
            raise SettingsError(f"{purpose} needs settings: set {', '.join(missing)}")
        if not is_bucket_name(name):
            raise SettingsError(f"{purpose}: that is not a valid bucket name; check that you copied it correctly")
        values["endpoint"] = checked_url("R2_ENDPOINT", values["endpoint"])
        for each in ("access_key_id", "secret_access_key"):
            check_secret(REQUIRED[each], values[each], "a key")
        region = environment.get("R2_REGION", "").strip() or cls.region
        return cls(name, **values, prefix=prefix, region=region)


def is_bucket_name(name: str) -> bool:
    """Whether S3 accepts a name for a bucket."""
    return bool(_NAME.fullmatch(name))


def checked_url(variable: str, value: str) -> str:
    """Return a URL without a slash at its end. Raises `SettingsError`, which names the variable."""
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query:
        raise SettingsError(f"{variable} is not a URL such as https://images.example.com")
    return value.rstrip("/")


def open_storage(storage: ObjectStorage) -> S3Store:
    """Open a folder of a bucket. Calls nothing yet."""
    # Imported here, because it is slow to load and most people have no bucket.
    from datetime import timedelta

    from obstore.store import S3Store

    return S3Store(
        storage.name,
        prefix=storage.prefix or None,
        endpoint=storage.endpoint,
        region=storage.region,
        access_key_id=storage.access_key_id,
        secret_access_key=storage.secret_access_key,
        virtual_hosted_style_request=False,
        client_options={
            "allow_http": storage.endpoint.startswith("http://"),
            "timeout": timedelta(seconds=TIMEOUT_SECONDS),
        },
        retry_config={"max_retries": MAX_RETRIES, "retry_timeout": timedelta(seconds=TIMEOUT_SECONDS)},
    )


def list_names(store: S3Store) -> set[str]:
    """Return the names of all objects in a folder."""
    import obstore

    # The library's stubs leave the type of the entries partly unknown.
    pages = obstore.list(store)  # pyright: ignore[reportUnknownMemberType]
    return {entry["path"] for page in pages for entry in page}


def explain_errors(storage: ObjectStorage, action: Callable[[], T], *, kept: str) -> T:
    """Do something with a bucket.

    Args:
        kept: what a failure does not lose, for the message.

    Raises:
        BucketError: the bucket cannot be reached or denies access.
    """
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
                    f"the bucket {storage.name} rejects the key ({reason}); check that R2_ACCESS_KEY_ID and "
                    "R2_SECRET_ACCESS_KEY are allowed to list it and to write to it"
                )
            case "404":
                message = (
                    f"there is no bucket {storage.name} at {storage.endpoint} ({reason}); "
                    "check R2_BUCKET and R2_ENDPOINT"
                )
            case _:
                message = (
                    f"the bucket {storage.name} at {storage.endpoint} cannot be used now ({reason}); try again later, "
                    f"{kept}"
                )
        raise BucketError(message) from None
