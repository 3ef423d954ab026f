"""The page: one HTML file with its style sheet, its scripts and its data in it.

Whatever comes from a model or a file goes into the page as data and is put on the screen as text. The policy in the
page allows its own scripts and styles by their hashes, and nothing else: no other script runs, and nothing is fetched.
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

# In the order in which they run; each may use what those before it have defined.
_SCRIPTS: Final = (
    *("colour", "palettes", "search", "address", "elements", "list", "filters", "palette_page", "gallery"),
)


@dataclass(frozen=True, slots=True)
class _Part:
    """A style sheet or a script that is our own, and the hash by which the policy knows it."""

    text: str
    hash: str


def render_page(content: GalleryContent) -> str:
    """The whole page."""
    vocabulary = {
        "fields": FIELDS,
        "attributes": dict(ATTRIBUTES),
        "definitions": ATTRIBUTE_DEFINITIONS,
        "harmony": HARMONY,
        "seasonal": SEASONAL,
    }
    return _template().render(
        style=_part("gallery.css"),
        theme=_part("theme.js"),
        scripts=[_part(f"{name}.js") for name in _SCRIPTS],
        vocabulary=vocabulary,
        palettes=content.palettes,
        details=content.details,
    )


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_text),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # Its filter `tojson` writes <, >, & and ' as escapes: no tag can end the element that it stands in.
    environment.policies["json.dumps_function"] = _json
    environment.policies["json.dumps_kwargs"] = {}
    return environment.get_template("index.html.jinja")


def _json(value: Any) -> str:
    # These two end a line in JavaScript, if anybody should ever take the data for that.
    return orjson.dumps(value).decode().replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _part(name: str) -> _Part:
    text = _text(name)
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return _Part(text, f"'sha256-{digest}'")


def _text(name: str) -> str:
    return resources.files("grabient_pipeline.gallery").joinpath("page", name).read_text("utf-8")
