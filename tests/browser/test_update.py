"""Updates in the operator's page: badge, window, PIN, progress, the restart, what came of it. The machine is made up: the test
plays agent, watchdog and updater by writing their files (tests/harness/made_up_updates.py); no update is applied."""

import made_up_machine as made_up
import pytest
import telehaul
from made_up_updates import STEPS, Updates
from page import (GONE, every, one, open_view, seen, set_width, small_targets, take, text_of, wait_for, wait_for_text,
                  wait_for_well)
from portal_root import PIN
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select



@pytest.fixture(scope="module")
def update_keys(tmp_path_factory):
    return telehaul.Keys(tmp_path_factory.mktemp("keys"), name="update")


@pytest.fixture
def machine(portal, update_keys):
    """(root, updates) of a machine that runs version 1.1.0."""
    def make():
        root = portal()
        for offset in range(-10, 0):
            made_up.write_now(root, offset)
        root.write_services()
        root.write_collector()
        updates = Updates(root, update_keys)
        updates.write_release(["bin/portal", "share/old.css"], "1.1.0")
        root.start(updates.portal_of("1.1.0"))
        return root, updates
    return make


def badge(browser):
    return one(browser, "#update-badge")


def badge_says(browser, text):
    telehaul.wait_until(lambda: seen(lambda: badge(browser).is_displayed() and badge(browser).text == text),
                        f"the badge {text!r}")


def open_window(browser):
    wait_for(browser, "#update-badge").click()
    wait_for(browser, "#update-offer")
    wait_for(browser, "#update-facts dd")


def pin(browser, text):
    field = one(browser, "#update-pin")
    field.clear()
    field.send_keys(text, Keys.ENTER)


def title_says(browser, text):
    wait_for_text(browser, "#update-title", text)


def history_says(browser, text):
    telehaul.wait_until(lambda: text in " ".join(text_of(browser, "#updates-line").split()), f"`{text}` in the history")


def loaded_at(browser):
    """Another one after every reload."""
    return browser.execute_script("return performance.timeOrigin")


def overflowing(browser, width):
    """What is wider than its own place, in the window."""
    set_width(browser, width)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    return browser.execute_script("return [...document.querySelectorAll('#update :is(button, p, li, dd, div, input)')]"
                                  ".filter((e) => e.offsetParent !== null && e.scrollWidth > e.clientWidth + 1)"
                                  ".map((e) => `${e.id} ${e.textContent}`)")


def closed(browser):
    telehaul.wait_until(lambda: not one(browser, "#update").is_displayed(), "the window's end")


def states(browser):
    return browser.execute_script("return [...document.querySelectorAll('#update-steps li')].map((step) => step.dataset.state)")


# ---- badge and window ----

@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_badge_comes_by_itself_and_opens_the_window(browser, machine, scheme):
    root, updates = machine()
    open_view(browser, root, scheme)
    wait_for_well(browser, root)
    history_says(browser, "None yet")
    assert not badge(browser).is_displayed()
    updates.queue(updates.package(files={"bin/portal": b"x" * 700_000, "bin/new": b"y" * 30_000, "share/www/app.css": b"z"},
                                  remove=["share/old.css"]))
    badge_says(browser, "Update v1.2.0 received")
    assert one(browser, "#update-said").get_attribute("textContent") == "Update v1.2.0 received"
    take(browser, f"update-badge-{scheme}")
    open_window(browser)
    title_says(browser, "Update to version 1.2.0")
    assert text_of(browser, "#update-versions").split() == ["1.1.0", "→", "1.2.0"]
    assert text_of(browser, "#update-changes").split("\n") == [
        "1 file is replaced.", "2 files are added.", "1 file is removed.",
        "The database gets new tables or columns (1 step); nothing is deleted."]
    wait_for_text(browser, "#update-notes", "Fuel is shown in litres.\n\n- the overview")
    wait_for_text(browser, "#update-happens", "Services stop for about 2 seconds; measuring goes on after.")
    wait_for_text(browser, "#update-happens", "If the new version does not prove itself in 30 s, the old one comes back by itself.")
    facts = text_of(browser, "#update-facts")
    assert "from 10.0.0.7" in facts and "KiB" in facts
    assert " …" in text_of(browser, "#update-facts code")
    assert small_targets(browser) == []
    take(browser, f"update-window-{scheme}")
    assert overflowing(browser, 320) == []


