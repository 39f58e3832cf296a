"""The pages' files, read without a browser: texts in every language, contrast of the colours in both schemes, and what
the pages promise of themselves (nothing from elsewhere, nothing inline)."""

import collections
import itertools
import re

import pytest
from telehaul import PROJECT

PORTAL = PROJECT / "portal" / "web"
COMMON = PROJECT / "common" / "web"
LANGUAGES = ("en", "uk", "ru")
# what Intl.PluralRules says of whole and broken numbers in the language
PLURALS = {"en": {"one", "other"}, "uk": {"one", "few", "many", "other"}, "ru": {"one", "few", "many", "other"}}
PAIR = re.compile(r'"([^"]+)":\s*(\{[^{}]*?(?:\{\w+\}[^{}]*?)*\}|"(?:[^"\\]|\\.)*"),')
STRING = re.compile(r'"((?:[^"\\]|\\.)*)"')


def parse(text):
    """A dictionary file: {key: {"": text} or {plural form: text}}. Keys that come twice are kept twice."""
    body = text[text.index("export default {") + len("export default {"):text.rindex("};")]
    found = collections.defaultdict(list)
    rest = body
    for match in PAIR.finditer(body):
        key, value = match.groups()
        if value.startswith("{"):
            forms = dict(re.findall(r'(\w+): "((?:[^"\\]|\\.)*)"', value))
        else:
            forms = {"": value[1:-1]}
        found[key].append(forms)
        rest = rest.replace(match.group(), "", 1)
    assert rest.strip() == "", f"not understood: {rest.strip()[:200]}"
    return found


@pytest.fixture(scope="module")
def texts():
    return {code: parse((PORTAL / f"{code}.js").read_text()) for code in LANGUAGES}


def sources():
    names = [path for path in (*PORTAL.glob("*.js"), *COMMON.glob("*.js")) if path.stem not in LANGUAGES]
    return {path.name: path.read_text() for path in (*names, *PORTAL.glob("*.html"))}


def used_keys(texts):
    """(exact keys, patterns of keys put together) that the sources name. Every string that has the form of a key and
    every `beginning.${...}` counts, wherever it stands: keys are handed around before they are said."""
    exact, patterns = set(), set()
    beginnings = {key.split(".")[0] for key in texts}
    for name, text in sources().items():
        if name.endswith(".html"):
            exact |= set(re.findall(r'data-(?:text|label|placeholder)="([^"]+)"', text))
        else:
            exact |= {one for one in STRING.findall(text) if one in texts or (
                re.fullmatch(r"[a-z]+(\.[a-z_]+)+", one) and one.split(".")[0] in beginnings)}
            for made in re.findall(r"`([a-z]+\.[^`]*\$\{[^`]*)`", text):
                patterns.add(re.sub(r"\\\$\\\{.*?\\\}", r"[^ ]+", re.escape(made)))
    return exact, patterns


def placeholders(forms):
    return set(itertools.chain.from_iterable(re.findall(r"\{(\w+)\}", text) for text in forms.values()))


@pytest.mark.parametrize("code", LANGUAGES)
def test_no_text_comes_twice_or_is_empty(texts, code):
    assert [key for key, values in texts[code].items() if len(values) > 1] == []
    assert [key for key, [forms] in texts[code].items() if not all(forms.values())] == []


@pytest.mark.parametrize("code", [code for code in LANGUAGES if code != "en"])
def test_every_language_has_the_same_texts(texts, code):
    assert sorted(texts["en"].keys() - texts[code].keys()) == [], "missing"
    assert sorted(texts[code].keys() - texts["en"].keys()) == [], "extra"
    different = [key for key in texts["en"] if placeholders(texts["en"][key][0]) != placeholders(texts[code][key][0])]
    assert different == [], "other {placeholders}"


@pytest.mark.parametrize("code", LANGUAGES)
def test_every_plural_has_the_forms_of_its_language(texts, code):
    plural = {key for key, [forms] in texts["en"].items() if "" not in forms}
    assert {key for key, [forms] in texts[code].items() if "" not in forms} == plural
    wrong = {key: set(texts[code][key][0]) for key in plural if set(texts[code][key][0]) != PLURALS[code]}
    assert wrong == {}
    for key in plural:  # each form says how many, or none does
        said = {form: "{n}" in text for form, text in texts[code][key][0].items() if form != "one"}
        assert len(set(said.values())) == 1, key


@pytest.mark.parametrize("code", ["uk", "ru"])
def test_translations_are_in_their_own_letters(texts, code):
    letters = {"uk": "ыэъё", "ru": "іїєґ"}[code]  # of the other language
    for key, [forms] in texts[code].items():
        for text in forms.values():
            assert not set(text.lower()) & set(letters), key


def test_every_text_is_used_and_every_used_one_is_there(texts):
    exact, patterns = used_keys(texts["en"])
    assert sorted(exact - texts["en"].keys()) == [], "used, but nowhere said"
    unused = [key for key in texts["en"] if key not in exact and not any(re.fullmatch(one, key) for one in patterns)]
    # a hint is asked for by its problem's key
    unused = [key for key in unused if not (key.endswith(".hint") and key.removesuffix(".hint") in exact)]
    assert unused == [], "said, but nowhere used"


