// Services, inputs and the facts of the machine, from GET /api/status and `service` events.

import { age, bytes, duration, localTime, number, utcTime } from "./common/format.js";
import { element, shape } from "./common/dom.js";
import { t } from "./common/texts.js";

const IDENTITY_SHOWN = 16;

/* state -> [shape, level]: shape, word and colour say the same */
const SERVICE_STATES = {
    running: ["ok", "ok"],
    starting: ["wait", "wait"],
    stopping: ["wait", "wait"],
    waiting: ["attention", "attention"],
    stopped: ["stopped", "problem"],
    hung: ["problem", "problem"],
};
const INPUT_STATES = { ok: ["ok", "ok"], failing: ["problem", "problem"], flooding: ["attention", "attention"] };

function stateOf(states, prefix, state) {
    const known = Object.hasOwn(states, state ?? "");
    const [form, level] = known ? states[state] : ["unknown", "unknown"];
    return element("span", { class: "state", "data-level": level }, shape(form),
        t(`${prefix}.${known ? state : "unknown"}`));
}

function timeElement(time, text) {
    const ms = Date.parse(time);
    return element("time", { datetime: time, title: `${localTime(ms)} (${utcTime(ms)})` }, text);
}

function serviceFacts(service, nowMs) {
    const facts = [];
    if (service.since)
        facts.push(timeElement(service.since, duration((nowMs - Date.parse(service.since)) / 1000)));
    if (Number.isFinite(service.cpu_percent))
        facts.push(element("span", {}, `${t("services.cpu")} ${number(service.cpu_percent, 1)}\u00a0%`));
    if (Number.isFinite(service.rss_bytes))
        facts.push(element("span", {}, bytes(service.rss_bytes)));
    if (service.restarts > 0)
        facts.push(element("span", {}, `${t("services.restarts")} ${number(service.restarts, 0)}`));
    if (service.last_exit)
        facts.push(element("span", {}, t("services.last_exit", { exit: service.last_exit })));
    return facts;
}

function serviceRow(service, nowMs) {
    return element("div", { class: "unit-row", role: "listitem", "data-service": service.name },
        element("span", { class: "unit-name" }, service.name),
        stateOf(SERVICE_STATES, "service", service.state),
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
    const facts = [element("span", {}, `${t("inputs.readings")} ${number(input.readings ?? 0, 0)}`)];
    if (input.dropped > 0)
        facts.push(element("span", {}, `${t("inputs.dropped")} ${number(input.dropped, 0)}`));
    return element("div", { class: "unit-row", role: "listitem", "data-input": input.name },
        element("span", { class: "unit-name" }, input.name),
        stateOf(INPUT_STATES, "input", input.state),
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

function keptSince(store) {
    return store.oldest === null ? t("machine.unknown") : timeElement(store.oldest, localTime(Date.parse(store.oldest)));
}

function roomFor(collector) {
    const days = collector?.days_until_full;
    return Number.isFinite(days) ? t("machine.full.days", { n: Math.floor(days) }) : null;
}

function identity(id) {
    if (id === null)
        return t("machine.id.none");
    return element("span", { class: "identity", title: `${t("machine.id.hint")}: ${id}` },
        `${id.slice(0, IDENTITY_SHOWN)}…`);
}

function facts(status, nowMs) {
    const store = status.store.state === "ok" ? status.store : null;
    const synced = status.last_sync;
    return [
        ["machine.version", status.version],
        ["machine.uptime", duration(status.machine_uptime_s)],
        ["machine.readings", store && number(store.readings, 0)],
        ["machine.held", store && keptSince(store)],
        ["machine.size", store && bytes(store.bytes)],
        ["machine.full", roomFor(status.collector)],
        ["machine.disk", status.disk.free_bytes === null ? t("machine.unknown") : bytes(status.disk.free_bytes)],
        ["machine.last_sync", synced === null ? t("machine.never")
            : timeElement(synced, age((nowMs - Date.parse(synced)) / 1000))],
        ["machine.id", identity(status.agent_id)],
    ];
}

export function showMachine(status, nowMs) {
    document.getElementById("machine-name").textContent = status.name;
    const rows = facts(status, nowMs)
        .filter(([, value]) => value !== null)
        .flatMap(([key, value]) => [element("dt", {}, t(key)), element("dd", {}, value)]);
    document.getElementById("machine").replaceChildren(...rows);
}
