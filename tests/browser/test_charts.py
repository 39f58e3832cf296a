"""The charts of a made-up month: what is drawn, how it is moved with mouse, fingers and keys, its address, its file,
and every state it can be in."""

import csv
import datetime
import pathlib
import urllib.parse

import made_up_machine as made_up
import pytest
import telehaul
from page import (GONE, drawn, every, log_in, one, open_page, open_view, seen, set_width, small_targets, strip_drawn, take,
                  text_of, wait_for, wait_for_text)
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

LIVE = "#chart-presets button[aria-pressed=true]"
# Whether there is a line of the chart's colour in a column of its canvas at this part of the time that is seen.
INK = """
const [channel, part] = arguments;
const plot = document.querySelector(`[data-channel="${channel}"] .chart-plot`);
const colour = getComputedStyle(document.documentElement).getPropertyValue('--chart').trim().match(/\\w\\w/g).map((h) => parseInt(h, 16));
for (const canvas of plot.querySelectorAll('canvas')) {
    const scale = canvas.width / canvas.clientWidth;
    const x = Math.round((64 + (canvas.clientWidth - 72) * part) * scale);
    const { data } = canvas.getContext('2d').getImageData(x - 1, 0, 3, canvas.height);
    for (let i = 0; i < data.length; i += 4)
        if (data[i + 3] > 128 && colour.every((value, c) => Math.abs(data[i + c] - value) < 40)) return true;
}
return false;"""


def month(portal, days=30):
    root = portal()
    made_up.write_month(root, days)
    made_up.write_now(root)
    made_up.write_alarms(root)
    root.write_services()
    root.write_collector()
    return root.start()


def address_of(browser):
    """{key: [values]} of what the address says behind its ?."""
    return urllib.parse.parse_qs(browser.current_url.partition("?")[2])


