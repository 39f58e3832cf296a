// Light or dark: what the viewer chose, else what the system says. Loaded before the styles, so that nothing flashes.
"use strict";
(() => {
    const KEY = "telehaul.scheme";
    const dark = window.matchMedia("(prefers-color-scheme: dark)");
    const chosen = () => {
        try {
            return window.localStorage.getItem(KEY);
        } catch {
            return null; // storage is switched off
        }
    };
    const now = () => chosen() ?? (dark.matches ? "dark" : "light");
    const apply = () => document.documentElement.setAttribute("data-scheme", now());
    window.telehaulScheme = {
        now,
        toggle() {
            const next = now() === "dark" ? "light" : "dark";
            try {
                window.localStorage.setItem(KEY, next);
            } catch {
                // it holds until the page is left
            }
            document.documentElement.setAttribute("data-scheme", next);
            return next;
        },
    };
    dark.addEventListener("change", apply);
    apply();
})();
