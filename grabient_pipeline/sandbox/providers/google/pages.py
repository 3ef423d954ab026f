"""Pages of lists, as Google has them."""

import base64
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from grabient_pipeline.sandbox.batches.context import Context
from grabient_pipeline.sandbox.providers.google.errors import error


def find_page(
    context: Context, request: Request, known: list[Any], usual: int, most: int
) -> tuple[list[Any], dict[str, str]] | Response:
    """The page of a list that a request selects, or the rejection of the request.

    Args:
        context: The sandbox.
        request: The request, with `pageSize` and `pageToken`.
        known: All members of the list, each with an `id`.
        usual: The page length without `pageSize`.
        most: The largest page length.

    Returns:
        The members, and the fields of the document that lead to the next page.
    """
    size = request.query_params.get("pageSize") or request.query_params.get("page_size") or "0"
    token = request.query_params.get("pageToken") or request.query_params.get("page_token") or ""
    if not size.isdigit():
        return error(400, message="Invalid page size.")
    count = context.page_size("google", min(int(size) or usual, most))
    start = 0
    cursor = _untoken(token)
    if token:
        places = [place for place, each in enumerate(known) if each.id == context.place_of(cursor)]
        if not places:
            return error(400, message="Invalid page token.")
        start = places[0] + 1
    further = context.empty_page("google", cursor)
    if further is not None:
        return [], {"nextPageToken": _token(further)}
    page = known[start : start + count]
    more = {"nextPageToken": _token(page[-1].id)} if len(known) > start + count else {}
    return page, more


def _token(last: str) -> str:
    return base64.urlsafe_b64encode(last.encode()).decode().rstrip("=")


def _untoken(token: str) -> str:
    try:
        return base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode()
    except ValueError:
        return ""
