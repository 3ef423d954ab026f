"""Palettes from Cloudflare D1 over its API, through the official SDK. Read only, some at a time.

The token goes from the environment into the SDK's client and nowhere else.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, cast

from grabient_pipeline.errors import ImportFileError, MissingKeyError, SettingsError
from grabient_pipeline.formatting import printable
from grabient_pipeline.imports.files import InvalidRow, PaletteRow
from grabient_pipeline.imports.site import default_query, one_query, site_row

if TYPE_CHECKING:
    from cloudflare import APIStatusError, Cloudflare

SOURCE: Final = "Cloudflare D1"
ROWS_A_PAGE: Final = 1_000
# Those of the SDK, which waits as long as the answer to a 429 says.
MAX_RETRIES: Final = 5
TIMEOUT_SECONDS: Final = 60.0

_VARIABLES: Final = {"account_id": "CF_ACCOUNT_ID", "api_token": "CF_API_TOKEN", "database_id": "CF_D1_DATABASE_ID"}
_ID: Final = re.compile(r"[A-Za-z0-9-]{1,64}")


@dataclass(frozen=True)
class D1Access:
    """Which database, and the token that opens it. `base_url`: None for Cloudflare's own."""

    account_id: str
    database_id: str
    api_token: str = field(repr=False)
    base_url: str | None = None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> D1Access:
        """Read `CF_ACCOUNT_ID`, `CF_API_TOKEN`, `CF_D1_DATABASE_ID`.

        Raises:
            MissingKeyError: one of them is not set; the message names it.
            SettingsError: one of them cannot be what it should.
        """
        values = {name: environment.get(variable, "").strip() for name, variable in _VARIABLES.items()}
        missing = [_VARIABLES[name] for name, value in values.items() if not value]
        if missing:
            raise MissingKeyError(f"to read palettes from {SOURCE} set {', '.join(missing)}")
        for name in ("account_id", "database_id"):
            # They become part of an address.
            if not _ID.fullmatch(values[name]):
                raise SettingsError(f"{_VARIABLES[name]} is no id (letters, digits, hyphens); copy it again")
        if not (values["api_token"].isascii() and values["api_token"].isprintable()):
            raise SettingsError(f"{_VARIABLES['api_token']} has characters that are in no token; copy it again")
        return cls(**values, base_url=environment.get("CLOUDFLARE_BASE_URL", "").strip() or None)


def d1_rows(access: D1Access, query: str | None = None) -> Iterator[PaletteRow | InvalidRow]:
    """The rows that a SELECT gives, by default the palettes that the site's admins like.

    Raises:
        SettingsError: the query is not one SELECT.
        ImportFileError: the database is not there, the token does not open it, or it refuses the query.
    """
    asked = one_query(default_query() if query is None else query)
    client = _client(access)
    number = 0
    while True:
        page = _page(client, access, asked, number)
        for row in page:
            number += 1
            yield site_row(number, row)
        if len(page) < ROWS_A_PAGE:
            return


def _client(access: D1Access) -> Cloudflare:
    # Imported here: it takes a second, and few who import palettes need it.
    from cloudflare import Cloudflare

    client = Cloudflare(
        api_token=access.api_token, base_url=access.base_url, max_retries=MAX_RETRIES, timeout=TIMEOUT_SECONDS
    )
    # What else the SDK finds in the environment would be sent along, and is for another purpose.
    client.api_key = client.api_email = client.user_service_key = None
    return client


def _page(client: Cloudflare, access: D1Access, asked: str, offset: int) -> list[dict[str, Any]]:
    from cloudflare import APIConnectionError, APIStatusError, CloudflareError

    try:
        answer = client.d1.database.query(
            access.database_id,
            account_id=access.account_id,
            # In brackets nothing but a SELECT is SQL. The order makes the pages fit together.
            sql=f"SELECT * FROM (\n{asked}\n) ORDER BY 1 LIMIT ? OFFSET ?",  # noqa: S608
            params=[str(ROWS_A_PAGE), str(offset)],
        )
    except APIStatusError as error:
        raise ImportFileError(_explained(error, access)) from None
    except APIConnectionError as error:
        raise ImportFileError(f"{SOURCE} cannot be reached ({type(error).__name__}); try again later") from None
    except CloudflareError as error:
        raise ImportFileError(f"{SOURCE} sent an answer that was not understood ({type(error).__name__})") from None
    results = [result for result in answer.result or () if result.success is not False]
    if not results:
        raise ImportFileError(f"{SOURCE} did not carry out the query and did not say why; try again later")
    rows = results[0].results or []
    return [cast("dict[str, Any]", row) if isinstance(row, dict) else {"seed": row} for row in rows]


def _explained(error: APIStatusError, access: D1Access) -> str:
    said = _said(error, access)
    match error.status_code:
        case 401 | 403:
            return f"{SOURCE} does not take the token ({said}); check that CF_API_TOKEN may read D1 of this account"
        case 404:
            return f"{SOURCE} has no such database ({said}); check CF_ACCOUNT_ID and CF_D1_DATABASE_ID"
        case 429:
            return f"{SOURCE} has had too many requests ({said}); try again in some minutes"
        case status if status >= 500:
            return f"{SOURCE} has a fault of its own ({status}: {said}); try again later"
        case _ if "SQLITE" in said or "7500" in said:
            return f"{SOURCE} refuses the query ({said}); correct it (--d1-query)"
        case status:
            return f"{SOURCE} refuses ({status}: {said}); check CF_ACCOUNT_ID, CF_API_TOKEN and CF_D1_DATABASE_ID"


def _said(error: APIStatusError, access: D1Access) -> str:
    """What Cloudflare said, in one short line, without the token."""
    body = error.body
    errors = cast("Mapping[str, Any]", body).get("errors") if isinstance(body, dict) else None
    said: list[str] = []
    for each in cast("list[Any]", errors) if isinstance(errors, list) else []:
        if isinstance(each, dict):
            entry = cast("Mapping[str, Any]", each)
            said.append(f"{entry.get('code')}: {entry.get('message')}")
    text = "; ".join(said) or f"status {error.status_code}"
    return " ".join(printable(text.replace(access.api_token, "***"), 300).split())
