// Updates: the badge in the header, the window's facts, what is sent when something is pressed, and the one reload when
// another version answers.

import { call, get, watch } from "./common/client.js";
import { element, setAttribute, setText, shape } from "./common/dom.js";
import { t } from "./common/texts.js";
import { countDown } from "./lock.js";
import { failed, machine, machineNow, on } from "./machine.js";
import { loadUpdateHistory, showUpdateHistory } from "./update_history.js";
import { closeWindow, isOpen, lockForms, onPressed, openWindow, showForm, showWindow, tell, wrongPin } from "./update_window.js";
import { RUNNING, STEPS } from "./update_words.js";

const REOPEN = "telehaul.update.open"; // in this tab: the window was open when the page loaded itself anew
const SEEN = "telehaul.update.seen";   // in this browser: the failure that somebody has looked at
const badge = document.getElementById("update-badge");

/* state -> [shape, level] of the badge */
const BADGES = {
    pending: ["info", "info"], approved: ["wait", "info"], applying: ["wait", "info"], probation: ["wait", "info"],
    rolled_back: ["attention", "attention"], failed: ["problem", "problem"],
};

let loadedVersion = null; // that served this page
let details = null;
let failure = "";
let asked = 0;            // the newest question: older answers are dropped
let progress = null;      // {step, pct}; null: not begun
let endWatch = null;
let stopLock = () => {};

/* ---- remembering ---- */

function keep(storage, key, value) {
    try {
        window[storage].setItem(key, value);
    } catch {
        // storage is switched off: it is forgotten
    }
}

function recall(storage, key) {
    try {
        return window[storage].getItem(key);
    } catch {
        return null;
    }
}

function nameOf({ manifest_sha256: sha, state, received_at: received }) {
    return `${sha}:${received}:${state}`;
}

/* ---- the badge ---- */

function badgeVersion() {
    return machine.update.pending_version ?? details?.version ?? machine.update.current_version;
}

function isShown(state) {
    if (!Object.hasOwn(BADGES, state))
        return false;
    if (state !== "rolled_back" && state !== "failed")
        return true;
    return details !== null && details.state === state && recall("localStorage", SEEN) !== nameOf(details);
}

function showUpdateBadge() {
    const state = machine.update?.state ?? "none";
    badge.hidden = !isShown(state);
    if (badge.hidden)
        return;
    const [form, level] = BADGES[state];
    const text = t(`update.badge.${state}`, { version: badgeVersion() });
    setAttribute(badge, "data-level", level);
    if (badge.textContent !== text)
        badge.replaceChildren(shape(form), element("span", {}, text));
}

/* ---- the window ---- */

/* While the machine is away, what is known is what was under way. */
function runLine() {
    const { state } = details;
    const step = progress?.step ?? null;
    const answers = machine.reachable;
    if (state === "approved" && step === null)
        return { line: t("update.line.approved"), hint: machine.status?.watchdog?.state === "stopped" ? t("update.line.no_watchdog") : "" };
    if (!answers || step === "done")
        return { line: t("update.line.restarting"), hint: t("update.line.restarting.hint") };
    return { line: t(step === null ? "update.line.begins" : `update.line.${step}`), hint: t("update.line.hint") };
}

function provingLine() {
    const left = Math.ceil((Date.parse(details.changed_at) - machineNow()) / 1000 + details.probation_s);
    return { line: left > 0 ? t("update.line.proving", { s: Math.min(left, details.probation_s) }) : t("update.line.proving.soon"),
             hint: t("update.line.proving.hint", { previous: details.previous_version ?? "" }) };
}

function currentRun() {
    if (details === null || !RUNNING.includes(details.state))
        return null;
    const known = progress !== null && STEPS.includes(progress.step) ? progress : { step: null, pct: 0 };
    const proving = details.state === "probation" && details.current_version === details.version && machine.reachable;
    return { ...known, ...(proving ? provingLine() : runLine()) };
}

function show() {
    showUpdateBadge();
    if (isOpen())
        showWindow(details, currentRun(), failure);
}

async function load() {
    const question = ++asked;
    try {
        const answer = await get("/api/update/details");
        if (question !== asked)
            return;
        const another = isOpen() && details !== null && details.state === "pending" && answer.state === "pending" &&
            answer.manifest_sha256 !== details.manifest_sha256;
        details = answer;
        failure = "";
        if (another)
            tell("attention", t("update.changed"));
    } catch (error) {
        if (question !== asked)
            return;
        if (error.status === 401)
            failed(error);
        failure = error.status === 0 ? t("update.unreachable") : t("update.failed", { detail: error.message });
    }
    follow();
    show();
}

