"""Pages of lists, as OpenAI and Groq have them."""

from dataclasses import dataclass
from typing import Any

from starlette.datastructures import QueryParams
from starlette.responses import Response

from grabient_pipeline.sandbox.batches.context import Context
from grabient_pipeline.sandbox.json_values import JsonObject
from grabient_pipeline.sandbox.providers.openai.errors import error
from grabient_pipeline.sandbox.providers.openai.flavour import ChatFlavour
from grabient_pipeline.sandbox.responses import json_response


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a list; `last` is the cursor of the next page."""

    members: list[Any]
    last: str | None
    more: bool


def find_page(
    context: Context, flavour: ChatFlavour, known: list[Any], query: QueryParams, usual: int, most: int
) -> Page | Response:
    """The page of a list that a query selects, or the rejection of the query.

    Args:
        context: The sandbox.
        flavour: The provider's variant of the API.
        known: All members of the list, each with an `id`.
        query: The query parameters.
        usual: The page length without `limit`.
        most: The largest `limit`.
    """
    limit = query.get("limit", str(usual))
    if not limit.isdigit() or not 1 <= int(limit) <= most:
        return error(400, message=f"Invalid 'limit': expected a value from 1 to {most}.", param="limit")
    size = context.page_size(flavour.provider, int(limit))
    after = query.get("after" if flavour.newer_fields else "cursor") or ""
    if after:
        places = [place for place, each in enumerate(known) if each.id == context.place_of(after)]
        if not places:
            return error(400, message=f"Invalid 'after': '{after}' is not in the list.", param="after")
        known = known[places[0] + 1 :]
    further = context.empty_page(flavour.provider, after)
    if further is not None:
        return Page([], further, True)
    page = known[:size]
    return Page(page, page[-1].id if page else None, len(known) > size)


def list_response(flavour: ChatFlavour, page: Page, data: list[JsonObject]) -> Response:
    """The response with the documents of a page."""
    document: JsonObject = {"object": "list", "data": data}
    if flavour.newer_fields:
        document["first_id"] = data[0]["id"] if data else None
        document["last_id"] = page.last
        document["has_more"] = page.more
    else:
        document["paging"] = {"next_cursor": page.last if page.more else None}
    return json_response(document)
