// Which language is shown: what the viewer chose and keeps, else what the site's owner set, else the browser's.

import { element } from "./dom.js";
import { currentLanguage, useTexts } from "./texts.js";

export const LANGUAGES = { en: "English", uk: "Українська", ru: "Русский" };
const CHOSEN = "telehaul.language";
const OFFERED = "telehaul.language.site"; // what the site said last: for the log-in form, which cannot ask
const SHORT = { en: "EN", uk: "УК", ru: "РУ" };

function recall(key) {
    try {
        return window.localStorage.getItem(key);
    } catch {
        return null; // storage is switched off
    }
}

function keep(key, value) {
    try {
        window.localStorage.setItem(key, value);
    } catch {
        // it holds until the page is left
    }
}

function known(code) {
    return Object.hasOwn(LANGUAGES, code ?? "") ? code : null;
}

function browsers() {
    return (navigator.languages ?? []).map((tag) => known(tag.slice(0, 2).toLowerCase())).find((code) => code) ?? "en";
}

function wanted() {
    return known(recall(CHOSEN)) ?? known(recall(OFFERED)) ?? browsers();
}

/* load(code): a promise of the dictionary. control: the <select> of languages; short: where its code is shown. */
export function languageSwitch({ load, control, short }) {
    const use = async (code) => {
        const dictionary = await load(code);
        control.value = code;
        short.textContent = SHORT[code];
        useTexts(code, dictionary);
    };
    control.replaceChildren(...Object.entries(LANGUAGES).map(([code, name]) =>
        element("option", { value: code, lang: code }, name)));
    control.addEventListener("change", async () => {
        try {
            await use(control.value);
            keep(CHOSEN, control.value);
        } catch {
            control.value = currentLanguage(); // its texts could not be fetched: the site is away
        }
    });
    return {
        begin: () => use(wanted()),
        /* What the machine's config says: "auto" or a code. The viewer's own choice stays. */
        async offer(code) {
            keep(OFFERED, code);
            if (wanted() !== currentLanguage())
                await use(wanted());
        },
    };
}
