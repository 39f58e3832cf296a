// The page: who is logged in, what is known of the machine, and when to look again. It wires the other modules.

import english from "./en.js";
import { assess } from "./assess.js";
import { call, watch } from "./client.js";
import { age } from "./common/format.js";
import { element, setText, shape } from "./common/dom.js";
import { t, translate, useTexts } from "./common/texts.js";
import { showInputs, showMachine, showServices } from "./health.js";
import { onLogin, showLogin } from "./login.js";
import { ageValues, knowsChannel, markOld, showChannels, showLoading, takeValues } from "./values.js";

const STATUS_MS = 15_000; // figures that no event carries
const TICK_MS = 1_000;    // ages
const byId = (id) => document.getElementById(id);

let status = null;
let reachable = true;
let failure = ""; // what the portal said instead of a status
let clockOffsetMs = 0; // the machine's clock minus the viewer's: ages are counted by the machine's
let endWatch = null;
let timers = [];
let shownAnswer = "";

function machineNow() {
    return Date.now() + clockOffsetMs;
}

function learnClock(time) {
    clockOffsetMs = Date.parse(time) - Date.now();
}

/* ---- the answer ---- */

const LEVEL_SHAPES = { ok: "ok", wait: "wait", attention: "attention", problem: "problem", offline: "offline" };

function answerItem({ level, text, hint }) {
    return element("li", {},
        element("span", { class: "state", "data-level": level }, text === "" ? "" : shape(LEVEL_SHAPES[level])),
        element("p", {}, text, text !== "" && hint !== "" ? " " : "", element("span", { class: "muted" }, hint)));
}

function showAnswer(values) {
    const { level, line, items } = assess({ status, reachable, failure, values });
    setText(byId("answer-age"), values.newestAgeS === null ? (status === null ? "\u00a0" : t("answer.no_values"))
        : t("answer.updated", { age: age(values.newestAgeS) }));
    const said = JSON.stringify([level, line, items]);
    if (said === shownAnswer)
        return; // a screen reader hears it once
    shownAnswer = said;
    byId("answer").dataset.level = level;
    byId("answer-shape").replaceChildren(shape(LEVEL_SHAPES[level]));
    setText(byId("answer-line"), line);
    byId("answer-items").replaceChildren(...items.filter(({ text, hint }) => text !== "" || hint !== "").map(answerItem));
}

function tick() {
    const values = ageValues(machineNow());
    markOld(!reachable);
    showAnswer(values);
}

/* ---- what is known ---- */

function setReachable(now) {
    reachable = now;
    tick();
}

function showHealth() {
    showServices(status, machineNow());
    showInputs(status);
    tick();
}

/* Ends the session's page when the machine says so; any other failure is shown in its place. */
function failed(error) {
    if (error.status === 401) {
        leave("login.ended");
        return;
    }
    failure = error.message;
    setReachable(error.status !== 0);
}

async function loadStatus() {
    try {
        status = await call("GET", "/api/status");
    } catch (error) {
        failed(error);
        return false;
    }
    learnClock(status.time);
    reachable = true;
    failure = "";
    showMachine(status, machineNow());
    showHealth();
    return true;
}

let channelsLoading = false;
const orphans = new Set(); // values whose channel the machine does not name: asked for once

async function loadChannels() {
    if (channelsLoading)
        return;
    channelsLoading = true;
    try {
        const { channels } = await call("GET", "/api/channels");
        showChannels(channels, status.sample_interval_ms);
        takeValues((await call("GET", "/api/data/latest")).values);
    } catch (error) {
        if (error.word === "no_store")
            showChannels([], status.sample_interval_ms);
        else
            failed(error);
    } finally {
        channelsLoading = false;
        tick();
    }
}

/* ---- events ---- */

function onReading({ time, values }) {
    learnClock(time);
    takeValues(values);
    const unknown = values.map(({ channel_id: id }) => id).filter((id) => !knowsChannel(id) && !orphans.has(id));
    unknown.forEach((id) => orphans.add(id));
    if (unknown.length > 0 && status !== null)
        loadChannels();
    if (status !== null && status.store.state !== "ok")
        loadStatus();
    setReachable(true);
}

function onService({ time, watchdog, services, collector }) {
    learnClock(time);
    if (status === null)
        return;
    Object.assign(status, { watchdog, services, collector });
    reachable = true;
    showHealth();
}

/* The first time that the machine answers, watching begins. */
async function refresh() {
    if (!await loadStatus() || endWatch !== null)
        return;
    endWatch = watch("/api/events", { reading: onReading, service: onService, broken: loadStatus });
    await loadChannels();
}

/* ---- coming and going ---- */

async function enter() {
    byId("login").hidden = true;
    byId("overview").hidden = false;
    byId("logout").hidden = false;
    status = null;
    reachable = true;
    failure = "";
    showLoading();
    tick();
    timers.push(setInterval(tick, TICK_MS), setInterval(refresh, STATUS_MS));
    await refresh();
    byId("answer-line").focus();
}

function leave(reason) {
    timers.forEach(clearInterval);
    timers = [];
    endWatch?.();
    endWatch = null;
    byId("overview").hidden = true;
    byId("logout").hidden = true;
    byId("login").hidden = false;
    showLogin(reason);
}

async function logOut() {
    try {
        await call("POST", "/api/logout");
    } catch (error) {
        if (error.status === 0) {
            setReachable(false);
            return;
        }
    }
    leave(null);
}

/* Who has a session sees the page at once. */
async function begin() {
    useTexts("en", english);
    translate(document);
    onLogin(enter);
    byId("logout").addEventListener("click", logOut);
    byId("scheme").addEventListener("click", () => window.telehaulScheme.toggle());
    let session = { logged_in: false };
    try {
        session = await call("GET", "/api/session");
    } catch (error) {
        leave(error.status === 0 ? "login.unreachable" : null);
        return;
    }
    if (session.logged_in)
        enter();
    else
        leave(null);
}

begin();
