"""The overview and the log-in form: live values, services, storage, the server's calls, and every state they can be in.
Machines and values are made up (tests/harness)."""

import time

import made_up_machine as made_up
import pytest
import telehaul
from page import (GONE, log_in, every, one, open_page, open_view, small_targets, take, text_of, value_of, wait_for,
                  wait_for_age, wait_for_text, wait_for_well)
from portal_root import service
from selenium.webdriver.common.keys import Keys


def measured(portal, **more):
    root = portal(**more)
    for offset in range(-10, 0):
        made_up.write_now(root, offset)
    root.write_services()
    root.write_collector()
    return root.start()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_live_values_and_services(browser, portal, scheme):
    root = measured(portal)
    open_view(browser, root, scheme)
    root.write({"engine_rpm": 1523.25, "gear": 4})
    telehaul.wait_until(lambda: value_of(browser, "engine_rpm") == "1,523", "the first value")
    root.write({"engine_rpm": 1600})
    telehaul.wait_until(lambda: value_of(browser, "engine_rpm") == "1,600", "the changed value")
    wait_for_well(browser, root, "All is well: 17 channels report.")
    wait_for_text(browser, "[data-service=collector]", "running")
    assert browser.execute_script("return document.documentElement.dataset.scheme") == scheme
    take(browser, f"overview-{scheme}")


def test_wrong_pin_then_locked(browser, portal, expected):
    expected += ["401", "429"]
    root = measured(portal)
    open_page(browser, root)
    take(browser, "login-light")
    for _ in range(5):
        log_in(browser, "0000")
        wait_for_text(browser, "#login-message", "This is not the PIN of this machine.")
        telehaul.wait_until(lambda: one(browser, "#login-form button").is_enabled(), "again")
    log_in(browser, root.pin)
    wait_for_text(browser, "#login-message", "Too many wrong PINs. Try again in")
    assert not one(browser, "#login-form button").is_enabled()
    take(browser, "login-locked-light")


def test_troubles_are_said_in_words(browser, portal):
    root = measured(portal)
    open_view(browser, root, "dark")
    wait_for_well(browser, root)
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
    take(browser, "trouble-dark")
    one(browser, "#scheme").click()
    assert browser.execute_script("return document.documentElement.dataset.scheme") == "light"
    take(browser, "trouble-light")


def test_a_machine_that_goes_away(browser, portal, expected):
    expected += GONE
    root = measured(portal)
    open_view(browser, root)
    wait_for_well(browser, root)
    root.program.stop()
    wait_for_text(browser, "#answer-line", "The machine cannot be reached.")
    take(browser, "offline-light")
    root.start()
    wait_for_well(browser, root)  # the session outlives the restart


def test_nothing_measured_yet(browser, portal, expected):
    expected += ["503"]
    root = portal(store=False).start()
    open_view(browser, root)
    wait_for_text(browser, "#answer-line", "Nothing has been measured yet.")
    wait_for_text(browser, "#services", "The watchdog has not written its state yet.")
    wait_for_text(browser, "#values-empty", "No values yet.")
    take(browser, "empty-light")
    root.make_store()
    wait_for_well(browser, root, "All is well: 17 channels report.")


def test_values_that_go_silent(browser, portal):
    root = portal()
    made_up.write_now(root, -3600)
    root.write({"engine_rpm": 900})
    root.write_services()
    root.write_collector()
    root.start()
    open_view(browser, root)

    def silent():
        root.write({"engine_rpm": 900})  # it would be old after 10 s
        return "16 channels have gone silent." in text_of(browser, "#answer-line")
    telehaul.wait_until(silent, "16 silent ones")
    telehaul.wait_until(lambda: root.write({"engine_rpm": 900}) or len(every(browser, "tr[data-stale]")) == 16, "their rows")
    take(browser, "stale-light")


def test_no_pin_is_said(browser, portal, expected):
    expected += ["403", "401", "503"]
    root = measured(portal, pin="")
    open_page(browser, root)
    log_in(browser, "1234")
    wait_for_text(browser, "#login-message", "Nobody can log in")
    take(browser, "login-no-pin-light")


