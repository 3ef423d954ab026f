"""Renders the page: a single HTML file that includes its style sheet, scripts and data.

Everything from models and files is embedded as JSON and displayed as text, never as markup. A content security policy
allows only the page's own scripts and styles, by their hashes: no other script runs, and nothing is fetched. What the
page shows is read by `content.py`.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Final

import jinja2
import orjson

from grabient_pipeline.gallery.content import GalleryContent
from grabient_pipeline.palette.attributes import ATTRIBUTE_DEFINITIONS
from grabient_pipeline.tagging.vocabulary import ATTRIBUTES, FIELDS, HARMONY, SEASONAL

# In the order of execution: each script may use what earlier ones define.
_SCRIPTS: Final = (
    "colour",
    "palettes",
    "search",
    "address",
    "elements",
    "list",
    "filters",
    "palette_page",
    "gallery",
)


@dataclass(frozen=True, slots=True)
class _InlineFile:
    """A style sheet or a script of the page, and its hash for the content security policy."""

    text: str
    hash: str


def render_page(content: GalleryContent) -> str:
    """Render the page as HTML."""
    vocabulary = {
        "fields": FIELDS,
        "attributes": dict(ATTRIBUTES),
        "definitions": ATTRIBUTE_DEFINITIONS,
        "harmony": HARMONY,
        "seasonal": SEASONAL,
    }
    return _template().render(
        style=_inline_file("gallery.css"),
        theme=_inline_file("theme.js"),
        scripts=[_inline_file(f"{name}.js") for name in _SCRIPTS],
        vocabulary=vocabulary,
        palettes=content.palettes,
        details=content.details,
    )


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_read_file),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # The filter `tojson` escapes <, >, & and ', so that no tag can close the script element.
    environment.policies["json.dumps_function"] = _json
    environment.policies["json.dumps_kwargs"] = {}
    return environment.get_template("index.html.jinja")


def _json(value: Any) -> str:
    # In old JavaScript engines these two characters end a line inside a string.
    return orjson.dumps(value).decode().replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _inline_file(name: str) -> _InlineFile:
    text = _read_file(name)
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return _InlineFile(text, f"'sha256-{digest}'")


def _read_file(name: str) -> str:
    return resources.files("grabient_pipeline.gallery").joinpath("page", name).read_text("utf-8")