def seconds_of(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def span_of(browser):
    """[from, to] in s of a range that is fixed."""
    query = address_of(browser)
    return [seconds_of(query[key][0]) for key in ("from", "to")] if "from" in query else None


def asked(browser):
    """Queries of the calls for history, the newest last."""
    names = browser.execute_script("return performance.getEntriesByType('resource').map((e) => e.name)")
    return [urllib.parse.parse_qs(name.partition("?")[2]) for name in names if "/api/history" in name]


def utc(seconds):
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def test_a_zoom_brings_detail_and_the_way_back(browser, portal):
    root = month(portal)
    open_view(browser, root, address="#/chart?c=coolant_temp&range=30d")
    drawn(browser)
    assert text_of(browser, LIVE) == "30 d"
    plot = one(browser, ".chart-plot")
    before = len(asked(browser))
    width = plot.size["width"]
    ActionChains(browser).move_to_element_with_offset(plot, width // 4, 0).click_and_hold().move_by_offset(60, 3) \
        .move_by_offset(width // 8 - 60, 0).release().perform()
    telehaul.wait_until(lambda: span_of(browser), "a fixed range in the address")
    drawn(browser)
    first, last = span_of(browser)
    assert last - first == pytest.approx(30 * 86400 / 8 * width / (width - 64), rel=0.03)
    telehaul.wait_until(lambda: len(asked(browser)) > before, "points of the part")
    newest = [query for query in asked(browser) if query["channel"] == ["coolant_temp"]][-1]
    assert seconds_of(newest["from"][0]) < first + 1 and seconds_of(newest["to"][0]) > last - 1
    assert every(browser, LIVE) == []
    browser.back()
    telehaul.wait_until(lambda: seen(lambda: text_of(browser, LIVE) == "30 d"), "the month again")
    browser.forward()
    telehaul.wait_until(lambda: span_of(browser) == [first, last], "the part again")
    one(browser, "#charts-live").click()
    telehaul.wait_until(lambda: seen(lambda: text_of(browser, LIVE) == "1 h"), "now")


def test_a_spike_of_a_second_is_seen_in_a_month(browser, portal):
    root = month(portal)
    open_view(browser, root, address="#/chart?c=engine_rpm&range=30d")
    drawn(browser)
    wait_for_text(browser, ".chart-readout", "7,950 rpm")
    wait_for_text(browser, ".chart-alarms", "7,950 rpm, above its limit of 6,500 rpm")
    around = urllib.parse.urlencode({"c": "engine_rpm", "from": utc(made_up.spike_s() - 3600), "to": utc(made_up.spike_s() + 3600)})
    browser.get(f"{root.url()}/#/chart?{around}")
    wait_for_text(browser, ".chart-readout", "7,950 rpm")


def test_a_gap_is_drawn_as_a_gap(browser, portal):
    root = portal()
    now = datetime.datetime.now().timestamp()
    for offset in [*range(-3000, -2000, 5), *range(-1000, 0, 5)]:
        root.write({"engine_rpm": 1500 + offset % 7}, offset)
    root.write_services()
    root.write_collector()
    root.start()
    query = urllib.parse.urlencode({"c": "engine_rpm", "from": utc(now - 3000), "to": utc(now)})
    open_view(browser, root, address=f"#/chart?{query}")
    drawn(browser)
    assert [browser.execute_script(INK, "engine_rpm", part) for part in (0.1, 0.3, 0.4, 0.5, 0.6, 0.72, 0.9)] == \
        [True, True, False, False, False, True, True]


def test_live_values_go_on_the_chart(browser, portal):
    root = month(portal, days=1)
    open_view(browser, root, address="#/chart?c=engine_rpm&range=1h")
    drawn(browser)
    assert one(browser, "#charts-follow").is_displayed()
    root.write({"engine_rpm": 3999})
    wait_for_text(browser, ".chart-readout", "3,999 rpm")
    made_up.write_alarm(root, "engine_rpm", "critical", "engine_rpm is 3999 rpm, above its limit of 3500 rpm", -1)
    wait_for_text(browser, ".chart-alarms", "3,999 rpm, above its limit of 3,500 rpm")


def test_several_values_share_their_time(browser, portal):
    root = month(portal, days=2)
    open_view(browser, root, address="#/chart?c=coolant_temp&range=6h")
    drawn(browser)
    Select(one(browser, "#chart-add")).select_by_value("oil_pressure")
    telehaul.wait_until(lambda: address_of(browser)["c"] == ["coolant_temp", "oil_pressure"], "two in the address")
    drawn(browser, 2)
    places = [(plot.location["x"], plot.size["width"]) for plot in every(browser, ".chart-plot")]
    assert len(places) == 2 and places[0] == places[1]
    ActionChains(browser).move_to_element(every(browser, ".chart-plot")[0]).perform()
    telehaul.wait_until(lambda: all(":" in one_.text for one_ in every(browser, ".chart-readout")), "both readouts")
    times = {readout.text.rpartition(": ")[0] for readout in every(browser, ".chart-readout")}
    assert len(times) == 1, "both say what was at one time"
    every(browser, ".chart-head button")[0].click()
    telehaul.wait_until(lambda: address_of(browser)["c"] == ["oil_pressure"], "one in the address")
    assert [chart.get_attribute("data-channel") for chart in every(browser, ".chart")] == ["oil_pressure"]


def test_keys_alone(browser, portal):
    root = month(portal, days=2)
    open_view(browser, root, address="#/chart?c=coolant_temp&range=6h")
    drawn(browser)
    for _ in range(30):
        if browser.switch_to.active_element.get_attribute("class") == "chart-plot":
            break
        browser.switch_to.active_element.send_keys(Keys.TAB)
    plot = browser.switch_to.active_element
    assert plot.get_attribute("class") == "chart-plot"
    assert plot.value_of_css_property("outline-style") == "solid"
    assert "Coolant temp" in plot.get_attribute("aria-label") and "°C" in plot.get_attribute("aria-label")
    plot.send_keys("+")
    telehaul.wait_until(lambda: span_of(browser), "a part")
    first, last = span_of(browser)
    assert last - first == pytest.approx(3 * 3600, rel=0.01)
    plot.send_keys(Keys.ARROW_LEFT)
    telehaul.wait_until(lambda: span_of(browser)[0] < first, "earlier")
    assert first - span_of(browser)[0] == pytest.approx(3 * 3600 / 4, rel=0.01)
    drawn(browser)
    plot.send_keys(Keys.SHIFT + Keys.ARROW_RIGHT + Keys.NULL)
    telehaul.wait_until(lambda: "°C" in one(browser, "#chart-said").get_attribute("textContent"), "a point that is read out")
    said = one(browser, "#chart-said").get_attribute("textContent")
    plot.send_keys(Keys.SHIFT + Keys.ARROW_RIGHT + Keys.NULL)
    telehaul.wait_until(lambda: one(browser, "#chart-said").get_attribute("textContent") != said, "the next point")
    plot.send_keys(Keys.END)
    telehaul.wait_until(lambda: span_of(browser) is None, "now")
    assert browser.switch_to.active_element == plot


def touch(browser, kind, *points):
    browser.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [
        {"x": x, "y": y, "id": number} for number, (x, y) in enumerate(points)]})


def test_fingers_move_and_zoom(browser, portal):
    root = month(portal, days=2)
    set_width(browser, 360, 1200, touch=True)
    open_view(browser, root, address="#/chart?c=coolant_temp&range=6h")
    drawn(browser)
    box = browser.execute_script("const r = document.querySelector('.chart-plot').getBoundingClientRect(); return [r.x, r.y]")
    y = box[1] + 60
    touch(browser, "touchStart", (150, y))
    for x in range(160, 301, 20):
        touch(browser, "touchMove", (x, y))
    touch(browser, "touchEnd")
    telehaul.wait_until(lambda: span_of(browser), "moved to the past")
    first, last = span_of(browser)
    assert last - first == pytest.approx(6 * 3600, rel=0.01) and last < datetime.datetime.now().timestamp() - 1800
    touch(browser, "touchStart", (170, y), (210, y))
    for step in range(1, 6):
        touch(browser, "touchMove", (170 - 10 * step, y), (210 + 10 * step, y))
    touch(browser, "touchEnd")
    telehaul.wait_until(lambda: span_of(browser)[1] - span_of(browser)[0] < 3 * 3600, "two fingers zoom")
    assert span_of(browser)[1] - span_of(browser)[0] == pytest.approx(6 * 3600 * 40 / 140, rel=0.1)
    assert small_targets(browser) == []


def test_the_strip_shows_where_and_takes_there(browser, portal):
    root = month(portal)
    open_view(browser, root, address="#/chart?c=coolant_temp&range=24h")
    drawn(browser)
    strip = one(browser, "#chart-strip canvas")
    ActionChains(browser).move_to_element_with_offset(strip, -strip.size["width"] // 4, 0).click().perform()
    telehaul.wait_until(lambda: span_of(browser), "another day")
    first, last = span_of(browser)
    assert last - first == pytest.approx(86400, rel=0.01)
    assert (first + last) / 2 == pytest.approx(datetime.datetime.now().timestamp() - 22.5 * 86400, abs=86400)


def test_the_table_and_the_file(browser, portal, tmp_path):
    root = month(portal, days=2)
    browser.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)})
    open_view(browser, root, address="#/chart?c=coolant_temp&c=engine_rpm&range=1h")
    drawn(browser, 2)
    one(browser, "#charts-table").click()
    rows = every(browser, "[data-channel=coolant_temp] .chart-table tbody tr")
    assert 10 <= len(rows) <= 61 and "°C" in rows[0].text
    one(browser, "#charts-csv").click()
    saved = pathlib.Path(telehaul.wait_until(lambda: list(tmp_path.glob("telehaul_*.csv")), "the file")[0])
    telehaul.wait_until(lambda: saved.stat().st_size > 0, "its content")
    with open(saved, newline="") as lines:
        points = list(csv.DictReader(lines))
    assert {point["channel"] for point in points} == {"coolant_temp", "engine_rpm"}
    assert {point["unit"] for point in points} == {"degC", "rpm"}
    stored = dict(root.db.execute(
        "select time_us / 1000, value from readings join channels using (channel_id) where name = 'coolant_temp'"))
    matched = [stored[round(seconds_of(point["time"]) * 1000)] == float(point["min"]) == float(point["max"])
               for point in points if point["channel"] == "coolant_temp" and point["step_s"] == "0"]
    assert len(matched) > 300 and all(matched)


