// What all the facts mean: one line that answers, and what is wrong with its next step. Pure: facts in, words out.

import { bytes, duration } from "./common/format.js";
import { t } from "./common/texts.js";
import { alarmSays, alarmTitle, byUrgency, lasted, levelOf } from "./alarm_words.js";
import { addressOf } from "./common/route.js";

const LOW_DISK_BYTES = 256 * 1024 * 1024;
const ALARMS_SAID = 4;
const RESTART_MS = 60_000; // an update's restart takes seconds; after a minute it is something else
const ORDER = { problem: 0, attention: 1, info: 2 };

function item(level, key, values = {}, hintKey = `${key}.hint`) {
    const hint = t(hintKey, values);
    return { level, text: t(key, values), hint: hint === hintKey ? "" : hint };
}

function assessServices(status) {
    const found = [];
    if (status.watchdog?.state === "stopped")
        found.push(item("problem", "problem.watchdog"));
    for (const service of status.services ?? []) {
        const values = { name: service.name, exit: service.last_exit ?? "-" };
        if (service.state === "hung" || service.state === "stopped")
            found.push(item("problem", `problem.${service.state}`, values));
        else if (service.state === "waiting")
            found.push(item("attention", "problem.waiting", values));
    }
    return found;
}

function assessInput(input) {
    if (input.state === "failing")
        return { level: "problem", text: t("problem.input", { name: input.name }), hint: input.error ?? "" };
    if (input.state === "flooding")
        return { level: "attention", hint: input.error ?? "",
                 text: t("problem.input.flooding", { name: input.name, dropped: input.dropped }) };
    return null;
}

function assessCollector(collector) {
    const found = (collector?.inputs ?? []).map(assessInput).filter((one) => one !== null);
    if (collector?.store?.state === "full")
        found.push(item("problem", "problem.store.full"));
    if (collector?.store?.state === "failing")
        found.push(item("problem", "problem.store.failing"));
    if (collector?.store?.state === "replaced")
        found.push(item("attention", "problem.store.replaced"));
    if (collector?.clock?.state === "jumped")
        found.push(item("attention", "problem.clock", { duration: duration(Math.abs(collector.clock.last_jump_s)) }));
    return found;
}

function assessStore(status) {
    if (status.store.state === "missing")
        return [item("attention", "problem.no_store")];
    if (status.store.state !== "ok")
        return [{ level: "problem", text: t("problem.store"), hint: status.store.detail ?? "" }];
    return [];
}

function assessDisk(status) {
    const free = status.disk.free_bytes;
    if (free === null || (free >= LOW_DISK_BYTES && (status.collector?.disk?.state ?? "ok") === "ok"))
        return [];
    return [item("attention", "problem.disk", { bytes: bytes(free) })];
}

/* values: {count, stale, newestAgeS (null: none)}, of those shown. */
function assessValues(status, values) {
    if (status.store.state !== "ok" || values.count === 0)
        return [];
    if (values.stale === values.count)
        return [item("problem", "problem.silent", { duration: duration(values.newestAgeS) })];
    if (values.stale > 0)
        return [item("attention", "problem.stale", { n: values.stale })];
    return [];
}

/* The worst first, with how many there are; so many at most. */
function assessAlarms(open, nowMs) {
    return [...open].sort(byUrgency).slice(0, ALARMS_SAID).map((alarm, i) => ({
        level: levelOf(alarm),
        text: t("problem.alarms", { n: i === 0 ? open.length : 1, name: alarmTitle(alarm), says: alarmSays(alarm) }),
        hint: t("problem.alarms.hint", { duration: lasted(alarm, nowMs) }), address: addressOf("alarms"),
    }));
}

function only(level, line, hint) {
    return { level, line, hint, items: [] };
}

/* Away because of an update, and not for too long. */
function restarts(update, awaySinceMs) {
    return ["approved", "applying", "probation"].includes(update?.state) && Date.now() - awaySinceMs < RESTART_MS;
}

/* facts: {status (null: not known yet), reachable, awaySinceMs, failure, open (alarms), update, values, nowMs}. Returns {level, line, hint, address, items}: the
 * worst is the line; what only informs leaves the machine well. */
export function assess({ status, reachable, awaySinceMs, failure, open, update, values, nowMs }) {
    if (!reachable && restarts(update, awaySinceMs))
        return only("wait", t("answer.restarting"), t("answer.restarting.hint"));
    if (!reachable)
        return only("offline", t("answer.offline"), t("answer.offline.hint"));
    if (status === null && failure !== "")
        return only("problem", t("answer.failed"), failure);
    if (status === null)
        return only("wait", t("answer.loading"), "");
    const found = [...assessAlarms(open, nowMs), ...assessServices(status), ...assessStore(status),
        ...assessCollector(status.collector), ...assessDisk(status), ...assessValues(status, values)]
        .sort((a, b) => ORDER[a.level] - ORDER[b.level]);
    if (found.length === 0 || found[0].level === "info") {
        const line = values.count > 0 ? t("answer.ok.channels", { n: values.count }) : t("answer.ok");
        return { level: "ok", line, hint: "", items: found };
    }
    const [{ level, text: line, hint, address }, ...items] = found;
    return { level, line, hint, address, items };
}
