// The answer on top of every view: one line that says how the machine is, and below it what is wrong.

import { age } from "./common/format.js";
import { element, setText, shape } from "./common/dom.js";
import { t } from "./common/texts.js";
import { assess } from "./assess.js";
import { machine, machineNow } from "./machine.js";

const byId = (id) => document.getElementById(id);
let shown = "";

function itemRow({ level, text, hint, address }) {
    const says = address === undefined ? text : element("a", { href: address }, text);
    return element("li", {},
        element("span", { class: "state", "data-level": level }, shape(level)),
        element("p", {}, says, hint === "" ? "" : " ", element("span", { class: "muted" }, hint)));
}

function ageText(values) {
    if (values.newestAgeS !== null)
        return t("answer.updated", { age: age(values.newestAgeS) });
    return machine.status === null ? "\u00a0" : t("answer.no_values");
}

/* values: {count, stale, newestAgeS} */
export function showAnswer(values) {
    const { level, line, hint, address, items } = assess({ ...machine, values, nowMs: machineNow() });
    setText(byId("answer-age"), ageText(values));
    const said = JSON.stringify([level, line, hint, items, document.documentElement.lang]);
    if (said === shown)
        return;
    shown = said;
    byId("answer").dataset.level = level;
    byId("answer-shape").replaceChildren(shape(level));
    if (byId("answer-line").textContent !== line)
        byId("answer-line").replaceChildren(address === undefined ? line : element("a", { href: address }, line));
    setText(byId("answer-hint"), hint);
    byId("answer-items").replaceChildren(...items.map(itemRow));
    document.title = level === "ok" || level === "wait" ? t("title.calm", { name: machine.status?.name ?? t("title") })
        : t("title.wrong", { name: machine.status?.name ?? t("title"), line });
}