def test_from_and_to_can_be_typed(browser, portal):
    root = month(portal, days=5)
    open_view(browser, root, address="#/chart?c=engine_rpm&range=1h")
    drawn(browser)
    one(browser, "#chart-times summary").click()
    now = datetime.datetime.now().replace(second=0, microsecond=0)
    times = [now - datetime.timedelta(hours=30), now - datetime.timedelta(hours=28)]
    for name, value in zip(("from", "to"), times[::-1]):
        browser.execute_script("arguments[0].value = arguments[1]", one(browser, f"#chart-{name}"), value.isoformat()[:16])
    one(browser, "#chart-times-form button").click()
    wait_for(browser, "#chart-times-wrong")
    for name, value in zip(("from", "to"), times):
        browser.execute_script("arguments[0].value = arguments[1]", one(browser, f"#chart-{name}"), value.isoformat()[:16])
    one(browser, "#chart-times-form button").click()
    telehaul.wait_until(lambda: span_of(browser) == [value.timestamp() for value in times], "the range that was typed")


# ---- states ----

def test_what_is_not_there_is_said(browser, portal, expected):
    expected += ["404"]
    root = month(portal, days=1)
    open_view(browser, root, address="#/chart?c=no_such_channel&c=engine_rpm&range=1h")
    wait_for_text(browser, "[data-channel=no_such_channel]", "This machine has no value of that name.")
    telehaul.wait_until(lambda: "rpm" in text_of(browser, "[data-channel=engine_rpm] .chart-readout"), "the other one")
    take(browser, "chart-unknown", (360,))
    browser.get(f"{root.url()}/#/chart?c=fuel_level&from={utc(seconds_of('2020-01-01T00:00:00Z'))}&to=2020-01-01T06:00:00Z")
    wait_for_text(browser, ".chart-over", "Nothing was measured in this time.")


