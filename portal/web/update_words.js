// An update in words. Pure: what the machine says in, words and elements out.

import { element, shape } from "./common/dom.js";
import { bytes, localTime, number, timeElement } from "./common/format.js";
import { hasText, t } from "./common/texts.js";

export const RUNNING = ["approved", "applying", "probation"];
export const STEPS = ["verify", "backup", "patch", "migrate", "done"];
const FINGERPRINT_SHOWN = 16;

/* how it ended -> [shape, level] */
const OUTCOMES = {
    committed: ["ok", "ok"],
    rolled_back: ["attention", "attention"],
    rollback: ["attention", "attention"],
    failed: ["problem", "problem"],
    interrupted: ["attention", "attention"],
    rejected: ["stopped", "unknown"],
    withdrawn: ["stopped", "unknown"], // a rejection by the server
};

export function isOutcome(event) {
    return Object.hasOwn(OUTCOMES, event);
}

/* How it ended as people see it: event is a state's or a history entry's word. */
export function outcomeOf(event, reason) {
    return event === "rejected" && reason === "withdrawn" ? reason : event;
}

export function outcomeMark(event) {
    const [form, level] = OUTCOMES[event];
    return element("span", { class: "state", "data-level": level }, shape(form), t(`update.event.${event}`));
}

/* "3fa9 01c2 7b44 e0d1 ...": its beginning, to be compared by eye */
export function fingerprint(hex) {
    return `${hex.slice(0, FINGERPRINT_SHOWN).replace(/(.{4})(?!$)/g, "$1 ")} …`;
}

/* What went wrong, in the viewer's language where the word is known, else in the machine's. */
export function reasonText({ reason, text }) {
    const key = `update.reason.${reason}`;
    return reason && hasText(key) ? t(key) : text || reason || "";
}

function counted(key, n) {
    return n > 0 ? t(key, { n }) : null;
}

/* facts: of a package that verifies. Sentences. */
export function changesOf(facts) {
    const files = ["changed", "added", "removed"].map((name) => counted(`update.files.${name}`, facts[name]));
    return [...files.filter((text) => text !== null),
        facts.migrations > 0 ? t("update.migrations", { n: facts.migrations }) : t("update.migrations.none")];
}

/* Who applies it but the operator: nobody, the time of day, the machine at once. */
function byItself(approval) {
    const [word, times] = approval.split(" ");
    return word === "window" ? t("update.happens.window", { times }) : word === "auto" ? t("update.happens.auto") : null;
}

export function happensOf({ probation_s: seconds, approval }) {
    return [byItself(approval), t("update.happens.stop"), t("update.happens.backup"), t("update.happens.probation", { s: seconds })]
        .filter((text) => text !== null);
}

function timeOf(time) {
    return timeElement(Date.parse(time), localTime(Date.parse(time)));
}

/* [name, text or element] pairs */
export function factsOf(details) {
    const { package: facts } = details;
    const found = [[t("update.received"), element("span", {}, timeOf(details.received_at),
        details.from ? ` ${t("update.from", { address: details.from })}` : "")]];
    if (facts === null)
        return found;
    found.push([t("update.size"), bytes(facts.size_bytes)]);
    if (!facts.verified)
        return found;
    found.push([t("update.made"), timeOf(facts.created_at)], [t("update.signer"), element("span", { class: "state", "data-level": "ok" },
        shape("ok"), element("code", { class: "identity", title: facts.signer }, fingerprint(facts.signer)))]);
    if (facts.min_version)
        found.push([t("update.min_version"), facts.min_version]);
    return found;
}

/* Why it cannot be applied here; null: it can. */
export function obstacle({ package: facts }) {
    if (facts === null || (facts.verified && facts.fits))
        return null;
    return { text: t(facts.verified ? "update.unfit" : "update.unverified"), why: reasonText(facts) };
}

export function percent(pct) {
    return `${number(pct, 0)}\u00a0%`;
}
