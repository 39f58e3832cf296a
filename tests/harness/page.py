"""The operator's page in headless Chromium: opening, logging in, waiting for what is seen, pictures."""

import contextlib
import os
import pathlib
import re
import time

import made_up_machine
import telehaul
from selenium import webdriver
from selenium.common.exceptions import NoSuchElementException, StaleElementReferenceException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

SCREENSHOTS = pathlib.Path(os.environ.get("TELEHAUL_SCREENSHOTS", telehaul.PROJECT / "build" / "screenshots"))
WIDTHS = (360, 768, 1440)
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars",
         "--disable-background-networking", "--disable-component-update", "--disable-sync", "--lang=en-US",
         "--window-size=1440,900")
# A key that no language has shows itself: lower case words joined by a point, as no text of the page is.
KEYS = r"\b(title|header|view|answer|problem|services?|values|inputs?|storage|server|machine|severity|alarms|updates?|chart|unit|login|age|duration)\.[a-z_]+\b(?!log|txt|env)"

# However far a call had come when the machine went away.
GONE = ["ERR_CONNECTION_REFUSED", "ERR_CONNECTION_RESET", "ERR_CONNECTION_CLOSED", "ERR_CONNECTION_ABORTED",
        "ERR_SOCKET_NOT_CONNECTED", "ERR_EMPTY_RESPONSE", "ERR_INCOMPLETE_CHUNKED_ENCODING", "ERR_CONTENT_LENGTH_MISMATCH"]
SMALL_TARGETS = """return [...document.querySelectorAll('button, input, select, summary, #views a, .group th a')]
    .filter((e) => e.offsetParent !== null)
    .map((e) => [e, (e.closest('.group tr') ?? e.closest('.language') ?? e).getBoundingClientRect()])
    .filter(([, r]) => r.width < 44 || r.height < 44).map(([e, r]) => `${e.id || e.textContent} ${r.width} x ${r.height}`)"""


def open_browser(folder):
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for flag in (*FLAGS, f"--user-data-dir={folder}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    return webdriver.Chrome(service=Service("/usr/bin/chromedriver"), options=options)


def reset(browser):
    """A browser that was never here."""
    browser.get("about:blank")
    browser.execute_cdp_cmd("Network.clearBrowserCookies", {})
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    browser.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": False})
    set_scheme(browser, "light")
    browser.get_log("browser")


def set_scheme(browser, scheme):
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia",
                            {"features": [{"name": "prefers-color-scheme", "value": scheme}]})


def set_width(browser, width, height=800, touch=False):
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                            {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": touch})
    browser.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": touch})


def one(browser, selector):
    return browser.find_element(By.CSS_SELECTOR, selector)


def every(browser, selector):
    return browser.find_elements(By.CSS_SELECTOR, selector)


def text_of(browser, selector):
    """Of what the page has put in the place of an element that was found just before, too."""
    while True:
        with contextlib.suppress(StaleElementReferenceException):
            return one(browser, selector).text


def seen(look):
    """None while the page loads anew: what was found belongs to the one before, or is not there yet."""
    with contextlib.suppress(StaleElementReferenceException, NoSuchElementException):
        return look()


def wait_for_text(browser, selector, wanted):
    return telehaul.wait_until(lambda: seen(lambda: wanted in text_of(browser, selector)), f"`{wanted}` in {selector}")


def wait_for(browser, selector):
    """Until it is there and seen."""
    def look():
        return next((found for found in every(browser, selector) if found.is_displayed()), None)
    return telehaul.wait_until(lambda: seen(look), selector)


def wait_for_well(browser, root, wanted="All is well"):
    """Values are old after 10 s: they are measured until the page says so, however long it takes."""
    def look():
        made_up_machine.write_now(root)
        return wanted in text_of(browser, "#answer-line")
    telehaul.wait_until(lambda: seen(look), wanted, every_s=0.5)


def wait_for_age(browser, selector, began, says):
    """says: with {} for the minutes since then, which go on while the page is looked at."""
    def look():
        return says.format(int(time.time() - began) // 60) in text_of(browser, selector)
    telehaul.wait_until(lambda: seen(look), says)


def open_page(browser, root, scheme="light", address=""):
    """The log-in form of a browser that was never here."""
    browser.execute_cdp_cmd("Network.clearBrowserCookies", {})
    set_scheme(browser, scheme)
    browser.get("about:blank")
    browser.get(f"{root.url()}/{address}")
    wait_for(browser, "#login")


def log_in(browser, pin):
    field = one(browser, "#pin")
    field.clear()
    field.send_keys(pin, Keys.ENTER)


def open_view(browser, root, scheme="light", address=""):
    open_page(browser, root, scheme, address)
    log_in(browser, root.pin)
    wait_for(browser, "#main")


def drawn(browser, charts=1):
    """Until so many charts have drawn what they asked for."""
    telehaul.wait_until(lambda: len(every(browser, ".chart:not([data-loading]) canvas")) >= charts and
                        not every(browser, ".chart[data-loading]"), f"{charts} drawn charts")


def strip_drawn(browser):
    telehaul.wait_until(lambda: every(browser, "#chart-strip[data-drawn]"), "the strip")


def take(browser, name, widths=WIDTHS):
    """One picture a width, of the whole page; nothing sticks out, and no text is missing (its key would show)."""
    shown = one(browser, "body").text
    assert not re.search(KEYS, shown), re.search(KEYS, shown).group()
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    for width in widths:
        set_width(browser, width)
        wide = browser.execute_script("return document.documentElement.scrollWidth")
        assert wide <= width, f"{name} is {wide} px wide on {width}: {sticking_out(browser, width)}"
        if not every(browser, "dialog[open]"):  # a window is as high as the screen at most
            set_width(browser, width, browser.execute_script("return Math.max(800, document.documentElement.scrollHeight)"))
        if every(browser, ".chart"):
            drawn(browser)
        browser.save_screenshot(str(SCREENSHOTS / f"{name}-{width}.png"))
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def small_targets(browser):
    """What is smaller than 44 px in one direction though it is to be touched."""
    return browser.execute_script(SMALL_TARGETS)


def sticking_out(browser, width):
    return browser.execute_script(
        "return [...document.body.querySelectorAll('*')].filter((e) => e.getBoundingClientRect().right > arguments[0] + 1)"
        ".slice(0, 8).map((e) => `${e.tagName}#${e.id}.${e.className}`)", width)


def console_errors(browser, besides=()):
    """What the console says: errors, and every breach of the page's policy at whatever level."""
    return [entry["message"] for entry in browser.get_log("browser")
            if (entry["level"] == "SEVERE" or "Content Security Policy" in entry["message"])
            and not any(word in entry["message"] for word in besides)]


def value_of(browser, channel):
    for row in every(browser, ".group tr"):
        if row.find_element(By.TAG_NAME, "th").get_attribute("title").startswith(channel + ":"):
            return row.find_element(By.CLASS_NAME, "figure").text
    return None
