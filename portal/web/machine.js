// What is known of the machine: its status, channels, newest values and open alarms, kept up to date by its events.
// Views read it and hear of changes; it knows nothing of them.

import { call, get, watch } from "./common/client.js";

const STATUS_MS = 15_000; // figures that no event carries
const TICK_MS = 1_000;    // ages

const changes = new EventTarget();
let timers = [];
let endWatch = null;
let clockOffsetMs = 0; // the machine's clock minus the viewer's: ages are counted by the machine's
let channelsLoading = false;
let orphans = new Set(); // values whose channel the machine does not name: asked for once

export const machine = {
    status: null,
    reachable: true,
    failure: "",       // what the portal said instead of a status
    channels: null,    // [{channel_id, name, unit, phys_min, phys_max, description}], null: not known yet
    latest: new Map(), // channel_id -> {timeMs, value}
    open: [],          // alarms that last, newest first
    update: null,      // what GET /api/update/status answers; null: not known yet
    awaySinceMs: null, // since when the machine has not answered; null: it does
};

/* "status", "channels", "values" (detail: what came), "alarms" (detail: the alarm, or null: all are new), "update", "tick",
 * "ended" (detail: a key of the texts, or null) */
export function on(name, done) {
    changes.addEventListener(name, ({ detail }) => done(detail));
}

function tell(name, detail = null) {
    changes.dispatchEvent(new CustomEvent(name, { detail }));
}

export function machineNow() {
    return Date.now() + clockOffsetMs;
}

export function channelNamed(name) {
    return machine.channels?.find((channel) => channel.name === name) ?? null;
}

export function sampleIntervalMs() {
    return machine.status?.sample_interval_ms ?? TICK_MS;
}

function learnClock(time) {
    clockOffsetMs = Date.parse(time) - Date.now();
}

function setReachable(reachable) {
    machine.reachable = reachable;
    machine.awaySinceMs = reachable ? null : machine.awaySinceMs ?? Date.now();
}

/* Ends the session's page when the machine says so; any other failure is shown in its place. */
export function failed(error) {
    if (error.status === 401) {
        stop("login.ended");
        return;
    }
    machine.failure = error.message;
    setReachable(error.status !== 0);
    tell("status");
}

async function loadStatus() {
    try {
        machine.status = await get("/api/status");
    } catch (error) {
        failed(error);
        return false;
    }
    learnClock(machine.status.time);
    setReachable(true);
    machine.failure = "";
    tell("status");
    return true;
}

function takeValues(values) {
    for (const { channel_id: id, time, value } of values)
        machine.latest.set(id, { timeMs: Date.parse(time), value });
    tell("values", values);
}

async function loadChannels() {
    if (channelsLoading)
        return;
    channelsLoading = true;
    try {
        machine.channels = (await get("/api/channels")).channels;
        tell("channels");
        takeValues((await get("/api/data/latest")).values);
    } catch (error) {
        if (error.word === "no_store") {
            machine.channels = [];
            tell("channels");
        } else {
            failed(error);
        }
    } finally {
        channelsLoading = false;
    }
}

/* ---- alarms ---- */

async function loadAlarms() {
    try {
        const { alarms } = await get("/api/alarms", { from: new Date(machineNow()).toISOString() });
        machine.open = alarms.filter(({ resolved_at: resolved }) => resolved === null);
        tell("alarms");
    } catch (error) {
        if (error.word !== "no_store")
            failed(error);
    }
}

function onAlarm(alarm) {
    machine.open = machine.open.filter(({ alarm_id: id }) => id !== alarm.alarm_id);
    if (alarm.resolved_at === null)
        machine.open = [alarm, ...machine.open].sort((a, b) => Date.parse(b.raised_at) - Date.parse(a.raised_at));
    tell("alarms", alarm);
}

/* ---- events ---- */

function onReading({ time, values }) {
    learnClock(time);
    setReachable(true);
    takeValues(values);
    const known = new Set(machine.channels?.map(({ channel_id: id }) => id));
    const unknown = values.map(({ channel_id: id }) => id).filter((id) => !known.has(id) && !orphans.has(id));
    unknown.forEach((id) => orphans.add(id));
    if (unknown.length > 0 && machine.status !== null)
        loadChannels();
    if (machine.status !== null && machine.status.store.state !== "ok")
        loadStatus();
}

function onService({ time, watchdog, services, collector }) {
    learnClock(time);
    if (machine.status === null)
        return;
    Object.assign(machine.status, { watchdog, services, collector });
    setReachable(true);
    tell("status");
}

function onUpdate(update) {
    machine.update = update;
    tell("update", update);
}

/* The first time that the machine answers, watching begins. Alarms that came while it was away are asked for. */
async function refresh() {
    if (!await loadStatus())
        return;
    if (endWatch === null) {
        endWatch = watch("/api/events", { reading: onReading, service: onService, alarm: onAlarm, update: onUpdate,
            update_available: onUpdate, broken: onBroken });
        await Promise.all([loadChannels(), loadAlarms()]);
    } else if ((machine.status.alarms?.open ?? 0) !== machine.open.length) {
        await loadAlarms();
    }
}

async function onBroken() {
    if (endWatch !== null && await loadStatus())
        await loadAlarms();
}

/* ---- coming and going ---- */

export async function start() {
    Object.assign(machine, { status: null, reachable: true, failure: "", channels: null, latest: new Map(), open: [],
        update: null, awaySinceMs: null });
    orphans = new Set();
    timers.push(setInterval(() => tell("tick"), TICK_MS), setInterval(refresh, STATUS_MS));
    await refresh();
}

/* reason: a key of the texts for the log-in form, or null. */
export function stop(reason) {
    timers.forEach(clearInterval);
    timers = [];
    endWatch?.();
    endWatch = null;
    tell("ended", reason);
}

export async function logOut() {
    try {
        await call("POST", "/api/logout");
    } catch (error) {
        if (error.status === 0) {
            failed(error);
            return;
        }
    }
    stop(null);
}
