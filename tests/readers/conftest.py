"""Fixture: a browser."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
from ui_page import WELCOMED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Page


# Not for longer than a module: its event loop belongs to the thread, which others need.
@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    """Run one browser for all tests of a module."""
    if not (chromium := shutil.which("chromium")):
        pytest.skip("needs Debian's package chromium")
    api = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    with api.sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = launched.new_page(viewport={"width": 1200, "height": 860})
        page.add_init_script(WELCOMED)
        yield page
        launched.close()
