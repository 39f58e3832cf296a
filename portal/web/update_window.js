// The window about an update: what it is and would do, the decision, how far it is, how it ended. It shows what it is
// given and says what was pressed; it asks the machine nothing.

import { element, setAttribute, setText, shape } from "./common/dom.js";
import { t } from "./common/texts.js";
import { changesOf, factsOf, happensOf, obstacle, outcomeOf, percent, reasonText, RUNNING, STEPS } from "./update_words.js";

const byId = (id) => document.getElementById(id);
const dialog = byId("update");
const PARTS = ["update-offer", "update-run", "update-outcome", "update-wait"];
const FEET = ["update-form", "update-reject", "update-foot"];
const ENDS = { committed: "ok", rolled_back: "attention", failed: "problem", rejected: "stopped", withdrawn: "stopped" };

export function isOpen() {
    return dialog.open;
}

export function openWindow() {
    if (dialog.open)
        return;
    showForm("update-form");
    tell("", "");
    byId("update-pin").value = "";
    byId("update-reason").value = "";
    dialog.showModal();
    byId("update-title").focus();
}

export function closeWindow() {
    dialog.close();
}

/* A note above the buttons; "" takes it away. */
export function tell(level, text) {
    const note = byId("update-note");
    note.hidden = text === "";
    note.dataset.level = level;
    setText(note, text);
}

export function lockForms(locked) {
    for (const button of dialog.querySelectorAll("[data-decides]"))
        button.disabled = locked;
}

export function wrongPin(wrong) {
    byId("update-pin").toggleAttribute("aria-invalid", wrong);
    if (wrong)
        byId("update-pin").select();
}

export function showForm(id) {
    for (const foot of FEET)
        byId(foot).hidden = foot !== id;
}

function shownForm() {
    return FEET.find((id) => !byId(id).hidden);
}

function showPart(id) {
    for (const part of PARTS)
        byId(part).hidden = part !== id;
}

/* Made anew only when it says something else: a selection and a screen reader are left in peace. */
function fill(target, facts, make) {
    const said = JSON.stringify([facts, document.documentElement.lang]);
    if (target.dataset.said === said)
        return;
    target.dataset.said = said;
    target.replaceChildren(...make(facts));
}

function listOf(texts) {
    return texts.map((text) => element("li", {}, text));
}

function showVersions(...versions) {
    fill(byId("update-versions"), versions, ([from, to]) => (from && to && from !== to
        ? [element("span", {}, from), element("span", { class: "muted", "aria-label": t("update.to"), role: "img" }, "→"),
           element("strong", {}, to)] : []));
}

/* ---- the offer ---- */

function showObstacle(details) {
    const found = obstacle(details);
    const note = byId("update-obstacle");
    note.hidden = found === null;
    fill(note, found, () => (found === null ? [] : [element("strong", {}, found.text), element("p", {}, found.why)]));
    for (const id of ["update-apply", "update-pin-field", "update-happens-part"])
        byId(id).hidden = found !== null;
    setAttribute(byId("update-to-reject"), "class", found === null ? "quiet" : "primary");
}

function showOffer(details) {
    const { package: facts } = details;
    const changes = facts?.verified ? changesOf(facts) : [];
    setText(byId("update-title"), t("update.title", { version: details.version }));
    showVersions(details.current_version, details.version);
    showObstacle(details);
    byId("update-changes-part").hidden = changes.length === 0;
    byId("update-notes-part").hidden = facts?.verified === false; // words that nobody has signed
    fill(byId("update-changes"), changes, listOf);
    fill(byId("update-happens"), happensOf(details), listOf);
    setText(byId("update-notes"), details.notes ?? t("update.notes.none"));
    fill(byId("update-facts"), details, () => factsOf(details)
        .flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)]));
    showPart("update-offer");
    if (shownForm() === "update-foot")
        showForm("update-form");
}

/* ---- under way ---- */

/* at: the number of the one under way; so many as there are: all are done. */
function stepsOf(at) {
    return STEPS.map((name, i) => {
        const state = i < at ? "done" : i === at ? "now" : "next";
        const form = { done: "ok", now: "wait", next: "unknown" }[state];
        return element("li", { "data-state": state, "aria-current": state === "now" ? "step" : null },
            element("span", { class: "state", "data-level": state === "done" ? "ok" : "wait" }, shape(form), t(`update.step.${name}`)));
    });
}

