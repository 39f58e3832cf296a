// Texts by key, in one language at a time. A key that is missing shows itself: a test finds it.

const CHANGED = "telehaul-texts";
const REGIONS = { en: "en-GB", uk: "uk-UA", ru: "ru-RU" }; // when the browser names none for the language

let texts = {};
let language = "en";
let locale = REGIONS.en;
let plural = new Intl.PluralRules(language);

/* The viewer's own region within the language, so that dates look as they are used to. */
function localeOf(code) {
    return navigator.languages?.find((tag) => tag.toLowerCase().startsWith(`${code}-`)) ?? REGIONS[code] ?? code;
}

/* dictionary: {key: "text with {name}"} or {key: {one: "...", few: "...", many: "...", other: "..."}}, chosen by the
 * value `n`. Whoever has said onTexts hears of it. */
export function useTexts(code, dictionary) {
    language = code;
    locale = localeOf(code);
    texts = dictionary;
    plural = new Intl.PluralRules(code);
    document.documentElement.lang = code;
    translate(document);
    document.dispatchEvent(new CustomEvent(CHANGED));
}

export function onTexts(done) {
    document.addEventListener(CHANGED, done);
}

export function currentLanguage() {
    return language;
}

/* For Intl: the language with a region. */
export function currentLocale() {
    return locale;
}

export function hasText(key) {
    return Object.hasOwn(texts, key);
}

function shown(value) {
    return typeof value === "number" ? new Intl.NumberFormat(locale).format(value) : String(value);
}

export function t(key, values = {}) {
    let text = texts[key];
    if (text !== null && typeof text === "object")
        text = text[plural.select(values.n)] ?? text.other;
    if (typeof text !== "string")
        return key;
    return text.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? shown(values[name]) : whole));
}

/* Fills every element below root with data-text="key" (its text), data-label (its accessible name) or
 * data-placeholder. */
export function translate(root) {
    for (const element of root.querySelectorAll("[data-text]"))
        element.textContent = t(element.dataset.text);
    for (const element of root.querySelectorAll("[data-label]")) {
        element.setAttribute("aria-label", t(element.dataset.label));
        if (!element.hasAttribute("data-untitled"))
            element.title = t(element.dataset.label);
    }
    for (const element of root.querySelectorAll("[data-placeholder]"))
        element.placeholder = t(element.dataset.placeholder);
}