def test_find_a_value_and_log_out(browser, portal):
    root = measured(portal)
    open_view(browser, root)
    telehaul.wait_until(lambda: value_of(browser, "gps_lat"), "values")
    one(browser, "#filter").send_keys("temp")
    assert len([row for row in every(browser, ".group tr") if row.is_displayed()]) == 2
    one(browser, "#logout").click()
    wait_for(browser, "#login")
    browser.refresh()
    wait_for(browser, "#login")


def test_storage_and_the_servers_calls(browser, portal):
    root = portal()
    made_up.write_now(root, -3 * 86400 - 600)
    made_up.write_now(root)
    root.write_services()
    root.write_collector(days_until_full=41.4)
    root.start()
    open_view(browser, root)
    wait_for_text(browser, "#storage-line", "Holds 3 days")
    wait_for_text(browser, "#storage-outlook", "At this pace the disk is full in 41 days.")
    wait_for_text(browser, "#storage", "30 days")
    wait_for_text(browser, "#server-line", "No server has called yet")
    wait_for_text(browser, "#server-took", "sync_client --host")
    called = time.time() - 720
    made_up.write_contacts(root)
    browser.refresh()
    wait_for_age(browser, "#server-line", called, "{} min ago")
    wait_for_text(browser, "#server-took", "250,000 readings, 2.7 MiB, from 10.0.0.7")
    one(browser, "#server-more summary").click()
    wait_for_text(browser, "#server-sessions", "broken off")
    wait_for_text(browser, "#server-sessions", "It brought the update 1.0.1.")


def test_touch_targets(browser, portal):
    open_view(browser, measured(portal))
    telehaul.wait_until(lambda: value_of(browser, "gps_lat"), "values")
    assert small_targets(browser) == []


def test_an_alarm_marks_its_value(browser, portal):
    root = measured(portal)
    open_view(browser, root)
    wait_for_well(browser, root)
    alarm = made_up.write_alarm(root, "oil_pressure", "critical", "oil_pressure is 0.7 bar, below its limit of 1 bar", -1)
    wait_for_text(browser, "#answer-line", "Oil pressure: 0.7 bar, below its limit of 1 bar")
    assert "critical" in one(browser, "tr[data-alarm=problem]").get_attribute("textContent")
    assert text_of(browser, "#alarm-badge span[aria-hidden]") == "1"
    assert "(!)" in browser.title
    take(browser, "alarm-light", (360,))
    made_up.write_alarm(root, "oil_pressure", "critical", "oil_pressure is 0.7 bar, below its limit of 1 bar", 0, 0, alarm)
    wait_for_well(browser, root)
    assert every(browser, "tr[data-alarm]") == []
    assert not one(browser, "#alarm-badge").is_displayed()


def test_keys_alone_log_in_and_reach_everything(browser, portal):
    root = measured(portal)
    open_page(browser, root)
    assert browser.switch_to.active_element.get_attribute("id") == "pin"
    log_in(browser, root.pin)
    wait_for(browser, "#main")
    telehaul.wait_until(lambda: value_of(browser, "gps_lat"), "values")
    telehaul.wait_until(lambda: browser.switch_to.active_element.get_attribute("id") == "main", "the page's focus")
    reached = {}
    for _ in range(40):
        browser.switch_to.active_element.send_keys(Keys.TAB)
        focused = browser.switch_to.active_element
        reached[focused.get_attribute("id") or focused.get_attribute("href") or focused.tag_name] = focused
    assert "filter" in reached and any("c=engine_rpm" in name for name in reached)
    browser.execute_script("document.getElementById('skip').focus()")
    address = browser.current_url
    one(browser, "#skip").send_keys(Keys.ENTER)
    telehaul.wait_until(lambda: browser.switch_to.active_element.get_attribute("id") == "main", "past the header")
    assert browser.current_url == address
    browser.execute_script("document.getElementById('skip').focus()")
    outlined = []
    for _ in range(6):
        browser.switch_to.active_element.send_keys(Keys.TAB)
        focused = browser.switch_to.active_element
        shown = focused.find_element("xpath", "..") if focused.get_attribute("id") == "language" else focused
        outlined.append((focused.get_attribute("id") or focused.text, shown.value_of_css_property("outline-style"),
                         shown.value_of_css_property("outline-width")))
    assert [name for name, *_ in outlined][-3:] == ["language", "scheme", "logout"]
    assert all(shown == ("solid", "3px") for _, *shown in outlined for shown in [tuple(shown)]), outlined
