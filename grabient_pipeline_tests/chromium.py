"""Headless Chromium, the one that the system has: for the tests of the gallery, its benchmark and the pictures."""

from __future__ import annotations

import os
import shutil
from collections.abc import Generator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright

# Set where no test may be left out.
REQUIRED = "GRABIENT_TESTS_NEED_CHROMIUM"

# No sandbox, since in containers there is none to be had and only our own pages are opened; and no call home.
OPTIONS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)


def chromium_path() -> str | None:
    """Where Chromium is, if it is installed."""
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def is_required() -> bool:
    return bool(os.environ.get(REQUIRED))


@contextmanager
def open_chromium() -> Generator[Browser]:
    """A browser for as long as the block runs."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=list(OPTIONS))
        try:
            yield browser
        finally:
            browser.close()
