"""The gallery: all palettes on a single HTML page that opens from disk, without a server or a network.

    content.py   reads the content from the published tables
    page.py      renders the page from the template, the style sheet and the scripts in `page/`
    build.py     the step that writes the file

Reads DuckDB through the warehouse's connections, and does not import Dagster. The view `searchable_palettes` decides
what palettes can be found by.
"""

from grabient_pipeline.gallery.build import GalleryReport, build_gallery

__all__ = ["GalleryReport", "build_gallery"]
