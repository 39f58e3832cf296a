"""The portal's page in headless Chromium. Screenshots go to TELEHAUL_SCREENSHOTS (default build/screenshots)."""

import os
import pathlib
import re

import pytest
import telehaul
from portal_root import PortalRoot, service
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

SCREENSHOTS = pathlib.Path(os.environ.get("TELEHAUL_SCREENSHOTS", telehaul.PROJECT / "build" / "screenshots"))
WIDTHS = (360, 768, 1440)
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars",
         "--disable-background-networking", "--disable-component-update", "--disable-sync", "--lang=en-US")


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(service=Service("/usr/bin/chromedriver"), options=options)
    yield driver
    driver.quit()


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


def measured(portal, **more):
    root = portal(**more)
    for step in range(30):
        root.write_all(step, offset_s=step - 30)
    root.write_services()
    root.write_collector()
    return root.start()


def text_of(browser, selector):
    return browser.find_element(By.CSS_SELECTOR, selector).text


def wait_for_text(browser, selector, wanted):
    return telehaul.wait_until(lambda: wanted in text_of(browser, selector), f"`{wanted}` in {selector}")


def open_page(browser, root, scheme="light"):
    """The log-in form of a browser that was never here."""
    browser.execute_cdp_cmd("Network.clearBrowserCookies", {})
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia",
                            {"features": [{"name": "prefers-color-scheme", "value": scheme}]})
    browser.get_log("browser")
    browser.get(root.url() + "/")
    telehaul.wait_until(lambda: browser.find_element(By.ID, "login").is_displayed(), "the log-in form")


def log_in(browser, pin):
    field = browser.find_element(By.ID, "pin")
    field.clear()
    field.send_keys(pin, Keys.ENTER)


def open_overview(browser, root, scheme="light"):
    open_page(browser, root, scheme)
    log_in(browser, root.pin)
    telehaul.wait_until(lambda: browser.find_element(By.ID, "overview").is_displayed(), "the overview")


def value_of(browser, channel):
    for row in browser.find_elements(By.CSS_SELECTOR, ".group tr"):
        if row.find_element(By.TAG_NAME, "th").get_attribute("title").startswith(channel + ":"):
            return row.find_element(By.CLASS_NAME, "figure").text
    return None


def show_widths(browser, name):
    """One picture a width, of the whole page; nothing sticks out, and no text is missing (its key would show)."""
    shown = browser.find_element(By.TAG_NAME, "body").text
    assert not re.search(r"\b(answer|problem|services?|values|inputs?|machine|login|age|duration)\.[a-z_]", shown), shown
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    for width in WIDTHS:
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                                {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": False})
        height = browser.execute_script("return Math.max(800, document.documentElement.scrollHeight)")
        assert browser.execute_script("return document.documentElement.scrollWidth") <= width, f"{name}: wider"
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                                {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False})
        browser.save_screenshot(str(SCREENSHOTS / f"{name}-{width}.png"))
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def console_errors(browser, besides=()):
    return [entry["message"] for entry in browser.get_log("browser")
            if entry["level"] == "SEVERE" and not any(word in entry["message"] for word in besides)]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_live_values_and_services(browser, portal, scheme):
    root = measured(portal)
    open_overview(browser, root, scheme)
    root.write({"engine_rpm": 1523.25, "gear": 4})
    telehaul.wait_until(lambda: value_of(browser, "engine_rpm") == "1,523", "the first value")
    root.write({"engine_rpm": 1600})
    telehaul.wait_until(lambda: value_of(browser, "engine_rpm") == "1,600", "the changed value")
    wait_for_text(browser, "#answer-line", "All is well: 17 channels report.")
    wait_for_text(browser, "[data-service=collector]", "running")
    assert browser.execute_script("return document.documentElement.dataset.scheme") == scheme
    show_widths(browser, f"overview-{scheme}")
    assert console_errors(browser) == []


def test_wrong_pin_then_locked(browser, portal):
    root = measured(portal)
    open_page(browser, root)
    show_widths(browser, "login-light")
    for _ in range(5):
        log_in(browser, "0000")
        wait_for_text(browser, "#login-message", "This is not the PIN of this machine.")
        telehaul.wait_until(lambda: browser.find_element(By.CSS_SELECTOR, "#login-form button").is_enabled(), "again")
    log_in(browser, root.pin)
    wait_for_text(browser, "#login-message", "Too many wrong PINs. Try again in")
    assert not browser.find_element(By.CSS_SELECTOR, "#login-form button").is_enabled()
    show_widths(browser, "login-locked-light")
    assert console_errors(browser, besides=("401", "429")) == []


