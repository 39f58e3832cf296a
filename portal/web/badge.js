// How many alarms are open, beside the name of their view.

import { element, setAttribute, shape } from "./common/dom.js";
import { t } from "./common/texts.js";
import { byUrgency, levelOf } from "./alarm_words.js";
import { machine } from "./machine.js";

const badge = document.getElementById("alarm-badge");

export function showBadge() {
    const worst = [...machine.open].sort(byUrgency)[0];
    badge.hidden = worst === undefined;
    if (worst === undefined)
        return;
    setAttribute(badge, "data-level", levelOf(worst));
    badge.replaceChildren(shape(levelOf(worst)), element("span", { "aria-hidden": "true" }, String(machine.open.length)),
        element("span", { class: "hidden-text" }, t("alarms.badge", { n: machine.open.length })));
}
