// The updates that were: how each ended and why.

import { get } from "./common/client.js";
import { element, setText } from "./common/dom.js";
import { localTime, timeElement } from "./common/format.js";
import { t } from "./common/texts.js";
import { isOutcome, outcomeMark, outcomeOf, reasonText } from "./update_words.js";

const SHOWN = 20;
const byId = (id) => document.getElementById(id);
let outcomes = null; // newest first; null: not known yet
let failure = "";

function timeOf({ time }) {
    return timeElement(Date.parse(time), localTime(Date.parse(time)));
}

/* The words of a rejection are the operator's own. */
function why(entry) {
    return entry.event === "rejected" ? entry.text ?? "" : entry.event === "withdrawn" ? "" : reasonText(entry);
}

function row(entry) {
    return element("li", {}, element("span", {}, `v${entry.version} `, outcomeMark(entry.event)), timeOf(entry),
        why(entry) === "" || entry.event === "committed" ? null : element("span", { class: "muted" }, why(entry)));
}

export function showUpdateHistory() {
    const line = byId("updates-line");
    const [newest] = outcomes ?? [];
    byId("updates-more").hidden = (outcomes?.length ?? 0) < 2;
    byId("updates-list").replaceChildren(...(outcomes ?? []).slice(1, SHOWN).map(row));
    setText(byId("updates-why"), failure !== "" ? failure : newest === undefined || newest.event === "committed" ? "" : why(newest));
    if (failure !== "")
        setText(line, t("updates.failed"));
    else if (outcomes === null)
        setText(line, "\u00a0");
    else if (newest === undefined)
        setText(line, t("updates.none"));
    else
        line.replaceChildren(`v${newest.version} `, outcomeMark(newest.event), " ", timeOf(newest));
}

/* Asked for at the beginning and when something ends. */
export async function loadUpdateHistory() {
    try {
        const { history } = await get("/api/update/history");
        outcomes = history.map((entry) => ({ ...entry, event: outcomeOf(entry.event, entry.reason) }))
            .filter(({ event }) => isOutcome(event));
        failure = "";
    } catch (error) {
        failure = outcomes === null && error.status !== 0 ? error.message : "";
    }
    showUpdateHistory();
}
