// Services and inputs, from GET /api/status and `service` events.

import { bytes, duration, number, timeElement } from "./common/format.js";
import { element, shape } from "./common/dom.js";
import { t } from "./common/texts.js";

/* state -> [shape, level]: shape, word and colour say the same */
const SERVICE_STATES = {
    running: ["ok", "ok"],
    starting: ["wait", "wait"],
    stopping: ["wait", "wait"],
    waiting: ["attention", "attention"],
    stopped: ["stopped", "problem"],
    hung: ["problem", "problem"],
};
const COUNTS = ["texts_skipped", "lines_refused", "connections_refused"]; // what an input did not take
const INPUT_STATES = { ok: ["ok", "ok"], failing: ["problem", "problem"], flooding: ["attention", "attention"] };

/* word(state): in the viewer's language; a state that is not known is "unknown". */
function stateOf(states, word, state) {
    const known = Object.hasOwn(states, state ?? "");
    const [form, level] = known ? states[state] : ["unknown", "unknown"];
    return element("span", { class: "state", "data-level": level }, shape(form), word(known ? state : "unknown"));
}

function serviceFacts(service, nowMs) {
    const facts = [];
    if (service.since)
        facts.push(timeElement(Date.parse(service.since), duration((nowMs - Date.parse(service.since)) / 1000)));
    if (Number.isFinite(service.cpu_percent))
        facts.push(element("span", {}, `${t("services.cpu")} ${number(service.cpu_percent, 1)}\u00a0%`));
    if (Number.isFinite(service.rss_bytes))
        facts.push(element("span", {}, bytes(service.rss_bytes)));
    if (service.restarts > 0)
        facts.push(element("span", {}, t("services.restarts", { n: service.restarts })));
    if (service.last_exit)
        facts.push(element("span", {}, t("services.last_exit", { exit: service.last_exit })));
    return facts;
}

function serviceRow(service, nowMs) {
    return element("div", { class: "unit-row", role: "listitem", "data-service": service.name },
        element("span", { class: "unit-name" }, service.name),
        stateOf(SERVICE_STATES, (state) => t(`service.${state}`), service.state),
        element("span", { class: "unit-facts number" }, ...serviceFacts(service, nowMs)),
        service.status ? element("span", { class: "unit-says" }, service.status) : null);
}

export function showServices(status, nowMs) {
    const target = document.getElementById("services");
    const services = status.services ?? [];
    target.setAttribute("role", services.length > 0 ? "list" : "note");
    if (services.length === 0)
        target.replaceChildren(element("p", { class: "empty" }, t("services.none")));
    else
        target.replaceChildren(...services.map((service) => serviceRow(service, nowMs)));
}

function inputRow(input) {
    const facts = [element("span", {}, t("inputs.readings", { n: input.readings ?? 0 }))];
    if (input.dropped > 0)
        facts.push(element("span", {}, t("inputs.dropped", { n: input.dropped })));
    facts.push(...COUNTS.filter((name) => input.counts?.[name] > 0)
        .map((name) => element("span", {}, t(`inputs.count.${name}`, { n: input.counts[name] }))));
    if (input.counts?.texts_skipped > 0)
        facts.push(element("span", {}, t("inputs.texts", { n: input.counts.texts_skipped })));
    return element("div", { class: "unit-row", role: "listitem", "data-input": input.name },
        element("span", { class: "unit-name" }, input.name),
        stateOf(INPUT_STATES, (state) => t(`input.${state}`), input.state),
        element("span", { class: "unit-facts number" }, ...facts),
        input.error ? element("span", { class: "unit-says" }, input.error) : null);
}

export function showInputs(status) {
    const inputs = status.collector?.inputs ?? [];
    document.getElementById("inputs-section").hidden = inputs.length === 0;
    const target = document.getElementById("inputs");
    target.setAttribute("role", "list");
    target.replaceChildren(...inputs.map(inputRow));
}