def test_it_is_operated_with_keys_alone(browser, machine):
    root, updates = machine()
    updates.queue()
    open_view(browser, root)
    wait_for(browser, "#update-badge").send_keys(Keys.ENTER)
    wait_for(browser, "#update-facts dd")
    active = lambda: browser.switch_to.active_element.get_attribute("id")
    assert active() == "update-title"
    reached = []
    for _ in range(8):
        browser.switch_to.active_element.send_keys(Keys.TAB)
        reached.append(active())
    inside = {"update-close", "update-pin", "update-to-reject", "update-later", "update-apply", "", None}
    assert {"update-close", "update-pin", "update-to-reject", "update-later", "update-apply"} <= set(reached) <= inside, reached
    one(browser, "#update-to-reject").send_keys(Keys.ENTER)
    assert active() == "update-reason"
    browser.switch_to.active_element.send_keys(Keys.ESCAPE)
    assert active() == "update-to-reject", "Esc first leaves the rejection"
    browser.switch_to.active_element.send_keys(Keys.ESCAPE)
    closed(browser)
    assert active() == "update-badge", "Esc is Later: the badge stays, with the focus"
    badge_says(browser, "Update v1.2.0 received")
    assert updates.approval() is None


def test_notes_are_text_and_nothing_else(browser, machine):
    root, updates = machine()
    notes = "<img src=x onerror=\"document.title='gone'\"><script>alert(1)</script> \u202eltr\n" + "long" * 300
    updates.queue(notes=notes)
    open_view(browser, root)
    open_window(browser)
    assert one(browser, "#update-notes").get_attribute("textContent") == notes
    assert every(browser, "#update-notes *") == []
    take(browser, "update-notes-light", (360,))


@pytest.mark.parametrize("code", ["uk", "ru"])
def test_in_other_languages(browser, machine, code):
    root, updates = machine()
    updates.queue()
    open_view(browser, root)
    Select(one(browser, "#language")).select_by_value(code)
    badge_says(browser, {"uk": "Отримано оновлення v1.2.0", "ru": "Получено обновление v1.2.0"}[code])
    open_window(browser)
    title_says(browser, {"uk": "Оновлення до версії 1.2.0", "ru": "Обновление до версии 1.2.0"}[code])
    assert overflowing(browser, 320) == []
    take(browser, f"update-window-{code}", (360, 768))
    pin(browser, PIN)
    telehaul.wait_until(updates.approval, "the approval")
    updates.run_to("patch")
    telehaul.wait_until(lambda: "now" in states(browser), "the steps")
    assert overflowing(browser, 320) == []
    take(browser, f"update-running-{code}", (360, 768))
    updates.end("failed", "no_space", "no_space: 3 MiB are missing")
    title_says(browser, {"uk": "Версію 1.2.0 не встановлено", "ru": "Версия 1.2.0 не установлена"}[code])
    wait_for_text(browser, "#update-outcome-why", {"uk": "на диску замало місця", "ru": "на диске мало места"}[code])
    take(browser, f"update-failed-{code}", (360,))


# ---- what cannot be applied ----

def test_a_package_that_is_not_genuine(browser, machine, tmp_path):
    root, updates = machine()
    (tmp_path / "others").mkdir()
    package = updates.package()
    package.keys = telehaul.Keys(tmp_path / "others", bits=2048)
    updates.queue(package)
    open_view(browser, root)
    open_window(browser)
    wait_for_text(browser, "#update-obstacle", "This package is not genuine or is damaged. It cannot be applied.")
    assert not one(browser, "#update-notes").is_displayed(), "words that nobody has signed"
    wait_for_text(browser, "#update-obstacle", "none of this machine’s update keys has signed it")
    assert not one(browser, "#update-apply").is_displayed()
    assert not one(browser, "#update-pin").is_displayed()
    take(browser, "update-not-genuine-light", (360, 1440))


