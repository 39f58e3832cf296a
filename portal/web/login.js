// The log-in form. Knows how to ask for the PIN; what follows is the caller's.

import { call } from "./common/client.js";
import { t } from "./common/texts.js";
import { setText } from "./common/dom.js";
import { countDown } from "./lock.js";

const form = document.getElementById("login-form");
const input = document.getElementById("pin");
const message = document.getElementById("login-message");
const submit = form.querySelector("button");
let stopLock = () => {};

function say(level, text) {
    message.hidden = text === "";
    message.dataset.level = level;
    setText(message, text);
    input.toggleAttribute("aria-invalid", level === "problem");
}

function lock(seconds) {
    stopLock();
    stopLock = countDown(seconds, (left) => {
        submit.disabled = left !== null;
        if (left === null)
            say("", t("login.unlocked"));
        else
            say("problem", t("login.locked", { left }));
    });
}

function explain(error) {
    if (error.status === 0)
        say("problem", t("login.unreachable"));
    else if (error.word === "wrong_pin")
        say("problem", t("login.wrong"));
    else if (error.word === "no_pin")
        say("attention", t("login.no_pin"));
    else if (error.word === "locked")
        lock(error.retryAfterS || 60);
    else
        say("problem", t("login.failed", { detail: error.message }));
}

/* reason: a key of the texts, or null. */
export function showLogin(reason) {
    submit.disabled = false;
    input.value = "";
    say("attention", reason === null ? "" : t(reason));
    input.focus();
}

export function onLogin(done) {
    form.addEventListener("submit", async (event) => {
        event.preventDefault();
        if (input.value === "") {
            say("problem", t("login.empty"));
            input.focus();
            return;
        }
        submit.disabled = true;
        setText(submit, t("login.busy"));
        let failure = null;
        try {
            await call("POST", "/api/login", { pin: input.value });
        } catch (error) {
            failure = error;
        }
        submit.disabled = false;
        setText(submit, t("login.submit"));
        if (failure === null) {
            input.value = "";
            say("", "");
            done();
            return;
        }
        explain(failure);
        input.select();
    });
}