/* run: {step (of STEPS, or null: not begun), pct, line, hint} */
function showRun(details, run) {
    const proving = details.state === "probation" && details.current_version === details.version;
    setText(byId("update-title"), t(proving ? "update.title.proving" : "update.title.running", { version: details.version }));
    showVersions(details.previous_version ?? details.current_version, details.version);
    const pct = proving ? 100 : run.pct;
    byId("update-bar").setAttribute("aria-valuenow", String(pct));
    byId("update-bar").firstElementChild.style.transform = `scaleX(${pct / 100})`;
    setText(byId("update-pct"), percent(pct));
    fill(byId("update-steps"), proving ? STEPS.length : STEPS.indexOf(run.step), stepsOf);
    setText(byId("update-line"), run.line);
    setText(byId("update-hint"), run.hint);
    showPart("update-run");
    showForm("update-foot");
    setText(byId("update-done"), t("update.hide"));
}

/* ---- over ---- */

function showOutcome(details) {
    const { version, current_version: runs, previous_version: previous } = details;
    const state = outcomeOf(details.state, details.reason);
    setText(byId("update-title"), t(`update.title.${state}`, { version }));
    showVersions(null, null);
    byId("update-outcome").dataset.level = ENDS[state];
    byId("update-outcome-shape").replaceChildren(shape(ENDS[state]));
    setText(byId("update-outcome-line"), t(`update.outcome.${state}`, { version, runs, previous: previous ?? runs }));
    const silent = state === "committed" || state === "withdrawn";
    const why = silent ? "" : state === "rejected" ? details.text ?? "" : reasonText(details);
    setText(byId("update-outcome-why"), why === "" ? "" : t("update.why", { why }));
    const said = !silent && state !== "rejected" && details.text && details.text !== why ? details.text : "";
    setText(byId("update-outcome-said"), said);
    setText(byId("update-outcome-hint"), t(`update.outcome.${state}.hint`, { version, runs, previous: previous ?? runs }));
    showPart("update-outcome");
    showForm("update-foot");
    setText(byId("update-done"), t("update.done"));
}

/* details: null while they are asked for; failure: what was said instead of them. */
export function showWindow(details, run, failure) {
    if (details === null) {
        setText(byId("update-title"), t("update.title.loading"));
        showVersions(null, null);
        setText(byId("update-wait-text"), failure);
        byId("update-wait").toggleAttribute("data-failed", failure !== "");
        byId("update-again").hidden = failure === "";
        showPart("update-wait");
        showForm("update-foot");
        setText(byId("update-done"), t("update.close"));
    } else if (RUNNING.includes(details.state)) {
        showRun(details, run);
    } else if (Object.hasOwn(ENDS, details.state)) {
        showOutcome(details);
    } else if (details.state === "pending") {
        showOffer(details);
    } else {
        closeWindow();
    }
}

/* ---- what is pressed ---- */

/* pressed: {apply(pin), later(), reject(reason), again(), closed()} */
export function onPressed(pressed) {
    const away = () => {
        const offered = !byId("update-offer").hidden;
        closeWindow();
        if (offered)
            pressed.later();
    };
    dialog.addEventListener("cancel", (event) => {
        event.preventDefault(); // Esc
        if (!byId("update-reject").hidden)
            backToOffer();
        else
            away();
    });
    dialog.addEventListener("close", pressed.closed);
    for (const id of ["update-close", "update-later", "update-done"])
        byId(id).addEventListener("click", away);
    byId("update-again").addEventListener("click", pressed.again);
    byId("update-to-reject").addEventListener("click", () => {
        tell("", "");
        showForm("update-reject");
        byId("update-reason").focus();
    });
    const backToOffer = () => {
        tell("", "");
        showForm("update-form");
        byId("update-to-reject").focus();
    };
    byId("update-back").addEventListener("click", backToOffer);
    byId("update-form").addEventListener("submit", (event) => {
        event.preventDefault();
        if (!byId("update-apply").hidden)
            pressed.apply(byId("update-pin").value);
    });
    byId("update-reject").addEventListener("submit", (event) => {
        event.preventDefault();
        pressed.reject(byId("update-reason").value);
    });
}
