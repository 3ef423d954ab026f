"""The gallery: every palette on one page that opens from disk, with no server and no network.

    content.py   what the page shows, read from the published tables
    page.py      the page, put together from the template, the style sheet and the scripts in `page/`
    build.py     the step that writes it

Knows neither Dagster nor DuckDB. What a palette is found by is decided by the view `searchable_palettes`.
"""

from grabient_pipeline.gallery.build import GalleryReport, build_gallery

__all__ = ["GalleryReport", "build_gallery"]