def test_a_package_that_does_not_fit(browser, machine):
    root, updates = machine()
    updates.queue(min_version="1.1.5")
    open_view(browser, root, "dark")
    open_window(browser)
    wait_for_text(browser, "#update-obstacle", "it needs a newer version to begin with")
    assert not one(browser, "#update-apply").is_displayed()
    take(browser, "update-does-not-fit-dark", (360,))


def test_another_one_comes_meanwhile(browser, machine, expected):
    expected += ["409"]
    root, updates = machine()
    updates.queue()
    open_view(browser, root)
    open_window(browser)
    updates.queue(version="1.3.0", notes="A newer one.")
    wait_for_text(browser, "#update-note", "Another package came meanwhile.")
    title_says(browser, "Update to version 1.3.0")
    wait_for_text(browser, "#update-notes", "A newer one.")
    take(browser, "update-changed-light", (360, 768))
    pin(browser, PIN)
    approval = telehaul.wait_until(updates.approval, "the approval")
    assert approval["manifest_sha256"] == updates.meta["manifest_sha256"]


# ---- the PIN ----

def test_wrong_pin_then_locked(browser, machine, expected):
    expected += ["401", "429"]
    root, updates = machine()
    updates.queue()
    open_view(browser, root)
    open_window(browser)
    one(browser, "#update-apply").click()
    wait_for_text(browser, "#update-note", "Type the PIN first.")
    for _ in range(5):
        pin(browser, "0000")
        wait_for_text(browser, "#update-note", "This is not the PIN of this machine.")
        telehaul.wait_until(lambda: one(browser, "#update-apply").is_enabled(), "again")
    take(browser, "update-wrong-pin-light", (360, 768))
    pin(browser, PIN)
    wait_for_text(browser, "#update-note", "Too many wrong PINs. Try again in")
    assert not one(browser, "#update-apply").is_enabled()
    take(browser, "update-locked-light", (360,))
    assert updates.approval() is None


# ---- the whole way ----

@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_from_apply_to_the_new_version(browser, machine, expected, scheme):
    expected += [*GONE, "503"]  # it may be asked in the very moment of its start
    root, updates = machine()
    updates.queue()
    open_view(browser, root, scheme)
    open_window(browser)
    pin(browser, PIN)
    telehaul.wait_until(updates.approval, "the approval")
    title_says(browser, "Updating to version 1.2.0")
    wait_for_text(browser, "#update-line", "Approved. It begins in a moment.")
    take(browser, f"update-approved-{scheme}", (360,))
    updates.state("applying", previous="1.1.0")
    for number, step in enumerate(STEPS[:4]):
        updates.progress(*step)
        telehaul.wait_until(lambda: states(browser) == ["done"] * number + ["now"] + ["next"] * (4 - number), step[0])
        assert one(browser, "#update-bar").get_attribute("aria-valuenow") == str(step[1])
    take(browser, f"update-running-{scheme}")
    updates.progress(*STEPS[4])
    wait_for_text(browser, "#update-line", "Restarting …")
    updates.history("applied")
    updates.state("probation", previous="1.1.0")
    root.program.stop()
    wait_for_text(browser, "#answer-line", "The machine restarts its services for an update.")
    wait_for_text(browser, "#update-line", "Restarting …")
    take(browser, f"update-restarting-{scheme}", (360, 1440))
    root.write_services(version="1.2.0")
    started = loaded_at(browser)
    root.start(updates.portal_of("1.2.0"))
    telehaul.wait_until(lambda: loaded_at(browser) != started, "the reload")
    title_says(browser, "Version 1.2.0 proves itself")
    wait_for_text(browser, "#update-line", "Every service has to run well.")
    assert states(browser) == ["done"] * 5
    take(browser, f"update-proving-{scheme}")
    reloaded = loaded_at(browser)
    updates.end("committed")
    title_says(browser, "Version 1.2.0 is in place")
    wait_for_text(browser, "#update-outcome-line", "Version 1.2.0 runs and has proved itself.")
    take(browser, f"update-committed-{scheme}", (360, 768))
    one(browser, "#update-done").click()
    closed(browser)
    assert not badge(browser).is_displayed()
    history_says(browser, "v1.2.0 in place")
    wait_for_text(browser, "#machine", "1.2.0")
    assert loaded_at(browser) == reloaded, "one reload and no more"


