// Texts by key, in one language at a time. A key that is missing shows itself: a test finds it.

let texts = {};
let language = "en";
let plural = new Intl.PluralRules(language);

/* dictionary: {key: "text with {name}"} or {key: {one: "...", other: "..."}}, chosen by the value `n`. */
export function useTexts(code, dictionary) {
    language = code;
    texts = dictionary;
    plural = new Intl.PluralRules(code);
    document.documentElement.lang = code;
}

export function currentLanguage() {
    return language;
}

export function t(key, values = {}) {
    let text = texts[key];
    if (text !== null && typeof text === "object")
        text = text[plural.select(values.n)] ?? text.other;
    if (typeof text !== "string")
        return key;
    return text.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
}

/* Fills every element below root with data-text="key" (its text), data-label (its accessible name) or
 * data-placeholder. */
export function translate(root) {
    for (const element of root.querySelectorAll("[data-text]"))
        element.textContent = t(element.dataset.text);
    for (const element of root.querySelectorAll("[data-label]")) {
        element.setAttribute("aria-label", t(element.dataset.label));
        element.title = t(element.dataset.label);
    }
    for (const element of root.querySelectorAll("[data-placeholder]"))
        element.placeholder = t(element.dataset.placeholder);
}
