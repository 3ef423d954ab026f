"""Headless Chromium, as installed on the system, for the gallery's tests and benchmark and for the screenshots."""

from __future__ import annotations

import os
import shutil
from collections.abc import Generator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright

# If it is set, no test may be skipped.
REQUIRED = "GRABIENT_TESTS_NEED_CHROMIUM"

# Chromium's sandbox does not work in containers, and only our own pages are opened. No background requests.
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
    """Return the path of Chromium, or None if it is not installed."""
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def is_required() -> bool:
    return bool(os.environ.get(REQUIRED))


@contextmanager
def open_chromium() -> Generator[Browser]:
    """Open a browser for the duration of the block."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=list(OPTIONS))
        try:
            yield browser
        finally:
            browser.close()
