"""The page in each of its languages: switched at once, kept, set by the machine, with the plurals of the language."""

import made_up_machine as made_up
import pytest
import telehaul
from page import drawn, every, one, open_page, open_view, take, text_of, wait_for, wait_for_text
from selenium.webdriver.support.ui import Select

NAMES = {"uk": ("Огляд", "Графіки", "Тривоги"), "ru": ("Обзор", "Графики", "Тревоги"), "en": ("Overview", "Charts", "Alarms")}


def machine(portal, **config):
    root = portal(config=config)
    made_up.write_month(root, days=2)
    made_up.write_now(root)
    made_up.write_alarms(root)
    made_up.write_contacts(root)
    root.write_services()
    root.write_collector()
    return root.start()


def switch(browser, code):
    Select(one(browser, "#language")).select_by_value(code)
    telehaul.wait_until(lambda: tuple(link.text.split("\n")[0] for link in every(browser, "#views a [data-text], #views a[data-text]"))
                        == NAMES[code], f"the views in {code}")


@pytest.mark.parametrize("code", ["uk", "ru"])
def test_a_language_is_switched_at_once_and_kept(browser, portal, code):
    root = machine(portal)
    open_view(browser, root)
    wait_for_text(browser, "#answer-line", "2 alarms.")
    switch(browser, code)
    says = {"uk": "2 тривоги. Coolant temp: 104,2 °C, вище межі 95 °C", "ru": "2 тревоги. Coolant temp: 104,2 °C, выше предела 95 °C"}
    wait_for_text(browser, "#answer-line", says[code])
    assert browser.execute_script("return document.documentElement.lang") == code
    wait_for_text(browser, "#server-took", {"uk": "250 000 показань", "ru": "250 000 показаний"}[code])
    take(browser, f"overview-{code}")
    browser.get(f"{root.url()}/#/alarms")
    wait_for_text(browser, "#open-title", {"uk": "2 активні тривоги", "ru": "2 активные тревоги"}[code])
    take(browser, f"alarms-{code}", (360, 1440))
    browser.get(f"{root.url()}/#/chart?c=engine_rpm&range=24h")
    drawn(browser)
    wait_for_text(browser, ".chart-readout", {"uk": "об/хв", "ru": "об/мин"}[code])
    take(browser, f"charts-{code}", (360, 1440))
    one(browser, "#logout").click()
    wait_for(browser, "#login")
    browser.refresh()
    wait_for_text(browser, "#login h1", {"uk": "Вхід", "ru": "Вход"}[code])
    take(browser, f"login-{code}", (360,))
    switch_to_english = Select(one(browser, "#language"))
    switch_to_english.select_by_value("en")
    wait_for_text(browser, "#login h1", "Log in")


def test_the_machine_says_the_language_and_the_viewer_may_say_another(browser, portal):
    root = machine(portal, PORTAL_LANGUAGE="uk")
    open_view(browser, root)
    wait_for_text(browser, "#values-title", "Поточні значення")
    browser.refresh()
    wait_for(browser, "#main")
    wait_for_text(browser, "#values-title", "Поточні значення")
    switch(browser, "en")
    browser.refresh()
    wait_for(browser, "#main")
    wait_for_text(browser, "#values-title", "Live values")
    telehaul.wait_until(lambda: text_of(browser, "#machine-name"), "the status, which says uk again")
    assert text_of(browser, "#values-title") == "Live values"


@pytest.mark.parametrize("languages, title", [(["ru-RU", "en"], "Вход"), (["de-DE", "uk-UA"], "Вхід"), (["de-DE"], "Log in")])
def test_the_browser_says_the_language(browser, portal, languages, title):
    root = portal().start()
    made = browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {
        "source": f"Object.defineProperty(navigator, 'languages', {{ get: () => {languages} }})"})
    try:
        open_page(browser, root)
        wait_for_text(browser, "#login h1", title)
    finally:
        browser.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", made)
