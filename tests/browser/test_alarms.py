"""The alarms of a made-up machine: those that last, what was, filters, and all states."""

import time

import made_up_machine as made_up
import pytest
import telehaul
from page import (GONE, drawn, every, log_in, one, open_page, open_view, set_width, small_targets, take, text_of, wait_for,
                  wait_for_age, wait_for_text)
from selenium.webdriver.support.ui import Select


def alarmed(portal, alarms=True):
    root = portal()
    made_up.write_month(root, days=2)
    made_up.write_now(root)
    root.hot_since = time.time() - made_up.HOT[0][0]
    if alarms:
        made_up.write_alarms(root)
    root.write_services()
    root.write_collector()
    return root.start()


def open_alarms(browser):
    return browser.execute_script("return [...document.querySelectorAll('#open-alarms h3')].map((title) => title.innerText)")


def history(browser):
    return browser.execute_script("return [...document.querySelectorAll('#alarm-history tbody tr')].map((row) => row.innerText.replaceAll('\\u00a0', ' '))")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_open_ones_and_history(browser, portal, scheme):
    root = alarmed(portal)
    open_view(browser, root, scheme, address="#/alarms")
    telehaul.wait_until(lambda: open_alarms(browser) == ["Coolant temp", "Battery voltage"], "the worst first")
    wait_for_text(browser, "#open-title", "2 open alarms")
    wait_for_text(browser, "#open-alarms", "critical")
    wait_for_text(browser, "#open-alarms", "104.2 °C, above its limit of 95 °C")
    wait_for_age(browser, "#open-alarms", root.hot_since, "for {} min")
    wait_for_text(browser, "#answer-line", "2 alarms. Coolant temp: 104.2 °C, above its limit of 95 °C")
    telehaul.wait_until(lambda: len(history(browser)) == 10, "the history")
    assert small_targets(browser) == []
    take(browser, f"alarms-{scheme}")
    set_width(browser, 320)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= 320


def test_the_filters_are_in_the_address(browser, portal):
    root = alarmed(portal)
    open_view(browser, root, address="#/alarms")
    telehaul.wait_until(lambda: len(history(browser)) == 10, "the history")
    Select(one(browser, "#alarm-severity")).select_by_value("critical")
    telehaul.wait_until(lambda: len(history(browser)) == 2, "the critical ones")
    Select(one(browser, "#alarm-channel")).select_by_value("oil_pressure")
    telehaul.wait_until(lambda: len(history(browser)) == 1, "one of them")
    assert "severity=critical" in browser.current_url and "channel=oil_pressure" in browser.current_url
    Select(one(browser, "#alarm-range")).select_by_value("24h")
    wait_for_text(browser, "#history-none", "No alarm fits what is chosen above.")
    browser.back()
    telehaul.wait_until(lambda: len(history(browser)) == 1, "the way back")
    browser.refresh()
    wait_for(browser, "#main")
    telehaul.wait_until(lambda: len(history(browser)) == 1 and "0.8 bar" in history(browser)[0], "the same after a reload")


def test_an_alarm_comes_and_goes_by_itself(browser, portal):
    root = alarmed(portal, alarms=False)
    open_view(browser, root, address="#/alarms")
    wait_for_text(browser, "#open-none", "No alarm is open.")
    wait_for_text(browser, "#history-none", "No alarm in the last 30 days.")
    take(browser, "alarms-empty", (360, 1440))
    alarm = made_up.write_alarm(root, "fuel_level", "warning", "fuel_level is 4.5 %, below its limit of 5 %", -1)
    telehaul.wait_until(lambda: open_alarms(browser) == ["Fuel level"], "the new alarm")
    wait_for_text(browser, "#alarm-history", "still open")
    made_up.write_alarm(root, "fuel_level", "warning", "fuel_level is 4.5 %, below its limit of 5 %", 0, 0, alarm)
    wait_for_text(browser, "#open-none", "No alarm is open.")
    telehaul.wait_until(lambda: "still open" not in text_of(browser, "#alarm-history"), "its end in the history")


def test_older_ones_are_asked_for(browser, portal):
    root = alarmed(portal, alarms=False)
    for number in range(250):
        made_up.write_alarm(root, "gear", "info", f"made-up notice {number}", -90000 - 60 * number, -90000 - 60 * number + 5)
    open_view(browser, root, address="#/alarms")
    telehaul.wait_until(lambda: len(history(browser)) == 200, "the first page")
    one(browser, "#alarms-older").click()
    telehaul.wait_until(lambda: len(history(browser)) == 250, "the rest")
    assert not one(browser, "#alarms-older").is_displayed()
    assert "made-up notice 249" in history(browser)[-1]


def test_a_machine_that_goes_away(browser, portal, expected):
    expected += GONE
    root = alarmed(portal)
    open_view(browser, root, address="#/alarms")
    telehaul.wait_until(lambda: len(history(browser)) == 10, "the history")
    root.program.stop()
    Select(one(browser, "#alarm-range")).select_by_value("7d")
    wait_for_text(browser, "#alarms-error", "The alarms could not be read")
    wait_for_text(browser, "#answer-line", "The machine cannot be reached.")
    take(browser, "alarms-offline", (360,))
    root.start()
    one(browser, "#alarms-again").click()
    telehaul.wait_until(lambda: len(history(browser)) == 6, "the history of a week")


def test_from_the_alarm_to_its_chart_and_back(browser, portal):
    """The journey: a link into the alarms, log in, the alarm, its chart, closer, and all the way back."""
    root = alarmed(portal)
    open_page(browser, root, address="#/alarms?range=7d")
    log_in(browser, root.pin)
    telehaul.wait_until(lambda: open_alarms(browser) == ["Coolant temp", "Battery voltage"], "the alarms")
    every(browser, "#open-alarms a")[0].click()
    drawn(browser)
    assert [chart.get_attribute("data-channel") for chart in every(browser, ".chart")] == ["coolant_temp"]
    wait_for_text(browser, ".chart-alarms", "104.2 °C, above its limit of 95 °C")
    shown = text_of(browser, "#chart-range")
    one(browser, "#charts-in").click()
    telehaul.wait_until(lambda: text_of(browser, "#chart-range") != shown, "closer")
    browser.back()
    telehaul.wait_until(lambda: every(browser, "#chart-presets [aria-pressed=true]"), "the hour again")
    browser.back()
    telehaul.wait_until(lambda: one(browser, "#alarms").is_displayed(), "the alarms again")
    assert browser.current_url.endswith("#/alarms?range=7d")