def test_one_that_was_undone_says_why(browser, machine, expected):
    """The new version answers, does not prove itself, and the old one comes back: the page follows both ways."""
    expected += [*GONE, "503"]  # it may be asked in the very moment of its start
    root, updates = machine()
    updates.queue()
    open_view(browser, root)
    open_window(browser)
    pin(browser, PIN)
    telehaul.wait_until(updates.approval, "the approval")
    updates.run_to("done", previous="1.1.0")
    root.restart(updates.portal_of("1.2.0"))
    title_says_after_reload(browser, "Version 1.2.0 proves itself")
    updates.end("rolled_back", "not_healthy", "it was never well for 10 s in one piece: collector waits to start again")
    proving = loaded_at(browser)
    root.restart(updates.portal_of("1.1.0"))
    telehaul.wait_until(lambda: loaded_at(browser) != proving, "the way back")
    title_says_after_reload(browser, "Version 1.2.0 was undone")
    wait_for_text(browser, "#update-outcome-line", "Version 1.1.0 runs again.")
    wait_for_text(browser, "#update-outcome-why", "its services did not all run well in time")
    wait_for_text(browser, "#update-outcome-said", "collector waits to start again")
    take(browser, "update-undone-light")
    one(browser, "#update-done").click()
    closed(browser)
    assert not badge(browser).is_displayed(), "it was seen"
    history_says(browser, "v1.2.0 undone")
    wait_for_text(browser, "#updates-why", "its services did not all run well in time")


def title_says_after_reload(browser, text):
    """Elements of the page before may be asked for in the very moment of the reload."""
    telehaul.wait_until(lambda: browser.execute_script("return document.getElementById('update-title')?.innerText ?? ''") == text,
                        text)


def test_a_failure_is_shown_to_who_comes_later(browser, machine):
    root, updates = machine()
    updates.queue()
    updates.run_to("backup", previous="1.1.0")
    updates.end("failed", "no_space", "no_space: 812 MiB are needed, 100 MiB are free")
    open_view(browser, root, "dark")
    badge_says(browser, "Update v1.2.0 failed")
    badge(browser).click()
    title_says(browser, "Version 1.2.0 was not applied")
    wait_for_text(browser, "#update-outcome-line", "Nothing was changed: version 1.1.0 runs on.")
    wait_for_text(browser, "#update-outcome-why", "the disk has too little space")
    take(browser, "update-failed-dark", (360, 1440))
    one(browser, "#update-done").click()
    closed(browser)
    browser.refresh()
    history_says(browser, "v1.2.0 failed")
    assert not badge(browser).is_displayed(), "once is enough"


WITHDRAWN = {
    "en": ("Version 1.2.0 was withdrawn", "The server has taken the package back; version 1.1.0 runs on.",
           "v1.2.0 withdrawn by the server"),
    "uk": ("Версію 1.2.0 відкликано", "Сервер забрав пакет назад; далі працює версія 1.1.0.", "v1.2.0 відкликано сервером"),
    "ru": ("Версия 1.2.0 отозвана", "Сервер забрал пакет назад; дальше работает версия 1.1.0.", "v1.2.0 отозвано сервером"),
}


