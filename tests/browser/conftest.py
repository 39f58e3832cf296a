"""A browser for all tests of pages, portals that end with their test, and: whatever a test does, the page may neither
write an error into the console nor try what its policy forbids."""

import page
import pytest
from portal_root import PortalRoot


@pytest.fixture(scope="session")
def driver(tmp_path_factory):
    made = page.open_browser(tmp_path_factory.mktemp("chromium"))
    yield made
    made.quit()


@pytest.fixture
def expected(request):
    """Words of console errors that a test brings about itself, like the 401 of a wrong PIN."""
    return []


@pytest.fixture
def browser(driver, expected):
    page.reset(driver)
    yield driver
    errors = page.console_errors(driver, expected)
    assert errors == []


@pytest.fixture
def portal(tmp_path, browser):
    made = []

    def make(**more):
        root = PortalRoot(tmp_path / "root", **more)
        made.append(root)
        return root

    yield make
    browser.get("about:blank")
    for root in made:
        root.clear()
