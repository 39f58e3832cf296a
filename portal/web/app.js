// The page: who is logged in, which view is seen. It wires the other modules.

import { call } from "./common/client.js";
import { languageSwitch } from "./common/language.js";
import { currentRoute, onRoute } from "./common/route.js";
import { onTexts, t } from "./common/texts.js";
import { beginAlarms, hideAlarms, showAlarms } from "./alarms.js";
import { showAnswer } from "./answer.js";
import { showBadge } from "./badge.js";
import { beginCharts, hideCharts, showCharts } from "./charts.js";
import { onLogin, showLogin } from "./login.js";
import { logOut, machine, machineNow, on, start } from "./machine.js";
import { beginOverview, showOverview } from "./overview.js";
import { beginUpdates, showUpdates, startUpdates } from "./update.js";
import { ageValues } from "./values.js";

const byId = (id) => document.getElementById(id);
const VIEWS = {
    "": { element: byId("overview"), show: () => {}, hide: () => {} },
    chart: { element: byId("charts"), show: showCharts, hide: hideCharts },
    alarms: { element: byId("alarms"), show: showAlarms, hide: hideAlarms },
};

let entered = false;
let seen = null; // the name of the view that is shown

function showState() {
    showAnswer(ageValues(machineNow()));
}

function showView({ view, query }) {
    const name = Object.hasOwn(VIEWS, view) ? view : "";
    if (seen !== null && seen !== name)
        VIEWS[seen].hide();
    for (const [one, { element }] of Object.entries(VIEWS))
        element.hidden = one !== name;
    for (const link of document.querySelectorAll("#views a"))
        link.toggleAttribute("aria-current", link.dataset.view === name);
    byId("answer").toggleAttribute("data-brief", name !== "");
    if (seen !== null && seen !== name) {
        window.scrollTo(0, 0);
        byId("main").focus({ preventScroll: true });
    }
    seen = name;
    VIEWS[name].show(query);
}

/* ---- coming and going ---- */

async function enter() {
    entered = true;
    byId("login").hidden = true;
    for (const id of ["main", "views", "logout"])
        byId(id).hidden = false;
    const begun = start();
    showOverview();
    showBadge();
    startUpdates();
    showState();
    showView(currentRoute());
    await begun;
    if (entered)
        byId("main").focus({ preventScroll: true });
}

function leave(reason) {
    entered = false;
    if (seen !== null)
        VIEWS[seen].hide();
    seen = null;
    for (const id of ["main", "views", "logout"])
        byId(id).hidden = true;
    byId("login").hidden = false;
    document.title = t("title");
    showLogin(reason);
}

/* Another language shows at once, in every view. */
function retell() {
    if (!entered)
        return;
    showOverview();
    showBadge();
    showUpdates();
    showState();
    VIEWS[seen].show(currentRoute().query);
}

/* Who has a session sees the page at once. */
async function begin() {
    const language = languageSwitch({
        load: async (code) => (await import(`./${code}.js`)).default,
        control: byId("language"),
        short: byId("language-short"),
    });
    await language.begin();
    onTexts(retell);
    beginOverview();
    beginCharts();
    beginAlarms();
    beginUpdates();
    on("status", showState);
    on("status", () => machine.status !== null && language.offer(machine.status.portal_language ?? "auto"));
    on("values", showState);
    on("tick", showState);
    on("alarms", showState);
    on("alarms", showBadge);
    on("ended", leave);
    onRoute((route) => entered && showView(route));
    onLogin(enter);
    byId("logout").addEventListener("click", logOut);
    byId("skip").addEventListener("click", (event) => {
        event.preventDefault(); // the address names the view
        byId(entered ? "main" : "pin").focus();
    });
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