def test_nothing_is_chosen_and_nothing_is_measured(browser, portal, expected):
    expected += ["503"]
    root = portal(store=False).start()
    open_view(browser, root, address="#/chart")
    wait_for_text(browser, "#charts-empty", "Nothing has been measured yet.")
    take(browser, "charts-empty", (768,))
    root.make_store()
    made_up.write_now(root)
    wait_for_text(browser, "#charts-empty", "Choose a value above")


def test_a_machine_that_goes_away_and_comes_back(browser, portal, expected):
    expected += GONE
    root = month(portal, days=1)
    open_view(browser, root, address="#/chart?c=engine_rpm&range=1h")
    drawn(browser)
    root.program.stop()
    wait_for_text(browser, "#answer-line", "The machine cannot be reached.")
    assert not one(browser, "#charts-follow").is_displayed()
    every(browser, "#chart-presets button")[1].click()
    wait_for_text(browser, ".chart-over", "The machine cannot be reached.")
    take(browser, "chart-offline", (360, 1440))
    root.start()
    made_up.write_now(root)
    one(browser, ".chart-over button").click()
    telehaul.wait_until(lambda: not one(browser, ".chart-over").is_displayed(), "the chart again")
    wait_for_text(browser, ".chart-readout", "rpm in this time")


def test_a_session_that_ends_comes_back_to_the_same_view(browser, portal, expected):
    expected += ["401"]
    root = month(portal, days=1)
    open_page(browser, root, address="#/chart?c=coolant_temp&range=6h")
    log_in(browser, root.pin)
    drawn(browser)
    browser.execute_cdp_cmd("Network.clearBrowserCookies", {})
    every(browser, "#chart-presets button")[2].click()
    wait_for(browser, "#login")
    wait_for_text(browser, "#login-message", "Your session has ended. Log in again.")
    log_in(browser, root.pin)
    drawn(browser)
    assert address_of(browser) == {"c": ["coolant_temp"], "range": ["24h"]}


# ---- pictures ----

@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pictures(browser, portal, scheme):
    root = month(portal)
    open_view(browser, root, scheme, address="#/chart?c=coolant_temp&c=engine_rpm&range=1h")
    drawn(browser, 2)
    strip_drawn(browser)
    take(browser, f"charts-{scheme}")
    browser.get(f"{root.url()}/#/chart?c=coolant_temp&c=oil_pressure&range=24h")
    drawn(browser, 2)
    take(browser, f"charts-day-{scheme}", (360, 1440))
    set_width(browser, 320)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= 320
    set_width(browser, 1440)
    browser.get(f"{root.url()}/#/chart?c=engine_rpm&range=30d")
    drawn(browser)
    take(browser, f"chart-month-{scheme}", (1440,))