def test_troubles_are_said_in_words(browser, portal):
    root = measured(portal)
    open_overview(browser, root, "dark")
    wait_for_text(browser, "#answer-line", "All is well")
    root.write_services([service("collector", "waiting", last_exit="signal 9 (Killed)", restarts=3),
                         service("agent", "hung"), service("portal"), service("camera", "starting")])
    wait_for_text(browser, "#answer-line", "agent does not respond.")
    wait_for_text(browser, "#answer-items", "collector has ended (signal 9 (Killed))")
    wait_for_text(browser, "[data-service=agent]", "not responding")
    root.write_collector(inputs=[{"name": "lines", "state": "failing", "error": "/dev/ttyUSB0: No such device",
                                  "readings": 0, "dropped": 0}],
                         disk={"state": "low", "free_bytes": 1}, clock={"state": "jumped", "jumps": 1,
                                                                         "last_jump_s": -3600.0})
    wait_for_text(browser, "#answer-items", "/dev/ttyUSB0: No such device")
    show_widths(browser, "trouble-dark")
    browser.find_element(By.ID, "scheme").click()
    assert browser.execute_script("return document.documentElement.dataset.scheme") == "light"
    show_widths(browser, "trouble-light")
    browser.execute_script("window.localStorage.clear()")
    assert console_errors(browser) == []


def test_a_machine_that_goes_away(browser, portal):
    root = measured(portal)
    open_overview(browser, root)
    wait_for_text(browser, "#answer-line", "All is well")
    root.program.stop()
    wait_for_text(browser, "#answer-line", "The machine cannot be reached.")
    show_widths(browser, "offline-light")
    root.start()
    root.write_all(31)
    wait_for_text(browser, "#answer-line", "All is well")  # the session outlives the restart


def test_nothing_measured_yet(browser, portal):
    root = portal(store=False).start()
    open_overview(browser, root)
    wait_for_text(browser, "#answer-line", "Nothing has been measured yet.")
    wait_for_text(browser, "#services", "The watchdog has not written its state yet.")
    wait_for_text(browser, "#values-empty", "No values yet.")
    show_widths(browser, "empty-light")
    root.make_store()
    root.write_all()
    wait_for_text(browser, "#answer-line", "All is well: 17 channels report.")


def test_values_that_go_silent(browser, portal):
    root = portal()
    root.write_all(offset_s=-3600)
    root.write({"engine_rpm": 900})
    root.write_services()
    root.write_collector()
    root.start()
    open_overview(browser, root)
    wait_for_text(browser, "#answer-line", "16 channels have gone silent.")
    assert len(browser.find_elements(By.CSS_SELECTOR, "tr[data-stale]")) == 16
    show_widths(browser, "stale-light")


def test_no_pin_is_said(browser, portal):
    root = measured(portal, pin="")
    open_page(browser, root)
    log_in(browser, "1234")
    wait_for_text(browser, "#login-message", "Nobody can log in")
    show_widths(browser, "login-no-pin-light")


def test_find_a_value_and_log_out(browser, portal):
    root = measured(portal)
    open_overview(browser, root)
    telehaul.wait_until(lambda: value_of(browser, "gps_lat"), "values")
    browser.find_element(By.ID, "filter").send_keys("temp")
    shown = [row for row in browser.find_elements(By.CSS_SELECTOR, ".group tr") if row.is_displayed()]
    assert len(shown) == 2
    browser.find_element(By.ID, "logout").click()
    telehaul.wait_until(lambda: browser.find_element(By.ID, "login").is_displayed(), "the log-in form")
    browser.refresh()
    telehaul.wait_until(lambda: browser.find_element(By.ID, "login").is_displayed(), "still logged out")


def test_touch_targets_and_keyboard(browser, portal):
    root = measured(portal)
    open_overview(browser, root)
    small = browser.execute_script(
        "return [...document.querySelectorAll('button, input')].filter((e) => e.offsetParent !== null)"
        ".map((e) => [e.id, e.getBoundingClientRect()]).filter(([, r]) => r.width < 44 || r.height < 44)"
        ".map(([id]) => id)")
    assert small == []
    reached = set()
    for _ in range(8):
        browser.switch_to.active_element.send_keys(Keys.TAB)
        reached.add(browser.switch_to.active_element.get_attribute("id"))
    assert {"filter", "logout", "scheme"} <= reached
