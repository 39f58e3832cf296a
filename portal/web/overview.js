// The overview: live values, services, inputs, storage, the server's calls, the machine.

import { showInputs, showServices } from "./health.js";
import { machine, machineNow, on, sampleIntervalMs } from "./machine.js";
import { showMachine, showServer, showStorage } from "./storage.js";
import { markAlarms, markOld, showChannels, showLoading, takeValues } from "./values.js";

function showHealth() {
    if (machine.status === null)
        return;
    showServices(machine.status, machineNow());
    showInputs(machine.status);
    showStorage(machine.status);
    showServer(machine.status, machineNow());
    showMachine(machine.status);
}

function showValues() {
    if (machine.channels !== null)
        showChannels(machine.channels, sampleIntervalMs());
    else
        showLoading();
    markAlarms(machine.open);
}

export function beginOverview() {
    on("status", showHealth);
    on("status", () => markOld(!machine.reachable));
    on("channels", showValues);
    on("values", takeValues);
    on("alarms", () => markAlarms(machine.open));
}

/* Before anything is known, and in another language. */
export function showOverview() {
    showValues();
    showHealth();
}
