"""Palettes from Cloudflare D1 over its API, read page by page through the official SDK.

The token is passed from the environment to the SDK's client and nowhere else.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, cast

from grabient_pipeline.credentials import check_secret, read_variables
from grabient_pipeline.errors import ImportFileError, MissingKeyError, SettingsError
from grabient_pipeline.formatting import printable
from grabient_pipeline.http_environment import explain_client_errors, untrusted_certificate
from grabient_pipeline.imports.files import InvalidRow, PaletteRow
from grabient_pipeline.imports.site import default_query, single_select, site_row

if TYPE_CHECKING:
    from cloudflare import APIStatusError, Cloudflare

SOURCE: Final = "Cloudflare D1"
ROWS_A_PAGE: Final = 1_000
# Retries by the SDK, which honours the Retry-After header of a 429.
MAX_RETRIES: Final = 5
TIMEOUT_SECONDS: Final = 60.0

_VARIABLES: Final = {"account_id": "CF_ACCOUNT_ID", "api_token": "CF_API_TOKEN", "database_id": "CF_D1_DATABASE_ID"}
_ID: Final = re.compile(r"[A-Za-z0-9-]{1,64}")


@dataclass(frozen=True)
class D1Access:
    """A database and the token that gives access to it. `base_url`: None for Cloudflare's own."""

    account_id: str
    database_id: str
    api_token: str = field(repr=False)
    base_url: str | None = None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> D1Access:
        """Read `CF_ACCOUNT_ID`, `CF_API_TOKEN`, `CF_D1_DATABASE_ID`.

        Raises:
            MissingKeyError: a variable is not set; the message names it.
            SettingsError: the value of a variable is not valid.
        """
        values, missing = read_variables(environment, _VARIABLES)
        if missing:
            raise MissingKeyError(f"to import palettes from {SOURCE}, set {', '.join(missing)}")
        for name in ("account_id", "database_id"):
            # The ids become part of a URL.
            if not _ID.fullmatch(values[name]):
                raise SettingsError(
                    f"{_VARIABLES[name]} is not an id (letters, digits, hyphens); check that you copied it correctly"
                )
        check_secret(_VARIABLES["api_token"], values["api_token"], "a token")
        return cls(**values, base_url=environment.get("CLOUDFLARE_BASE_URL", "").strip() or None)


def d1_rows(access: D1Access, query: str | None = None) -> Iterator[PaletteRow | InvalidRow]:
    """Yield the rows of a SELECT, by default the palettes that the site's admins like.

    Raises:
        SettingsError: the query is not a single SELECT, or the certificates or a proxy cannot be used.
        ImportFileError: the database is missing or unreachable, the token is rejected, or the query fails.
    """
    select = single_select(default_query() if query is None else query)
    client = _open_client(access)
    number = 0
    while True:
        page = _fetch_page(client, access, select, number)
        for row in page:
            number += 1
            yield site_row(number, row)
        if len(page) < ROWS_A_PAGE:
            return


def _open_client(access: D1Access) -> Cloudflare:
    # Imported here, because it takes a second and few imports need it.
    from cloudflare import Cloudflare

    with explain_client_errors():
        client = Cloudflare(
            api_token=access.api_token, base_url=access.base_url, max_retries=MAX_RETRIES, timeout=TIMEOUT_SECONDS
        )
    # The SDK would also send other credentials that it finds in the environment.
    client.api_key = client.api_email = client.user_service_key = None
    return client


def _fetch_page(client: Cloudflare, access: D1Access, select: str, offset: int) -> list[dict[str, Any]]:
    from cloudflare import APIConnectionError, APIStatusError, CloudflareError

    try:
        answer = client.d1.database.query(
            access.database_id,
            account_id=access.account_id,
            # Inside the parentheses only a SELECT is valid SQL. The order makes the pages consistent.
            sql=f"SELECT * FROM (\n{select}\n) ORDER BY 1 LIMIT ? OFFSET ?",  # noqa: S608
            params=[str(ROWS_A_PAGE), str(offset)],
        )
    except APIStatusError as error:
        raise ImportFileError(_explain_status(error, access)) from None
    except APIConnectionError as error:
        reason = untrusted_certificate(error) or f"{type(error).__name__}; try again later"
        raise ImportFileError(f"{SOURCE} cannot be reached: {reason}") from None
    except CloudflareError as error:
        raise ImportFileError(f"{SOURCE} sent an unexpected response ({type(error).__name__})") from None
    results = [result for result in answer.result or () if result.success is not False]
    if not results:
        raise ImportFileError(f"{SOURCE} did not run the query and gave no reason; try again later")
    rows = results[0].results or []
    return [cast("dict[str, Any]", row) if isinstance(row, dict) else {"seed": row} for row in rows]


def _explain_status(error: APIStatusError, access: D1Access) -> str:
    message = _error_message(error, access)
    match error.status_code:
        case 401 | 403:
            return f"{SOURCE} rejected the token ({message}); check that CF_API_TOKEN may read D1 in this account"
        case 404:
            return f"{SOURCE} has no such database ({message}); check CF_ACCOUNT_ID and CF_D1_DATABASE_ID"
        case 429:
            return f"{SOURCE} received too many requests ({message}); try again in a few minutes"
        case status if status >= 500:
            return f"{SOURCE} has a server error ({status}: {message}); try again later"
        case _ if "SQLITE" in message or "7500" in message:
            return f"{SOURCE} rejected the query ({message}); correct it (--d1-query)"
        case status:
            return (
                f"{SOURCE} rejected the request ({status}: {message}); "
                "check CF_ACCOUNT_ID, CF_API_TOKEN and CF_D1_DATABASE_ID"
            )


def _error_message(error: APIStatusError, access: D1Access) -> str:
    """Return Cloudflare's message as one short line without the token."""
    body = error.body
    errors = cast("Mapping[str, Any]", body).get("errors") if isinstance(body, dict) else None
    messages: list[str] = []
    for each in cast("list[Any]", errors) if isinstance(errors, list) else []:
        if isinstance(each, dict):
            entry = cast("Mapping[str, Any]", each)
            messages.append(f"{entry.get('code')}: {entry.get('message')}")
    text = "; ".join(messages) or f"status {error.status_code}"
    return " ".join(printable(text.replace(access.api_token, "***"), 300).split())