function open() {
    openWindow();
    show();
    load();
}

/* ---- how far it is ---- */

function onProgress({ step, pct }) {
    progress = STEPS.includes(step) ? { step, pct } : progress;
    if (!STEPS.includes(step))
        load(); // it is over: how and why
    show();
}

/* The stream is open while there is something to see: a browser has few connections for one site. */
function follow() {
    const wanted = isOpen() && details !== null && RUNNING.includes(details.state);
    if (wanted && endWatch === null) {
        endWatch = watch("/api/update/progress", { message: onProgress, broken: show });
    } else if (!wanted && endWatch !== null) {
        endWatch();
        endWatch = null;
    }
    if (details === null || !RUNNING.includes(details.state))
        progress = null;
}

/* ---- another version answers ---- */

/* True when this page is that version's own; otherwise it is about to load itself anew. */
function isOurs(version) {
    loadedVersion ??= version;
    if (version === loadedVersion)
        return true;
    if (isOpen())
        keep("sessionStorage", REOPEN, "1");
    window.location.reload();
    return false;
}

/* ---- what is pressed ---- */

function explain(error) {
    if (error.status === 0)
        tell("problem", t("update.unreachable"));
    else if (error.word === "wrong_pin")
        tell("problem", t("login.wrong"));
    else if (error.word === "locked")
        lock(error.retryAfterS || 60);
    else if (error.word === "changed")
        load();
    else if (error.word === "busy")
        tell("attention", t("update.busy"));
    else if (error.word === "nothing_pending")
        tell("attention", t("update.gone"));
    else
        tell("problem", t("update.failed", { detail: error.message }));
    wrongPin(error.word === "wrong_pin");
}

function lock(seconds) {
    stopLock();
    stopLock = countDown(seconds, (left) => {
        lockForms(left !== null);
        tell("problem", left === null ? t("login.unlocked") : t("login.locked", { left }));
    });
}

async function send(path, body, headers) {
    lockForms(true);
    tell("", "");
    try {
        await call("POST", path, { ...body, manifest_sha256: details.manifest_sha256 }, headers);
    } catch (error) {
        lockForms(false);
        if (error.word === "pin_required")
            failed(error);
        explain(error);
        return false;
    }
    lockForms(false);
    return true;
}

async function apply(pin) {
    if (pin === "") {
        tell("problem", t("login.empty"));
        wrongPin(true);
        return;
    }
    if (await send("/api/update/apply", {}, { "X-Config-Pin": pin })) {
        document.getElementById("update-pin").value = "";
        await load();
    }
}

async function reject(reason) {
    if (reason.trim() === "") {
        tell("problem", t("update.reject.empty"));
        return;
    }
    if (await send("/api/update/reject", { reason }))
        await load();
}

async function later() {
    try {
        await call("POST", "/api/update/later");
    } catch {
        // it waits anyway
    }
}

function closed() {
    if (details !== null && ["rolled_back", "failed"].includes(details.state))
        keep("localStorage", SEEN, nameOf(details));
    follow();
    showUpdateBadge();
    if (!badge.hidden)
        badge.focus();
}

/* ---- what the machine says ---- */

function onUpdate(state) {
    if (!isOurs(state.current_version))
        return;
    setText(document.getElementById("update-said"), state.state === "pending" ? t("update.badge.pending", { version: state.pending_version }) : "");
    if (recall("sessionStorage", REOPEN) !== null) {
        window.sessionStorage.removeItem(REOPEN);
        openWindow();
    }
    loadUpdateHistory();
    if (state.state !== "none")
        load();
    else
        details = null;
    show();
}

/* In another language. */
export function showUpdates() {
    showUpdateHistory();
    show();
}

/* Of a machine that nothing is known of yet; its events say the rest. */
export function startUpdates() {
    details = null;
    failure = "";
    loadUpdateHistory();
    show();
}

export function beginUpdates() {
    on("update", onUpdate);
    on("status", () => {
        if (machine.status === null || isOurs(machine.status.version))
            show();
    });
    on("tick", () => isOpen() && details?.state === "probation" && show());
    on("ended", () => {
        details = null;
        badge.hidden = true;
        if (isOpen())
            closeWindow();
    });
    badge.addEventListener("click", open);
    onPressed({ apply, later, reject, closed, again: load });
}
