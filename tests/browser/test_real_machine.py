"""The page over a collector that runs: it measures its made-up drive (INPUT = drive), raises an alarm by a CHANNEL's
limit, and the page shows it by itself."""

import telehaul
from page import drawn, every, log_in, one, text_of, wait_for, wait_for_text


def test_from_a_limit_in_config_txt_to_the_chart(browser, make_root):
    root = make_root()
    root.repeat("CHANNEL", ["engine_rpm unit=rpm alarm_high=1 severity=critical"])
    root.config({"SAMPLE_INTERVAL_MS": 200})
    root.start_collector()
    portal = root.start("portal")
    telehaul.wait_until(lambda: telehaul.listens(root.portal_port) or not portal.running(), "the portal")
    browser.get(f"http://127.0.0.1:{root.portal_port}/")
    wait_for(browser, "#login")
    log_in(browser, root.pin)
    wait_for_text(browser, "#answer-items, #answer-line", "Engine RPM")
    wait_for_text(browser, "#answer", "above its limit of 1 rpm")
    one(browser, "#views [data-view=alarms]").click()
    wait_for_text(browser, "#open-alarms", "Engine RPM")
    every(browser, "#open-alarms a")[0].click()
    drawn(browser)
    wait_for_text(browser, ".chart-alarms", "above its limit of 1 rpm")
    telehaul.wait_until(lambda: " rpm in this time" in text_of(browser, ".chart-readout"), "its values")
    browser.get("about:blank")