def test_a_language_is_chosen_among_those_that_there_are():
    listed = re.search(r"LANGUAGES = \{(.*?)\}", (COMMON / "language.js").read_text()).group(1)
    assert tuple(re.findall(r"(\w+): ", listed)) == LANGUAGES


# ---- colours: WCAG 2.1, 1.4.3 (4.5 to 1 for text) and 1.4.11 (3 to 1 for what tells a state) ----

def schemes():
    css = (COMMON / "theme.css").read_text()
    light = dict(re.findall(r"--([\w-]+): (#\w+);", css[css.index(":root {"):css.index("}")]))
    begin = css.index(':root[data-scheme="dark"] {')
    dark = {**light, **dict(re.findall(r"--([\w-]+): (#\w+);", css[begin:css.index("}", begin)]))}
    return {"light": light, "dark": dark}


def channels_of(colour):
    return [int(colour[i:i + 2], 16) / 255 for i in range(1, len(colour), 2)]


def over(colour, ground):
    """A colour that lets through what is below it."""
    *rgb, alpha = [*channels_of(colour), 1.0][:4]
    return [alpha * part + (1 - alpha) * below for part, below in zip(rgb, ground)]


def luminance(rgb):
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in rgb]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(colour, *grounds):
    """Of a colour on the last of the grounds, each on the one before."""
    ground = channels_of(grounds[0])[:3]
    for one in grounds[1:]:
        ground = over(one, ground)
    high, low = sorted([luminance(over(colour, ground)), luminance(ground)], reverse=True)
    return (high + 0.05) / (low + 0.05)


TEXT = [(ink, "panel") for ink in ("ink", "muted", "accent", "accent-strong", "amber", "red")] + [
    (ink, "ground") for ink in ("ink", "muted", "accent")] + [
    ("on-accent", "accent"), ("on-accent", "accent-strong"), ("amber", "amber-ground"), ("red", "red-ground"),
    ("ink", "amber-ground"), ("ink", "red-ground")]
DRAWN = [("chart", "panel"), ("accent", "panel"), ("accent", "ground"), ("amber", "panel"), ("red", "panel")]
ON_BANDS = ["amber-band", "red-band", "accent-band"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast(scheme):
    colours = schemes()[scheme]
    too_low = {pair: round(contrast(colours[pair[0]], colours[pair[1]]), 2) for pair in TEXT
               if contrast(colours[pair[0]], colours[pair[1]]) < 4.5}
    assert too_low == {}
    too_low = {pair: contrast(colours[pair[0]], colours[pair[1]]) for pair in DRAWN
               if contrast(colours[pair[0]], colours[pair[1]]) < 3}
    assert too_low == {}
    too_low = {band: contrast(colours["chart"], colours["panel"], colours[band]) for band in ON_BANDS
               if contrast(colours["chart"], colours["panel"], colours[band]) < 3}
    assert too_low == {}, "the line of a chart on the band of an alarm"


def test_the_computation_of_contrast():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.005)  # WCAG's own example of too little


# ---- what the pages promise ----

def test_nothing_is_inline_and_nothing_comes_from_elsewhere():
    for name, text in sources().items():
        addresses = set(re.findall(r"https?://[^\s\"'`)]+", text)) - {"http://www.w3.org/2000/svg"}
        assert addresses == set(), name
        assert not re.search(r"\b(eval|Function|innerHTML|insertAdjacentHTML|document\.write)\b\s*[(=]", text), name
    for path in PORTAL.glob("*.html"):
        text = path.read_text()
        assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\son\w+=|\sstyle=", text), path.name
    for path in (*PORTAL.glob("*.css"), *COMMON.glob("*.css")):
        assert "url(" not in path.read_text() and "@import" not in path.read_text(), path.name


def test_every_label_names_what_is_there():
    text = (PORTAL / "index.html").read_text()
    ids = re.findall(r'\bid="([^"]+)"', text)
    assert len(ids) == len(set(ids))
    named = re.findall(r'\b(?:for|aria-labelledby|aria-describedby)="([^"]+)"', text)
    assert set(named) <= set(ids)
    wanted = set(itertools.chain.from_iterable(
        re.findall(r'(?:byId|getElementById)\("([^"$]+)"\)', source) for source in sources().values()))
    assert wanted <= set(ids)


def test_every_module_is_loaded_at_once():
    """A slow link takes one round for all of them, not one for each that names the next."""
    listed = re.findall(r'rel="modulepreload" href="([^"]+)"', (PORTAL / "index.html").read_text())
    modules = {f"/{path.name}" for path in PORTAL.glob("*.js") if path.stem not in LANGUAGES}
    modules |= {f"/common/{path.name}" for path in COMMON.glob("*.js")}
    assert sorted(listed) == sorted(modules - {"/app.js", "/common/scheme.js"})


def test_every_module_is_found():
    for path in (*PORTAL.glob("*.js"), *COMMON.glob("*.js")):
        for target in re.findall(r'from "\./([^"]+)"', path.read_text()):
            folder = PORTAL if path.parent == PORTAL and not target.startswith("common/") else COMMON
            assert (folder / target.removeprefix("common/")).exists(), f"{path.name}: {target}"
