/* What the watchdog does with its services: gives events to their state machines, does what comes out, starts
 * and stops them in order, keeps the status. The loop's callbacks (watchdog.c) are its only callers. */
#ifndef WATCHDOG_CONTROL_H
#define WATCHDOG_CONTROL_H

#include "common/os/notify.h"
#include "watchdog/watchdog.h"

/* The release that `current` points to now: all services of one start come from it, even when the link moves
 * meanwhile. */
bool control_resolve_release(struct watchdog *watchdog, struct error *err) MUST_USE;

/* Starts all that are stopped, from what `current` says now. */
void control_start_all(struct watchdog *watchdog);

/* A child was reaped: a service's process, or a stray. */
void control_ended(struct watchdog *watchdog, pid_t pid, int wait_status);

/* We are the subreaper of all services: what a dead one leaves behind becomes our child, and is killed here.
 * To be called whenever a child was reaped: one that was killed may have started another just before. */
void control_kill_strays(const struct watchdog *watchdog);

/* A notification, if it comes from a service. */
void control_take_note(struct watchdog *watchdog, const struct notify_message *note);

/* Some deadline may have passed. */
void control_expire(struct watchdog *watchdog);

/* What every callback ends with: goes on with stopping or restarting, tells the system that we are ready,
 * sets the next deadline. Stops the loop when everything has ended that should. */
void control_settle(struct watchdog *watchdog);

/* run/status.json now. */
void control_write_status(struct watchdog *watchdog);

#endif