@pytest.mark.parametrize("code, scheme", [("en", "light"), ("uk", "dark"), ("ru", "light")])
def test_the_server_takes_it_back_while_somebody_looks_at_it(browser, machine, code, scheme):
    title, line, history = WITHDRAWN[code]
    root, updates = machine()
    updates.queue()
    open_view(browser, root, scheme)
    Select(one(browser, "#language")).select_by_value(code)
    open_window(browser)
    updates.withdraw()
    title_says(browser, title)
    wait_for_text(browser, "#update-outcome-line", line)
    assert not one(browser, "#update-apply").is_displayed() and not one(browser, "#update-pin").is_displayed()
    assert text_of(browser, "#update-outcome-why") == "" and text_of(browser, "#update-outcome-said") == ""
    take(browser, f"update-withdrawn-{code}-{scheme}", (360, 1440))
    one(browser, "#update-done").click()
    history_says(browser, history)
    assert not badge(browser).is_displayed()


def test_reject_with_a_reason(browser, machine):
    root, updates = machine()
    updates.queue()
    open_view(browser, root)
    open_window(browser)
    one(browser, "#update-to-reject").click()
    one(browser, "#update-reject button[type=submit]").click()
    wait_for_text(browser, "#update-note", "Say why first, in a few words.")
    assert small_targets(browser) == []
    take(browser, "update-reject-light")
    one(browser, "#update-reason").send_keys("Not during the harvest", Keys.ENTER)
    title_says(browser, "Version 1.2.0 was rejected")
    wait_for_text(browser, "#update-outcome-why", "Not during the harvest")
    take(browser, "update-rejected-light", (360,))
    one(browser, "#update-done").click()
    history_says(browser, "v1.2.0 rejected")
    assert not (updates.folder / "meta.json").exists()


def test_a_machine_that_goes_away_before_the_decision(browser, machine, expected):
    expected += GONE
    root, updates = machine()
    updates.queue()
    open_view(browser, root)
    open_window(browser)
    root.program.stop()
    pin(browser, PIN)
    wait_for_text(browser, "#update-note", "The machine cannot be reached.")
    take(browser, "update-offline-light", (360,))
    root.start(updates.portal_of("1.1.0"))
    pin(browser, PIN)
    telehaul.wait_until(updates.approval, "the approval")


def test_the_history_of_updates(browser, machine):
    root, updates = machine()
    updates.queue()
    for version, event, reason, text in (("1.0.1", "committed", "", ""), ("1.0.2", "rolled_back", "service_ended", "agent: signal 9"),
                                         ("1.0.3", "rejected", "rejected", "Not now"), ("1.0.4", "failed", "io_error", "disk"),
                                         ("1.1.0", "committed", "", "")):
        updates.history(event, version=version, reason=reason, text=text)
    open_view(browser, root)
    history_says(browser, "v1.1.0 in place")
    one(browser, "#updates-more summary").click()
    rows = " ".join(text_of(browser, "#updates-list").split())
    assert rows.index("v1.0.4 failed") < rows.index("v1.0.3 rejected") < rows.index("v1.0.2 undone") < rows.index("v1.0.1 in place")
    assert "Not now" in rows and "one of its services ended or hung" in rows
    take(browser, "update-history-light")


def test_another_tab_follows(browser, machine, expected):
    """A page whose window is closed loads itself anew, too, and shows who runs now."""
    expected += [*GONE, "503"]  # it may be asked in the very moment of its start
    root, updates = machine()
    updates.queue()
    open_view(browser, root)
    badge_says(browser, "Update v1.2.0 received")
    assert root.client().post("/api/update/apply", headers={"X-Config-Pin": PIN}).status_code == 202
    badge_says(browser, "Update v1.2.0 begins")
    updates.run_to("done", previous="1.1.0")
    started = loaded_at(browser)
    root.restart(updates.portal_of("1.2.0"))
    telehaul.wait_until(lambda: loaded_at(browser) != started, "the reload")
    badge_says(browser, "v1.2.0 proves itself")
    assert not one(browser, "#update").is_displayed()
