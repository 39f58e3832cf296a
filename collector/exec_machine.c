#include "collector/exec_machine.h"

#include <sys/wait.h>

#include "common/base/clock.h"
#include "common/os/process.h"

static bool is_too_slow(const struct exec_machine *machine, int64_t now_us)
{
    return machine->timeout_us > 0 && now_us - machine->patient_us >= machine->timeout_us;
}

enum exec_action exec_machine_tick(struct exec_machine *machine, int64_t now_us, int64_t elapsed_us,
                                   bool retry)
{
    machine->waited_us += elapsed_us;
    switch (machine->state) {
    case EXEC_WAITING:
        if (machine->was_begun && !retry && machine->waited_us < machine->interval_us)
            return EXEC_DO_NOTHING;
        return EXEC_DO_START;
    case EXEC_RUNNING:
        if (!is_too_slow(machine, now_us))
            return EXEC_DO_NOTHING;
        machine->state = EXEC_ENDING;
        return EXEC_DO_END;
    case EXEC_ENDING:
        break;
    }
    return EXEC_DO_NOTHING;
}

void exec_machine_begun(struct exec_machine *machine, int64_t now_us)
{
    machine->state = EXEC_RUNNING;
    machine->was_begun = true;
    machine->waited_us = 0;
    machine->patient_us = now_us;
}

void exec_machine_not_begun(struct exec_machine *machine)
{
    machine->state = EXEC_WAITING;
    machine->proven = false;
}

void exec_machine_heard(struct exec_machine *machine, int64_t now_us)
{
    if (machine->mode != EXEC_STREAM || machine->state != EXEC_RUNNING)
        return;
    machine->patient_us = now_us;
    machine->proven = true;
}

void exec_machine_held(struct exec_machine *machine, int64_t now_us)
{
    machine->patient_us = now_us;
}

bool exec_machine_ended(struct exec_machine *machine, int wait_status, const char *last_words,
                        struct error *err)
{
    char status[PROCESS_STATUS_BYTES];
    bool was_slow = machine->state == EXEC_ENDING;
    bool is_good = machine->mode == EXEC_ONCE && WIFEXITED(wait_status) && WEXITSTATUS(wait_status) == 0;
    const char *colon = last_words[0] != '\0' ? ": " : "";
    machine->state = EXEC_WAITING;
    machine->proven = is_good && !was_slow;
    if (machine->proven)
        return true;
    if (was_slow)
        return error_set(err, ERR_TIMEOUT, "it %s %lld ms and was ended%s%s",
                         machine->mode == EXEC_STREAM ? "said nothing for" : "took longer than",
                         (long long)(machine->timeout_us / US_PER_MS), colon, last_words);
    return error_set(err, ERR_INPUT, "it ended with %s%s%s", process_status_text(status, wait_status), colon,
                     last_words);
}

bool exec_machine_is_settled(const struct exec_machine *machine)
{
    return machine->proven || machine->state == EXEC_WAITING;
}
